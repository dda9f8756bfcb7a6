"""Stored views in the SQLite file of the log, on the library's tracking recorder.

The position of a generation is a row of the library's own `tracking` table, under the name
`views:<provider>:<number>`; it moves in the transaction that writes the views.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from eventsourcing.persistence import IntegrityError, Tracking
from eventsourcing.sqlite import SQLiteCursor, SQLiteTrackingRecorder

from lifecycle.stores import sqlite_views_statement as sql
from lifecycle.stores.patience import patient
from lifecycle.stores.sqlite_connection import Lent, LogDatastore
from lifecycle.stores.sqlite_fault import InOurWords
from lifecycle.stores.tracked import MovedOnError, tracking_name
from lifecycle.view_store import Batch, Conditions, Generation, Phase, Poisoned, StoredView


class SQLiteViews(SQLiteTrackingRecorder):
    """A `ViewStore` on the connections of the log; `patience` is as the log's."""

    datastore: LogDatastore

    def __init__(self, datastore: LogDatastore, url: str, patience: float) -> None:
        super().__init__(datastore)
        self.url = url
        self.patience = patience

    def construct_create_table_statements(self) -> list[str]:
        """Return the statements that make the tables, the library's for tracking first."""
        return [*super().construct_create_table_statements(), *sql.SCHEMA]

    @patient
    def create(self) -> None:
        """Make the tables, unless they are there."""
        while not self._is_there():
            # Whoever makes them first also marks the library's table, which works once.
            with InOurWords(self.url), suppress(IntegrityError):
                self.create_table()

    @patient
    def generations(self, provider: str) -> list[Generation]:
        """Return what is kept of a provider, oldest first."""
        if not self._is_there():
            return []
        return list(map(_generation, self._fetch(sql.GENERATIONS, (provider,))))

    @patient
    def begin(self, new: Generation) -> bool:
        """Begin a generation that walks; False if another of this provider is being built."""
        with self._writing() as cursor:
            cursor.execute(sql.UNDER_WAY, (new.provider,))
            if cursor.fetchone()[0]:
                return False
            cursor.execute(sql.BEGIN, new[1:-1])
            began = new._replace(number=int(cursor.lastrowid))
            self._insert_tracking(cursor, Tracking(tracking_name(began), new.position))
        return True

    @patient
    def write(self, generation: Generation, batch: Batch) -> bool:
        """Write a batch and how far the generation is with it; False if it moved on."""
        number = generation.number
        try:
            with self._writing() as cursor:
                self._expect(cursor, generation, in_place=batch.stays)
                trouble = [(number, poisoned.order_id) for poisoned in batch.poisoned]
                fine = [(number, view.order_id) for view in batch.views]
                gone = [(number, order_id) for order_id in batch.gone]
                cursor.executemany(sql.DROP_VIEW, [*trouble, *gone])
                cursor.executemany(sql.HEAL, [*fine, *gone])
                cursor.executemany(sql.UPSERT, [(number, *view) for view in batch.views])
                cursor.executemany(sql.POISON, [(number, *poisoned) for poisoned in batch.poisoned])
                self._move(cursor, generation, batch)
        except MovedOnError:
            return False
        return True

    @patient
    def promote(self, generation: Generation, to: Phase) -> bool:
        """Give a generation its next phase; False if it is no longer in the one it was in."""
        try:
            with self._writing() as cursor:
                self._expect(cursor, generation)
                if to is Phase.LIVE:
                    cursor.execute(sql.RETIRE, (generation.provider, generation.number))
                cursor.execute(sql.PROMOTE, (to, generation.number))
        except MovedOnError:
            return False
        return True

    @patient
    def sweep(self, generation: Generation, at_most: int) -> bool:
        """Delete some views of a retired generation, at last itself; False when it is gone."""
        with self._writing() as cursor:
            cursor.execute(sql.SWEEP_VIEWS, (generation.number, at_most))
            cursor.execute("SELECT changes()")
            if cursor.fetchone()[0]:
                return True
            cursor.execute(sql.SWEEP_POISONED, (generation.number,))
            cursor.execute(sql.SWEEP_GENERATION, (generation.number,))
            cursor.execute(sql.SWEEP_TRACKING, (tracking_name(generation),))
        return False

    @patient
    def find(
        self, generation: Generation, wanted: Conditions, after: str, at_most: int
    ) -> list[StoredView] | None:
        """Return the next views for which the conditions hold; None if it is there no longer."""
        statement, values = sql.finding(wanted)
        parameters = (generation.number, after, *values, at_most)
        with self._reading() as cursor:
            if not cursor.execute(sql.GENERATION, (generation.number,)).fetchone():
                return None
            return list(map(StoredView._make, cursor.execute(statement, parameters)))

    @patient
    def between(self, generation: Generation, after: str, until: str | None) -> list[StoredView]:
        """Return the views of all orders above `after`, up to `until`."""
        rows = self._fetch(sql.BETWEEN, (generation.number, after, until))
        return list(map(StoredView._make, rows))

    @patient
    def poisoned(self, generation: Generation, after: str, at_most: int) -> list[Poisoned]:
        """Return the next orders above `after` that could not be folded, by order id."""
        rows = self._fetch(sql.POISONED, (generation.number, after, at_most))
        return list(map(Poisoned._make, rows))

    def _expect(
        self, cursor: SQLiteCursor, generation: Generation, *, in_place: bool = False
    ) -> None:
        """Refuse to go on from what is no longer so."""
        cursor.execute(sql.GENERATION, (generation.number,))
        row = cursor.fetchone()
        if row is None or not _generation(row).is_still(generation, in_place=in_place):
            raise MovedOnError

    def _move(self, cursor: SQLiteCursor, generation: Generation, batch: Batch) -> None:
        if batch.walked is not None:
            cursor.execute(sql.WALK, (batch.walked, generation.number))
        if batch.position is not None:
            try:
                self._insert_tracking(cursor, Tracking(tracking_name(generation), batch.position))
            except IntegrityError:
                raise MovedOnError from None

    def _is_there(self) -> bool:
        ((tables,),) = self._fetch(sql.IS_THERE, ("view_generations", "tracking"))
        return bool(tables == 2)

    @contextmanager
    def _writing(self) -> Iterator[SQLiteCursor]:
        with (
            InOurWords(self.url),
            Lent(self.datastore.pool) as connection,
            connection.transaction(commit=True) as cursor,
        ):
            yield cursor

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Cursor]:
        """Yield a cursor whose statements all see one state of the file."""
        with InOurWords(self.url), Lent(self.datastore.pool) as connection:
            connection.driver.execute("BEGIN")
            try:
                yield connection.tuples
            finally:
                connection.driver.execute("ROLLBACK")

    def _fetch(self, statement: str, parameters: Sequence[object]) -> list[Any]:
        with self._reading() as cursor:
            return cursor.execute(statement, parameters).fetchall()


def _generation(row: Sequence[Any]) -> Generation:
    number, provider, definition, form, release, phase, walked, position = row
    return Generation(number, provider, definition, form, release, Phase(phase), walked, position)
