"""`lifecycle demo`: orders created, delivered badly, and every claim checked, on a new log.

    truth ─→ damage ─→ record, as it arrives ─→ views ──┐
       └──→ the same set, as it was sent ─────→ views ──┴─→ claims

The generator knows what truly happened; the log and the fold know only what arrived. So
the two can be held against each other, and a claim that does not hold is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated, Any, Final, NamedTuple

import typer

from lifecycle.cli.failure import NO
from lifecycle.cli.option import Json
from lifecycle.cli.orders import print_timeline
from lifecycle.cli.output import arrow, counted, print_json, print_table, print_text, progress, say
from lifecycle.composition import connect
from lifecycle.core.event import Event
from lifecycle.core.strict_json import canonical
from lifecycle.core.view import HistoryEntry, OrderView
from lifecycle.diagram.mermaid import mermaid
from lifecycle.errors import InvalidArgumentError
from lifecycle.log.contract import Outcome
from lifecycle.registry import part_of
from lifecycle.service.orders import Orders
from lifecycle.service.receipt import Receipt

DEFAULT_ORDERS: Final = 1000
MOST_ORDERS: Final = 100_000
# With this one everything arrived of the order that is shown, some of it late, some twice.
DEFAULT_SEED: Final = 37

Recording = Mapping[str, Any]

Arrived = Mapping[str, Mapping[bytes, Recording]]
"""By order, what arrived of it: each content once."""

Truth = Mapping[str, Any]
"""By order, its story as the generator tells it."""

_PACKAGE: Final = Path(__file__).resolve().parents[1]
# In a wheel they lie inside the package, in a checkout where examples belong.
_PLACES: Final = (_PACKAGE / "recordings", _PACKAGE.parent / "examples" / "recordings")
_HOW_TO: Final = {
    "created, and confirmed": "happy.jsonl",
    "refused, corrected, sent again": "corrected.jsonl",
    "accepted, then canceled": "canceled.jsonl",
}


class Claim(NamedTuple):
    """One thing that must be so, and what was found."""

    name: str
    ok: bool
    found: str


class Demonstration(NamedTuple):
    """Everything that the demo shows; `how_to` has the view that each of its stories gave."""

    how_to: Mapping[str, OrderView]
    damage: Mapping[str, int]
    outcomes: Mapping[str, int]
    statuses: Mapping[str, int]
    claims: tuple[Claim, ...]
    shown: OrderView
    history: tuple[HistoryEntry, ...]

    @property
    def ok(self) -> bool:
        """Whether every claim holds."""
        return all(claim.ok for claim in self.claims)


def demo(
    *,
    count: Annotated[
        int, typer.Option("--orders", min=1, max=MOST_ORDERS, help="How many orders to invent.")
    ] = DEFAULT_ORDERS,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Another seed, other orders; the same, the same.")
    ] = DEFAULT_SEED,
    db: Annotated[
        str | None,
        typer.Option("--db", metavar="URL", help="The log to use instead of a fresh one."),
    ] = None,
    json: Json = False,
) -> None:
    """Deliver 1,000 orders badly, and see that every view is right."""
    url = db or f"sqlite:///{Path(mkdtemp(prefix='lifecycle-demo-')) / 'demo.db'}"
    with connect(url) as orders, progress("demo"):
        shown = demonstrate(orders, seed=seed, count=count)
        drawn = mermaid(orders.provider.definition, shown.shown, shown.history)
    if json:
        print_json(_as_json(shown, url, seed, count))
    else:
        _print(shown, url, count, drawn)
    if not shown.ok:
        raise typer.Exit(NO)


def how_to() -> dict[str, list[bytes]]:
    """Return the three stories of the how-to on asynchronous creation, line by line."""
    folder = next(place for place in _PLACES if place.is_dir())
    return {tells: (folder / name).read_bytes().splitlines() for tells, name in _HOW_TO.items()}


def demonstrate(orders: Orders, *, seed: int, count: int) -> Demonstration:
    """Record the how-to's stories and so many invented orders, and check what came of it."""
    told = {tells: _told(orders, tells, lines) for tells, lines in how_to().items()}
    invented = part_of(orders.provider.name, "sample_orders")
    truth = {story.order_id: story for story in invented.generate(seed, count)}
    delivery = invented.deliver(seed, truth.values())
    receipts = orders.record_many(delivery.recordings)
    outcomes = Counter(receipt.outcome for receipt in receipts)
    arrived = _by_order(receipts, delivery.recordings)
    views = {order_id: orders.get(order_id) for order_id in truth}
    shown = next(iter(truth))
    return Demonstration(
        how_to=told,
        damage=delivery.faults._asdict(),
        outcomes={outcome.value: outcomes[outcome] for outcome in Outcome},
        statuses=dict(Counter(view.status for view in views.values()).most_common()),
        claims=(
            _stored_once(delivery.faults, outcomes, views.values()),
            _same_in_order(truth, arrived, views),
            _true(truth, arrived, views),
        ),
        shown=views[shown],
        history=orders.history(shown),
    )


