"""Values that JSON cannot hold: one that contains itself, and one of unlimited depth."""

from __future__ import annotations

CIRCULAR: list[object] = []
CIRCULAR.append(CIRCULAR)

BOTTOMLESS: list[object] = []
for _ in range(100_000):
    BOTTOMLESS = [BOTTOMLESS]
