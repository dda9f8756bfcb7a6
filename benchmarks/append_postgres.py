"""Durable appends on PostgreSQL, from raw bytes to the receipt. Wall time.

    python benchmarks/append_postgres.py

One at a time, in batches of 100, and from 100 asyncio callers; beside the bare insert, the
raw limit (`unnest` of 100, plus the same strict parse), the floor under any log with these
promises, and the obvious way. The server is started for the benchmark, on the disk of
temporary files, with its default settings.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Final

import obvious
import psycopg
from append_sqlite import BATCH, CALLERS, batches
from pairs import Peer, Row, Stopwatch, main, measure, wall
from raw import stored, vouch
from workload import Callback, arrivals

sys.path.append(str(Path(__file__).parents[1]))

from lifecycle import connect, connect_async
from lifecycle.core.strict_json import parse
from lifecycle.log.contract import Record
from lifecycle.log.stores.postgres.array import (
    bigint_array,
    bytea_array,
    register_arrays,
    text_array,
)
from lifecycle.log.stores.postgres.statements import record_statements
from lifecycle.log.stores.postgres.tables import LogTables
from tests.postgres_server import Server, server_if_any

Callbacks = Sequence[Callback]

_TABLE: Final = (
    "CREATE TABLE {} (position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, order_id text "
    "NOT NULL, event_id text NOT NULL, body bytea NOT NULL, UNIQUE (order_id, event_id))"
)
_INSERT: Final = (
    "INSERT INTO {} (order_id, event_id, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
)
_INSERT_MANY: Final = (
    "INSERT INTO {} (order_id, event_id, body) "
    "SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[]) ON CONFLICT DO NOTHING"
)
_numbers: Final = count(1)


class RawLog:
    """A table of bodies with a unique key; nothing is recognized, chained or told."""

    def __init__(self, server: Server) -> None:
        table = f"raw_{next(_numbers)}"
        self._connection = server.connect()
        register_arrays(self._connection)
        self._cursor = psycopg.RawCursor(self._connection)
        self._connection.execute(_TABLE.format(table).encode())
        self._one, self._many = _INSERT.format(table), _INSERT_MANY.format(table)

    def close(self) -> None:
        """End the session."""
        self._connection.close()

    def insert(self, callbacks: Callbacks) -> None:
        """Insert one callback in a transaction of its own, the shortest way."""
        for each in callbacks:
            parameters = (each.order_id, each.event_id, each.body)
            self._cursor.execute(self._one, parameters, prepare=True, binary=True)

    def insert_many(self, callbacks: Callbacks) -> None:
        """Insert callbacks in one statement."""
        columns = (
            text_array([each.order_id for each in callbacks]),
            text_array([each.event_id for each in callbacks]),
            bytea_array([each.body for each in callbacks]),
        )
        self._cursor.execute(self._many, columns, prepare=True, binary=True)

    def parse_and_insert_many(self, callbacks: Callbacks) -> None:
        """Parse the bodies, which the limit pays for too, and insert them."""
        for each in callbacks:
            parse(each.body)
        self.insert_many(callbacks)


class Floor:
    """The log's own table and its own insert, given records that were made before."""

    def __init__(self, server: Server) -> None:
        database = server.new_database()
        connect(server.url(database)).close()
        self._connection = server.connect(database)
        register_arrays(self._connection)
        self._cursor = psycopg.RawCursor(self._connection)
        self._insert = record_statements(LogTables()).insert

    def close(self) -> None:
        """End the session."""
        self._connection.close()

    def record(self, callbacks: Callbacks, records: Sequence[Record]) -> None:
        """Do for callbacks what cannot be left out, and insert the records they become."""
        vouch(callbacks, records)
        columns = (
            text_array([each.stream for each in records]),
            bigint_array([each.version for each in records]),
            text_array([each.topic for each in records]),
            bytea_array([each.state for each in records]),
        )
        self._cursor.execute(self._insert, columns, prepare=True, binary=True).fetchall()


def one_at_a_time(server: Server, callbacks: Callbacks) -> Peer:
    """Record each callback by itself."""

    def run(watch: Stopwatch) -> int:
        with connect(server.new_url()) as orders, watch.running():
            for callback in callbacks:
                orders.record_callback(callback.body)
        return len(callbacks)

    return run


