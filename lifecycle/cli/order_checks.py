"""What the doctor says about orders: those that want a person, and those nobody confirmed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Final

from lifecycle.cli.health_check import Check
from lifecycle.cli.output import counted
from lifecycle.core.definition import Definition
from lifecycle.core.view import OrderView
from lifecycle.errors import PoisonedOrdersError, StoredFormatError
from lifecycle.log.codec import decode_event
from lifecycle.log.contract import ORDERS, Level, Log
from lifecycle.service.orders import Orders

CONFIRMED_WITHIN: Final = timedelta(minutes=10)

_CALLBACK: Final = "callback"


def checks_of_orders(orders: Orders) -> Iterator[Check]:
    """Yield what there is to say about the orders of one provider."""
    yield from _anomalies(orders)
    yield _confirmation(orders)


def _anomalies(orders: Orders) -> Iterator[Check]:
    """Look for orders with anomalies, and for those that cannot be folded at all."""
    codes: Counter[str] = Counter()
    odd, reused = 0, _ReusedIds()
    try:
        for view in orders.find(anomalies=True):
            odd += 1
            codes.update({anomaly.code for anomaly in view.anomalies})
            reused.count(view)
    except PoisonedOrdersError as poisoned:
        yield _poisoned(poisoned)
    yield reused.check()
    if not odd:
        yield Check("anomalies", Level.OK, "no order shows any")
        return
    yield Check(
        "anomalies",
        Level.ATTENTION,
        counted(odd, "order"),
        "run: lifecycle list --anomalies, then for each: lifecycle history ORDER",
        ", ".join(f"{code} {count}" for code, count in sorted(codes.items())),
    )


class _ReusedIds:
    """Counts callbacks that came again under their id and name with other content."""

    def __init__(self) -> None:
        self._keys = 0
        self._orders = 0

    def count(self, view: OrderView) -> None:
        """Count the callbacks of one order."""
        keys = [
            key
            for anomaly in view.anomalies
            if anomaly.code == "divergent"
            for key in anomaly.events
            if key.startswith(_CALLBACK)
        ]
        self._keys += len(keys)
        self._orders += bool(keys)

    def check(self) -> Check:
        """Return what there is to say about them."""
        if not self._keys:
            return Check("event ids", Level.OK, "none came twice with other content")
        return Check(
            "event ids",
            Level.ATTENTION,
            f"of {counted(self._orders, 'order')} {counted(self._keys, 'callback')} came again "
            "with other content",
            "ask the provider whether each event has an id of its own, and see what did not "
            "count: lifecycle history ORDER",
            "of the contents under one id and name one counts, the others are evidence",
        )


def _poisoned(poisoned: PoisonedOrdersError) -> Check:
    number = counted(poisoned.count, "order")
    found = f"{number} cannot be folded, the first is {poisoned.order_id!a}: {poisoned.found}"
    return Check("unreadable orders", Level.ATTENTION, found, "run: lifecycle verify")


def _confirmation(orders: Orders) -> Check:
    """Look whether the provider ever confirms an order that it accepted.

    A definition with two birth states tells the provider's first word, and the callback
    that confirms it. Where none of these ever came, it may not be enabled.
    """
    definition = orders.provider.definition
    accepted, confirmed = _birth(definition)
    name = f"callback {confirmed}"
    if accepted == confirmed or _ever_came(orders.log, orders.provider.name, confirmed):
        return Check(name, Level.OK, "it comes")
    stuck = _stuck(orders, accepted)
    if not stuck:
        minutes = CONFIRMED_WITHIN // timedelta(minutes=1)
        found = f"none came, and no order stands at {accepted} for over {minutes} minutes"
        return Check(name, Level.OK, found)
    return Check(
        name,
        Level.ATTENTION,
        f"{counted(stuck, 'order')} at {accepted}, and no {confirmed} callback ever came",
        f"the callback {confirmed} may not be enabled: ask the provider to enable it (see "
        "prerequisites), and ask it for these orders meanwhile",
    )


def _stuck(orders: Orders, accepted: str) -> int:
    """Count the orders that stand there too long, of those that can be folded."""
    stuck = 0
    with suppress(PoisonedOrdersError):
        for _ in orders.find(status=accepted, waiting_longer_than=CONFIRMED_WITHIN):
            stuck += 1
    return stuck


def _birth(definition: Definition) -> tuple[str, str]:
    ranked = sorted(definition.birth, key=definition.rank) or [definition.initial]
    return ranked[0], ranked[-1]


def _ever_came(log: Log, provider: str, state: str) -> bool:
    for record in log.scan():
        if not record.stream.startswith(ORDERS):
            continue
        with suppress(StoredFormatError):  # verify tells of it
            event = decode_event(record)
            if event.provider == provider and event.kind == "callback" and event.name == state:
                return True
    return False
