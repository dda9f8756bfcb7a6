"""`lifecycle erase` and `lifecycle keys rotate`: destroy keys, and renew the master key."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from getpass import getuser
from typing import Annotated, Any, Final, NamedTuple

import typer

from lifecycle.cli.choice import check_installed, keys_named, log_at, owner_of, providers_asked
from lifecycle.cli.failure import Refusal
from lifecycle.cli.option import DEFAULT_DATABASE, Database, Json, ProviderName, span_option
from lifecycle.cli.output import counted, print_json_array, print_table, say, visible
from lifecycle.composition import orders_on, rotate_master_key
from lifecycle.core.instant import format_instant
from lifecycle.core.view import OrderView
from lifecycle.errors import PoisonedOrdersError
from lifecycle.log.contract import Log
from lifecycle.service.orders import Orders

_HEADINGS: Final = ("order", "provider", "status", "last received")
_FIELDS: Final = ("order_id", "provider", "status", "last_received_at")

Chosen = tuple[Orders, OrderView]
"""An order to erase, and who can."""


class _Ended(NamedTuple):
    """The orders to erase, and the failures to read others of the same providers."""

    chosen: list[Chosen]
    failures: list[PoisonedOrdersError]


def erase(
    order: Annotated[str | None, typer.Argument(metavar="ORDER", help="The order's id.")] = None,
    *,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Why; it is kept in the log.")
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="Who asks; by default your login.")
    ] = None,
    item: Annotated[
        int | None, typer.Option("--item", metavar="N", help="An item of the quarantine instead.")
    ] = None,
    older_than: Annotated[
        timedelta | None,
        span_option("--older-than", "All orders that ended and were last heard of before that."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be erased, and erase nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Erase all that --older-than finds.")] = False,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = None,
    json: Json = False,
) -> None:
    """Make an order's bodies unreadable by destroying its key."""
    if [order, item, older_than].count(None) != 2:
        raise Refusal("expected one of ORDER, --item N and --older-than SPAN")
    if (dry_run and older_than is None) or (reason is None and not dry_run):
        raise Refusal("expected --reason TEXT, or of --older-than SPAN --dry-run")
    said = {"reason": reason or "", "by": _login() if by is None else by}
    with log_at(db, provider) as log:
        if item is not None:
            first = orders_on(log, provider or providers_asked(log, None)[0])
            _tell_one(first.erase_item(item, **said), f"item {item}")
        elif order is not None:
            orders = orders_on(log, provider or owner_of(log, order))
            _tell_one(orders.erase(order, **said), f"order {order}")
        elif older_than is not None:
            _erase_all(_ended(log, provider, older_than), said, yes, dry_run, json)


def rotate(*, db: Database = DEFAULT_DATABASE) -> None:
    """Wrap the keys of a log with a new master key."""
    rotated = rotate_master_key(db, keys_named())
    say(f"{counted(rotated, 'key')} wrapped with a new master key; the old one is of no use now")


def _login() -> str:
    with suppress(KeyError, OSError):
        return getuser()
    return ""


def _tell_one(is_new: bool, what: str) -> None:
    say(visible(f"{what} is erased" if is_new else f"{what} was erased before, and that stays"))


def _ended(log: Log, provider: str | None, span: timedelta) -> _Ended:
    """Return the orders that ended and were last heard of longer ago, and were not erased yet."""
    ended, before = _Ended([], []), datetime.now(UTC) - span
    for name in providers_asked(log, provider):
        check_installed(name) if name != provider else None
        orders = orders_on(log, name)
        try:
            for view in orders.find(received_before=before):
                if view.terminal and not view.erased:
                    ended.chosen.append((orders, view))
        except PoisonedOrdersError as failure:
            ended.failures.append(failure)
    return ended


def _erase_all(ended: _Ended, said: dict[str, str], yes: bool, dry_run: bool, json: bool) -> None:
    """Erase the orders, and then raise the first failure to read others."""
    chosen = ended.chosen
    if not dry_run and chosen and not yes:
        raise Refusal(
            f"{counted(len(chosen), 'order')} would be erased for good; "
            "to see them: --dry-run; to erase them: --yes"
        )
    for orders, view in () if dry_run else chosen:
        orders.erase(view.order_id, **said)
    _print(chosen, "would be erased" if dry_run else "erased", json=json)
    for failure in ended.failures:
        raise failure


def _print(chosen: list[Chosen], done: str, *, json: bool) -> None:
    rows = [_row(view) for _, view in chosen]
    if json:
        print_json_array(dict(zip(_FIELDS, row, strict=True)) for row in rows)
        return
    print_table(_HEADINGS, rows)
    say(f"{counted(len(rows), 'order')} {done}")


def _row(view: OrderView) -> tuple[Any, ...]:
    received = format_instant(view.arrival.last_received_at)
    return view.order_id, view.provider, view.status, received
