"""Writing a file that is whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from lifecycle.cli.failure import Refusal, unusable
from lifecycle.cli.source import looks_like_a_database
from lifecycle.log.file_mode import PRIVATE
from lifecycle.log.part_file import part_of


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
