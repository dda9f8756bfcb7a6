"""A disk after a power cut, reconstructed from the trace of its calls.

Synced data is there. Each later write may be complete, missing, or torn between sectors, and
files may have their earlier names. A real file system loses no more than that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from random import Random
from typing import Final, TypeVar

from campaigns.shim import Call

SECTOR: Final = 512

Change = TypeVar("Change")


class UnsyncedWrites(StrEnum):
    """What a power cut does to everything that no sync covered."""

    DROPPED = "dropped"
    KEPT = "kept"
    PREFIX = "kept up to some point"
    MIXED = "kept, dropped or torn, each by itself"


class File:
    """One inode: what is surely on the disk, and what was asked since the last sync."""

    def __init__(self) -> None:
        self.synced = bytearray()
        self.pending: list[Call] = []

    def sync(self) -> None:
        """Make everything durable."""
        for call in self.pending:
            apply(self.synced, call)
        self.pending.clear()


class Disk:
    """The files of one folder while a trace is told."""

    def __init__(self) -> None:
        self._files: dict[int, File] = {}
        self._names: dict[str, File] = {}
        self._pending: list[tuple[str, File | None]] = []

    def take(self, call: Call) -> None:
        """Take in the next call."""
        match call.what:
            case "c":
                self._files[call.inode] = File()
                self._pending.append((call.name, self._files[call.inode]))
            case "w" | "t":
                self._files[call.inode].pending.append(call)
            case "s":
                self._files[call.inode].sync()
            case "x":
                # Linux counts what it could not write as written: no later sync brings it back.
                self._files[call.inode].pending.clear()
            case "u":
                self._pending.append((call.name, None))
            case "d":
                self._names = dict(self._named(self._pending))
                self._pending.clear()
            case "r":
                raise NotImplementedError("SQLite renames nothing")

    def after_cut(self, unsynced: UnsyncedWrites, random: Random) -> dict[str, bytes]:
        """Return the files that somebody finds who turns the power on again."""
        names = self._named(_survivors(self._pending, unsynced, random))
        return {name: _content(file, unsynced, random) for name, file in names.items()}

    def _named(self, changes: Sequence[tuple[str, File | None]]) -> dict[str, File]:
        names: dict[str, File | None] = {**self._names}
        names.update(changes)
        return {name: file for name, file in names.items() if file is not None}


def apply(content: bytearray, call: Call) -> None:
    """Do to a file's content what a call did."""
    if call.what == "t":
        del content[call.offset :]
        content.extend(bytes(call.offset - len(content)))
        return
    content.extend(bytes(max(0, call.offset - len(content))))
    content[call.offset : call.offset + len(call.written)] = call.written


def _survivors(pending: Sequence[Change], unsynced: UnsyncedWrites, random: Random) -> list[Change]:
    match unsynced:
        case UnsyncedWrites.DROPPED:
            return []
        case UnsyncedWrites.KEPT:
            return list(pending)
        case UnsyncedWrites.PREFIX:
            return list(pending[: random.randint(0, len(pending))])
        case UnsyncedWrites.MIXED:
            return [change for change in pending if random.random() < 0.5]


def _content(file: File, unsynced: UnsyncedWrites, random: Random) -> bytes:
    content = bytearray(file.synced)
    kept = _survivors(file.pending, unsynced, random)
    for place, call in enumerate(kept):
        last = place == len(kept) - 1
        is_torn = (
            random.random() < 0.3
            if unsynced is UnsyncedWrites.MIXED
            else unsynced is UnsyncedWrites.PREFIX and last
        )
        for piece in _pieces(call, random) if is_torn else (call,):
            apply(content, piece)
    return bytes(content)


def _pieces(call: Call, random: Random) -> Iterator[Call]:
    """Yield those sectors of a write that made it; they are written in no certain order."""
    if call.what != "w":
        return
    start = 0
    while start < len(call.written):
        end = min(len(call.written), start + SECTOR - (call.offset + start) % SECTOR)
        if random.random() < 0.5:
            yield call._replace(offset=call.offset + start, written=call.written[start:end])
        start = end