def _told(orders: Orders, tells: str, lines: list[bytes]) -> OrderView:
    view = orders.record_many(lines)[-1].view
    if view is None:
        raise InvalidArgumentError(_HOW_TO[tells], "recordings that can be read")
    return view


def _by_order(
    receipts: Iterable[Receipt], recordings: Iterable[Recording]
) -> dict[str, dict[bytes, Recording]]:
    """Return what arrived of each order, each content once."""
    arrived: dict[str, dict[bytes, Recording]] = {}
    for receipt, recording in zip(receipts, recordings, strict=True):
        if isinstance(receipt.event, Event):
            contents = arrived.setdefault(receipt.event.order_id, {})
            contents.setdefault(_content(recording), recording)
    return arrived


def _content(recording: Recording) -> bytes:
    """Return what a recording says, without when it came."""
    return canonical({name: recording[name] for name in recording if name != "received_at"})


def _stored_once(damage: Any, outcomes: Counter[Outcome], views: Iterable[OrderView]) -> Claim:
    """Hold what is stored against what the generator knows to be distinct."""
    stored = sum(view.events for view in views)
    distinct = damage.sent - damage.lost + damage.divergent
    recorded = outcomes.total() - outcomes[Outcome.QUARANTINED]
    return Claim(
        "every content is stored once",
        stored == distinct and recorded == damage.arrived,
        f"{stored:,} stored, {distinct:,} distinct of {damage.arrived:,} that arrived",
    )


def _same_in_order(truth: Truth, arrived: Arrived, views: Mapping[str, OrderView]) -> Claim:
    """Deliver the same set again as it was sent, into another log, and compare the views."""
    with connect("memory:") as orders:
        for order_id, story in truth.items():
            places = {_content(sent): place for place, sent in enumerate(story.recordings)}
            contents = arrived.get(order_id, {})
            in_order = sorted(contents, key=lambda content: places.get(content, len(places)))
            orders.record_many(contents[content] for content in in_order)
        same = sum(
            _lasting(orders.get(order_id)) == _lasting(views[order_id]) for order_id in truth
        )
    return Claim(
        "the order of delivery makes no difference",
        same == len(truth),
        f"{same:,} of {len(truth):,} views are the same when all is delivered once and in order",
    )


def _lasting(view: OrderView) -> dict[str, Any]:
    return view.model_dump(mode="json", exclude={"arrival"})


def _true(truth: Truth, arrived: Arrived, views: Mapping[str, OrderView]) -> Claim:
    """Hold every status against the truth; only an order that lost something may lag."""
    right = {
        order_id for order_id, story in truth.items() if views[order_id].status == story.status
    }
    whole = {
        order_id
        for order_id, story in truth.items()
        if all(_content(sent) in arrived.get(order_id, {}) for sent in story.recordings)
    }
    lagging = len(truth) - len(right)
    return Claim(
        "the views tell the truth",
        whole <= right,
        f"{len(right):,} of {len(truth):,} orders stand where they truly stand"
        + (f"; the callback that would tell of {lagging:,} was lost" if lagging else ""),
    )


def _as_json(shown: Demonstration, url: str, seed: int, count: int) -> dict[str, Any]:
    return {
        "ok": shown.ok,
        "db": url,
        "seed": seed,
        "orders": count,
        "how_to": [
            {"tells": tells, "view": view.model_dump(mode="json")}
            for tells, view in shown.how_to.items()
        ],
        "delivery": dict(shown.damage),
        "outcomes": dict(shown.outcomes),
        "statuses": dict(shown.statuses),
        "claims": [claim._asdict() for claim in shown.claims],
        "shown": shown.shown.model_dump(mode="json"),
    }


def _print(shown: Demonstration, url: str, count: int, drawn: str) -> None:
    _head("1", "The three stories of the provider's how-to")
    to = f" {arrow()} "
    print_table(
        ("order", "what happened", "path"),
        (
            (view.order_id, tells, to.join(step.status for step in view.path))
            for tells, view in shown.how_to.items()
        ),
    )
    _head("2", f"{counted(count, 'order')}, delivered badly")
    told = {"delivery": shown.damage, "the log": shown.outcomes, "they stand at": shown.statuses}
    for what, numbers in told.items():
        say(f"  {what}: {', '.join(f'{name} {number:,}' for name, number in numbers.items())}")
    say()
    for claim in shown.claims:
        say(f"{'yes' if claim.ok else 'NO '}  {claim.name}", "green" if claim.ok else "bold red")
        say(f"     {claim.found}")
    _head("3", "One of them: when it happened, when we heard")
    print_timeline(shown.shown, shown.history)
    _head("4", "Its path as a Mermaid diagram, to paste into a Markdown page")
    print_text(drawn)
    _head("5", "Look around: the log stays until you delete it")
    waiting = "list --waiting-longer-than 1h"
    for command in (f"history {shown.shown.order_id}", "list --anomalies", waiting, "verify"):
        say(f"  lifecycle {command} --db {url}")


def _head(number: str, title: str) -> None:
    if number != "1":
        say()
    say(f"{number}  {title}", "bold")
    say()
