"""What `lifecycle list` finds: orders of every provider of the log, and those nobody can read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from lifecycle.cli.choice import providers_asked, readable, unreadable
from lifecycle.cli.failure import NO, Refusal
from lifecycle.cli.output import Cell, counted
from lifecycle.composition import orders_on
from lifecycle.core.instant import format_instant
from lifecycle.core.view import OrderView
from lifecycle.errors import PoisonedOrdersError
from lifecycle.log.contract import ORDERS, Log
from lifecycle.log.order_stream import order_in
from lifecycle.registry import find_provider

HEADINGS: Final = ("order", "status", "since", "awaiting", "anomalies")
UNREADABLE: Final = "unreadable"
"""What stands for the status of an order whose provider is not installed."""


class Listing:
    """The orders of a log for which all conditions hold, provider by provider.

    Of a provider that is not installed no condition can be looked at: its orders are listed
    where none is asked, or orders that a person should look at.
    """

    def __init__(self, log: Log, provider: str | None, wanted: Mapping[str, Any]) -> None:
        self._log = log
        self._wanted = wanted
        names = providers_asked(log, provider)
        self._readable = readable(names, provider)
        self._unreadable = [name for name in names if name not in self._readable]
        self._poisoned: list[PoisonedOrdersError] = []
        self._check_status(wanted.get("status"))

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a table."""
        yield from map(_row, self._views())
        for name, order in self._without_provider():
            why = Cell(f"provider {name!a} is not installed", "red")
            yield order, Cell(UNREADABLE, "red"), "-", "-", why

    def as_json(self) -> Iterator[dict[str, Any]]:
        """Yield a view for each order, or which order of which provider cannot be read."""
        for view in self._views():
            yield view.model_dump(mode="json")
        for name, order in self._without_provider():
            yield {"order_id": order, "provider": name, UNREADABLE: unreadable(name)}

    def close(self) -> None:
        """Raise for orders that could not be given.

        Raises:
            PoisonedOrdersError: some cannot be folded.
            Refusal: the provider of some is not installed.
        """
        for poisoned in self._poisoned:
            raise poisoned
        for name in self._unreadable:
            orders = counted(sum(1 for _ in self._orders(name)), "order")
            raise Refusal(f"{orders}: {unreadable(name)}; run: lifecycle providers", NO)

    def _views(self) -> Iterator[OrderView]:
        for name in self._readable:
            orders = orders_on(self._log, name)
            states, status = orders.provider.definition.states, self._wanted.get("status")
            if status is not None and status not in states:
                continue
            try:
                yield from orders.find(**self._wanted)
            except PoisonedOrdersError as poisoned:
                self._poisoned.append(poisoned)

    def _without_provider(self) -> Iterator[tuple[str, str]]:
        if self._wanted.keys() <= {"anomalies"}:
            for name in self._unreadable:
                yield from ((name, order) for order in self._orders(name))

    def _orders(self, name: str) -> Iterator[str]:
        return map(order_in, self._log.streams(prefix=f"{ORDERS}{name}:"))

    def _check_status(self, status: str | None) -> None:
        if status is None or not self._readable:
            return
        definitions = [find_provider(name).provider.definition for name in self._readable]
        states = dict.fromkeys(state for each in definitions for state in each.states)
        if status not in states:
            raise Refusal(f"{status!a} is no status; expected one of {', '.join(states)}")


def _row(view: OrderView) -> tuple[Any, ...]:
    codes = dict.fromkeys(anomaly.code for anomaly in view.anomalies)
    return (
        view.order_id,
        Cell(view.status, "green" if view.terminal else "bold"),
        format_instant(view.arrival.waiting_since),
        view.awaiting,
        Cell(", ".join(codes) or "-", "red" if codes else "dim"),
    )
