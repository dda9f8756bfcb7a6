"""`lifecycle letters`: what was not delivered to subscriptions, and what was and when."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from lifecycle.cli.choice import log_at
from lifecycle.cli.failure import NO, Refusal
from lifecycle.cli.option import DEFAULT_DATABASE, Database, Json, OrderId, span_option
from lifecycle.cli.output import (
    Cell,
    counted,
    print_fields,
    print_json,
    print_json_array,
    print_table,
    say,
    visible,
)
from lifecycle.cli.partition import in_json, numbered, print_parted
from lifecycle.log.feed_store import Delivery
from lifecycle.projections.dead_letters import DeadLetters

_Name = Annotated[str, typer.Argument(metavar="SUBSCRIPTION", help="Whose delivery it is.")]
_Position = Annotated[
    int, typer.Argument(metavar="POSITION", min=1, help="Where its event is in the log.")
]
_STYLES = {"dead": "bold red", "blocked": "yellow", "in progress": "cyan", "retrying": "cyan"}


@contextmanager
def _letters_at(db: str) -> Iterator[DeadLetters]:
    with log_at(db) as log:
        yield DeadLetters(log, _now)


def _now() -> datetime:
    return datetime.now(UTC)


def letters(
    *,
    name: Annotated[
        str | None,
        typer.Option(
            "--subscription", metavar="NAME", help="Only what was to be delivered to this one."
        ),
    ] = None,
    all: Annotated[
        bool, typer.Option("--all", help="Also what will be delivered again by itself.")
    ] = False,
    db: Database = DEFAULT_DATABASE,
    json: Json = False,
) -> None:
    """List the dead letters, and the changes that they block."""
    with log_at(db) as log:
        found = (
            (number, each)
            for number, part in numbered(log)
            for each in DeadLetters(part, _now).list(name, all=all)
        )
        if json:
            print_json_array(in_json(number, each.as_json()) for number, each in found)
        elif not print_parted(_HEADINGS, ((number, _row(each)) for number, each in found)):
            say("no letters")


_HEADINGS = ("subscription", "position", "order", "state", "attempts", "next attempt", "why")


def _row(delivery: Delivery) -> tuple[Any, ...]:
    told = delivery.as_json()
    return (
        delivery.subscription,
        delivery.position,
        delivery.order_id,
        Cell(delivery.state, _STYLES[delivery.state]),
        delivery.attempts,
        told["due_at"],
        delivery.reason,
    )


def show_letter(
    name: _Name, position: _Position, *, db: Database = DEFAULT_DATABASE, json: Json = False
) -> None:
    """Show one dead letter, or another change that is not delivered yet."""
    with _letters_at(db) as kept:
        delivery = kept.get(name, position)
    if delivery is None:
        raise _no_letter(name, position)
    if json:
        print_json(delivery.as_json())
        return
    print_fields(delivery.as_json())
    say(visible(f"what the order went through: lifecycle history {delivery.order_id}"))


def redrive(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[SUBSCRIPTION]", help="Only what was to be delivered to this one."),
    ] = None,
    position: Annotated[
        int | None, typer.Argument(metavar="[POSITION]", min=1, help="Only the letter there.")
    ] = None,
    *,
    db: Database = DEFAULT_DATABASE,
    json: Json = False,
) -> None:
    """Make dead letters due: whatever follows the subscription delivers them."""
    with _letters_at(db) as kept:
        count = kept.redrive(name, position)
        if name is not None and position is not None and kept.get(name, position) is None:
            raise _no_letter(name, position)
    if json:
        print_json({"redriven": count})
    else:
        say(f"{counted(count, 'letter')} due; they are delivered where the subscription runs")


def drop(
    name: _Name,
    position: _Position,
    *,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept.")],
    db: Database = DEFAULT_DATABASE,
    json: Json = False,
) -> None:
    """Give one up for good; what it blocks is due then."""
    with _letters_at(db) as kept:
        dropped = kept.drop(name, position, reason=reason)
    if dropped is None:
        raise _no_letter(name, position)
    if json:
        print_json(dropped.as_json())
    else:
        say(visible(f"the change at position {position} will not be delivered to {name}"))


def delivered(order: OrderId, *, db: Database = DEFAULT_DATABASE, json: Json = False) -> None:
    """List which changes of an order were delivered: to which subscription, and when."""
    with _letters_at(db) as kept:
        found = (each.as_json() for each in kept.delivered(order))
        if json:
            print_json_array(found)
        elif not print_table(_DELIVERED, ([each[name] for name in _DELIVERED] for each in found)):
            say("nothing of this order was delivered")


def prune(
    *,
    older_than: Annotated[timedelta, span_option("--older-than", "How long ago it was, as 90d.")],
    db: Database = DEFAULT_DATABASE,
    json: Json = False,
) -> None:
    """Delete old records of what was delivered or dropped."""
    with _letters_at(db) as kept:
        pruned = kept.prune(older_than=older_than)
    if json:
        print_json({"pruned": pruned})
    else:
        say(f"{counted(pruned, 'record')} deleted")


_DELIVERED = ("subscription", "position", "at", "attempts", "outcome", "reason")


def _no_letter(name: str, position: int) -> Refusal:
    found = f"subscription {name!a} has nothing undelivered at position {position}"
    return Refusal(f"{found}; run: lifecycle letters list --all", NO)
