"""Writes the files of the conformance kit: cases as people write them, the rest by the oracle.

.venv/bin/python -m tests.conformance.written
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

from . import fold, hostile, identity, moves, order, recognizing
from .case import Case
from .expectation import brief, expected

KIT: Final = Path(__file__).resolve().parents[2] / "docs" / "reference" / "conformance"
COMMAND: Final = ".venv/bin/python -m tests.conformance.written"

BY_HAND: Final[dict[str, list[Case]]] = {
    "recognizing": recognizing.CASES,
    "identity": identity.CASES,
    "order": order.CASES,
    "fold": fold.CASES,
}
GROUPS: Final = (*BY_HAND, "moves", "hostile")


@cache
def cases_by_group() -> dict[str, list[Case]]:
    """Return all cases by the file that holds them; those of hostile bodies take a second."""
    return {**BY_HAND, "moves": moves.CASES, "hostile": hostile.cases()}


def line_of(case: Case, group: str) -> str:
    """Return a case as it stands in its file."""
    expect = expected(case.recordings)
    told = {
        "case": case.name,
        "rule": case.rule,
        "about": case.about,
        "recordings": [_shortened(recording) for recording in case.recordings],
        "expect": expect if group in BY_HAND else brief(expect),
    }
    return json.dumps(told, separators=(",", ":"))


def _shortened(recording: Any) -> Any:
    """Return a recording; where its body is long, `body_parts` stands for `body_text`."""
    text = None if isinstance(recording, str) else recording.get("body_text")
    if not isinstance(text, str) or len(text) < 2000:
        return recording
    parts = hostile.in_parts(text)
    if len(json.dumps(parts)) > len(text) // 2:
        return recording
    rest = {name: value for name, value in recording.items() if name != "body_text"}
    return {**rest, "body_parts": parts}


def files() -> Iterator[tuple[Path, str]]:
    """Yield each file of cases, and what it holds."""
    for group, cases in cases_by_group().items():
        yield KIT / f"{group}.jsonl", "".join(f"{line_of(case, group)}\n" for case in cases)


def main() -> None:
    """Write every file anew, and say which changed."""
    for path, text in files():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{path.name}\n")


if __name__ == "__main__":
    main()
