"""The composition root: the only module that names logs and the default provider."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Unpack

from lifecycle.core.argument import CheckedClock, check_type
from lifecycle.core.provider import Provider
from lifecycle.errors import (
    InvalidArgumentError,
    KeyStoreError,
    MissingExtraError,
    PoisonedOrdersError,
    StoreUrlError,
)
from lifecycle.keys import Keys, check_keys_named, give_keys, keys_beside, open_key_store
from lifecycle.log.contract import Guarded, Log, Setting
from lifecycle.registry import chosen_provider, rules_of
from lifecycle.service.attention import OVERDUE_AFTER, reviews_in, unreviewed_feeds
from lifecycle.service.begun_request import Resumed, ResumeOptions
from lifecycle.service.orders import Orders

if TYPE_CHECKING:
    from lifecycle.log.event_log import EventLog
    from lifecycle.log.partitioned import PartitionedLog
    from lifecycle.service.async_orders import AsyncOrders

DEFAULT_URL: Final = "sqlite:///lifecycle.db"
DEFAULT_PROVIDER: Final = "instacart"

_HAS_NONE: Final = "it is not encrypted, so there is no master key to renew"
_now: Final = partial(datetime.now, UTC)

NO_PROVIDERS: Final[Mapping[str, Provider]] = MappingProxyType({})

Clock = Callable[[], datetime]
"""Something that tells the time, with a zone."""


def connect(
    url: str = DEFAULT_URL,
    *,
    provider: str | Provider = DEFAULT_PROVIDER,
    create: bool = True,
    clock: Clock | None = None,
    telemetry: bool = False,
    overdue_after: timedelta = OVERDUE_AFTER,
    keys: Keys = None,
) -> Orders:
    """Return the orders of the log at `url`; close it, or use it as a context manager.

    Args:
        url: `sqlite:///relative.db`, `sqlite:////absolute.db`, `postgresql://host/database`,
            `nats://host1,host2,host3/NAME?beside=URL`, or `memory:` for tests.
        provider: a name, `package.module:NAME`, or a value that is a provider.
        create: make the log if there is none, and read again what waited for links; a reader
            passes False.
        clock: tells the time of what is recorded without one; the system's by default.
        telemetry: trace and measure what is recorded, by the OpenTelemetry API.
        overdue_after: how long an order may wait for the provider until it needs attention.
        keys: encrypts bodies and contexts, so that orders can be erased: `file:NAME.keys`, or
            `database:?master=FILE`, or a `KeyStore` of your own. None: a log is plain, unless it
            is a SQLite file with a key file beside it.

    Raises:
        KeyStoreError: the log is encrypted and no keys are given, or it is plain and some are, or
            they cannot be used.
        StoreUrlError: no store answers to `url`.
        StoreMissingError: there is no log and `create` is False.
        StoreUnavailableError: the store cannot be opened.
        MissingExtraError: the packages of the store, or of telemetry, are not installed.
        InvalidArgumentError: there is no such provider, or it is none; `url` is no text,
            `clock` no clock, or `overdue_after` no timedelta.
    """
    known, chosen = chosen_provider(provider)
    tell = _now if clock is None else CheckedClock(clock)
    log = open_log(url, create=create, clock=tell, telemetry=telemetry, providers=known, keys=keys)
    return Orders(log, known, chosen, tell, _resume, redrives=create, overdue_after=overdue_after)


def orders_on(log: Log, provider: str | Provider = DEFAULT_PROVIDER) -> Orders:
    """Return the orders of one provider on a log that is open; closing them closes the log.

    Raises:
        InvalidArgumentError: there is no such provider, or it is none.
    """
    known, chosen = chosen_provider(provider)
    log.declare_rules(rules_of(known))
    return Orders(log, known, chosen, _now, _resume)


def connect_async(
    url: str = DEFAULT_URL,
    *,
    provider: str | Provider = DEFAULT_PROVIDER,
    create: bool = True,
    clock: Clock | None = None,
    telemetry: bool = False,
    overdue_after: timedelta = OVERDUE_AFTER,
    keys: Keys = None,
) -> AsyncOrders:
    """Return the same orders for coroutines: enter them with `async with`.

    Arguments and errors are those of `connect`; the errors come when it is entered.
    """
    from lifecycle.service.async_orders import AsyncOrders

    known, chosen = chosen_provider(provider)
    tell = _now if clock is None else CheckedClock(clock)
    open_it = partial(
        open_log, url, create=create, clock=tell, telemetry=telemetry, providers=known, keys=keys
    )
    return AsyncOrders(
        open_it, known, chosen, tell, _resume_async, redrives=create, overdue_after=overdue_after
    )


def _resume(orders: Orders, client: Any, **how: Unpack[ResumeOptions]) -> Resumed:
    from lifecycle.http.resume import resume

    return resume(orders, client, **how)


async def _resume_async(orders: AsyncOrders, client: Any, **how: Unpack[ResumeOptions]) -> Resumed:
    from lifecycle.http.resume import resume_async

    return await resume_async(orders, client, **how)


def open_log(
    url: str,
    *,
    create: bool = True,
    clock: Clock | None = None,
    telemetry: bool = False,
    providers: Mapping[str, Provider] = NO_PROVIDERS,
    keys: Keys = None,
    needs_keys: bool = True,
) -> Log:
    """Return the log at `url`; as `connect`.

    The rules of `providers` are recorded with what is appended; telemetry looks at their orders.
    Without `needs_keys` an encrypted log is opened without keys too: headers can be read.
    """
    check_keys_named(keys)
    log = _open_store(url, create=create, clock=clock or _now)
    try:
        give_keys(log, url, keys, create=create, needs_keys=needs_keys)
    except BaseException:
        log.close()
        raise
    log.declare_rules(rules_of(providers))
    if telemetry:
        from lifecycle.log.telemetry import observe

        observe(log, providers, partial(_dead_letters, log), partial(_anomalies, log, providers))
    return log


def _dead_letters(log: Log) -> dict[str, int]:
    return {feed.name: feed.dead_letters for feed in unreviewed_feeds(log, reviews_in(log))}


def _anomalies(log: Log, providers: Mapping[str, Provider]) -> dict[str, int]:
    """Count by provider the orders with anomalies that nobody reviewed, where views are stored."""
    counts: Counter[str] = Counter()
    for name, provider in providers.items():
        orders = Orders(log, providers, provider, _now, _resume)
        if orders.views.status().live is not None:
            counts[name] = 0
            with suppress(PoisonedOrdersError):
                for _ in orders.find(anomalies=True):
                    counts[name] += 1
    return counts


def _open_store(url: str, *, create: bool, clock: Clock) -> EventLog | PartitionedLog:
    check_type("url", url, str)
    if url.startswith("nats:"):
        return _open_jetstream(url, create=create, clock=clock)
    return _open_alone(url, create=create, clock=clock)


def _open_alone(url: str, *, create: bool, clock: Clock) -> EventLog:
    scheme, separator, rest = url.partition(":")
    if scheme == "memory" and separator and rest in ("", "//"):
        from lifecycle.log.stores.memory.log import MemoryLog

        return MemoryLog(clock=clock)
    if scheme == "sqlite" and rest.startswith("///") and len(rest) > len("///"):
        from lifecycle.log.stores.sqlite.log import SQLiteLog

        return SQLiteLog(rest.removeprefix("///"), create=create, clock=clock)
    if _is_postgres(url):
        with _from_extra("postgres", "psycopg"):
            from lifecycle.log.stores.postgres.log import PostgresLog

        return PostgresLog(url, create=create, clock=clock)
    raise StoreUrlError(
        url, "sqlite:///file.db, postgresql://host/database, nats://host/NAME?beside=… or memory:"
    )


def _open_jetstream(url: str, *, create: bool, clock: Clock) -> EventLog | PartitionedLog:
    with _from_extra("nats", "nats-py"):
        from lifecycle.log.stores.jetstream.log import opened

    return opened(url, partial(_open_alone, create=create, clock=clock), create=create, clock=clock)


def rotate_master_key(url: str, keys: str | None) -> int:
    """Wrap the keys of the log at `url` with a new master key, and return how many there are.

    Raises:
        KeyStoreError: it has no key store of ours, or that cannot be used.
    """
    from lifecycle.log.encryption_check import NO_KEYS_GIVEN
    from lifecycle.log.event_log import EventLog

    with closing(_open_store(url, create=False, clock=_now)) as log:
        if not isinstance(log, EventLog):
            raise KeyStoreError(log.url, _HAS_NONE)
        named = keys or keys_beside(url)
        if named is None or log.is_encrypted() is False:
            raise KeyStoreError(log.url, NO_KEYS_GIVEN if log.is_encrypted() else _HAS_NONE)
        return open_key_store(named, log, create=False).rotate()


def initialize(
    url: str,
    *,
    role: str | None = None,
    follower: str | None = None,
    reader: str | None = None,
    revoke_public: bool = False,
) -> str:
    """Make the log at `url`, or what is missing of it, guard it, and return where it lies.

    What the index of links lacks is added to it, for which the whole log is read.

    On PostgreSQL roles are made if need be: `role` may then read and append, `follower` build
    the stored views and follow the log, `reader` read everything, and none may do more; who
    may do all of it is named three times. `revoke_public` keeps everybody else out of the
    database. Log in as the owner of the schema, who may make roles.

    Raises:
        InvalidArgumentError: the store has no roles, or a name is of no use.
        StoreError: as `connect`.
    """
    if _is_postgres(url):
        with _from_extra("postgres", "psycopg"):
            from lifecycle.log.stores.postgres.log import PostgresLog
            from lifecycle.log.stores.postgres.rights import Grants

        with closing(PostgresLog(url)) as log:
            log.initialize(Grants(role, follower, reader, revoke_public))
            log.index_links()
            return log.url
    if revoke_public or (role, follower, reader) != (None, None, None):
        raise InvalidArgumentError("role", "none: only PostgreSQL has roles")
    with closing(open_log(url, needs_keys=False)) as opened:
        if isinstance(opened, Guarded):
            opened.put_back_guards()
        opened.index_links()
        return opened.url


def initializing_statements(
    url: str,
    *,
    role: str | None = None,
    follower: str | None = None,
    reader: str | None = None,
    revoke_public: bool = False,
) -> list[str]:
    """Return the SQL that an administrator can run instead of `initialize`; none on SQLite.

    Errors are those of `initialize`; the database is not asked.
    """
    if not _is_postgres(url):
        return []
    with _from_extra("postgres", "psycopg"):
        from lifecycle.log.stores.postgres.log import statements_of
        from lifecycle.log.stores.postgres.rights import Grants

    return statements_of(url, Grants(role, follower, reader, revoke_public))


def rights_of(url: str, role: str) -> Setting:
    """Return what a role may do to the log at `url`, on PostgreSQL, as the doctor tells it.

    Raises:
        InvalidArgumentError: there is no such role.
        StoreError: as `connect`.
    """
    with _from_extra("postgres", "psycopg"):
        from lifecycle.log.stores.postgres.log import PostgresLog

    with closing(PostgresLog(url, create=False)) as log:
        return log.describe(role)


def _is_postgres(url: str) -> bool:
    return url.startswith(("postgresql://", "postgres://"))


@contextmanager
def _from_extra(extra: str, package: str) -> Iterator[None]:
    """Import what the packages of an extra may be missing for."""
    try:
        yield
    except ImportError as missing:
        raise MissingExtraError(extra, missing.name or package) from missing
