"""A recorded definition, read back: the JSON of `Definition.to_json`, taken apart and checked."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, create_model

from lifecycle.core.strict_json import canonical, parse
from lifecycle.errors import DefinitionError, InvalidArgumentError, JsonError

NOT_WRITTEN: Final = "its JSON is not what a definition of this meaning is recorded as"

_NAMED: Final = "a recorded one"
_LISTS: Final = ("states", "terminal", "aborts", "birth", "side", "main_line", "informational")
_PARTS: Final = frozenset({*_LISTS, "name", "moves", "awaits", "details"})
_NAMES_OF_A_MOVE: Final = 3
_MOST_AWAITED: Final = 4


def parts_in(text: str | bytes) -> tuple[dict[str, Any], type[BaseModel]]:
    """Return the parts of a recorded definition, and a model of its details.

    Raises:
        DefinitionError: they are not there, or not what they should be.
        InvalidArgumentError: it is no text.
    """
    parts = _parsed(text)
    if not isinstance(parts, dict) or parts.keys() - {"numbered"} != _PARTS:
        raise DefinitionError(_NAMED, ("its JSON is no object of the parts of a definition",))
    problems = [f"{part} is no list of names" for part in _LISTS if not _are_names(parts[part])]
    problems += [] if _are_names(parts["details"]) else ["details is no list of names"]
    problems += [] if _are_moves(parts["moves"]) else ["moves is no list of three names each"]
    problems += [] if _are_awaits(parts["awaits"]) else ["awaits is no object of lists of names"]
    if problems:
        raise DefinitionError(_NAMED, tuple(problems))
    parts["moves"] = [
        {"source": source, "trigger": trigger, "dest": dest}
        for source, trigger, dest in parts["moves"]
    ]
    parts["awaits"] = {
        state: tuple(map(tuple, expected)) for state, expected in parts["awaits"].items()
    }
    return parts, _details(parts.pop("details"))


def canonical_form(text: str | bytes) -> str:
    """Return the canonical form of JSON that `parts_in` could read."""
    return canonical(_parsed(text)).decode()


def _parsed(text: str | bytes) -> Any:
    if not isinstance(text, str | bytes):
        raise InvalidArgumentError("text", "the JSON of a definition, as text or bytes")
    try:
        return parse(text.encode() if isinstance(text, str) else text)
    except (JsonError, UnicodeEncodeError):
        raise DefinitionError(_NAMED, ("it is not strict JSON",)) from None


def _are_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _are_moves(value: object) -> bool:
    return isinstance(value, list) and all(
        _are_names(move) and len(move) == _NAMES_OF_A_MOVE for move in value
    )


def _are_awaits(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(expected, list)
        and len(expected) == _MOST_AWAITED
        and all(map(_are_names, expected))
        for expected in value.values()
    )


def _details(names: list[str]) -> type[BaseModel]:
    """Return a model that takes anything under these names.

    Raises:
        DefinitionError: one of them names no field of a model.
    """
    fields: dict[str, Any] = dict.fromkeys(names, (Any, None))
    config = ConfigDict(frozen=True, protected_namespaces=())
    try:
        return create_model("RecordedDetails", __config__=config, **fields)
    except Exception:  # noqa: BLE001 - the model library refuses names with errors of many kinds
        raise DefinitionError(_NAMED, ("details has a name that no model can have",)) from None
