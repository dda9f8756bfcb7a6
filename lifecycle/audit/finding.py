"""One finding of `verify`."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """A record that was changed or is gone; fields that cannot be known are None."""

    stream: str | None
    version: int | None
    position: int | None
    sentence: str
