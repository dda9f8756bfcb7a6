"""What a user may ask to check, in the forms that users have it in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lifecycle.core.definition import Definition, Written
from lifecycle.errors import DefinitionError, InvalidArgumentError
from lifecycle.proof.quotient import ArrivalFold

Target = Definition | Written | ArrivalFold

_FORMS = (
    "a Definition, a Written, a mapping of what Definition.write takes, a fold over arrivals, "
    "a provider, or a function that returns one of these"
)


def target_of(value: Any, name: str) -> Target:
    """Return what is to be checked; `name` is for what has none of its own.

    A function is called, and what it builds may be all wrong: what it wrote is checked.

    Raises:
        InvalidArgumentError: it is none of the forms.
    """
    if isinstance(value, type) or _is_plain_function(value):
        value = _made_by(value)
    if isinstance(value, Definition | Written):
        return value
    if isinstance(value, Mapping):
        return _from_mapping(value, name)
    if isinstance(value, ArrivalFold):
        return value
    provided = getattr(value, "definition", None)
    if isinstance(provided, Definition):
        return provided
    raise InvalidArgumentError(name, _FORMS)


def written_in(refused: DefinitionError) -> Written | None:
    """Return what a definition was to be built from, if the refusal carries it."""
    return refused.written if isinstance(refused.written, Written) else None


def _is_plain_function(value: Any) -> bool:
    return callable(value) and not isinstance(value, ArrivalFold)


def _made_by(make: Any) -> Any:
    try:
        return make()
    except DefinitionError as refused:
        written = written_in(refused)
        if written is None:
            raise
        return written


def _from_mapping(value: Mapping[str, Any], name: str) -> Written:
    try:
        return Written(**{"name": name, **value})
    except TypeError:
        raise InvalidArgumentError(name, "a mapping of what Definition.write takes") from None
