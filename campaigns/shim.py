"""The preloaded shim from Python: built, loaded into a child, made to fail, its trace read."""

from __future__ import annotations

import ctypes
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

SOURCE: Final = Path(__file__).with_name("shim.c")
ROOT: Final = Path(__file__).parents[1]

KINDS: Final[Mapping[str, int]] = {
    "open": 1,
    "read": 2,
    "write": 4,
    "sync": 8,
    "truncate": 16,
    "unlink": 32,
    "stat": 64,
    "map": 128,
    "folder sync": 256,
}
"""The kinds of calls that can be made to fail."""

EVERY_KIND: Final = sum(KINDS.values())

_FOLDER: Final = "LIFECYCLE_SHIM_FOLDER"
_TRACE: Final = "LIFECYCLE_SHIM_TRACE"
_HEADER: Final = struct.Struct("=c3xIQQQ")


class CannotInterposeError(Exception):
    """The shim cannot be built here, or SQLite's calls do not pass through it."""


class Call(NamedTuple):
    """One call of the trace; `what` is the letter that the shim gives it."""

    what: str
    inode: int
    name: str
    offset: int
    length: int
    written: bytes


def build(folder: Path) -> Path:
    """Return the shared library, compiled into `folder`.

    Raises:
        CannotInterposeError: there is no C compiler, or it refuses.
    """
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None or not sys.platform.startswith("linux"):
        raise CannotInterposeError("it needs Linux and a C compiler")
    library = folder / "shim.so"
    command = [
        compiler,
        "-shared",
        "-fPIC",
        "-O2",
        "-o",
        str(library),
        str(SOURCE),
        "-ldl",
        "-pthread",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise CannotInterposeError(f"the C compiler refused: {done.stderr[-300:]}")
    return library


def run(library: Path, folder: Path, command: Sequence[str], trace: Path | None = None) -> None:
    """Run a module of this project with the shim watching `folder`; its output is ours.

    Raises:
        CannotInterposeError: it failed.
    """
    traced = {} if trace is None else {_TRACE: str(trace)}
    watched = {"LD_PRELOAD": str(library), _FOLDER: str(folder.resolve()), **traced}
    done = subprocess.run(  # noqa: S603 - this project's own modules
        [sys.executable, "-m", *command], env={**os.environ, **watched}, cwd=ROOT, check=False
    )
    if done.returncode:
        raise CannotInterposeError(f"{command[0]} ended with {done.returncode}")


class Controls:
    """The shim from within the process that it was loaded into."""

    def __init__(self) -> None:
        self._shim = ctypes.CDLL(None)
        try:
            self._shim.lifecycle_shim_calls.restype = ctypes.c_long
            self._shim.lifecycle_shim_fired.restype = ctypes.c_long
        except AttributeError:
            raise CannotInterposeError("the shim was not loaded") from None

    def arm(
        self, at: int, error: int, *, kinds: int = EVERY_KIND, sticky: bool, torn: bool = False
    ) -> None:
        """Have the call number `at` fail, and all after it if `sticky`; 0 only counts."""
        self._shim.lifecycle_shim_arm(kinds, ctypes.c_long(at), error, int(sticky), int(torn))

    def disarm(self) -> None:
        """Let every call through again."""
        self._shim.lifecycle_shim_arm(0, ctypes.c_long(0), 0, 0, 0)

    @property
    def calls(self) -> int:
        """How many calls there were since the shim was armed."""
        return int(self._shim.lifecycle_shim_calls())

    @property
    def fired(self) -> int:
        """How many of them failed."""
        return int(self._shim.lifecycle_shim_fired())

    def mark(self, text: str) -> None:
        """Write a mark into the trace."""
        self._shim.lifecycle_shim_mark(text.encode())


def read_trace(path: Path) -> Iterator[Call]:
    """Yield the calls of a trace, in the order in which they returned."""
    with path.open("rb") as trace:
        while header := trace.read(_HEADER.size):
            what, name_length, inode, offset, length = _HEADER.unpack(header)
            name = trace.read(name_length).decode()
            carries = what in b"wmr"
            yield Call(
                what.decode(), inode, name, offset, length, trace.read(length) if carries else b""
            )
