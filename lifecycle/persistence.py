"""The log as a persistence module of the library `eventsourcing`.

    PERSISTENCE_MODULE=lifecycle.persistence
    LIFECYCLE_DB=sqlite:///orders.db          or postgresql://host/database?schema=orders

`OrderLog` is an application of that library whose notifications are the records of our log, for
its readers, followers and projections. Applications of your own keep their events and their
tracking in the same database, in tables of their own: neither sees the other's.

A mapper decodes our records, not a transcoder: that is given the state alone, and a record is
only sound where its stream, version and position are those that it was written for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import cached_property
from importlib import import_module
from threading import Event as Flag
from typing import Any, Final, NoReturn, cast
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import TAggregateID
from eventsourcing.persistence import (
    ApplicationRecorder,
    InfrastructureFactory,
    InfrastructureFactoryError,
    Mapper,
    Notification,
    NotSupportedError,
    ProgrammingError,
    StoredEvent,
    Subscription,
    TrackingRecorder,
)
from eventsourcing.sqlite import SQLiteConnection, SQLiteCursor, SQLiteDatastore
from eventsourcing.utils import Environment, EnvType, resolve_topic, strtobool

from lifecycle.composition import DEFAULT_URL, open_log
from lifecycle.errors import StoreError
from lifecycle.log.cipher import Cipher
from lifecycle.log.codec import decode
from lifecycle.log.contract import Log, Record
from lifecycle.log.store_port import in_library_words

__all__ = ["Factory", "LogMapper", "OrderLog", "OrderRecorder"]

_TABLE_OF_THE_LOG: Final = "stored_events"
_TRACKING: Final = re.compile(r"\btracking\b")
_TRACKING_MADE: Final = re.compile(r"(?<=EXISTS )tracking\b")
_PAGE: Final = 500
_PAUSE: Final = 0.1


class PolledSubscription(Subscription[ApplicationRecorder]):
    """Notifications as they come, asked for ten times a second.

    SQLite tells nobody of a commit. PostgreSQL does, but not those who begin to listen meanwhile.
    """

    def __init__(
        self, recorder: ApplicationRecorder, gt: int | None = None, topics: Sequence[str] = ()
    ) -> None:
        super().__init__(recorder, gt, topics)
        self._stopped = Flag()
        self._page: Iterator[Notification] = iter(())

    def stop(self) -> None:
        """End the iteration; from any thread."""
        super().stop()
        self._stopped.set()

    def __next__(self) -> Notification:
        while not self._stopped.is_set():
            for notification in self._page:
                self._last_notification_id = notification.id
                return notification
            last = self._last_notification_id or 0
            found = self._recorder.select_notifications(
                last, _PAGE, topics=self._topics, inclusive_of_start=False
            )
            self._page = iter(found)
            if not found:
                self._stopped.wait(_PAUSE)
        raise StopIteration


class OrderRecorder(ApplicationRecorder):
    """The records of a log, to be read and followed; it records nothing."""

    def __init__(self, log: Any) -> None:
        self._log: Log = log
        self._recorder: ApplicationRecorder = log.recorder
        self.cipher: Cipher | None = log.cipher

    def insert_events(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: what is recorded this way is neither deduplicated nor chained.

        Raises:
            NotSupportedError: always.
        """
        raise NotSupportedError("orders are recorded by lifecycle.connect() alone")

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[Notification]:
        """Return the records of one stream, such as `order:PROVIDER:xyz123456`."""
        with in_library_words(StoreError):
            self._catch_up()
            records = self._log.read(str(originator_id), after=gt or 0, until=lte)
        chosen = records[::-1] if desc else records
        return [
            Notification(each.stream, each.version, each.topic, each.state, each.position)
            for each in chosen[:limit]
        ]

    def select_notifications(self, *place: Any, **options: Any) -> Sequence[Notification]:
        """Return records by position; topics are `request`, `response`, `callback`, `poll`, ..."""
        with in_library_words(StoreError):
            self._catch_up()
        return self._recorder.select_notifications(*place, **options)

    def _catch_up(self) -> None:
        """Have the mapper forget the keys that were erased since."""
        if self.cipher is not None:
            self.cipher.catch_up()

    def max_notification_id(self) -> int | None:
        """Return the last position, None for an empty log."""
        return self._recorder.max_notification_id()

    def subscribe(self, *place: Any, **options: Any) -> Subscription[ApplicationRecorder]:
        """Return an endless iterator of the records above a position, as they come."""
        return PolledSubscription(self, *place, **options)


