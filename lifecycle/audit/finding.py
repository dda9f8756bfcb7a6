"""What `verify` says of one record."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """One record that does not hold, or that is gone; None where nobody can know."""

    stream: str | None
    version: int | None
    position: int | None
    sentence: str
