"""What the provider tells about an order, as its order object names it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class FulfillmentDetails(BaseModel):
    """The store and the delivery window; texts are verbatim, None where nobody said."""

    model_config = ConfigDict(frozen=True)

    store_location: str | None = None
    window_starts_at: str | None = None
    window_ends_at: str | None = None


class OrderDetails(BaseModel):
    """The order object's fields; texts and dates are verbatim, None where nobody said."""

    model_config = ConfigDict(frozen=True)

    order_url: str | None = None
    created_at: str | None = None
    cancellation_reason: str | None = None
    locale: str | None = None
    is_express: bool | None = None
    is_instacartplus: bool | None = None
    is_fallback_window: bool | None = None
    fulfillment_details: FulfillmentDetails = FulfillmentDetails()
