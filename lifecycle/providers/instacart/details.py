"""What the provider tells about an order, as its order object names it.

The models say which fields count and of which type; reading goes leaf by leaf, so that
one field of a wrong type says nothing and harms no other. Fields not listed are ignored.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping
from typing import Any, Final, get_args

from pydantic import BaseModel, ConfigDict

from lifecycle.event import NOTHING
from lifecycle.providers.instacart.bodies import order_of
from lifecycle.strict_json import parse_again

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


class Told(Mapping[str, Any]):
    """What a callback's body says about the order, read when somebody first looks.

    Most events are recorded by a process that never looks at what they tell. The bytes are
    kept, not what they were parsed to, which takes five times as much room.
    """

    __slots__ = ("_body", "_said")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._said: Mapping[str, Any] | None = None

    def _read(self) -> Mapping[str, Any]:
        if self._said is None:
            self._said = read_details(order_of(parse_again(self._body)))
        return self._said

    def __getitem__(self, name: str) -> Any:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def items(self) -> ItemsView[str, Any]:
        """Return (name, value) of all that is said, as quickly as a dictionary does."""
        return self._read().items()

    def __repr__(self) -> str:
        return f"<Told of {', '.join(self) or 'nothing'}>"


def _said(leaves: Leaves, source: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, kind in leaves
        if type(value := source.get(name)) is kind and value != ""
    }
