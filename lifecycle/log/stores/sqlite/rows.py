"""Rows of the log's table as records, whatever somebody put there."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any, Final

from lifecycle.log.contract import Record
from lifecycle.log.recorder import STREAMS_AT_ONCE
from lifecycle.log.stores.sql.records import PAGE_BYTES, named
from lifecycle.log.stores.sqlite.connection import LogConnection
from lifecycle.log.stores.sqlite.fault import is_undecodable

_STATEMENT_SIZES: Final = (1, 8, 64, STREAMS_AT_ONCE)


def rows_of(
    connection: LogConnection,
    statement: str,
    parameters: Sequence[object] = (),
    errors: str = "backslashreplace",
) -> list[Any]:
    """Return all rows of a statement, whatever their texts are made of."""
    try:
        return connection.tuples.execute(statement, parameters).fetchall()
    except sqlite3.OperationalError as fault:
        if not is_undecodable(fault):
            raise
    with connection.tolerant(errors) as cursor:
        return cursor.execute(statement, parameters).fetchall()


def page_of(cursor: sqlite3.Cursor, statement: str, parameters: Sequence[object]) -> list[Record]:
    """Return records until there are enough of them, or of their bytes."""
    page: list[Record] = []
    size = 0
    with closing(cursor):
        for row in cursor.execute(statement, parameters):
            page.append(named(row))
            size += len(row[-1])
            if size > PAGE_BYTES:
                break
    return page


def padded_streams(streams: Sequence[str]) -> list[str]:
    """Return the streams, the last repeated: few different statements stay prepared."""
    size = next(size for size in _STATEMENT_SIZES if size >= len(streams))
    return [*streams, *([streams[-1]] * (size - len(streams)))]
