"""What the provider tells about an order, as its order object names it.

The models say which fields count and of which type; reading goes leaf by leaf, so that
one field of a wrong type says nothing and harms no other. Fields not listed are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

from pydantic import BaseModel, ConfigDict

from lifecycle.core.event import NOTHING

FULFILLMENT: Final = "fulfillment_details"


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)

    def __repr__(self) -> str:
        # Which fields are known, never what they say: an address may stand in a text.
        told = [name for name, value in self if value is not None]
        return f"<{type(self).__name__} of {', '.join(told) or 'nothing'}>"

    __str__ = __repr__


class FulfillmentDetails(_Told):
    """The store and the delivery window; texts are verbatim, None where nobody said."""

    store_location: str | None = None
    window_starts_at: str | None = None
    window_ends_at: str | None = None


class OrderDetails(_Told):
    """The order object's fields; texts and dates are verbatim, None where nobody said."""

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
    """Return what an order object, or an event's metadata, says about the order.

    Only non-empty values of the right type, nested as in `OrderDetails`. The store and the
    window come from `fulfillment_details`, else from the object itself: callbacks carry
    them there.
    """
    if type(order) is not dict:
        return NOTHING
    said, inner = _said(_ORDER, order), order.get(FULFILLMENT)
    fulfillment = _said(_FULFILLMENT, inner) if type(inner) is dict else {}
    if len(fulfillment) < len(_FULFILLMENT):
        fulfillment = _said(_FULFILLMENT, order) | fulfillment
    if fulfillment:
        said[FULFILLMENT] = fulfillment
    return said


def _said(leaves: Leaves, source: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, kind in leaves
        if type(value := source.get(name)) is kind and value != ""
    }
