"""The last mile lifecycle of Instacart Connect.

Sources: the provider's how-to on asynchronous creation, its callback table and its
table of workflow states; any status may be entered without its predecessors, since
accounts enable only some callbacks.
"""

from __future__ import annotations

from typing import Any, Final

from lifecycle.core.definition import Awaits, Definition
from lifecycle.core.event import FAILED, POLL_FAILED
from lifecycle.core.moves import awaits_of_creation, move, moves_of
from lifecycle.providers.instacart.details import OrderDetails

CREATION: Final = ("requested", "validation_failed", "resubmitted", "created", "brand_new")
PREPARATION: Final = ("rescheduled", "staged")
SHOPPER: Final = (
    "waiting_for_delivery",
    "acknowledged",
    "acknowledged_for_delivery",
    "at_store",
    "bags_verified",
    "delivering",
)
STATES: Final = (*CREATION, *PREPARATION, *SHOPPER, "delivered", "canceled")
ACTIVE: Final = STATES[:-2]

INFORMATIONAL: Final = (
    FAILED,
    POLL_FAILED,
    "order_location",
    "late_delivery",
    "customer_missing",
    "arrival_at_customer",
    "at_store_eta",
    "tip_adjustment",
    "rating_updated",
    "rating_reminder",
)

ONWARD: Final[dict[str, tuple[str, ...]]] = {
    # `resubmitted` straight from `requested`: resent after a failure.
    # `brand_new` before `created`: the callback overtook the response.
    "requested": ("created", "validation_failed", "resubmitted", "brand_new"),
    "validation_failed": ("resubmitted", "brand_new"),
    "resubmitted": ("created", "validation_failed", "brand_new"),
    "created": ("brand_new",),
    "brand_new": ("rescheduled", "staged", *SHOPPER[:3]),
    "rescheduled": ("brand_new", "staged", *SHOPPER[:3]),
    "staged": ("rescheduled", *SHOPPER[:3]),
    "waiting_for_delivery": ("acknowledged", "acknowledged_for_delivery"),
    "acknowledged": ("acknowledged_for_delivery", "at_store"),
    "acknowledged_for_delivery": ("at_store",),
    "at_store": ("bags_verified",),
    "bags_verified": ("delivering",),
    "delivering": ("delivered",),
}


def _moves() -> list[dict[str, Any]]:
    # A shopper may drop out at any point; the order then steps back and repeats states.
    back = (move(SHOPPER[rank:], dest) for rank, dest in enumerate(("rescheduled", *SHOPPER[:-1])))
    return [*moves_of(ONWARD), *back, move(ACTIVE, "canceled")]


LAST_MILE: Final = Definition.write(
    "instacart.last_mile",
    states=STATES,
    moves=_moves(),
    terminal=("delivered", "canceled"),
    aborts=("canceled",),
    birth=("created", "brand_new"),
    confirmed="brand_new",
    side=("staged",),
    main_line=(
        "requested",
        "brand_new",
        "acknowledged_for_delivery",
        "at_store",
        "bags_verified",
        "delivering",
    ),
    informational=INFORMATIONAL,
    awaits={
        **awaits_of_creation("validation_failed", "brand_new", "canceled"),
        "created": Awaits(("brand_new", "canceled")),
    },
    details=OrderDetails,
)