def in_batches(server: Server, callbacks: Callbacks) -> Peer:
    """Record a hundred callbacks in one commit."""

    def run(watch: Stopwatch) -> int:
        with connect(server.new_url()) as orders, watch.running():
            for batch in batches(callbacks, BATCH):
                orders.record_many([{"kind": "callback", "body": each.body} for each in batch])
        return len(callbacks)

    return run


def from_callers(server: Server, callbacks: Callbacks) -> Peer:
    """Record from a hundred tasks, each with one callback at a time."""

    async def record(watch: Stopwatch) -> None:
        waiting = iter(callbacks)

        async def call() -> None:
            for callback in waiting:
                await orders.record_callback(callback.body)

        async with connect_async(server.new_url()) as orders:
            with watch.running():
                await asyncio.gather(*(call() for _ in range(CALLERS)))

    def run(watch: Stopwatch) -> int:
        asyncio.run(record(watch))
        return len(callbacks)

    return run


def raw(
    server: Server, callbacks: Callbacks, size: int, insert: Callable[[RawLog, Callbacks], None]
) -> Peer:
    """Insert `size` callbacks in one transaction, the raw way."""

    def run(watch: Stopwatch) -> int:
        with closing(RawLog(server)) as log, watch.running():
            for batch in batches(callbacks, size):
                insert(log, batch)
        return len(callbacks)

    return run


def floor(server: Server, callbacks: Callbacks, size: int) -> Peer:
    """Do what cannot be left out, `size` callbacks in one transaction."""
    made = stored(batches(callbacks, size))

    def run(watch: Stopwatch) -> int:
        with closing(Floor(server)) as log, watch.running():
            for batch, records in made:
                log.record(batch, records)
        return len(callbacks)

    return run


def obvious_way(server: Server, callbacks: Callbacks) -> Peer:
    """Record each callback through its aggregate."""

    def run(watch: Stopwatch) -> int:
        database = server.new_database()
        with closing(obvious.opened_on_postgres(server, database)) as orders, watch.running():
            for callback in callbacks:
                orders.record(callback.body)
        return len(callbacks)

    return run


def rows(options: argparse.Namespace) -> list[Row]:
    """Return the rows of appending, each with its peers; none where no server can be started."""
    callbacks = list(arrivals(options.events))
    few = callbacks[: max(1, options.events // 10)]
    with server_if_any(on_disk=True) as server:
        if server is None:
            return []
        return singly(server, few, options.rounds) + grouped(server, callbacks, few, options.rounds)


def singly(server: Server, few: Callbacks, rounds: int) -> list[Row]:
    """Measure one callback at a time."""
    measured = measure(
        {
            "ours": one_at_a_time(server, few),
            "bare": raw(server, few, 1, RawLog.insert),
            "floor": floor(server, few, 1),
        },
        clock=wall,
        rounds=rounds,
    )
    one, bare = "append to PostgreSQL, one at a time", "bare insert, one transaction each"
    return [
        measured.row(one, bare, of="bare", to="ours", reach=0.6),
        measured.row("the floor on PostgreSQL", bare, of="bare", to="floor"),
    ]


def grouped(server: Server, callbacks: Callbacks, few: Callbacks, rounds: int) -> list[Row]:
    """Measure a hundred callbacks in one transaction."""
    measured = measure(
        {
            "batches": in_batches(server, callbacks),
            "callers": from_callers(server, callbacks),
            "bare": raw(server, callbacks, BATCH, RawLog.insert_many),
            "raw": raw(server, callbacks, BATCH, RawLog.parse_and_insert_many),
            "floor": floor(server, callbacks, BATCH),
            "obvious": obvious_way(server, few),
        },
        clock=wall,
        rounds=rounds,
    )
    many, tasks = (
        "append to PostgreSQL, batches of 100",
        "append to PostgreSQL, 100 asyncio callers",
    )
    limit = "raw, unnest of 100"
    return [
        measured.row(many, limit, of="raw", to="batches", reach=0.5),
        measured.row(many, "bare unnest of 100", of="bare", to="batches"),
        measured.row(many, "the obvious way", of="obvious", to="batches", reach=90),
        measured.row(tasks, limit, of="raw", to="callers", reach=0.4),
        measured.row("the floor on PostgreSQL", limit, of="raw", to="floor"),
    ]


if __name__ == "__main__":
    main(__doc__, rows, events=8000)
