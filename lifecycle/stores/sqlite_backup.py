"""A copy of a SQLite file while it is written to: one moment of it, whole or not there.

SQLite's own backup reads within one transaction, so that writers neither wait nor show. The
copy takes its name once it is on the disk.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from lifecycle.errors import StoreUnavailableError


def back_up(source: sqlite3.Connection, path: str) -> None:
    """Write what `source` holds into a new file at `path`.

    Raises:
        StoreUnavailableError: something is there already, or it cannot be written.
    """
    target = Path(path)
    url = f"sqlite:///{path}"
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        if target.exists():
            raise StoreUnavailableError(url, "something of that name is there already")
        part.touch(mode=0o600, exist_ok=False)
        with closing(sqlite3.connect(part)) as copy:
            source.backup(copy)
        _sync(part)
        os.link(part, target)
        _sync(target.parent)
    except (OSError, sqlite3.Error) as fault:
        why = fault.strerror if isinstance(fault, OSError) else str(fault)
        raise StoreUnavailableError(url, f"it cannot be written ({why})") from fault
    finally:
        part.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
