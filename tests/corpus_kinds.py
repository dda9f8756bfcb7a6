"""The hostile corpus by what is odd about a body: few enough kinds to be a test each."""

from __future__ import annotations

from typing import Final

import pytest

from tests.hostile_corpus import CORPUS

_SLOW: Final = "what is slow to read"
_SLOW_TO_READ: Final = (
    *("ten megabytes of text", "ten megabytes of noise", "300,000 empty objects"),
    *("60,000 keys", "60,000 keys, the last one twice", "100,000 exponents"),
)


def _kind(name: str) -> str:
    what, that_is, _ = name.partition(" that is ")
    if name in _SLOW_TO_READ:
        return _SLOW
    if name.startswith("an event time like"):
        return "an event time"
    return what if that_is and what != "an escape" else "anything else"


KINDS: Final = [
    pytest.param(
        [name for name in CORPUS if _kind(name) == kind],
        id=kind,
        marks=[pytest.mark.long] * (kind == _SLOW),
    )
    for kind in dict.fromkeys(map(_kind, CORPUS))
]
"""The names of the bodies of each kind, as parameters of a test."""
