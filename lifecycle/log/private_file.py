"""Files that are their owner's alone, and that take their name once they are whole.

Until then a file is a part that nobody mistakes for it. A process that is killed leaves its
part behind. Whoever writes next in that folder clears it away, unless somebody still writes
it: a part is locked as long as its writer lives.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from secrets import randbelow
from stat import S_IMODE, S_IRWXG, S_IRWXO, S_ISREG
from typing import BinaryIO, Final

PRIVATE: Final = 0o600
"""The mode of a new file: what a log holds is nobody else's business."""

ORDINARY: Final = 0o666
"""What the umask leaves of this is the mode of a file that holds no events."""

_PART: Final = re.compile(r"\..*\.\d{12}\.lifecycle\.part")
_LONGEST_NAME: Final = 200
_BESIDE: Final = ("-journal", "-wal", "-shm")


def exposure(path: str | os.PathLike[str]) -> str | None:
    """Return the warning that a file of secrets deserves; None if its owner alone may read it.

    Raises:
        OSError: it cannot be looked at.
    """
    mode = S_IMODE(Path(path).stat().st_mode)
    if not mode & (S_IRWXG | S_IRWXO):
        return None
    return (
        f"the file of credentials has mode {mode:04o}: others than its owner may read it; "
        "run chmod 600 on it"
    )


@contextmanager
def part_of(target: Path, mode: int = PRIVATE) -> Iterator[BinaryIO]:
    """Open a new file beside `target`, which is removed at the end unless it was renamed.

    Raises:
        OSError: it cannot be made.
    """
    clear_parts(target)
    file = _locked(target, mode)
    try:
        with file:
            yield file
    finally:
        with suppress(FileNotFoundError):
            os.unlink(file.name)  # noqa: PTH108 - the name as it was opened


def clear_parts(target: Path) -> None:
    """Remove what killed processes left in the folder of `target`, and nothing else."""
    try:
        names = os.listdir(target.parent)  # noqa: PTH208 - names are all that is wanted
    except OSError:
        return
    for name in filter(_PART.fullmatch, names):
        with suppress(OSError):
            _clear(target.parent / name)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _locked(target: Path, mode: int) -> BinaryIO:
    """Make a part and lock it; whoever clears parts may have been in between."""
    stem = os.fsdecode(os.fsencode(target.name)[:_LONGEST_NAME])
    while True:
        part = target.with_name(f".{stem}.{randbelow(10**12):012}.lifecycle.part")
        file = open(part, "xb", opener=lambda name, flags: os.open(name, flags, mode))  # noqa: SIM115 - the caller closes it
        try:
            flock(file, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            file.close()
            continue
        except OSError:  # the disk knows no locks: then nobody clears it either
            return file
        if _is_named(file.fileno(), part):
            return file
        file.close()


def _clear(part: Path) -> None:
    """Remove a part whose writer is gone.

    Raises:
        OSError: it is in use, or not to be removed.
    """
    found = part.lstat()
    if not S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
        return
    if found.st_nlink > 1:
        # It has its own name already. Opening it could take locks from whoever uses it by that.
        part.unlink()
        return
    descriptor = os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
        if _is_named(descriptor, part):
            part.unlink()
            for ending in _BESIDE:
                part.with_name(part.name + ending).unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _is_named(descriptor: int, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    return False
