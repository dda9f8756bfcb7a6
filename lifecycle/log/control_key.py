"""What the records are known by that are about no one order; each is appended once."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from lifecycle.core.instant import format_instant

RULES: Final = "rules:"
"""How the keys begin by which rules are known."""


def mark_key(item: int) -> str:
    """Return what a mark is known by: whoever re-drives an item makes the same one."""
    return f"redriven:{item}"


def erasure_key(stream: str, item: int | None) -> str:
    """Return what an erasure is known by: there is one an order, and one an item."""
    return f"erased:{stream if item is None else item}"


def encryption_key(checkpoint: str) -> str:
    """Return what the move from a plain log is known by."""
    return f"encrypted:{checkpoint}"


def unmasking_key(stream: str, item: int | None, by: str, at: datetime) -> str:
    """Return what an unmasking is known by: every one is recorded."""
    what = stream if item is None else item
    return f"unmasked:{what}@{format_instant(at)}:{by}"


def review_key(subject: str) -> str:
    """Return what a review is known by: there is one a subject."""
    return f"reviewed:{subject}"


def rules_key(provider: str) -> str:
    """Return what the rules of a provider are known by: the last of them are in force."""
    return f"{RULES}{provider}"
