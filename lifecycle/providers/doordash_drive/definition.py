"""The lifecycle of a delivery at DoorDash Drive, in the provider's own status words.

Sources: its table of delivery statuses, with the note that a delivery can be `created` more
than once if a Dasher unassigns before the pickup; its webhooks for deliveries that return to
the pickup; the statuses of a return are those of its published client. No webhook says that a
Dasher unassigned: `created` is seen in answers, and otherwise the next Dasher confirms.
"""

from __future__ import annotations

from typing import Final

from lifecycle.core.definition import Awaits, Definition
from lifecycle.core.details import Details
from lifecycle.core.event import FAILED, POLL_FAILED
from lifecycle.core.moves import CREATION, along, awaits_of_creation, move, moves_of_creation

BEFORE_PICKUP: Final = ("created", "confirmed", "enroute_to_pickup", "arrived_at_pickup")
DROPOFF: Final = ("picked_up", "enroute_to_dropoff", "arrived_at_dropoff")
RETURN: Final = ("enroute_to_return", "arrived_at_return")
AGAIN: Final = [BEFORE_PICKUP[rank:] for rank in range(1, len(BEFORE_PICKUP))]
ACTIVE: Final = (*CREATION, *BEFORE_PICKUP, *DROPOFF, *RETURN)


class DeliveryDetails(Details):
    """Fields of the delivery object; texts and times are verbatim, amounts in cents."""

    tracking_url: str | None = None
    support_reference: str | None = None
    currency: str | None = None
    fee: int | None = None
    tip: int | None = None
    dasher_id: int | None = None
    pickup_time_estimated: str | None = None
    pickup_time_actual: str | None = None
    dropoff_time_estimated: str | None = None
    dropoff_time_actual: str | None = None
    cancellation_reason: str | None = None
    cancellation_reason_message: str | None = None


DELIVERY: Final = Definition.write(
    "doordash_drive.delivery",
    states=(*ACTIVE, "delivered", "returned", "cancelled"),
    moves=[
        *moves_of_creation("created"),
        *along(*BEFORE_PICKUP, *DROPOFF, "delivered"),
        # The Dasher's way is told only to accounts that asked for it.
        *(move("confirmed", "arrived_at_pickup"), move("picked_up", "arrived_at_dropoff")),
        *(move(later, BEFORE_PICKUP[n]) for n, later in enumerate(AGAIN)),
        *(move(DROPOFF, RETURN[0]), *along(*RETURN, "returned")),
        # From a return too: with the reason `failed_to_return`.
        move(ACTIVE, "cancelled"),
    ],
    terminal=("delivered", "returned", "cancelled"),
    aborts=("returned", "cancelled"),
    birth=("created",),
    main_line=("requested", "created", "confirmed", "arrived_at_pickup", "picked_up"),
    # `quote`: the delivery has a price, and nobody ordered it.
    informational=(FAILED, POLL_FAILED, "quote", "delivery_batched"),
    awaits={
        **awaits_of_creation("validation_failed", "confirmed", "cancelled"),
        "created": Awaits(("confirmed", "cancelled")),
        "enroute_to_return": Awaits(("arrived_at_return", "cancelled")),
        "arrived_at_return": Awaits(("returned", "cancelled")),
    },
    details=DeliveryDetails,
    confirmed="confirmed",
)