class LogMapper(Mapper[TAggregateID]):
    """Decodes our records to what `lifecycle` reads them as; maps all other events as usual.

    A topic of that library names a module and a class, with a colon between them; ours have none.
    `bodies` decrypts what the log holds, which an `OrderLog` gives it.
    """

    bodies: Cipher | None = None

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        """Return an `Event`, an `Unreadable` or a mark for a record of ours.

        Raises:
            StoredFormatError: it is damaged, or stands where it was not written.
        """
        if ":" in stored_event.topic:
            return super().to_domain_event(stored_event)
        stream, version = str(stored_event.originator_id), stored_event.originator_version
        position = getattr(stored_event, "id", 0)
        record = Record(stream, version, stored_event.topic, position, stored_event.state)
        return decode(record, self.bodies)


class Factory(InfrastructureFactory[TrackingRecorder]):
    """Makes the recorders of applications whose tables lie beside the log.

    An application `Couriers` has `couriers_events`, `couriers_snapshots`, `couriers_tracking`.
    """

    def __init__(self, env: Environment | EnvType | None) -> None:
        super().__init__(env)
        self.env.setdefault(self.MAPPER_TOPIC, f"{__name__}:{LogMapper.__name__}")
        self._opened = ExitStack()

    def order_recorder(self) -> OrderRecorder:
        """Return a recorder of the log itself, until this factory is closed."""
        return OrderRecorder(self._opened.enter_context(closing(self._open_log())))

    def aggregate_recorder(self, purpose: str = "events") -> Any:
        """Return a recorder of the application's own events, or snapshots."""
        return self._recorder("aggregate", events=purpose)

    def application_recorder(self) -> Any:
        """Return a recorder of the application's own events, in their total order."""
        return self._recorder("application", events="events")

    def tracking_recorder(self, tracking_recorder_class: type[Any] | None = None) -> Any:
        """Return a recorder of how far a projection is, to be written with what it projects."""
        return self._recorder("tracking", tracking_recorder_class, tracking="tracking")

    def process_recorder(self) -> Any:
        """Return a recorder of the application's own events, and of how far it follows others."""
        return self._recorder("process", events="events", tracking="tracking")

    def close(self) -> None:
        """Close every connection."""
        self._opened.close()

    def _recorder(self, kind: str, chosen: type[Any] | None = None, **purposes: str) -> Any:
        stock, datastore = self._beside
        topic = self.env.get(f"{kind.upper()}_RECORDER_TOPIC")
        named = resolve_topic(topic) if topic else getattr(stock, f"{kind}_recorder_class")
        tables = {f"{what}_table_name": self._table(name) for what, name in purposes.items()}
        if isinstance(datastore, SQLiteDatastore):
            recorder = _sqlite_recorder(chosen or named, datastore, tables)
        else:
            recorder = (chosen or named)(datastore, **tables)
        if self._makes_tables:
            recorder.create_table()
        return recorder

    def _table(self, purpose: str) -> str:
        name = f"{self.env.name or 'stored'}_{purpose}".lower()
        if name == _TABLE_OF_THE_LOG:
            raise ProgrammingError(f"{name} is the table of the log; give the application a name")
        return name

    @property
    def _makes_tables(self) -> bool:
        return strtobool(self.env.get("CREATE_TABLE") or "yes")

    @cached_property
    def _beside(self) -> tuple[Any, Any]:
        """That library's factory for the database of the log, and a datastore on it."""
        with closing(self._open_log()) as log:
            ours = log.recorder.datastore
        on_sqlite = isinstance(ours, SQLiteDatastore)
        stock = import_module(f"eventsourcing.{'sqlite' if on_sqlite else 'postgres'}").Factory
        make = _sqlite_datastore if on_sqlite else _postgres_datastore
        return stock, self._opened.enter_context(closing(make(ours, self.env, stock)))

    def _open_log(self) -> Any:
        """Return the log, made if need be, as the tables are.

        Raises:
            InfrastructureFactoryError: everybody who opens it would get another one.
            StoreError: as `lifecycle.connect`.
        """
        url = self.env.get("LIFECYCLE_DB") or DEFAULT_URL
        if url.startswith("memory:"):
            raise InfrastructureFactoryError("a log in memory cannot be shared; use a file")
        keys = self.env.get("LIFECYCLE_KEYS") or None
        return open_log(url, create=self._makes_tables, keys=keys)


