"""Who holds a lock that we wait for in vain: named, so that somebody can be asked, or ended."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Final, NamedTuple

import psycopg

from lifecycle.core.instant import format_instant
from lifecycle.errors import StoreError
from lifecycle.log.recorder import TryAgainError
from lifecycle.log.stores.postgres.connection import Lent, LogConnectionPool
from lifecycle.log.stores.postgres.fault import LockWaitError
from lifecycle.log.stores.postgres.qualified import qualified
from lifecycle.log.stores.postgres.schema import Place

# The server shows a lock's number in two halves, and the times of a session to few.
_HOLDER: Final = qualified(
    """SELECT h.pid, a.usename::text, a.application_name, coalesce(a.xact_start, a.state_change)
FROM pg_catalog.pg_locks h LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = h.pid
WHERE h.granted AND h.pid <> pg_backend_pid()
AND h.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
AND ((h.locktype = 'advisory' AND h.objsubid = 1
        AND (h.classid::text || ' ' || h.objid::text) = ANY($1::text[]))
    OR (h.locktype = 'relation' AND h.relation = to_regclass($2)
        AND h.mode = ANY('{ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}')))
ORDER BY h.locktype, h.pid LIMIT 1
"""
)
_HALF: Final = 2**32 - 1


class Holder(NamedTuple):
    """One session that holds a lock; what the server does not show is None."""

    pid: int
    role: str | None
    application: str | None
    since: Any

    def __str__(self) -> str:
        parts = [f"process {self.pid}"]
        parts += [f"role {self.role}"] if self.role else []
        parts += [f"application {self.application}"] if self.application else []
        parts += [f"since {format_instant(self.since)}"] if self.since else []
        return ", ".join(parts)


class NamingTheHolder:
    """Adds to the error of a lock that was not to be had who holds it just then.

    `locks` are the numbers of those advisory locks that the block may wait for.
    """

    __slots__ = ("_locks", "_pool", "_table")

    def __init__(self, pool: LogConnectionPool, place: Place, *locks: int) -> None:
        self._pool = pool
        self._table = place.table
        self._locks = [f"{(lock >> 32) & _HALF} {lock & _HALF}" for lock in locks]

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: object, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(fault, LockWaitError):
            holder = self._holder()
            if holder is not None:
                raise LockWaitError(f"{fault.found}; it is held by: {holder}") from None

    def _holder(self) -> Holder | None:
        """Return who holds one of the locks; None where nobody does, or nobody can be asked."""
        try:
            with Lent(self._pool) as connection:
                rows = connection.tuples.execute(_HOLDER, (self._locks, self._table)).fetchall()
        except (TryAgainError, StoreError, psycopg.Error):
            return None
        return Holder._make(rows[0]) if rows else None
