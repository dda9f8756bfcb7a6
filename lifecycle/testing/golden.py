"""Golden views: what a test saw once and somebody approved, kept beside it as JSON.

What depends on delivery (`arrival`) and on the definition as a whole (`definition`,
`digest`) is left out, and so are the texts for people (`detail`, `reason`): a golden file
changes only when an order's truth does.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from lifecycle.core.view import HistoryEntry, OrderView
from lifecycle.errors import InvalidArgumentError
from lifecycle.testing.expectation import as_json

_NAME: Final = re.compile(r"[\w][\w.\-]*")
_OF_VIEWS: Final = frozenset({"arrival", "definition", "digest"})
_OF_HISTORIES: Final = frozenset({"reason", "received_at", "sha256"})


class Golden:
    """The golden files of one folder: `golden(view, "happy")` compares with `happy.json`.

    With `update` it writes the file instead; there is no other way to make one, so that a
    forgotten file never passes.
    """

    def __init__(self, folder: Path, *, prefix: str = "", update: bool = False) -> None:
        self.folder = folder
        self._prefix = prefix
        self._update = update

    def __call__(self, value: Any, name: str) -> None:
        """Check a view, a history or any JSON value against the golden file of that name.

        Raises:
            AssertionError: there is no such file, or it says something else.
            InvalidArgumentError: the name cannot be one of a file.
        """
        __tracebackhide__ = True
        path = self._path(name)
        found = golden_text(value)
        if self._update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(found, encoding="utf-8")
            return
        if not path.exists():
            raise AssertionError(f"there is no golden file {path}; {_HOW}")
        expected = path.read_text(encoding="utf-8")
        if found != expected:
            raise AssertionError(_told(path, expected, found))

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise InvalidArgumentError("the name", "letters, digits, dots, hyphens, underscores")
        return self.folder / f"{self._prefix}{name}.json"


def golden_text(value: Any) -> str:
    """Return what a golden file holds for a view, a history, or any JSON value."""
    return json.dumps(_lasting(value), indent=2, ensure_ascii=False) + "\n"


_HOW: Final = "look at what the test sees and write it with: pytest --lifecycle-update-golden"


def _lasting(value: Any) -> Any:
    """Return a value as JSON without what may change while the order's truth does not."""
    match value:
        case OrderView():
            view = {name: item for name, item in as_json(value).items() if name not in _OF_VIEWS}
            for anomaly in view["anomalies"]:
                del anomaly["detail"]
            return view
        case HistoryEntry():
            line = as_json(value)
            return {name: item for name, item in line.items() if name not in _OF_HISTORIES}
        case Mapping():
            return {name: _lasting(item) for name, item in value.items()}
        case list() | tuple() if not hasattr(value, "_asdict"):
            return [_lasting(item) for item in value]
    return as_json(value)


def _told(path: Path, expected: str, found: str) -> str:
    lines = difflib.unified_diff(
        expected.splitlines(), found.splitlines(), "expected", "found", lineterm="", n=2
    )
    return "\n".join((f"golden file {path} says something else;", f"{_HOW}", *lines))
