"""`show`, `history`, `explain`, `list` and `watch`: orders, and why we believe what we believe."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from lifecycle.audit.explain import Story, explain_order
from lifecycle.cli.choice import log_at as opened_log
from lifecycle.cli.choice import named_rules, orders_of_one, orders_with
from lifecycle.cli.file import STDOUT, whole_or_not_there
from lifecycle.cli.listing import HEADINGS, Listing
from lifecycle.cli.option import (
    DEFAULT_DATABASE,
    AsAt,
    AsOf,
    Database,
    Json,
    LogAt,
    OrderId,
    Output,
    ProviderName,
    ReceivedBefore,
    ReceivedSince,
    RulesName,
    span_option,
)
from lifecycle.cli.output import (
    Cell,
    arrow,
    print_fields,
    print_json,
    print_json_array,
    print_styled,
    print_table,
    print_text,
    say,
    speaks_unicode,
    styled,
    terminal_width,
    visible,
    warn,
)
from lifecycle.core.instant import format_instant
from lifecycle.core.strict_json import compact
from lifecycle.core.view import HistoryEntry, OrderView
from lifecycle.diagram.picture import seen_at_once
from lifecycle.diagram.timeline import timeline
from lifecycle.log.log_time import LookOptions
from lifecycle.projections.change_feed import EVERY_SECONDS, OrderChange

VERDICT_STYLES: Final = {
    "applied": "green",
    "skipped_ahead": "green",
    "reverted": "yellow",
    "repeated": "dim",
    "noted": "",
    "stale": "dim",
    "refused": "bold red",
    "unrecognized": "red",
    "divergent": "bold magenta",
}
Status = Annotated[
    str | None, typer.Option("--status", metavar="STATUS", help="Only orders that stand there.")
]
Ascii = Annotated[
    bool, typer.Option("--ascii", help="Draw in plain ASCII, the timeline as in a pipe.")
]

_EVENT_HEADINGS: Final = (
    *("occurred", "received", "recorded", "position"),
    *("name", "verdict", "state", "reason"),
)
_PAGE_WIDTH: Final = 100
_HEAD: Final = ("order_id", "status", "terminal")


def show(
    order: OrderId,
    *,
    as_at: AsAt = None,
    as_of: AsOf = None,
    log_at: LogAt = None,
    rules: RulesName = None,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = None,
    ascii_only: Ascii = False,
    json: Json = False,
) -> None:
    """Print the view of one order: everything known about it."""
    how = LookOptions(as_at=as_at, as_of=as_of, log_at=log_at, rules=named_rules(rules))
    with orders_with(db, provider, order) as orders:
        view, entries = seen_at_once(orders, order, **how)
    if json:
        print_json(view.model_dump(mode="json"))
        return
    print_view(view.model_dump(mode="json"))
    say()
    print_timeline(view, entries, ascii_only=ascii_only or terminal_width() is None)


def history(
    order: OrderId,
    *,
    as_at: AsAt = None,
    as_of: AsOf = None,
    log_at: LogAt = None,
    rules: RulesName = None,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = None,
    ascii_only: Ascii = False,
    json: Json = False,
) -> None:
    """Print every event of one order, its verdict and the reason."""
    how = LookOptions(as_at=as_at, as_of=as_of, log_at=log_at, rules=named_rules(rules))
    with orders_with(db, provider, order) as orders:
        view, entries = seen_at_once(orders, order, **how)
    items = [entry.model_dump(mode="json") for entry in entries]
    if json:
        print_json_array(items)
        return
    to = "->" if ascii_only else arrow()
    print_table(_EVENT_HEADINGS, (_event(item, to) for item in items))
    say()
    print_timeline(view, entries, ascii_only=ascii_only or terminal_width() is None)


def print_timeline(
    view: OrderView, entries: Sequence[HistoryEntry], *, ascii_only: bool = False
) -> None:
    """Print an order in time, as wide as the terminal and in color where it has any."""
    width = terminal_width() or _PAGE_WIDTH
    ascii_only = ascii_only or not speaks_unicode()
    print_text(timeline(view, entries, width=width, ascii_only=ascii_only, color=styled()))


def print_view(view: Mapping[str, Any]) -> None:
    """Print a view for people: what is said in a word first, what takes a table after it."""
    say(f"{view['order_id']}  {view['status']}{'  (ended)' if view['terminal'] else ''}", "bold")
    flat = dict(_flat(view))
    print_fields({name: value for name, value in flat.items() if name not in _HEAD})
    for name, rows in view.items():
        if isinstance(rows, list) and rows and isinstance(rows[0], dict):
            say()
            say(name, "bold")
            print_table(list(rows[0]), (row.values() for row in rows))


def _event(item: Mapping[str, Any], to: str) -> tuple[Any, ...]:
    """Return a row: when, what, what it meant and why."""
    before, after, verdict = item["from"], item["to"], item["verdict"]
    state = after if before == after else f"{before or '-'} {to} {after}"
    styled_verdict = Cell(verdict, VERDICT_STYLES.get(verdict, ""))
    recorded = " ".join(filter(None, (item["recorded_at"], item["recording"]))) or None
    times = item["occurred_at"], item["received_at"], recorded, item["position"]
    return (*times, item["name"], styled_verdict, state or "-", item["reason"])


def _flat(view: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in view.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{within}{name}.")
        elif not isinstance(value, list) or not value or not isinstance(value[0], dict):
            yield within + name, value


def listing(
    *,
    status: Status = None,
    waiting_longer_than: Annotated[
        timedelta | None,
        span_option(
            "--waiting-longer-than",
            "Only orders that wait longer than 90s, 15m, 2h or 3d for their next step.",
        ),
    ] = None,
    anomalies: Annotated[
        bool, typer.Option("--anomalies", help="Only orders that a person should look at.")
    ] = False,
    received_since: ReceivedSince = None,
    received_before: ReceivedBefore = None,
    log_at: LogAt = None,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = None,
    json: Json = False,
) -> None:
    """List orders; several conditions must all hold."""
    wanted = {
        "status": status,
        "waiting_longer_than": waiting_longer_than,
        "anomalies": anomalies or None,
        "received_since": received_since,
        "received_before": received_before,
        "log_at": log_at,
    }
    wanted = {name: value for name, value in wanted.items() if value is not None}
    with opened_log(db, provider) as log:
        listed = Listing(log, provider, wanted)
        if json:
            print_json_array(listed.as_json())
        elif not print_table(HEADINGS, listed.rows()):
            say("no such order")
        listed.close()


def watch(
    *,
    after: Annotated[
        int | None,
        typer.Option(
            "--after",
            metavar="POSITION",
            min=0,
            help="Begin after this position of the log; 0 tells it all. The end, by default.",
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End at the end of the log.")] = False,
    every: Annotated[
        float, typer.Option("--every", min=0.01, max=3600, help="Seconds between two looks.")
    ] = EVERY_SECONDS,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = None,
    json: Json = False,
) -> None:
    """Print each change of an order as it is recorded, until Ctrl-C."""
    with orders_of_one(db, provider, "watch") as orders:
        ends = [part.last_position() for part in orders.log.partitions]
        begin = after if after is not None else ends if len(ends) > 1 else ends[0]
        if not once:
            where = f"positions {begin}" if isinstance(begin, list) else f"position {begin}"
            warn(f"watching from {where}; stop with Ctrl-C")
        coming = orders.changes(after=begin) if once else orders.subscribe(after=begin, every=every)
        for change in coming:
            if json:
                print_text(compact(_change(change)).decode())
            else:
                _print_change(change)
            sys.stdout.flush()


def _change(change: OrderChange) -> dict[str, object]:
    """Return one line for programs: what changed, and where the order stands then."""
    fields = change._asdict()
    del fields["view"]
    if change.partition is None:
        del fields["partition"]
    return fields | {
        "received_at": format_instant(change.view.arrival.last_received_at),
        "awaiting": list(change.view.awaiting),
        "anomalies": sorted({anomaly.code for anomaly in change.view.anomalies}),
    }


def _print_change(change: OrderChange) -> None:
    style = "green" if change.view.terminal else "bold"
    where = "" if change.partition is None else f"{change.partition:>2}:"
    pieces = [
        Cell(f"{where}{change.position:>8}  ", "dim"),
        Cell(f"{format_instant(change.view.arrival.last_received_at)}  ", "dim"),
        Cell(f"{visible(change.order_id)}  "),
        Cell(f"{change.before or '-'} {arrow()} "),
        Cell(change.after, style),
    ]
    if change.corrected:
        pieces.append(Cell("  corrected: something late rewrote the path", "yellow"))
    print_styled(pieces)


_Form = Literal["text", "markdown", "html"]
_SUFFIXES: Final[dict[str, _Form]] = {".md": "markdown", ".html": "html", ".htm": "html"}

FormName = Annotated[
    _Form | None,
    typer.Option("--format", help="The form to write it in.", show_default="as FILE is named"),
]


def explain(
    order: OrderId,
    *,
    form: FormName = None,
    output: Output = STDOUT,
    as_at: AsAt = None,
    as_of: AsOf = None,
    log_at: LogAt = None,
    rules: RulesName = None,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = None,
) -> None:
    """Tell the story of one order in sentences, with both clocks."""
    how = LookOptions(as_at=as_at, as_of=as_of, log_at=log_at, rules=named_rules(rules))
    with orders_with(db, provider, order) as orders:
        view, entries = seen_at_once(orders, order, **how)
        times = [time for time in (as_at, log_at) if isinstance(time, datetime)]
        delivered, undelivered = orders.letters.delivered(order), orders.letters.of_order(order)
        story = explain_order(view, entries, delivered, undelivered, until=min(times, default=None))
    written = _written(story, form or _SUFFIXES.get(Path(output).suffix.lower(), "text"))
    if output == STDOUT:
        print_text(written)
        return
    with whole_or_not_there(Path(output), "story") as file:
        file.write(written.encode())


def _written(story: Story, form: _Form) -> str:
    match form:
        case "markdown":
            return story.markdown()
        case "html":
            return story.html()
        case "text":
            return story.text()
