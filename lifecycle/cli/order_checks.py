"""What the doctor says about orders: those that want a person, and those nobody confirmed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Final

from lifecycle.cli.health_check import Check
from lifecycle.cli.output import counted
from lifecycle.definition import Definition
from lifecycle.errors import PoisonedOrdersError, StoredFormatError
from lifecycle.log import ORDERS, Level, Log
from lifecycle.orders import Orders
from lifecycle.stored import decode_event

CONFIRMED_WITHIN: Final = timedelta(minutes=10)


def checks_of_orders(orders: Orders) -> Iterator[Check]:
    """Yield what there is to say about the orders of one provider."""
    yield from _anomalies(orders)
    yield _confirmation(orders)


def _anomalies(orders: Orders) -> Iterator[Check]:
    """Look for orders with anomalies, and for those that cannot be folded at all."""
    codes: Counter[str] = Counter()
    odd = 0
    try:
        for view in orders.find(anomalies=True):
            odd += 1
            codes.update({anomaly.code for anomaly in view.anomalies})
    except PoisonedOrdersError as poisoned:
        yield _poisoned(poisoned)
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
