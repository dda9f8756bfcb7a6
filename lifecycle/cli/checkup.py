"""What the doctor looks at: each check says what it found and, if need be, what to do."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from functools import partial
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from typing import Final, NamedTuple

from lifecycle.cli.output import counted
from lifecycle.cli.views import told
from lifecycle.connect import prerequisites_of
from lifecycle.definition import Definition
from lifecycle.errors import PoisonedOrdersError, StoredFormatError
from lifecycle.feed_store import Standing
from lifecycle.log import QUARANTINE, Log, Setting
from lifecycle.orders import Orders
from lifecycle.stored import decode_event

DISTRIBUTION: Final = "order-lifecycle"
CONFIRMED_WITHIN: Final = timedelta(minutes=10)
FAR_BEHIND: Final = 10_000
"""Records that `list` folds each time it is asked, when nobody follows."""

OLDEST_PYTHON: Final = (3, 11)
# What developers of this library install is no matter of its users.
_NOT_FOR_USERS: Final = frozenset({"test", "all"})
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_EXTRA: Final = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")


class Check(NamedTuple):
    """One thing looked at: `advice` says what to do, None where there is nothing to do.

    `meaning` explains what was found, where that needs a word.
    """

    name: str
    ok: bool
    found: str
    advice: str | None = None
    meaning: str | None = None


def checks_of_installation() -> Iterator[Check]:
    """Yield what there is to say about Python, the packages and the extras."""
    wanted = ".".join(map(str, OLDEST_PYTHON))
    fine = sys.version_info >= OLDEST_PYTHON
    yield Check(
        "python", fine, platform.python_version(), None if fine else f"use Python {wanted} or later"
    )
    try:
        yield Check(DISTRIBUTION, True, version(DISTRIBUTION))
    except PackageNotFoundError:
        yield Check(DISTRIBUTION, False, "not installed", f"run: pip install {DISTRIBUTION}")
        return
    for package in _packages(None):
        yield _installed(package, required=True, advice=f"run: pip install {package}")
    for extra in metadata(DISTRIBUTION).get_all("Provides-Extra") or ():
        if extra not in _NOT_FOR_USERS:
            yield _extra(extra)


def checks_of_log(orders: Orders) -> Iterator[Check]:
    """Yield what there is to say about a log that could be opened."""
    log = orders.log
    yield Check("database", True, log.url)
    yield from map(_setting, log.settings())
    streams = sum(1 for _ in log.streams())
    yield Check(
        "records", True, f"{log.last_position()} in the log, of {counted(streams, 'order')}"
    )
    yield _views(orders)
    yield from map(partial(_feed, log.last_position()), log.feeds.standings())
    yield _quarantine(orders)
    yield from _prerequisites(orders.provider.name)
    yield _confirmation(orders)


def _packages(extra: str | None) -> list[str]:
    """Return the packages that the library, or one of its extras, asks for."""
    names = []
    for line in requires(DISTRIBUTION) or ():
        asked_by = _EXTRA.search(line)
        if (asked_by[1] if asked_by else None) == extra and (name := _NAME.match(line)):
            names.append(name[0])
    return names


def _installed(package: str, *, required: bool, advice: str) -> Check:
    try:
        return Check(package, True, version(package))
    except PackageNotFoundError:
        return Check(package, not required, "not installed", advice)


def _extra(extra: str) -> Check:
    advice = f"if you need it, run: pip install '{DISTRIBUTION}[{extra}]'"
    checks = [_installed(package, required=False, advice=advice) for package in _packages(extra)]
    found = ", ".join(f"{check.name} {check.found}" for check in checks)
    lacking = any(check.advice for check in checks)
    return Check(f"extra {extra}", True, found, advice if lacking else None)


def _setting(setting: Setting) -> Check:
    name, found, meaning, safe = setting
    return Check(name, safe, found, None if safe else meaning, meaning)


def _quarantine(orders: Orders) -> Check:
    waiting = sum(1 for _ in orders.quarantine())
    advice = "run: lifecycle quarantine" if waiting else None
    return Check("quarantine", True, f"{waiting} waiting", advice)


def _feed(end: int, standing: Standing) -> Check:
    behind = max(end - standing.position, 0)
    found = f"{counted(behind, 'record')} behind, {counted(standing.letters, 'dead letter')}"
    advice = "mend the handler, then: Subscription.redrive()" if standing.letters else None
    return Check(f"feed {standing.name}", True, found, advice)


def _views(orders: Orders) -> Check:
    standing = orders.views.standing()
    advice = None
    if standing.live is None:
        advice = "if list is too slow, run: lifecycle views --rebuild"
    elif not standing.fits or standing.live.position > standing.end:
        advice = "run: lifecycle views --rebuild"
    elif standing.poisoned:
        advice = "run: lifecycle views, and after a fix: lifecycle views --redrive"
    elif standing.behind > FAR_BEHIND:
        advice = "keep running: lifecycle views --follow"
    return Check("views", standing.ok, told(standing), advice)


def _prerequisites(provider: str) -> Iterator[Check]:
    wanted = prerequisites_of(provider)
    if wanted:
        yield Check(
            "prerequisites", True, "cannot be seen from here", "needed: " + "; ".join(wanted)
        )


def _confirmation(orders: Orders) -> Check:
    """Look whether the provider ever confirms an order that it accepted.

    A definition with two birth states tells the provider's first word, and the callback
    that confirms it. Where none of these ever came, it may not be enabled.
    """
    definition = orders.provider.definition
    accepted, confirmed = _birth(definition)
    name = f"callback {confirmed}"
    if accepted == confirmed or _ever_came(orders.log, orders.provider.name, confirmed):
        return Check(name, True, "it comes")
    stuck = _stuck(orders, accepted)
    if not stuck:
        minutes = CONFIRMED_WITHIN // timedelta(minutes=1)
        return Check(
            name, True, f"none came, and no order stands at {accepted} for over {minutes} minutes"
        )
    return Check(
        name,
        False,
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
        if record.stream == QUARANTINE:
            continue
        with suppress(StoredFormatError):  # verify tells of it
            event = decode_event(record)
            if event.provider == provider and event.kind == "callback" and event.name == state:
                return True
    return False
