"""The details of an order, named as in the provider's order object.

The models define the fields and their types. Each leaf is read separately, so that a field of
a wrong type is ignored and affects no other. Unknown fields are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

from pydantic import BaseModel, ConfigDict

from lifecycle.core.event import NOTHING

FULFILLMENT: Final = "fulfillment_details"


class _FrozenModel(BaseModel):
    model_config = ConfigDict(frozen=True)

    def __repr__(self) -> str:
        # The names of the known fields, never their values: a text may hold an address.
        known = [name for name, value in self if value is not None]
        return f"<{type(self).__name__} of {', '.join(known) or 'nothing'}>"

    __str__ = __repr__


class FulfillmentDetails(_FrozenModel):
    """The store and the delivery window; texts are verbatim, None if unknown."""

    store_location: str | None = None
    window_starts_at: str | None = None
    window_ends_at: str | None = None


class OrderDetails(_FrozenModel):
    """The order object's fields; texts and dates are verbatim, None if unknown."""

    order_url: str | None = None
    created_at: str | None = None
    cancellation_reason: str | None = None
    locale: str | None = None
    is_express: bool | None = None
    is_instacartplus: bool | None = None
    is_fallback_window: bool | None = None
    fulfillment_details: FulfillmentDetails = FulfillmentDetails()


Leaves = tuple[tuple[str, type], ...]


def _leaves(model: type[BaseModel]) -> Leaves:
    """Return (field, type) of each field that is `type | None`."""
    return tuple(
        (name, kinds[0])
        for name, field in model.model_fields.items()
        if (kinds := get_args(field.annotation))
    )


_ORDER: Final = _leaves(OrderDetails)
_FULFILLMENT: Final = _leaves(FulfillmentDetails)


def read_details(order: object) -> Mapping[str, Any]:
    """Return the details in an order object or in an event's metadata.

    Only non-empty values of the right type, nested as in `OrderDetails`. The store and the
    window come from `fulfillment_details`, else from the object itself, as in callbacks.
    """
    if type(order) is not dict:
        return NOTHING
    found, inner = _read_leaves(_ORDER, order), order.get(FULFILLMENT)
    fulfillment = _read_leaves(_FULFILLMENT, inner) if type(inner) is dict else {}
    if len(fulfillment) < len(_FULFILLMENT):
        fulfillment = _read_leaves(_FULFILLMENT, order) | fulfillment
    if fulfillment:
        found[FULFILLMENT] = fulfillment
    return found


def _read_leaves(leaves: Leaves, source: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, kind in leaves
        if type(value := source.get(name)) is kind and value != ""
    }
