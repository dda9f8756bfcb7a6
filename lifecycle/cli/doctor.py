"""`lifecycle doctor`: the installation, the database, and whether something needs a person.

Each check says what it found and, if need be, what to do.
"""

from __future__ import annotations

import platform
import re
import sys
from collections import Counter
from collections.abc import Container, Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from itertools import islice
from typing import Final

import typer

from lifecycle.cli.choice import log_at, providers_asked, readable
from lifecycle.cli.failure import DONE, NO, STORE, USAGE
from lifecycle.cli.option import DEFAULT_DATABASE, Database, Json, ProviderName
from lifecycle.cli.order_checks import FAR_BEHIND, Check, check_of_rules, checks_of_orders
from lifecycle.cli.output import Cell, attributes, counted, print_json, print_table, progress, say
from lifecycle.cli.partition import numbered
from lifecycle.composition import orders_on
from lifecycle.errors import StoreError, StoreUrlError
from lifecycle.log.contract import ORDERS, Level, Log, Setting
from lifecycle.log.feed_store import SubscriptionPosition
from lifecycle.log.key_store import key_id_of
from lifecycle.log.recorded_rules import recorded_rules
from lifecycle.registry import FoundProvider, find_provider, found_providers, known_providers
from lifecycle.service.attention import (
    hung_deliveries,
    hung_handler_of,
    quarantined_of,
    reviews_in,
    unreviewed_feeds,
)
from lifecycle.service.orders import Orders
from lifecycle.service.receipt import DAMAGED

DISTRIBUTION: Final = "order-lifecycle"
MOST_NAMED: Final = 5
"""Damaged items of the quarantine; further ones are counted."""

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


def doctor(
    *,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = None,
    json: Json = False,
) -> None:
    """Check the installation and the database; say what to do."""
    checks = [*checks_of_installation(), *checks_of_registry()]
    code = DONE
    try:
        with log_at(db, provider) as log, progress("doctor"):
            checks += checks_of_log(log, provider)
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


def checks_of_log(log: Log, provider: str | None = None) -> Iterator[Check]:
    """Yield what there is to say about a log that could be opened, partition by partition.

    Its orders are looked at by their own providers; by `provider` alone where it is named.
    """
    for number, part in numbered(log):
        of = "" if number is None else f"partition {number}: "
        for check in _checks_of_one(part, provider):
            yield check._replace(name=of + check.name)


def _checks_of_one(log: Log, provider: str | None) -> Iterator[Check]:
    yield Check("database", Level.OK, log.url)
    yield from map(_setting, log.settings())
    streams = sum(1 for _ in log.streams())
    yield Check(
        "records", Level.OK, f"{log.last_position()} in the log, of {counted(streams, 'order')}"
    )
    yield from checks_of_keys(log)
    names, recorded = providers_asked(log, provider), recorded_rules(log)
    known = readable(names, provider)
    for name in known:
        of = f" of {name}" if len(known) > 1 else ""
        for check in checks_of_orders(orders_on(log, name), find_provider(name)):
            yield check._replace(name=check.name + of)
        if name in recorded:
            yield check_of_rules(recorded[name], find_provider(name))._replace(name=f"rules{of}")
    for name in names:
        if name not in known:
            yield _without_provider(log, name)
    reviews = reviews_in(log)
    hung = Counter(
        each.subscription
        for each in hung_deliveries(log, datetime.now(UTC))
        if hung_handler_of(each) not in reviews
    )
    for feed in unreviewed_feeds(log, reviews):
        yield _feed(log.last_position(), feed, hung[feed.name])
    # Whichever reads: the quarantine is one for all.
    for name in (*known, *known_providers())[:1]:
        yield _quarantine(orders_on(log, name), reviews)


def checks_of_registry() -> Iterator[Check]:
    """Yield what there is to say about each provider that is installed."""
    for each in found_providers():
        if isinstance(each, FoundProvider):
            fingerprint = each.provider.definition.fingerprint
            found = f"definition {fingerprint[:12]}, from the {each.origin}"
            yield Check(f"provider {each.name}", Level.OK, found)
        else:
            advice = f"mend or uninstall what offers it: the {each.origin}"
            yield Check(f"provider {each.name}", Level.FAIL, "cannot be used", advice, each.trouble)


def _without_provider(log: Log, name: str) -> Check:
    orders = counted(sum(1 for _ in log.streams(prefix=f"{ORDERS}{name}:")), "order")
    return Check(
        f"orders of {name}",
        Level.ATTENTION,
        f"{orders} cannot be read: no such provider is installed that works",
        "install it, see: lifecycle providers; or name it: --provider package.module:NAME",
    )


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


def _quarantine(orders: Orders, reviews: Container[str]) -> Check:
    reasons: Counter[str] = Counter()
    damaged: list[str] = []
    reviewed = 0
    for item in orders.quarantine():
        if quarantined_of(item.item) in reviews:
            reviewed += 1
            continue
        reasons[item.reason] += 1
        if item.reason == DAMAGED and len(damaged) < MOST_NAMED:
            damaged.append(f"record {item.item} at position {item.position}")
    waiting = f"{reasons.total()} waiting" + (f", {reviewed} reviewed" if reviewed else "")
    if not reasons:
        return Check("quarantine", Level.OK, waiting)
    why = ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items()))
    if damaged:
        why = f"{why}; cannot be read: {', '.join(damaged)}"
    return Check(
        "quarantine",
        Level.ATTENTION,
        waiting,
        "run: lifecycle quarantine, and after a fix: lifecycle quarantine --redrive",
        why,
    )


def _feed(end: int, feed: SubscriptionPosition, hung: int) -> Check:
    name = f"feed {feed.name}"
    behind = max(end - feed.position, 0)
    found = f"{counted(behind, 'record')} behind, {counted(feed.dead_letters, 'dead letter')}"
    if feed.retries:
        found += f", {counted(feed.retries, 'change')} to be delivered again"
    if hung:
        found += f", {counted(hung, 'call')} that did not return"
        advice = "see what the handler waits for, and restart the process that follows it"
        return Check(name, Level.ATTENTION, found, advice)
    if feed.dead_letters:
        advice = "run: lifecycle letters list; after a fix: lifecycle letters redrive"
        return Check(name, Level.ATTENTION, found, advice)
    if behind > FAR_BEHIND:
        return Check(name, Level.NOTE, found, "check that the process that follows it runs")
    return Check(name, Level.OK, found)


_AT_ONCE: Final = 256
_LOST: Final = (
    "nobody erased them, and what they encrypt cannot be read: open the log with the key store "
    "that it was written with, or restore that"
)
_UNFINISHED: Final = "erase them again, or open the log to write, as lifecycle ingest does"


def checks_of_keys(log: Log) -> Iterator[Check]:
    """Yield what there is to say of the keys of a log; nothing of a plain one."""
    cipher = log.cipher
    if cipher is None:
        return
    cipher.catch_up()
    lost, orders, names = 0, 0, log.streams()
    while page := list(islice(names, _AT_ONCE)):
        orders += len(page)
        lost += len(cipher.missing(map(key_id_of, page)))
    if lost:
        found = f"the key store does not know those of {counted(lost, 'order')} of {orders}"
        yield Check("keys", Level.FAIL, found, _LOST)
    elif unfinished := cipher.unfinished():
        found = f"{counted(len(unfinished), 'erased key')} still in the key store"
        yield Check("keys", Level.ATTENTION, found, _UNFINISHED)
    else:
        yield Check("keys", Level.OK, f"of {counted(orders, 'order')}, {cipher.erasures} erased")
