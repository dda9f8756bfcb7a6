"""Subscriptions in the database of the log: a handler may write in the same transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import DictRow

from lifecycle.errors import StoreUnavailableError
from lifecycle.feed_store import DeadLetter, MovedOnError, Standing
from lifecycle.stores.feed_statement import STATEMENTS
from lifecycle.stores.patience import patient
from lifecycle.stores.postgres_connection import Lent, LogConnectionPool
from lifecycle.stores.postgres_fault import InOurWords
from lifecycle.stores.postgres_schema import Place
from lifecycle.stores.recorder import InDoubtError

_SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS {schema}.feeds (
    name text COLLATE "C" PRIMARY KEY,
    position bigint NOT NULL
)""",
    """CREATE TABLE IF NOT EXISTS {schema}.feed_letters (
    feed text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    reason text NOT NULL,
    attempts bigint NOT NULL,
    PRIMARY KEY (feed, position)
)""",
    "CREATE INDEX IF NOT EXISTS feed_letters_order ON {schema}.feed_letters (feed, order_id)",
)
_IS_THERE: Final = "SELECT to_regclass($1) IS NOT NULL"

_Statement = tuple[str, Sequence[object]]


class PostgresFeeds:
    """A `FeedStore` on the connections of the log; `patience` is as the log's."""

    def __init__(self, pool: LogConnectionPool, place: Place, url: str, patience: float) -> None:
        self.url = url
        self.patience = patience
        self._pool = pool
        self._place = place
        self._sql = STATEMENTS.numbered(place.quoted_schema)

    @patient
    def begin(self, name: str, position: int) -> int:
        """Return where a subscription stands; a new one begins at `position`."""
        found = self._ask(self._sql.position, name) if self._is_there() else []
        if not found:
            with self._transaction() as connection:
                self._create(connection)
                connection.tuples.execute(self._sql.begin, (name, position))
            found = self._ask(self._sql.position, name)
        return int(found[0][0])

    @patient
    def standings(self) -> list[Standing]:
        """Return all subscriptions, by name."""
        found = self._ask(self._sql.standings) if self._is_there() else []
        return list(map(Standing._make, found))

    @patient
    def move(self, name: str, before: int, after: int) -> bool:
        """Move a position; False if it is no longer at `before`."""
        return self._do((self._sql.move, (after, name, before)))

    @contextmanager
    def moving(self, name: str, before: int, after: int) -> Iterator[Connection[DictRow]]:
        """Yield the driver's connection within a transaction that moves the position."""
        with self._shared((self._sql.move, (after, name, before))) as connection:
            yield connection

    @patient
    def park(self, name: str, before: int, letter: DeadLetter) -> bool:
        """Keep a letter and move the position to it."""
        return self._do(
            (self._sql.move, (letter.position, name, before)), (self._sql.park, (name, *letter))
        )

    @patient
    def letters(self, name: str, after: int, at_most: int) -> list[DeadLetter]:
        """Return the next letters with positions above `after`, by position."""
        found = self._ask(self._sql.letters, name, after, at_most) if self._is_there() else []
        return list(map(DeadLetter._make, found))

    @patient
    def waits(self, name: str, order_id: str) -> bool:
        """Tell whether a letter of this order waits."""
        return bool(self._ask(self._sql.waits, name, order_id))

    @patient
    def drop(self, name: str, position: int) -> bool:
        """Forget a letter; False if it is there no longer."""
        return self._do((self._sql.drop, (name, position)))

    @contextmanager
    def dropping(self, name: str, position: int) -> Iterator[Connection[DictRow]]:
        """Yield the driver's connection within a transaction that forgets the letter."""
        with self._shared((self._sql.drop, (name, position))) as connection:
            yield connection

    @patient
    def retried(self, name: str, position: int, reason: str, attempts: int) -> None:
        """Add handings over to a letter that still was not taken."""
        self._do((self._sql.retried, (reason, attempts, name, position)))

    def _create(self, connection: Any) -> None:
        connection.execute(f"SELECT pg_advisory_xact_lock({self._place.create_lock})".encode())
        for statement in _SCHEMA:
            connection.execute(statement.format(schema=self._place.quoted_schema).encode())

    def _is_there(self) -> bool:
        return bool(self._ask(_IS_THERE, f"{self._place.quoted_schema}.feed_letters")[0][0])

    def _do(self, first: _Statement, *others: _Statement) -> bool:
        """Run statements in one transaction; False, and nothing done, if the first finds none.

        Where the reply to a commit was lost, asking again finds out: the first then finds none.
        """
        with self._transaction() as connection:
            if connection.tuples.execute(*first).fetchone() is None:
                return False
            for statement in others:
                connection.tuples.execute(*statement)
        return True

    @contextmanager
    def _shared(self, first: _Statement) -> Iterator[Any]:
        try:
            with self._transaction() as connection:
                if connection.tuples.execute(*first).fetchone() is None:
                    raise MovedOnError
                yield connection
        except InDoubtError as doubt:
            raise StoreUnavailableError(self.url, doubt.found) from doubt

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        with (
            InOurWords(self.url, writes=True),
            Lent(self._pool) as connection,
            connection.transaction(),
        ):
            yield connection

    def _ask(self, statement: str, *parameters: object) -> list[Any]:
        with InOurWords(self.url), Lent(self._pool) as connection:
            return connection.tuples.execute(statement, parameters).fetchall()
