"""What the doctor looks at of one provider's orders: views, anomalies, callbacks that come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import chain
from typing import Final, NamedTuple

from lifecycle.cli.output import counted
from lifecycle.cli.views import told
from lifecycle.core.view import OrderView
from lifecycle.errors import PoisonedOrdersError, StoredFormatError
from lifecycle.log.codec import decode_event
from lifecycle.log.contract import ORDERS, Level, Log
from lifecycle.log.recorded_rules import RecordedRules, returned_rules
from lifecycle.projections.stored_views import ViewsStatus
from lifecycle.registry import FoundProvider
from lifecycle.service.orders import Orders

FAR_BEHIND: Final = 10_000
"""Records that `list` folds each time it is asked, when nobody follows."""

CONFIRMED_WITHIN: Final = timedelta(minutes=10)


class Check(NamedTuple):
    """One thing looked at, a row of `lifecycle doctor`.

    `level` alone decides the exit code: choose `attention` where facts or orders wait for a
    person, `fail` where something is not as it must be, `note` where nobody has to act.
    `advice` says what to do, with the command; `meaning` explains what was found. A store
    tells of itself by `Log.settings()`, whose rows become checks of the same level.
    """

    name: str
    level: Level
    found: str
    advice: str | None = None
    meaning: str | None = None

    @property
    def ok(self) -> bool:
        """Whether nobody has to act."""
        return not self.level.needs_a_person


def checks_of_orders(orders: Orders, found: FoundProvider) -> Iterator[Check]:
    """Yield what there is to say about the orders of one provider."""
    yield _views(orders)
    yield from _anomalies(orders)
    yield from _confirmation(orders)
    if wanted := found.prerequisites:
        needed = "needed: " + "; ".join(wanted)
        yield Check("prerequisites", Level.NOTE, "cannot be seen from here", needed)


def check_of_rules(recorded: Sequence[RecordedRules], found: FoundProvider) -> Check:
    """Return what there is to say about the rules that the log holds of one provider."""
    last, today = recorded[-1], found.provider.definition.fingerprint
    said = f"{last.rules.fingerprint[:12]} since position {last.position}, {last.rules.release}"
    if back := [each.position for each in returned_rules({found.name: recorded})]:
        again = f"rules came back after others at position {back[-1]}"
        meaning = f"{again}: releases overlapped, or one was taken back"
        return Check("rules", Level.NOTE, said, meaning=meaning)
    if last.rules.fingerprint == today:
        return Check("rules", Level.OK, said)
    meaning = f"today's are {today[:12]}; they are recorded with the next event"
    return Check("rules", Level.NOTE, said, "run: lifecycle replay --rules then", meaning)


def _views(orders: Orders) -> Check:
    status = orders.views.status()
    level, advice = Level.OK, None
    if status.live is None:
        level, advice = Level.NOTE, "if list is too slow, run: lifecycle views --rebuild"
    elif not status.fits or status.live.position > status.end:
        level, advice = Level.ATTENTION, "run: lifecycle views --rebuild"
    elif status.poisoned:
        level = Level.ATTENTION
        advice = "run: lifecycle views, and after a fix: lifecycle views --redrive"
    elif status.behind > FAR_BEHIND:
        level, advice = Level.NOTE, "keep running: lifecycle views --follow"
    return Check("views", level, told(status), advice, _changed(orders, status))


def _changed(orders: Orders, status: ViewsStatus) -> str | None:
    """Return under which definition the stored views were made, where it is another one."""
    now = orders.provider.definition.fingerprint
    if status.live is None or status.live.definition == now:
        return None
    return f"the definition was changed: from {status.live.definition} to {now}"


def _anomalies(orders: Orders) -> Iterator[Check]:
    """Look for orders with anomalies, and for those that cannot be folded at all."""
    codes: Counter[str] = Counter()
    odd = ambiguous = callbacks = 0
    try:
        for view in orders.find(anomalies=True):
            odd += 1
            codes.update({anomaly.code for anomaly in view.anomalies})
            reused = _reused_ids(view)
            ambiguous += bool(reused)
            callbacks += reused
    except PoisonedOrdersError as poisoned:
        first = f"the first is {poisoned.order_id!a}: {poisoned.found}"
        found = f"{counted(poisoned.count, 'order')} cannot be folded, {first}"
        yield Check("unreadable orders", Level.ATTENTION, found, "run: lifecycle verify")
    yield _event_ids(ambiguous, callbacks)
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


def _reused_ids(view: OrderView) -> int:
    """Count an order's callbacks that came again under their id and name with other content."""
    keys = (a.events for a in view.anomalies if a.code == "divergent")
    return sum(key.startswith("callback") for key in chain.from_iterable(keys))


def _event_ids(orders: int, callbacks: int) -> Check:
    if not callbacks:
        return Check("event ids", Level.OK, "none came twice with other content")
    return Check(
        "event ids",
        Level.ATTENTION,
        f"of {counted(orders, 'order')} {counted(callbacks, 'callback')} came again "
        "with other content",
        "ask the provider whether each event has an id of its own, and see what did not "
        "count: lifecycle history ORDER",
        "of the contents under one id and name one counts, the others are evidence",
    )


def _confirmation(orders: Orders) -> Iterator[Check]:
    """Look whether the provider ever confirms an order that it accepted.

    A definition may name the state that a callback confirms. Where none ever came, and orders
    stand in a birth state before it, the callback may not be enabled.
    """
    definition = orders.provider.definition
    confirmed = definition.confirmed
    if confirmed is None:
        return
    name = f"callback {confirmed}"
    if _ever_came(orders.log, orders.provider.name, confirmed):
        yield Check(name, Level.OK, "it comes")
        return
    rank = definition.rank
    births = sorted(definition.birth, key=rank) or [definition.initial]
    accepted = [state for state in births if rank(state) < rank(confirmed)]
    stuck = sum(_stuck(orders, state) for state in accepted)
    where = " or ".join(accepted)
    if not stuck:
        minutes = CONFIRMED_WITHIN // timedelta(minutes=1)
        found = f"none came, and no order stands at {where} for over {minutes} minutes"
        yield Check(name, Level.OK, found)
        return
    yield Check(
        name,
        Level.ATTENTION,
        f"{counted(stuck, 'order')} at {where}, and no {confirmed} callback ever came",
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


def _ever_came(log: Log, provider: str, state: str) -> bool:
    for record in log.scan():
        if not record.stream.startswith(ORDERS):
            continue
        with suppress(StoredFormatError):  # verify tells of it
            event = decode_event(record, log.cipher)
            if event.provider == provider and event.kind == "callback" and event.name == state:
                return True
    return False
