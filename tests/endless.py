"""Values that no JSON can hold: one that holds itself, and one that has no bottom."""

from __future__ import annotations

CIRCULAR: list[object] = []
CIRCULAR.append(CIRCULAR)

BOTTOMLESS: list[object] = []
for _ in range(100_000):
    BOTTOMLESS = [BOTTOMLESS]
