"""The raw limit: the bare insert with a unique key, and the same strict parse beside it.

Nothing is recognized, chained or told: it is what SQLite and the parser take by themselves,
with the settings that the log uses.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from lifecycle.strict_json import parse
from workload import Callback

_TABLE: Final = (
    "CREATE TABLE raw (position INTEGER PRIMARY KEY, order_id TEXT NOT NULL, "
    "event_id TEXT NOT NULL, body BLOB NOT NULL, UNIQUE (order_id, event_id))"
)
_INSERT: Final = "INSERT OR IGNORE INTO raw (order_id, event_id, body) VALUES (?, ?, ?)"


class RawLog:
    """A table in the SQLite file at `path`, durable as the log is."""

    def __init__(self, path: str) -> None:
        self._driver = sqlite3.connect(path, isolation_level=None)
        for setting in ("page_size=8192", "journal_mode=WAL", "synchronous=FULL"):
            self._driver.execute(f"PRAGMA {setting}")
        self._driver.execute("PRAGMA wal_autocheckpoint=2000")
        self._driver.execute(_TABLE)

    def insert(self, callbacks: Sequence[Callback]) -> None:
        """Insert callbacks in one transaction, nothing else."""
        self._driver.execute("BEGIN IMMEDIATE")
        self._driver.executemany(
            _INSERT, [(each.order_id, each.event_id, each.body) for each in callbacks]
        )
        self._driver.execute("COMMIT")

    def parse_and_insert(self, callbacks: Sequence[Callback]) -> None:
        """Parse the bodies, which the limit pays for too, and insert them."""
        for each in callbacks:
            parse(each.body)
        self.insert(callbacks)

    def close(self) -> None:
        """Close the file."""
        self._driver.close()
