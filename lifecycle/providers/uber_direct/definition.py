"""The lifecycle of a delivery at Uber Direct, in the provider's own status words.

Sources: its Delivery Status Webhook, with the table of statuses. That a courier may drop out,
so that `pending` comes again, no page says; the move is declared since no page excludes it.
"""

from __future__ import annotations

from typing import Final

from lifecycle.core.definition import Awaits, Definition
from lifecycle.core.details import Details
from lifecycle.core.event import FAILED, POLL_FAILED
from lifecycle.core.moves import CREATION, along, awaits_of_creation, move, moves_of_creation

UNDER_WAY: Final = ("pending", "pickup", "pickup_complete", "dropoff")
ACTIVE: Final = (*CREATION, *UNDER_WAY)
BESIDE: Final = ("courier_update", "delivery_return", "refund_request", "shopping_progress")


class DeliveryDetails(Details):
    """Fields of the delivery object; texts and times are verbatim, amounts in cents.

    `delivery_id` is the provider's own id; `return_id` that of the delivery that brings the
    order back, which is another object.
    """

    delivery_id: str | None = None
    return_id: str | None = None
    quote_id: str | None = None
    tracking_url: str | None = None
    courier_imminent: bool | None = None
    currency: str | None = None
    fee: int | None = None
    tip: int | None = None
    pickup_eta: str | None = None
    dropoff_eta: str | None = None
    undeliverable_action: str | None = None
    undeliverable_reason: str | None = None
    total_uber_refund: int | None = None
    total_partner_refund: int | None = None


DELIVERY: Final = Definition.write(
    "uber_direct.delivery",
    states=(*ACTIVE, "delivered", "returned", "canceled"),
    moves=[
        *(*moves_of_creation("pending"), *along(*UNDER_WAY, "delivered")),
        *(move("pickup", "pending"), move(UNDER_WAY[2:], "returned"), move(ACTIVE, "canceled")),
    ],
    terminal=("delivered", "returned", "canceled"),
    aborts=("returned", "canceled"),
    birth=("pending",),
    main_line=("requested", *UNDER_WAY),
    informational=(FAILED, POLL_FAILED, *BESIDE),
    awaits={
        **awaits_of_creation("validation_failed", "pending", "canceled"),
        "pending": Awaits(("pickup", "canceled")),
    },
    details=DeliveryDetails,
    confirmed="pickup",
)
