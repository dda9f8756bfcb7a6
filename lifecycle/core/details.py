"""Details: the fields of a provider's order object, read leaf by leaf.

    class Driver(Details):
        vehicle_type: str | None = None

    DRIVER = leaves_of(Driver)
    read_leaves(DRIVER, {"vehicle_type": "bicycle", "name": "..."})   # {"vehicle_type": "bicycle"}

A field of a wrong type is left out and affects no other; unknown fields are ignored. Where a
body spells a field otherwise, or holds it in an inner object, its path says where it stands:

    TASK = leaves_of(Task, short_id="shortId", notes="completionDetails.notes")
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, get_args

from pydantic import BaseModel, ConfigDict

from lifecycle.core.event import NOTHING
from lifecycle.core.printing import ShownByRepr
from lifecycle.errors import InvalidArgumentError


class Details(ShownByRepr, BaseModel):  # type: ignore[override]  # theirs is a function
    """What a provider tells about an order; each field is `type | None`, or a model of its own."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    def __repr__(self) -> str:
        # The names of the known fields, never their values: a text may hold an address.
        known = [name for name, value in self if value is not None]
        return f"<{type(self).__name__} of {', '.join(known) or 'nothing'}>"

    __str__ = __repr__


def text_in(value: object) -> str | None:
    """Return a text that says something; None for all else."""
    return value if type(value) is str and value else None


def whole_number(value: object) -> int | None:
    """Return an integer from 0 to 2^63 - 1, as a `sequence` is; None for all else."""
    return value if type(value) is int and 0 <= value < 1 << 63 else None


def object_or_empty(value: object) -> dict[str, Any]:
    """Return a JSON object; an empty one for all else."""
    return value if type(value) is dict else {}


def field_in(source: Mapping[str, Any], path: str) -> Any:
    """Return what stands in a field, None where nothing does; `a.b` is the field `b` in `a`."""
    name, _, inner = path.partition(".")
    value = source.get(name)
    if not inner:
        return value
    return field_in(value, inner) if type(value) is dict else None


Leaves = tuple[tuple[str, type, str, bool], ...]
"""Fields with the types that they must have, their paths, and whether those lead into objects."""


def leaves_of(model: type[BaseModel], /, **paths: str) -> Leaves:
    """Return the leaf of each field that is `type | None`; `paths` are of those named otherwise.

    Raises:
        InvalidArgumentError: a path is given for a name that is no such field.
    """
    leaves = tuple(
        (name, kinds[0], path := paths.pop(name, name), "." in path)
        for name, field in model.model_fields.items()
        if (kinds := get_args(field.annotation))
    )
    if paths:
        raise InvalidArgumentError("paths", f"fields of {model.__name__} that are `type | None`")
    return leaves


def read_leaves(leaves: Leaves, source: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that say something: of the right type, and no empty text."""
    get, found = source.get, {}
    for name, kind, path, is_inner in leaves:
        value = field_in(source, path) if is_inner else get(path)
        if type(value) is kind and (value or kind is not str):
            found[name] = value
    return found


def _model_at(model: type[BaseModel], name: str) -> type[BaseModel]:
    field = model.model_fields.get(name)
    inner = None if field is None else field.annotation
    if isinstance(inner, type) and issubclass(inner, BaseModel):
        return inner
    raise InvalidArgumentError("inner", f"a field of {model.__name__} that is a model")


def nested_reader(model: type[BaseModel], inner: str) -> Callable[[object], Mapping[str, Any]]:
    """Return what reads the fields of a model, and those of its field `inner`, a model too.

        read = nested_reader(Parcel, "landing")
        read({"size": 7, "left_at": "door"})        # {"size": 7, "landing": {"left_at": "door"}}

    An inner field comes from the object at `inner`, else from the outer object. What is no
    object says nothing.
    """
    outer, nested = leaves_of(model), leaves_of(_model_at(model, inner))

    def read(source: object) -> Mapping[str, Any]:
        if type(source) is not dict:
            return NOTHING
        get, inside = source.get, source.get(inner)
        get_inner = inside.get if type(inside) is dict else get
        found: dict[str, Any] = {}
        for name, kind, _, _ in outer:
            value = get(name)
            if type(value) is kind and (value or kind is not str):
                found[name] = value
        within: dict[str, Any] = {}
        for name, kind, _, _ in nested:
            value = get_inner(name)
            if type(value) is kind and (value or kind is not str):
                within[name] = value
        if len(within) < len(nested) and get_inner is not get:
            within = read_leaves(nested, source) | within
        if within:
            found[inner] = within
        return found

    return read
