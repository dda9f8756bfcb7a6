"""What the doctor looks at: each check says what it found and, if need be, what to do."""

from __future__ import annotations

import platform
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from functools import partial
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from itertools import chain
from typing import Final, NamedTuple

from lifecycle.cli.output import counted
from lifecycle.cli.views import told
from lifecycle.composition import prerequisites_of
from lifecycle.core.definition import Definition
from lifecycle.core.view import OrderView
from lifecycle.errors import PoisonedOrdersError, StoredFormatError
from lifecycle.log.codec import decode_event
from lifecycle.log.contract import ORDERS, Level, Log, Setting
from lifecycle.log.feed_store import SubscriptionPosition
from lifecycle.service.orders import Orders
from lifecycle.service.receipt import DAMAGED

DISTRIBUTION: Final = "order-lifecycle"
MOST_NAMED: Final = 5
"""Damaged items of the quarantine; further ones are counted."""

FAR_BEHIND: Final = 10_000
"""Records that `list` folds each time it is asked, when nobody follows."""

CONFIRMED_WITHIN: Final = timedelta(minutes=10)
OLDEST_PYTHON: Final = (3, 11)
# What developers of this library install is no matter of its users.
_NOT_FOR_USERS: Final = frozenset({"test", "all"})
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_EXTRA: Final = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")


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


def checks_of_installation() -> Iterator[Check]:
    """Yield what there is to say about Python, the packages and the extras."""
    yield _python()
    try:
        yield Check(DISTRIBUTION, Level.OK, version(DISTRIBUTION))
    except PackageNotFoundError:
        yield Check(DISTRIBUTION, Level.FAIL, "not installed", f"run: pip install {DISTRIBUTION}")
        return
    for package in _packages(None):
        yield _installed(package, Level.FAIL, f"run: pip install {package}")
    for extra in metadata(DISTRIBUTION).get_all("Provides-Extra") or ():
        if extra not in _NOT_FOR_USERS:
            yield _extra(extra)


def checks_of_log(orders: Orders) -> Iterator[Check]:
    """Yield what there is to say about a log that could be opened."""
    log = orders.log
    yield Check("database", Level.OK, log.url)
    yield from map(_setting, log.settings())
    streams = sum(1 for _ in log.streams())
    yield Check(
        "records", Level.OK, f"{log.last_position()} in the log, of {counted(streams, 'order')}"
    )
    yield _views(orders)
    yield from map(partial(_feed, log.last_position()), log.feeds.positions())
    yield _quarantine(orders)
    yield from _anomalies(orders)
    yield _confirmation(orders)
    yield from _prerequisites(orders.provider.name)


def _python() -> Check:
    if sys.version_info >= OLDEST_PYTHON:
        return Check("python", Level.OK, platform.python_version())
    wanted = ".".join(map(str, OLDEST_PYTHON))
    return Check("python", Level.FAIL, platform.python_version(), f"use Python {wanted} or later")


def _packages(extra: str | None) -> list[str]:
    """Return the packages that the library, or one of its extras, asks for."""
    names = []
    for line in requires(DISTRIBUTION) or ():
        asked_by = _EXTRA.search(line)
        if (asked_by[1] if asked_by else None) == extra and (name := _NAME.match(line)):
            names.append(name[0])
    return names


def _installed(package: str, lacking: Level, advice: str) -> Check:
    try:
        return Check(package, Level.OK, version(package))
    except PackageNotFoundError:
        return Check(package, lacking, "not installed", advice)


def _extra(extra: str) -> Check:
    advice = f"if you need it, run: pip install '{DISTRIBUTION}[{extra}]'"
    checks = [_installed(package, Level.NOTE, advice) for package in _packages(extra)]
    found = ", ".join(f"{check.name} {check.found}" for check in checks)
    if any(check.advice for check in checks):
        return Check(f"extra {extra}", Level.NOTE, found, advice)
    return Check(f"extra {extra}", Level.OK, found)


def _setting(setting: Setting) -> Check:
    name, found, meaning, level = setting
    return Check(name, level, found, None if level is Level.OK else meaning, meaning)


def _quarantine(orders: Orders) -> Check:
    reasons: Counter[str] = Counter()
    damaged: list[str] = []
    for item in orders.quarantine():
        reasons[item.reason] += 1
        if item.reason == DAMAGED and len(damaged) < MOST_NAMED:
            damaged.append(f"record {item.item} at position {item.position}")
    if not reasons:
        return Check("quarantine", Level.OK, "0 waiting")
    why = ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items()))
    if damaged:
        why = f"{why}; cannot be read: {', '.join(damaged)}"
    return Check(
        "quarantine",
        Level.ATTENTION,
        f"{reasons.total()} waiting",
        "run: lifecycle quarantine, and after a fix: lifecycle quarantine --redrive",
        why,
    )


def _feed(end: int, feed: SubscriptionPosition) -> Check:
    name = f"feed {feed.name}"
    behind = max(end - feed.position, 0)
    found = f"{counted(behind, 'record')} behind, {counted(feed.letters, 'dead letter')}"
    if feed.letters:
        advice = "look at Subscription.letters(), mend the handler, then: Subscription.redrive()"
        return Check(name, Level.ATTENTION, found, advice)
    if behind > FAR_BEHIND:
        return Check(name, Level.NOTE, found, "see that whoever follows it runs")
    return Check(name, Level.OK, found)


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
    return Check("views", level, told(status), advice)


def _prerequisites(provider: str) -> Iterator[Check]:
    if wanted := prerequisites_of(provider):
        needed = "needed: " + "; ".join(wanted)
        yield Check("prerequisites", Level.NOTE, "cannot be seen from here", needed)


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
        yield _poisoned(poisoned)
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
