"""`lifecycle attention`: what a person should look at, worst first, and that somebody did."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated

import typer

from lifecycle.cli.choice import log_at, providers_asked, readable
from lifecycle.cli.failure import NO, Refusal
from lifecycle.cli.option import DEFAULT_DATABASE, Database, Json, OverdueAfter, ProviderName
from lifecycle.cli.output import Cell, print_json_array, say
from lifecycle.cli.partition import in_json, numbered, print_parted
from lifecycle.composition import orders_on
from lifecycle.core.instant import format_instant
from lifecycle.registry import known_providers
from lifecycle.service.attention import AttentionItem, worst_first
from lifecycle.service.orders import Orders

_STYLES = {"anomaly": "yellow", "overdue": "yellow"}
_Asked = tuple[int | None, Orders]
_HEADINGS = ("subject", "since", "order", "found", "what to do")

Subject = Annotated[
    str | None, typer.Option("--review", metavar="SUBJECT", help="Mark this as reviewed.")
]
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who looked at it.")]
Why = Annotated[str | None, typer.Option("--why", metavar="TEXT", help="Why it is dealt with.")]


def attention(
    *,
    all: Annotated[bool, typer.Option("--all", help="Also what was reviewed.")] = False,
    overdue_after: OverdueAfter = "1d",  # type: ignore[assignment]  # typer parses it
    review: Subject = None,
    by: By = None,
    why: Why = None,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = None,
    json: Json = False,
) -> None:
    """List what a person should look at, or mark it as reviewed."""
    if (review, by, why).count(None) not in (0, 3):
        raise Refusal("a review needs all of --review SUBJECT, --by NAME and --why TEXT")
    with log_at(db, provider) as log:
        names = readable(providers_asked(log, provider), provider)
        asked = [
            (number, orders_on(part, name))
            for name in names or list(known_providers())[:1]
            for number, part in numbered(log)
        ]
        if review is not None:
            _review(asked, review, by or "", why or "")
            return
        found = {
            (number, item.subject): item
            for number, orders in asked
            for item in orders.attention(all=all, overdue_after=overdue_after)
        }
    items = sorted(found.items(), key=lambda each: worst_first(each[1]))
    _show([(number, item) for (number, _), item in items], json=json)
    if any(item.review is None for _, item in items):
        raise typer.Exit(NO)


def _review(asked: Iterable[_Asked], subject: str, by: str, why: str) -> None:
    found = {
        number: (orders, item)
        for number, orders in asked
        for item in orders.attention(all=True, overdue_after=timedelta(0))
        if item.subject == subject
    }
    if len(found) > 1:
        raise Refusal(f"{subject!a} is in several partitions; add one to the URL: &partition=N")
    for orders, item in found.values():
        first = orders.review(item, by=by, why=why)
        say("reviewed" if first else "it was reviewed before, and that stays")
        return
    raise Refusal(f"nothing needs attention as {subject!a}; run: lifecycle attention", NO)


def _show(items: list[tuple[int | None, AttentionItem]], *, json: bool) -> None:
    if json:
        print_json_array(in_json(number, item.model_dump(mode="json")) for number, item in items)
    elif not print_parted(_HEADINGS, ((number, _row(item)) for number, item in items)):
        say("nothing needs attention", "green")


def _row(item: AttentionItem) -> tuple[object, ...]:
    style = _STYLES.get(item.kind, "red") if item.review is None else "dim"
    since = "-" if item.since is None else format_instant(item.since)
    done = item.review and f"reviewed by {item.review.by}: {item.review.why}"
    subject = Cell(item.subject, style)
    return subject, since, item.order_id or "-", item.found, done or item.advice
