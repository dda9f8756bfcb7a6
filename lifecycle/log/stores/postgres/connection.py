"""Connections to PostgreSQL: every limit set, and none handed out that could lose an event."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from threading import Semaphore
from typing import Any, Final, TypeVar, cast

import psycopg
from psycopg import Connection, RawCursor
from psycopg.rows import DictRow, dict_row, tuple_row

from lifecycle.errors import StoreClosedError
from lifecycle.log.store_port import TryAgainError
from lifecycle.log.stores.postgres.array import register_arrays
from lifecycle.log.stores.postgres.fault import (
    NoReplyError,
    is_lost,
    translated_errors,
    unreachable,
)
from lifecycle.log.stores.postgres.settings import check_settings, session_statement
from lifecycle.log.stores.postgres.url import Target

_LONGEST_AGE: Final = 3600.0
"""Seconds after which a connection is replaced, so that a server that moved is found."""

_GRACE_SECONDS: Final = 5.0
"""For how much longer than the server's own limit we wait for it to say so."""

T = TypeVar("T")


class LogConnection(Connection[DictRow]):
    """A connection on which nothing is waited for without end."""

    reply_within = _GRACE_SECONDS
    made_at: float = 0.0
    tuples: RawCursor[tuple[Any, ...]]

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **kwargs: Any) -> T:
        """Run one exchange with the server; a reply that never comes ends in an error."""
        deadline = time.monotonic() + self.reply_within
        return super().wait(_until(deadline, gen), *args, **kwargs)


class LogConnectionPool:
    """Connections to one server; each is used by one thread at a time.

    Ours instead of psycopg's: that one connects from threads of its own, which a fork does
    not inherit, and goes on for minutes where a caller wants to be told.
    """

    def __init__(self, target: Target, *, create: bool) -> None:
        self._target = target
        self._create = create
        self._idle: deque[LogConnection] = deque()
        self._room = Semaphore(target.limits.pool_size)
        self._pid = os.getpid()
        self._closed = False
        self._opened_before = False

    def take(self) -> LogConnection:
        """Return a connection for one thread's use, to be put back.

        Raises:
            TryAgainError: all are in use, or the server cannot be reached just now.
            StoreUnavailableError: the server cannot be reached, or is not safe.
            StoreClosedError: the log was closed.
        """
        if self._closed:
            raise StoreClosedError(self._target.url)
        if not self._room.acquire(timeout=self._target.limits.lock_timeout):
            raise TryAgainError("all its connections are in use")
        try:
            return self._idle_one() or self._connected()
        except BaseException:
            self._room.release()
            raise

    def put(self, connection: LogConnection) -> None:
        """Take a connection back; one that is closed, or in doubt, is not used again."""
        if self._closed or connection.closed or connection.pgconn.transaction_status:
            connection.close()
        else:
            self._idle.append(connection)
        self._room.release()

    def close(self, *, for_good: bool = True) -> None:
        """Close what is idle; what is in use is closed when it is put back.

        In a fork nothing is closed: that would end the sessions of the parent.
        """
        if self._pid != os.getpid():
            return
        self._closed = self._closed or for_good
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def _idle_one(self) -> LogConnection | None:
        with suppress(IndexError):
            while True:
                connection = self._idle.pop()
                if not connection.closed and time.monotonic() - connection.made_at < _LONGEST_AGE:
                    return connection
                connection.close()
        return None

    def _connected(self) -> LogConnection:
        limits, url = self._target.limits, self._target.url
        try:
            connection = LogConnection.connect(
                autocommit=True,
                prepare_threshold=5 if self._target.prepares else None,
                row_factory=dict_row,
                **self._target.conninfo,
            )
        except psycopg.Error as fault:
            opening = not self._opened_before
            raise unreachable(url, fault, opening=opening, create=self._create) from None
        try:
            connection.made_at = time.monotonic()
            connection.reply_within = limits.statement_timeout + _GRACE_SECONDS
            register_arrays(connection)
            connection.tuples = RawCursor(connection, row_factory=tuple_row)
            with translated_errors(url):
                row = connection.execute(session_statement(limits)).fetchone()
            check_settings(url, row or {})
        except BaseException:
            connection.close()
            raise
        self._opened_before = True
        return connection


@contextmanager
def lent(pool: LogConnectionPool) -> Iterator[LogConnection]:
    """Yield a connection of a pool; one that was lost is not used again."""
    connection = pool.take()
    try:
        yield connection
    except BaseException as fault:
        if is_lost(fault):
            connection.close()
            # Where one is gone the others are mostly gone too.
            pool.close(for_good=False)
        raise
    finally:
        pool.put(connection)


def _until(deadline: float, gen: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
    """Run psycopg's side of an exchange, which is told again and again to wait."""
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > deadline:
                gen.close()
                raise NoReplyError
            wanted = gen.send(ready)
    except StopIteration as done:
        return cast("T", done.value)
