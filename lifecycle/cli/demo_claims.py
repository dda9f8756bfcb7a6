"""What `lifecycle demo` does: orders created, delivered badly, and every claim checked.

    truth ─→ damage ─→ record, as it arrives ─→ views ──┐
       └──→ the same set, as it was sent ─────→ views ──┴─→ claims

The generator knows what truly happened; the log and the fold know only what arrived. So
the two can be held against each other, and a claim that does not hold is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from lifecycle.composition import connect, sample_orders_of
from lifecycle.core.event import Event
from lifecycle.core.strict_json import canonical
from lifecycle.core.view import HistoryEntry, OrderView
from lifecycle.errors import InvalidArgumentError
from lifecycle.log.contract import Outcome
from lifecycle.service.orders import Orders
from lifecycle.service.receipt import Receipt

Recording = Mapping[str, Any]

Arrived = Mapping[str, Mapping[bytes, Recording]]
"""By order, what arrived of it: each content once."""

Truth = Mapping[str, Any]
"""By order, its story as the generator tells it."""


_PACKAGE: Final = Path(__file__).resolve().parents[1]
# In a wheel they lie inside the package, in a checkout where examples belong.
_PLACES: Final = (_PACKAGE / "recordings", _PACKAGE.parent / "examples" / "recordings")


class Shipped(NamedTuple):
    """One recording that came with the package: its lines, and what they tell."""

    tells: str
    path: Path

    def lines(self) -> list[bytes]:
        """Return its lines."""
        return self.path.read_bytes().splitlines()


class Claim(NamedTuple):
    """One thing that must be so, and what was found."""

    name: str
    ok: bool
    found: str


class Told(NamedTuple):
    """One story of the how-to, and the view that it gave."""

    tells: str
    view: OrderView


class Demonstration(NamedTuple):
    """Everything that the demo shows."""

    how_to: tuple[Told, ...]
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


def how_to() -> tuple[Shipped, ...]:
    """Return the three stories of the how-to on asynchronous creation, in its order."""
    folder = next(place for place in _PLACES if place.is_dir())
    return (
        Shipped("created, and confirmed", folder / "happy.jsonl"),
        Shipped("refused, corrected, sent again", folder / "corrected.jsonl"),
        Shipped("accepted, then canceled", folder / "canceled.jsonl"),
    )


def demonstrate(orders: Orders, *, seed: int, count: int) -> Demonstration:
    """Record the how-to's stories and so many invented orders, and check what came of it."""
    told = tuple(_told(orders, shipped) for shipped in how_to())
    invented = sample_orders_of(orders.provider.name)
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


def _told(orders: Orders, shipped: Shipped) -> Told:
    view = orders.record_many(shipped.lines())[-1].view
    if view is None:
        raise InvalidArgumentError(shipped.path.name, "recordings that can be read")
    return Told(shipped.tells, view)


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
