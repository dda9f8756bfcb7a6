"""Golden files: approved views, stored as JSON beside the test.

They leave out what depends on arrival (`arrival`), on the whole definition (`definition`,
`digest`), and the texts for people (`detail`, `reason`): a golden file changes only when the
meaning of an order does.
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
_UNSTABLE_VIEW_FIELDS: Final = frozenset({"arrival", "definition", "digest"})
_UNSTABLE_HISTORY_FIELDS: Final = frozenset(
    {"reason", "received_at", "sha256", "position", "recorded_at", "recording"}
)


class Golden:
    """The golden files of one folder: `golden(view, "happy")` compares with `happy.json`.

    With `update` it writes the file instead; nothing else does, so that a missing file fails.
    """

    def __init__(self, folder: Path, *, prefix: str = "", update: bool = False) -> None:
        self.folder = folder
        self._prefix = prefix
        self._update = update

    def __call__(self, value: Any, name: str) -> None:
        """Check a view, a history or any JSON value against the golden file of that name.

        Raises:
            AssertionError: the file is missing, or differs.
            InvalidArgumentError: the name is no file name.
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
            raise AssertionError(_failure_message(path, expected, found))

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise InvalidArgumentError("the name", "letters, digits, dots, hyphens, underscores")
        return self.folder / f"{self._prefix}{name}.json"


def golden_text(value: Any) -> str:
    """Return the golden file's text for a view, a history, or any JSON value."""
    return json.dumps(_stable(value), indent=2, ensure_ascii=False) + "\n"


_HOW: Final = "look at what the test sees and write it with: pytest --lifecycle-update-golden"


def _stable(value: Any) -> Any:
    """Return a value as JSON without the unstable fields."""
    match value:
        case OrderView():
            view = {
                name: item
                for name, item in as_json(value).items()
                if name not in _UNSTABLE_VIEW_FIELDS
            }
            for anomaly in view["anomalies"]:
                del anomaly["detail"]
            return view
        case HistoryEntry():
            line = as_json(value)
            return {
                name: item for name, item in line.items() if name not in _UNSTABLE_HISTORY_FIELDS
            }
        case Mapping():
            return {name: _stable(item) for name, item in value.items()}
        case list() | tuple() if not hasattr(value, "_asdict"):
            return [_stable(item) for item in value]
    return as_json(value)


def _failure_message(path: Path, expected: str, found: str) -> str:
    lines = difflib.unified_diff(
        expected.splitlines(), found.splitlines(), "expected", "found", lineterm="", n=2
    )
    return "\n".join((f"golden file {path} says something else;", f"{_HOW}", *lines))
