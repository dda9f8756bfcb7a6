"""What the stores of views share: how a position is named, and how a lost race is told."""

from __future__ import annotations

from lifecycle.view_store import Generation


class MovedOnError(Exception):
    """A generation is no longer as it was read; never leaves `stores`."""


def tracking_name(generation: Generation) -> str:
    """Return the name under which the library's tracking keeps a generation's position."""
    return f"views:{generation.provider}:{generation.number}"
