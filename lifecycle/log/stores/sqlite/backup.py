"""A copy of a SQLite file while it is written to: one moment of it, whole or not there.

SQLite's own backup reads within one transaction, so that writers neither wait nor show. The
copy takes its name once it is on the disk.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote_from_bytes

from lifecycle.errors import StoreUnavailableError
from lifecycle.log.private_file import part_of, sync_folder


def back_up(source: sqlite3.Connection, path: str) -> None:
    """Write what `source` holds into a new file at `path`.

    Raises:
        StoreUnavailableError: something is there already, or it cannot be written.
    """
    target = Path(path)
    url = f"sqlite:///{path}"
    try:
        if target.exists():
            raise StoreUnavailableError(url, "something of that name is there already")
        with part_of(target) as part:
            _copy(source, part.name)
            os.fsync(part.fileno())
            os.link(part.name, target)
            sync_folder(target.parent)
    except (OSError, sqlite3.Error) as fault:
        why = fault.strerror if isinstance(fault, OSError) else str(fault)
        raise StoreUnavailableError(url, f"it cannot be written ({why})") from fault


def _copy(source: sqlite3.Connection, part: str) -> None:
    """Fill an empty file; it is locked already, and nothing of it counts before it is whole."""
    uri = f"file:{quote_from_bytes(os.fsencode(os.path.abspath(part)))}?mode=rw&nolock=1"  # noqa: PTH100 - a name, not a Path
    with closing(sqlite3.connect(uri, uri=True)) as copy:
        copy.execute("PRAGMA journal_mode=OFF")
        copy.execute("PRAGMA synchronous=OFF")
        source.backup(copy)
