"""What a failed command says, and the code it exits with.

0 done · 1 the answer is "no" · 2 wrong usage, or a file that cannot be used ·
3 the store cannot be reached · 130 interrupted · 141 the reader of our output went away ·
70 a fault of this program.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Final, NamedTuple

import typer

from lifecycle.errors import (
    LifecycleError,
    LostWorkerError,
    OpenedElsewhereError,
    OtherRecordsError,
    StoreError,
    StoreUrlError,
    UnknownOrderError,
)
from lifecycle.portable_error import PortableError

DONE: Final = 0
NO: Final = 1
USAGE: Final = 2
STORE: Final = 3
FAULT: Final = 70
INTERRUPTED: Final = 130
READER_GONE: Final = 141

_PACKAGE: Final = Path(__file__).resolve().parents[1]


class Refusal(PortableError):  # noqa: N818 - it is the answer "cannot", not a fault of anything
    """A command cannot go on; the sentence says what was found and what to do."""

    def __init__(self, sentence: str, code: int = USAGE) -> None:
        self.sentence = sentence
        self.code = code
        super().__init__(sentence)


class Ending(NamedTuple):
    """How a command ends: the code it exits with and the sentence for stderr, if any."""

    code: int
    sentence: str | None = None


def ending_of(failure: BaseException) -> Ending:
    """Return how a command ends that failed with `failure`."""
    match failure:
        case Refusal():
            return Ending(failure.code, failure.sentence)
        case KeyboardInterrupt() | typer.Abort():
            return Ending(INTERRUPTED, "interrupted; what was acknowledged is stored")
        case BrokenPipeError():
            return Ending(READER_GONE)
        case UnknownOrderError() | OtherRecordsError():
            return Ending(NO, str(failure))
        case StoreUrlError():
            return Ending(USAGE, str(failure))
        case StoreError() | OpenedElsewhereError() | LostWorkerError():
            return Ending(STORE, str(failure))
        case LifecycleError():
            return Ending(USAGE, str(failure))
        case OSError():
            return Ending(USAGE, unusable(failure.filename, failure))
        case _:
            return Ending(FAULT, _fault(failure))


def unusable(name: object, failure: OSError) -> str:
    """Return the sentence about a file that cannot be opened, read or written."""
    what = "the input or output" if name is None else ascii(str(name))
    why = failure.strerror or type(failure).__name__
    return f"{what} cannot be used: {why[:1].lower()}{why[1:]}; check the name and the rights"


def _fault(failure: BaseException) -> str:
    """Name the place of a fault, and nothing of what it was about: that may be personal."""
    places = [
        f"{Path(frame.filename).resolve().relative_to(_PACKAGE.parent)}:{frame.lineno}"
        for frame in traceback.extract_tb(failure.__traceback__)
        if Path(frame.filename).resolve().is_relative_to(_PACKAGE)
    ]
    where = f" at {places[-1]}" if places else ""
    return f"unexpected {type(failure).__name__}{where}: a fault of lifecycle; please report it"
