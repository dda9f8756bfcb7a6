"""The SQLite log that several files of tests hurt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lifecycle.log.stores.sqlite.log import SQLiteLog
from tests.contract.entries import event


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.db"


@pytest.fixture
def log(path: Path) -> Iterator[SQLiteLog]:
    """A log with one event, by one connection."""
    with closing(SQLiteLog(path, retry_timeout=0.5)) as log:
        log.append(event(number=1))
        yield log