class OrderLog(Application[str]):
    """The log as an application of that library: to be read, followed and projected.

    Its events are what `LogMapper` returns. Trackings name it `orders`.
    """

    name = "orders"

    def construct_factory(self, env: Environment) -> Factory:
        """Return our factory, whatever `PERSISTENCE_MODULE` names."""
        return Factory(env)

    def construct_recorder(self) -> OrderRecorder:
        """Return the recorder of the log."""
        recorder = cast("Factory", self.factory).order_recorder()
        if isinstance(self.mapper, LogMapper):
            self.mapper.bodies = recorder.cipher
        return recorder


class _OwnTables(SQLiteDatastore):
    """Takes SQLite's lock before the first statement: a read that has to write fails otherwise.

    SQLite ends the process when a connection is closed under a statement, so what is in use when
    this is closed is closed by whoever uses it.
    """

    @contextmanager
    def get_connection(self, *, commit: bool) -> Iterator[SQLiteConnection]:
        connection = self.pool.get_connection(is_writer=commit)
        try:
            yield connection
        finally:
            with self.pool._put_condition:  # noqa: SLF001 - closed or put back, not both
                if self.pool.closed:
                    connection.close()
                else:
                    self.pool.put_connection(connection)

    def close(self) -> None:
        """Close what nobody uses."""
        with self.pool._put_condition:  # noqa: SLF001 - the pool closes all at once
            self.pool._in_use.clear()  # noqa: SLF001
            self.pool.close()

    @contextmanager
    def transaction(self, *, commit: bool) -> Iterator[SQLiteCursor]:
        with super().transaction(commit=commit) as cursor:
            if commit:
                cursor.execute("ROLLBACK")
                cursor.execute("BEGIN IMMEDIATE")
            yield cursor


def _sqlite_datastore(ours: Any, env: Environment, _: Any) -> SQLiteDatastore:
    return _OwnTables(
        ours.pool.db_name,
        lock_timeout=int(env.get("SQLITE_LOCK_TIMEOUT") or 5),
        originator_id_type=cast("Any", env.get("ORIGINATOR_ID_TYPE", "uuid").lower()),
    )


def _postgres_datastore(ours: Any, env: Environment, stock: Any) -> Any:
    """Return that library's datastore, with its own settings, on the database of the log."""
    unused = dict.fromkeys(("DBNAME", "HOST", "USER", "PASSWORD"), "")
    settings = {f"POSTGRES_{name}": value for name, value in unused.items()}
    made = stock(Environment(env.name, {**settings, "POSTGRES_SCHEMA": ours.schema, **env}))
    pool = made.datastore.pool
    pool.kwargs = {**ours.conninfo, "row_factory": pool.kwargs["row_factory"]}
    return made.datastore


def _sqlite_recorder(kind: type[Any], datastore: SQLiteDatastore, tables: dict[str, str]) -> Any:
    """Return a recorder of that library, which puts names into statements as they are.

    It knows one table of trackings for all who follow anything; here each has one of its own.
    """
    quoted = {what: '"{}"'.format(name.replace('"', '""')) for what, name in tables.items()}
    tracking = quoted.pop("tracking_table_name", None)
    recorder = kind(datastore, **quoted)
    if tracking is not None:
        for name in ("insert_tracking_statement", "select_max_tracking_id_statement"):
            setattr(recorder, name, _TRACKING.sub(lambda _: tracking, getattr(recorder, name)))
        recorder.create_table_statements = [
            _TRACKING_MADE.sub(lambda _: tracking, line)
            for line in recorder.create_table_statements
        ]
    return recorder
