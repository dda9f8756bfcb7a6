"""Details: the fields of a provider's order object, read leaf by leaf.

    class Courier(Details):
        vehicle_type: str | None = None

    COURIER = leaves_of(Courier)
    read_leaves(COURIER, {"vehicle_type": "bicycle", "name": "..."})   # {"vehicle_type": "bicycle"}

A field of a wrong type is left out and affects no other; unknown fields are ignored.
"""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, ConfigDict


class Details(BaseModel):
    """What a provider tells about an order; each field is `type | None`, or a model of its own."""

    model_config = ConfigDict(frozen=True)

    def __repr__(self) -> str:
        # The names of the known fields, never their values: a text may hold an address.
        known = [name for name, value in self if value is not None]
        return f"<{type(self).__name__} of {', '.join(known) or 'nothing'}>"

    __str__ = __repr__


def text_in(value: object) -> str | None:
    """Return a text that says something; None for all else."""
    return value if type(value) is str and value else None


def object_or_empty(value: object) -> dict[str, Any]:
    """Return a JSON object; an empty one for all else."""
    return value if type(value) is dict else {}


Leaves = tuple[tuple[str, type], ...]
"""Fields with the types that they must have."""


def leaves_of(model: type[BaseModel]) -> Leaves:
    """Return (field, type) of each field that is `type | None`."""
    return tuple(
        (name, kinds[0])
        for name, field in model.model_fields.items()
        if (kinds := get_args(field.annotation))
    )


def read_leaves(leaves: Leaves, source: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that say something: of the right type, and no empty text."""
    return {
        name: value
        for name, kind in leaves
        if type(value := source.get(name)) is kind and value != ""
    }
