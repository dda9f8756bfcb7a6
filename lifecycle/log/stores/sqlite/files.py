"""Whether the files that SQLite has open are still those that their names lead to.

A process goes on using a file that was removed, renamed or replaced, and everything that it
commits there is gone once it ends. So a connection remembers which files it opened, and what
their names lead to is looked at before and after every commit: before, so that nothing is
written beside others who opened the new ones; after, so that nothing is acknowledged.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Final

from lifecycle.errors import StoreMissingError, StoreUnavailableError
from lifecycle.log.private_file import PRIVATE
from lifecycle.log.store_port import TryAgainError
from lifecycle.log.stores.sqlite.fork import making

LOOK_SECONDS: Final = 0.01
"""How long a reader may go on before it looks again."""

SETTLED_NANOSECONDS: Final = 2_500_000_000
"""For how long nothing was changed in a folder whose time will tell of the next change."""

_DATABASE: Final = "its file"
_WAL: Final = "its write-ahead file"
_SHM: Final = "the index of its write-ahead file"
_HEADER_BYTES: Final = 32
_MAGIC: Final = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")

Stamp = tuple[int, int]
"""When a file was written last, in nanoseconds, and its size."""

Folder = tuple[int, int, int]
"""When a folder was changed last, in nanoseconds, and what tells it from all others."""

Identity = tuple[int, int]
"""What tells one file from all others: its number, and the device that it lies on."""


class LogFile:
    """The names of the files of one log, shared by all connections of a pool."""

    __slots__ = ("folder", "identity", "is_cut", "is_direct", "named", "path", "shm", "url", "wal")

    def __init__(self, name: str, url: str) -> None:
        self.url: str = url
        # Not with os.path.abspath, which takes the folder before ".." for no link.
        self.named: str = os.path.join(os.getcwd(), name)  # noqa: PTH109,PTH118 - "//" and ".." stay
        self.path: str = os.path.realpath(name)
        self.folder: str = os.path.dirname(self.path)  # noqa: PTH120 - beside the names above
        self.is_direct: bool = self.named == self.path
        self.wal: str = f"{self.path}-wal"
        self.shm: str = f"{self.path}-shm"
        self.identity: Identity | None = None
        self.is_cut: bool = False

    def make(self) -> None:
        """Make an empty file that its owner alone may read, unless there is one.

        Where it cannot be made nothing is raised: SQLite says why, as it opens it.
        """
        with making(), suppress(OSError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, PRIVATE))

    def wait_until_made(self) -> None:
        """Return once no other thread is just making a file."""
        with making():
            return

    def first_look(self) -> Identity | None:
        """Return which file is there, before SQLite opens it.

        Raises:
            StoreUnavailableError: it is another one than was opened before.
        """
        found = identity_of(self.named)
        if self.identity not in (None, found):
            raise self.changed()
        return found

    def second_look(self, before: Identity | None) -> None:
        """Remember which file SQLite opened: the one that was there before and is still.

        Raises:
            TryAgainError: it was replaced meanwhile.
        """
        if identity_of(self.named) != before:
            raise TryAgainError("it was replaced while it was opened")
        self.identity = before

    def changed(self, what: str = _DATABASE) -> StoreUnavailableError:
        """Return what to raise where a name leads elsewhere."""
        return StoreUnavailableError(
            self.url,
            f"{what} was removed, renamed or replaced while it was open; "
            "put it back, or end every process that uses it and start again",
        )

    def overwritten(self, what: str = _DATABASE) -> StoreUnavailableError:
        """Return what to raise where a file has other contents than it was left with."""
        return StoreUnavailableError(
            self.url,
            f"{what} was overwritten or cut while it was open; "
            "end every process that uses it, and start again",
        )

    def unseen(self, fault: OSError) -> StoreUnavailableError:
        """Return what to raise where a name cannot be looked at."""
        if isinstance(fault, FileNotFoundError | NotADirectoryError):
            return self.changed({self.wal: _WAL, self.shm: _SHM}.get(fault.filename, _DATABASE))
        return StoreUnavailableError(self.url, f"it cannot be looked at ({fault.strerror})")


@dataclass(slots=True, eq=False, repr=False)
class OpenFiles:
    """The files that one connection has open."""

    _file: LogFile
    _wal: Identity | None = None
    _shm: Identity | None = None
    _writing: int | None = None
    _header: bytes = b""
    _size: int = 0
    due_at: float = 0.0
    _stamp: Stamp | None = None
    _folder: Folder | None = None

    @property
    def path(self) -> str:
        """The database, every link resolved."""
        return self._file.path

    def watch(self) -> None:
        """Remember the write-ahead file and its index, which SQLite opened by their names."""
        self._wal = self._wal or identity_of(self._file.wal)
        self._shm = self._shm or identity_of(self._file.shm)

    def watch_writing(self) -> None:
        """Watch what this connection writes into the write-ahead file, too.

        Raises:
            StoreUnavailableError: it is not there.
        """
        self.watch()
        try:
            self._writing = os.open(self._file.wal, os.O_RDONLY)
        except OSError as fault:
            raise self._file.unseen(fault) from fault
        self.check()
        self._header = self._read_header()

    def check(self) -> bool:
        """Return whether the files were written to, by anybody, since the last look.

        Raises:
            StoreUnavailableError: a name no longer leads to the file that was opened.
        """
        folder, stamp, size = self.look(self._folder)
        settled = time.time_ns() - folder[0] > SETTLED_NANOSECONDS
        self._folder = folder if settled else None
        cut = size < self._size
        # Whoever begins the file anew, which alone may shorten it, gives it a new header.
        # A connection that never wrote does not know the header, and cannot tell.
        knows = self._writing is not None
        if cut and size and knows and self._read_header() == self._header:
            raise self._cut()
        written = cut or stamp != self._stamp
        self._stamp, self._size = stamp, size
        self.due_at = time.monotonic() + LOOK_SECONDS
        return written

    def look(self, known: Folder | None = None) -> tuple[Folder, Stamp, int]:
        """Return how the folder and the database are, and the size of the write-ahead file.

        Nothing is remembered: another thread may ask this of a connection in use. While the
        folder is as it is `known`, all names in it lead where they did.

        Raises:
            StoreUnavailableError: as `check`.
        """
        file, wal_size = self._file, 0
        if file.is_cut:
            raise file.overwritten(_WAL)
        try:
            held = os.stat(file.folder)  # noqa: PTH116 - a Path would take as long as the call
            folder = held.st_ctime_ns, held.st_ino, held.st_dev
            found = os.stat(file.named)  # noqa: PTH116 - as above
            if (found.st_ino, found.st_dev) != file.identity:
                raise file.changed()
            if folder == known and self._writing is not None:
                wal_size = os.fstat(self._writing).st_size
            elif self._wal is not None:
                wal, shm = os.stat(file.wal), os.stat(file.shm)  # noqa: PTH116 - as above
                if (wal.st_ino, wal.st_dev) != self._wal:
                    raise file.changed(_WAL)
                if (shm.st_ino, shm.st_dev) != self._shm:
                    raise file.changed(_SHM)
                wal_size = wal.st_size
        except OSError as fault:
            raise file.unseen(fault) from fault
        return folder, (found.st_mtime_ns, found.st_size), wal_size

    def check_committed(self) -> bool:
        """Return what `check` does, once a commit was written.

        Raises:
            StoreUnavailableError: as `check`, or what was committed before is gone.
        """
        size, header = self._size, self._read_header()
        # A write-ahead file that was begun anew may be shorter. Where a link is on the way to
        # the file, its own folder does not tell of all changes.
        may_be_still = header == self._header and self._file.is_direct and self._folder is not None
        still = may_be_still and self._folder_now() == self._folder
        written = False if still else self.check()
        # Still empty is one into which nobody has written yet, nor did this commit.
        unused = not header and not self._header
        cut = self._size < size and header == self._header
        if cut or (header[:4] not in _MAGIC and not unused):
            raise self._cut()
        self._header = header
        return written

    def may_be_closed(self) -> bool:
        """Tell whether SQLite may tidy up after the last connection.

        It then copies what it knows of the write-ahead file into the database, and deletes
        whatever has that file's name. Where others have opened a new one meanwhile, that
        would take what they were told is stored.
        """
        if self._file.is_cut:
            return False
        try:
            wal = os.stat(self._file.wal)  # noqa: PTH116 - as above
        except OSError:
            return True
        if self._wal is None or not wal.st_size:
            return True
        shm = identity_of(self._file.shm)
        return (wal.st_ino, wal.st_dev) == self._wal and shm in (None, self._shm)

    def close(self) -> None:
        """Close what was opened here; SQLite's own files are its connection's."""
        if self._writing is not None:
            os.close(self._writing)
            self._writing = None

    def _folder_now(self) -> Folder:
        """Return what changes with every name in the folder; nobody can set it back."""
        try:
            found = os.stat(self._file.folder)  # noqa: PTH116 - as above
        except OSError as fault:
            raise self._file.unseen(fault) from fault
        return found.st_ctime_ns, found.st_ino, found.st_dev

    def _cut(self) -> StoreUnavailableError:
        self._file.is_cut = True
        return self._file.overwritten(_WAL)

    def _read_header(self) -> bytes:
        if self._writing is None:
            return b""
        try:
            return os.pread(self._writing, _HEADER_BYTES, 0)
        except OSError as fault:
            raise self._file.unseen(fault) from fault


def identity_of(path: str) -> Identity | None:
    """Return what tells the file of a name from all others; None if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - as above
    except OSError:
        return None
    return found.st_ino, found.st_dev


def refuse_if_no_file(path: str, url: str, *, create: bool) -> None:
    """Refuse what SQLite would take for a database, or make into one, against the caller's will.

    Raises:
        StoreMissingError: there is no file, and none is to be made.
        StoreUnavailableError: it is something else than a file.
    """
    try:
        mode = Path(path).stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        if not create:
            raise StoreMissingError(url) from None
    except OSError as fault:
        raise StoreUnavailableError(url, f"it cannot be looked at ({fault.strerror})") from fault
    else:
        if not S_ISREG(mode):
            found = "a folder" if S_ISDIR(mode) else "no file but something else"
            raise StoreUnavailableError(url, f"it is {found}")
