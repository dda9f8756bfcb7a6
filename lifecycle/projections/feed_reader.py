"""Names of the readers that deliver changes: other readers see from a name whether it is alive.

A name holds the host, the process id and the start of the process. So others take over at once
what an ended process had in progress, and leave alone what a slow handler is working on.
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
"""The readers of this process that still deliver."""


@contextmanager
def named_reader() -> Iterator[str]:
    """Yield the name of a new reader, which is alive within the block."""
    pid = os.getpid()
    name = f"{_host()} {pid} {_started(pid)} {token_hex(8)}"
    _ALIVE.add(name)
    try:
        yield name
    finally:
        _ALIVE.discard(name)


def is_alive(name: str) -> bool | None:
    """Tell whether a reader still delivers; None if it runs on another host."""
    host, pid, started, _ = name.split(" ")
    if host != _host():
        return None
    if int(pid) == os.getpid():
        return name in _ALIVE
    return _started(int(pid)) == started if started else _may_live(int(pid))


def _host() -> str:
    """Return where a process id is unique: the host, and the container on it."""
    space = ""
    with suppress(OSError):
        space = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - it names no file
    return f"{platform.node()}/{space}".replace(" ", "_")


def _started(pid: int) -> str:
    """Return when a process started, by the kernel's clock; "" if it ended or this is unknown."""
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
