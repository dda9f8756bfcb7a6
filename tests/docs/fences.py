"""Reading our Markdown: fenced blocks, and the blocks that are generated."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))

_FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text, and the line that it starts on."""

    language: str
    text: str
    line: int


def blocks_of(markdown: str) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    return [
        Block(found[1].strip(), found[2], markdown.count("\n", 0, found.start()) + 1)
        for found in _FENCE.finditer(markdown)
    ]


def named(page: Path) -> str:
    """Return a page's path from the project's root."""
    return str(page.relative_to(ROOT))
