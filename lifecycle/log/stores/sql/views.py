"""Stored views on a tracking recorder of `eventsourcing`: what SQLite and PostgreSQL share.

The position of a generation is a row of the library's own tracking table, under the name
`views:<provider>:<number>`; it moves in the transaction that writes the views. The library
lets it only grow: whoever comes second finds that the generation moved on, and writes nothing.

Every index but one leads by order id within its generation, so that any query is walked page by
page and nothing is sorted: what is read is an index of the orders that wait, that have a status,
or that show an anomaly. One leads by when an order was heard of last. Times are whole
microseconds since 1970. Text compares bytewise.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from eventsourcing.persistence import IntegrityError, Tracking

from lifecycle.log.retry_policy import retried
from lifecycle.log.stores.sql.database import Cursor, Database
from lifecycle.log.stores.sql.tables import VIEWS
from lifecycle.log.view_store import (
    Batch,
    Conditions,
    Generation,
    Heard,
    Phase,
    Poisoned,
    StoredView,
)

COLUMNS: Final = StoredView._fields

_GENERATION: Final = (
    "SELECT number, provider, definition, form, release, phase, walked, "
    "coalesce((SELECT max(notification_id) FROM tracking "
    "WHERE application_name = ('views:' || provider || ':' || number)), 0) FROM view_generations "
)
_SELECT: Final = f"SELECT {', '.join(COLUMNS)} FROM order_views "  # noqa: S608 - no values

_ON_CONFLICT: Final = "ON CONFLICT (generation, order_id) DO UPDATE SET "
_TAKEN_OVER: Final = ", ".join(f"{column} = excluded.{column}" for column in COLUMNS[1:])


class ViewStatements(NamedTuple):
    """All statements, with `?` for each value."""

    generations: str = _GENERATION + "WHERE provider = ? ORDER BY number"
    generation: str = _GENERATION + "WHERE number = ?"
    under_way: str = (
        "SELECT count(*) FROM view_generations "
        "WHERE provider = ? AND (phase = 'walking' OR phase = 'trailing')"
    )
    begin: str = (
        "INSERT INTO view_generations (provider, definition, form, release, phase, walked) "
        "VALUES (?, ?, ?, ?, ?, ?) RETURNING number"
    )
    walk: str = "UPDATE view_generations SET walked = ? WHERE number = ?"
    promote: str = "UPDATE view_generations SET phase = ? WHERE number = ?"
    retire: str = (
        "UPDATE view_generations SET phase = 'retired' "
        "WHERE provider = ? AND phase = 'live' AND number <> ?"
    )
    upsert: str = (
        f"INSERT INTO order_views (generation, {', '.join(COLUMNS)}) "  # noqa: S608 - no values
        f"VALUES (?{', ?' * len(COLUMNS)}) {_ON_CONFLICT}{_TAKEN_OVER} "
        "WHERE excluded.version >= order_views.version"
    )
    drop_view: str = "DELETE FROM order_views WHERE generation = ? AND order_id = ?"
    poison: str = (
        "INSERT INTO poisoned_orders (generation, order_id, reason) VALUES (?, ?, ?) "
        "ON CONFLICT (generation, order_id) DO UPDATE SET reason = excluded.reason"
    )
    heal: str = "DELETE FROM poisoned_orders WHERE generation = ? AND order_id = ?"
    poisoned: str = (
        "SELECT order_id, reason FROM poisoned_orders "
        "WHERE generation = ? AND order_id > ? ORDER BY order_id LIMIT ?"
    )
    sweep_views: str = (
        "DELETE FROM order_views WHERE generation = ? AND order_id IN "
        "(SELECT order_id FROM order_views WHERE generation = ? LIMIT ?) RETURNING order_id"
    )
    sweep_poisoned: str = "DELETE FROM poisoned_orders WHERE generation = ?"
    sweep_generation: str = "DELETE FROM view_generations WHERE number = ?"
    sweep_tracking: str = "DELETE FROM tracking WHERE application_name = ?"
    recent: str = (
        f"{_SELECT}WHERE generation = ? AND (last_received_at, order_id) < (?, ?) "
        "ORDER BY last_received_at DESC, order_id DESC LIMIT ?"
    )
    count_by_status: str = (
        "SELECT status, count(*) FROM order_views WHERE generation = ? GROUP BY status"
    )
    between: str = (
        f"{_SELECT}WHERE generation = ? AND order_id > ? AND order_id <= coalesce(?, order_id) "
        "ORDER BY order_id"
    )


class Finding(NamedTuple):
    """A statement that finds views, its values, and `via` which index.

    Its first values are the generation and `after`, its last one is the limit.
    """

    statement: str
    values: list[object]
    via: str


def finding(wanted: Conditions) -> Finding:
    """Return the statement for these conditions."""
    asked = (
        ("awaiting <> '' AND waiting_since < ?", wanted.waiting_before),
        ("status = ?", wanted.status),
        ("last_received_at >= ?", wanted.received_since),
        ("last_received_at < ?", wanted.received_before),
    )
    terms = ["generation = ? AND order_id > ?", *["anomalies > 0"] * wanted.anomalies]
    terms += [term for term, value in asked if value is not None]
    values: list[object] = [value for _, value in asked if value is not None]
    statement = f"{_SELECT}WHERE {' AND '.join(terms)} ORDER BY order_id LIMIT ?"
    return Finding(statement, values, _index_for(wanted))


def _index_for(wanted: Conditions) -> str:
    """Return the index that rules out the most orders."""
    if wanted.anomalies and wanted.waiting_before is None:
        return "order_views_odd"
    if wanted.status is not None:
        return "order_views_by_status"
    if wanted.waiting_before is not None:
        return "order_views_waiting"
    if wanted.received_since is not None or wanted.received_before is not None:
        return "order_views_by_time"
    return "sqlite_autoindex_order_views_1"


class LostRaceError(Exception):
    """A generation is no longer as it was read; never leaves `stores`."""


def tracking_name(generation: Generation) -> str:
    """Return the name under which the library's tracking keeps a generation's position."""
    return f"views:{generation.provider}:{generation.number}"


class TrackedViews:
    """A `ViewStore` in the log's database; a subclass knows the library's recorder there."""

    def __init__(self, database: Database) -> None:
        self.url: str = database.url
        self.retry_timeout: float = database.retry_timeout
        self._database = database
        self._sql = ViewStatements._make(map(database.spelled, ViewStatements()))

    @abstractmethod
    def track(self, cursor: Cursor, tracking: Tracking) -> None:
        """Have the library's recorder move a position, in the transaction of a cursor."""
        ...

    @retried
    def create(self) -> None:
        """Make the tables, unless they are there; only the log's owner needs to."""
        with self._database.writing() as transaction:
            self._database.make(VIEWS, transaction)

    @retried
    def generations(self, provider: str) -> list[Generation]:
        """Return what is kept of a provider, oldest first."""
        if not self._database.holds(VIEWS):
            return []
        return list(map(_generation, self._database.ask(self._sql.generations, provider)))

    @retried
    def begin(self, new: Generation) -> bool:
        """Begin a generation that walks; False if another of this provider is being built."""
        with self._database.writing_views() as (cursor, _):
            cursor.execute(self._sql.under_way, (new.provider,))
            if cursor.fetchone()[0]:
                return False
            columns = (new.provider, new.definition, new.form, new.release)
            cursor.execute(self._sql.begin, (*columns, new.phase.value, new.walked))
            began = new._replace(number=cursor.fetchone()[0])
            self.track(cursor, Tracking(tracking_name(began), new.position))
        return True

    @retried
    def write(self, generation: Generation, batch: Batch) -> bool:
        """Write a batch and how far the generation is with it; False if it moved on."""
        try:
            with self._database.writing_views() as (cursor, _):
                self._expect(cursor, generation, in_place=batch.stays)
                self._write(cursor, generation.number, batch)
                if batch.walked is not None:
                    cursor.execute(self._sql.walk, (batch.walked, generation.number))
                if batch.position is not None:
                    self._move(cursor, generation, batch.position)
        except LostRaceError:
            return False
        return True

    @retried
    def promote(self, generation: Generation, to: Phase) -> bool:
        """Give a generation its next phase; False if it is no longer in the one it was in."""
        try:
            with self._database.writing_views() as (cursor, _):
                self._expect(cursor, generation)
                if to is Phase.LIVE:
                    cursor.execute(self._sql.retire, (generation.provider, generation.number))
                cursor.execute(self._sql.promote, (to.value, generation.number))
        except LostRaceError:
            return False
        return True

    @retried
    def sweep(self, generation: Generation, at_most: int) -> bool:
        """Delete some views of a retired generation, at last itself; False when it is gone."""
        number = generation.number
        with self._database.writing_views() as (cursor, _):
            cursor.execute(self._sql.sweep_views, (number, number, at_most))
            if cursor.fetchall():
                return True
            cursor.execute(self._sql.sweep_poisoned, (number,))
            cursor.execute(self._sql.sweep_generation, (number,))
            cursor.execute(self._sql.sweep_tracking, (tracking_name(generation),))
        return False

    @retried
    def find(
        self, generation: Generation, wanted: Conditions, after: str, at_most: int
    ) -> list[StoredView] | None:
        """Return the next views for which the conditions hold; None if it is there no longer."""
        statement, values, index = finding(wanted)
        statement = self._database.spelled(statement, index)
        with self._database.reading() as cursor:
            cursor.execute(self._sql.generation, (generation.number,))
            if cursor.fetchone() is None:
                return None
            cursor.execute(statement, (generation.number, after, *values, at_most))
            return list(map(StoredView._make, cursor.fetchall()))

    @retried
    def recent(self, generation: Generation, before: Heard, at_most: int) -> list[StoredView]:
        """Return the next views before a place, those first of which was heard last."""
        rows = self._database.ask(self._sql.recent, generation.number, *before, at_most)
        return list(map(StoredView._make, rows))

    @retried
    def count_by_status(self, generation: Generation) -> dict[str, int]:
        """Return how many views there are of each status."""
        return dict(self._database.ask(self._sql.count_by_status, generation.number))

    @retried
    def between(self, generation: Generation, after: str, until: str | None) -> list[StoredView]:
        """Return the views of all orders above `after`, up to `until`."""
        rows = self._database.ask(self._sql.between, generation.number, after, until)
        return list(map(StoredView._make, rows))

    @retried
    def poisoned(self, generation: Generation, after: str, at_most: int) -> list[Poisoned]:
        """Return the next orders above `after` that could not be folded, by order id."""
        rows = self._database.ask(self._sql.poisoned, generation.number, after, at_most)
        return list(map(Poisoned._make, rows))

    def _expect(self, cursor: Cursor, generation: Generation, *, in_place: bool = False) -> None:
        """Refuse to go on from what is no longer so."""
        cursor.execute(self._sql.generation, (generation.number,))
        row = cursor.fetchone()
        if row is None or not _generation(row).is_still(generation, in_place=in_place):
            raise LostRaceError

    def _write(self, cursor: Cursor, number: int, batch: Batch) -> None:
        gone = [(number, order_id) for order_id in batch.gone]
        troubled = [(number, poisoned.order_id) for poisoned in batch.poisoned]
        fine = [(number, view.order_id) for view in batch.views]
        for statement, rows in (
            (self._sql.drop_view, [*troubled, *gone]),
            (self._sql.heal, [*fine, *gone]),
            (self._sql.upsert, [(number, *view) for view in batch.views]),
            (self._sql.poison, [(number, *poisoned) for poisoned in batch.poisoned]),
        ):
            if rows:
                cursor.executemany(statement, rows)

    def _move(self, cursor: Cursor, generation: Generation, position: int) -> None:
        try:
            self.track(cursor, Tracking(tracking_name(generation), position))
        except IntegrityError:
            raise LostRaceError from None


def _generation(row: Sequence[Any]) -> Generation:
    number, provider, definition, form, release, phase, walked, position = row
    return Generation(number, provider, definition, form, release, Phase(phase), walked, position)
