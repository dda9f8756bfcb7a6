"""`lifecycle doctor`: the installation, the database, and whether something needs a person.

Each check says what it found and, if need be, what to do.
"""

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

import typer

from lifecycle.cli.failure import DONE, NO, STORE, USAGE
from lifecycle.cli.option import DEFAULT_DATABASE, DEFAULT_PROVIDER, Database, Json, ProviderName
from lifecycle.cli.output import Cell, attributes, counted, print_json, print_table, progress, say
from lifecycle.cli.views import told
from lifecycle.composition import connect, prerequisites_of
from lifecycle.core.view import OrderView
from lifecycle.errors import PoisonedOrdersError, StoredFormatError, StoreError, StoreUrlError
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


_KEYS: Final = ("name", "level", "ok", "found", "advice", "meaning")
_STYLES: Final = {
    Level.OK: "green",
    Level.NOTE: "cyan",
    Level.ATTENTION: "bold yellow",
    Level.FAIL: "bold red",
}


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


def doctor(
    *,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = DEFAULT_PROVIDER,
    json: Json = False,
) -> None:
    """Check the installation and the database; say what to do."""
    checks = [*checks_of_installation()]
    code = DONE
    try:
        with connect(db, provider=provider, create=False) as orders, progress("doctor"):
            checks += checks_of_log(orders)
    except StoreUrlError as failure:
        checks.append(Check("database", Level.FAIL, "no store answers to this URL", str(failure)))
        code = USAGE
    except StoreError as failure:
        checks.append(Check("database", Level.FAIL, "it cannot be used", str(failure)))
        code = STORE
    ok = all(check.ok for check in checks)
    if json:
        print_json({"ok": ok, "checks": [attributes(check, *_KEYS) for check in checks]})
    else:
        _print(checks)
    if code or not ok:
        raise typer.Exit(code or NO)


def _print(checks: list[Check]) -> None:
    rows = (
        (Cell(check.level.value, _STYLES[check.level]), check.name, check.found, _told(check))
        for check in checks
    )
    print_table(("", "check", "found", "what it means, or what to do"), rows)
    say()
    wanting = ", ".join(check.name for check in checks if not check.ok)
    say(f"something needs a person: {wanting}" if wanting else "all is well")


def _told(check: Check) -> str:
    """Return what it means and what to do, each once."""
    parts = [check.meaning, None if check.advice == check.meaning else check.advice]
    return "; ".join(part for part in parts if part)


def checks_of_installation() -> Iterator[Check]:
    """Yield what there is to say about Python, the packages and the extras."""
    python, oldest = platform.python_version(), ".".join(map(str, OLDEST_PYTHON))
    if sys.version_info >= OLDEST_PYTHON:
        yield Check("python", Level.OK, python)
    else:
        yield Check("python", Level.FAIL, python, f"use Python {oldest} or later")
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
    if wanted := prerequisites_of(orders.provider.name):
        needed = "needed: " + "; ".join(wanted)
        yield Check("prerequisites", Level.NOTE, "cannot be seen from here", needed)


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
    lacking = any(check.advice for check in checks)
    level = Level.NOTE if lacking else Level.OK
    return Check(f"extra {extra}", level, found, advice if lacking else None)


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


def _confirmation(orders: Orders) -> Check:
    """Look whether the provider ever confirms an order that it accepted.

    A definition with two birth states tells the provider's first word, and the callback
    that confirms it. Where none of these ever came, it may not be enabled.
    """
    definition = orders.provider.definition
    births = sorted(definition.birth, key=definition.rank) or [definition.initial]
    accepted, confirmed = births[0], births[-1]
    name = f"callback {confirmed}"
    if accepted == confirmed or _ever_came(orders.log, orders.provider.name, confirmed):
        return Check(name, Level.OK, "it comes")
    stuck = 0
    with suppress(PoisonedOrdersError):  # those that can be folded count
        for _ in orders.find(status=accepted, waiting_longer_than=CONFIRMED_WITHIN):
            stuck += 1
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


def _ever_came(log: Log, provider: str, state: str) -> bool:
    for record in log.scan():
        if not record.stream.startswith(ORDERS):
            continue
        with suppress(StoredFormatError):  # verify tells of it
            event = decode_event(record)
            if event.provider == provider and event.kind == "callback" and event.name == state:
                return True
    return False
