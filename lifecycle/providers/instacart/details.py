"""The details of an order, named as in the provider's order object.

The models define the fields and their types; see `lifecycle.core.details`.
"""

from __future__ import annotations

from typing import Final

from lifecycle.core.details import Details, nested_reader


class FulfillmentDetails(Details):
    """The store and the delivery window; texts are verbatim, None if unknown.

    Attributes:
        store_location: the store; may differ from the one that was asked for.
        window_starts_at: when the delivery window begins.
        window_ends_at: when the delivery window ends.
    """

    store_location: str | None = None
    window_starts_at: str | None = None
    window_ends_at: str | None = None


class OrderDetails(Details):
    """The order object's fields; texts and dates are verbatim, None if unknown.

    Attributes:
        order_url: the customer's tracking page.
        created_at: when the order was created, in the provider's words.
        cancellation_reason: why it was canceled.
        locale: as the provider writes it, such as `en_US`.
        is_express: older name of the membership flag.
        is_instacartplus: whether the customer is a member.
        is_fallback_window: whether another window than the one asked for was taken.
        fulfillment_details: the store and the window.
    """

    order_url: str | None = None
    created_at: str | None = None
    cancellation_reason: str | None = None
    locale: str | None = None
    is_express: bool | None = None
    is_instacartplus: bool | None = None
    is_fallback_window: bool | None = None
    fulfillment_details: FulfillmentDetails = FulfillmentDetails()


read_details: Final = nested_reader(OrderDetails, "fulfillment_details")
"""Reads the details in an order object or in an event's metadata, which has the store and the
window beside the rest."""
