"""`lifecycle letters`: what subscriptions did not take, and what they took and when."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from lifecycle.cli.choice import log_at
from lifecycle.cli.failure import NO, Refusal
from lifecycle.cli.option import DEFAULT_DATABASE, Database, Json, OrderId
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
from lifecycle.log.feed_store import Letter
from lifecycle.projections.letters import Letters

_Name = Annotated[str, typer.Argument(metavar="SUBSCRIPTION", help="Whose letter it is.")]
_Position = Annotated[
    int, typer.Argument(metavar="POSITION", min=1, help="Where its event is in the log.")
]
_STYLES = {"dead": "bold red", "behind": "yellow", "in hand": "cyan", "retry": "cyan"}


@contextmanager
def _letters_at(db: str) -> Iterator[Letters]:
    with log_at(db) as log:
        yield Letters(log.feeds, lambda: datetime.now(UTC))


def letters(
    *,
    name: Annotated[
        str | None,
        typer.Option("--subscription", metavar="NAME", help="Only letters of this one."),
    ] = None,
    all: Annotated[
        bool, typer.Option("--all", help="Also what will be handed over again by itself.")
    ] = False,
    db: Database = DEFAULT_DATABASE,
    json: Json = False,
) -> None:
    """List the dead letters, and the changes that wait behind them."""
    with _letters_at(db) as kept:
        found = kept.list(name, all=all)
        if json:
            print_json_array(letter.as_json() for letter in found)
        elif not print_table(_HEADINGS, map(_row, found)):
            say("no letters")


_HEADINGS = ("subscription", "position", "order", "state", "attempts", "next attempt", "why")


def _row(letter: Letter) -> tuple[Any, ...]:
    told = letter.as_json()
    return (
        letter.subscription,
        letter.position,
        letter.order_id,
        Cell(letter.state, _STYLES[letter.state]),
        letter.attempts,
        told["due_at"],
        letter.reason,
    )


def show_letter(
    name: _Name, position: _Position, *, db: Database = DEFAULT_DATABASE, json: Json = False
) -> None:
    """Show one letter."""
    with _letters_at(db) as kept:
        letter = kept.get(name, position)
    if letter is None:
        raise _no_letter(name, position)
    if json:
        print_json(letter.as_json())
        return
    print_fields(letter.as_json())
    say(visible(f"what the order went through: lifecycle history {letter.order_id}"))


def redrive(
    name: Annotated[
        str | None, typer.Argument(metavar="[SUBSCRIPTION]", help="Only letters of this one.")
    ] = None,
    position: Annotated[
        int | None, typer.Argument(metavar="[POSITION]", min=1, help="Only the letter there.")
    ] = None,
    *,
    db: Database = DEFAULT_DATABASE,
    json: Json = False,
) -> None:
    """Make dead letters due: whatever follows the subscription hands them over again."""
    with _letters_at(db) as kept:
        count = kept.redrive(name, position)
        if name is not None and position is not None and kept.get(name, position) is None:
            raise _no_letter(name, position)
    if json:
        print_json({"redriven": count})
    else:
        say(f"{counted(count, 'letter')} due; they are handed over where the subscription runs")


def drop(
    name: _Name,
    position: _Position,
    *,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept.")],
    db: Database = DEFAULT_DATABASE,
    json: Json = False,
) -> None:
    """Take a letter out for good; what waits behind it is due then."""
    with _letters_at(db) as kept:
        dropped = kept.drop(name, position, reason=reason)
    if dropped is None:
        raise _no_letter(name, position)
    if json:
        print_json(dropped.as_json())
    else:
        say(visible(f"the change at position {position} will not be handed over to {name}"))


def handed(order: OrderId, *, db: Database = DEFAULT_DATABASE, json: Json = False) -> None:
    """List which changes of an order were handed over: to which subscription, and when."""
    with _letters_at(db) as kept:
        found = (each.as_json() for each in kept.handed(order))
        if json:
            print_json_array(found)
        elif not print_table(_HANDED, ([each[name] for name in _HANDED] for each in found)):
            say("nothing of this order was handed over")


_HANDED = ("subscription", "position", "handed_at", "attempts", "outcome", "reason")


def _no_letter(name: str, position: int) -> Refusal:
    found = f"subscription {name!a} has no letter at position {position}"
    return Refusal(f"{found}; run: lifecycle letters list --all", NO)
