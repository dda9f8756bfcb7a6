"""Who delivers changes: by a reader's name others tell whether it is alive.

A name holds where the process runs, its number and its start, so that what was
in progress in a process that ended is taken over at once, and what a slow handler does is not.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Final

_ALIVE: Final[set[str]] = set()
"""The readers of this process that are not done."""


@contextmanager
def named_reader() -> Iterator[str]:
    """Yield the name of a new reader, which delivers within the block."""
    pid = os.getpid()
    name = f"{_host()} {pid} {_started(pid)} {token_hex(8)}"
    _ALIVE.add(name)
    try:
        yield name
    finally:
        _ALIVE.discard(name)


def is_alive(name: str) -> bool | None:
    """Tell whether a reader still delivers; None if it ran on another host, and nobody knows."""
    host, pid, started, _ = name.split(" ")
    if host != _host():
        return None
    if int(pid) == os.getpid():
        return name in _ALIVE
    return _started(int(pid)) == started if started else _may_live(int(pid))


def _host() -> str:
    """Return where a process number means something: the host, and there the container."""
    space = ""
    with suppress(OSError):
        space = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - it names no file
    return f"{platform.node()}/{space}".replace(" ", "_")


def _started(pid: int) -> str:
    """Return when a process started, by the kernel's clock; nothing if it ended or nobody says."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text("latin-1").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in {"Z", "X"} else fields[18]


def _may_live(pid: int) -> bool | None:
    if os.name != "posix":
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
