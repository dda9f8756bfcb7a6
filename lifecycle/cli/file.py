"""Files: read line by line after a check, and written whole or not at all."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from lifecycle.cli.failure import Refusal, unusable
from lifecycle.log.private_file import PRIVATE, part_of

STDIN: Final = "-"
STDOUT: Final = "-"
MAX_LINE_BYTES: Final = 128 * 1024 * 1024
"""A body of the largest kept size fits into a line of this length however it is spelled."""

SQLITE_MAGICS: Final = (b"SQLite format 3\x00", b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
"""How a database begins, and the write-ahead file beside it."""

BATCH_LINES: Final = 500
BATCH_BYTES: Final = 8 * 1024 * 1024


class Batch(NamedTuple):
    """Some lines of one file, without their ends; `first_line` counts from 1."""

    first_line: int
    lines: list[bytes]
    size: int


def check_files(names: Sequence[str]) -> int | None:
    """Return how many bytes the files have, None if one cannot tell.

    Raises:
        Refusal: one of them cannot be read.
    """
    sizes = [_size_of(name) for name in names]
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def read_batches(name: str) -> Iterator[Batch]:
    """Yield a file's lines in batches, in constant memory.

    Raises:
        Refusal: the file cannot be read, or a line is too long to be a recording.
    """
    try:
        stdin = name == STDIN
        with nullcontext(sys.stdin.buffer) if stdin else Path(name).open("rb") as file:
            yield from _batches(_lines(name, file))
    except OSError as failure:
        raise Refusal(unusable(name, failure)) from None


def looks_like_a_database(path: Path) -> bool:
    """Tell whether a file is of an SQLite database: to be kept from harm, never a recording."""
    with path.open("rb") as file:
        return file.read(len(SQLITE_MAGICS[0])).startswith(SQLITE_MAGICS)


def _size_of(name: str) -> int | None:
    if name == STDIN:
        return None
    path = Path(name)
    try:
        found = path.stat()
        # Opening tells more than the rights do; but a pipe can be opened once only.
        if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
            return None
        if looks_like_a_database(path):
            raise Refusal(f"{name!a} is a database, no recordings; run: lifecycle export --db URL")
    except OSError as failure:
        raise Refusal(unusable(name, failure)) from None
    return found.st_size


def _lines(name: str, file: BinaryIO) -> Iterator[bytes]:
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise Refusal(
                f"line {number} of {name!a} is longer than {MAX_LINE_BYTES >> 20} MiB and was not "
                "read; what stood before it is stored, so split the line off and run it again"
            )
        yield line


def _batches(lines: Iterable[bytes]) -> Iterator[Batch]:
    first, size = 1, 0
    held: list[bytes] = []
    for line in lines:
        held.append(line.removesuffix(b"\n"))
        size += len(line)
        if len(held) >= BATCH_LINES or size >= BATCH_BYTES:
            yield Batch(first, held, size)
            first, size, held = first + len(held), 0, []
    if held:
        yield Batch(first, held, size)


@contextmanager
def whole_or_not_there(path: Path, what: str, mode: int = PRIVATE) -> Iterator[BinaryIO]:
    """Open a file that takes its name once it is complete and on the disk.

    `what` is to be written, for people. Others may read it only if `mode` lets them.

    Raises:
        Refusal: it cannot be written, or a database would be overwritten.
    """
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as file:
                yield file
            return
        if path.exists() and looks_like_a_database(path):
            raise Refusal(f"{str(path)!a} is a database; choose another name for the {what}")
        with part_of(path, mode) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
    except OSError as failure:
        raise Refusal(unusable(path, failure)) from None
