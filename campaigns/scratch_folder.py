"""A scratch folder for the campaigns' databases, in memory if possible.

Kills and failing calls act the same there, and a sync costs nothing. Power cuts are computed
from a trace.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

IN_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of an unguessable name is made in it


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield an empty folder by its resolved name, and remove it at the end."""
    quick = IN_MEMORY if os.access(IN_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="lifecycle-", dir=quick) as folder:
        yield Path(folder).resolve()
