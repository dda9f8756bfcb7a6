"""Where the campaigns put their databases: in memory where that is possible.

What a kill or a failing call does is the same there, and a sync costs nothing. What a power
cut does is computed from a trace anyway.
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
    """Yield an empty folder, every link in its name resolved, and remove it in the end."""
    quick = IN_MEMORY if os.access(IN_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="lifecycle-", dir=quick) as folder:
        yield Path(folder).resolve()
