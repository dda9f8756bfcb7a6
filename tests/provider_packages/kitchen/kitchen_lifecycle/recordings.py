"""Recordings of meals, for tests."""

from __future__ import annotations

from typing import Any


def served(meal: str) -> list[dict[str, Any]]:
    """Return the recordings of a meal that was served."""
    return [
        {"kind": "callback", "provider": "kitchen", "body": {"meal": meal, "state": state}}
        for state in ("noted", "cooking", "served")
    ]
