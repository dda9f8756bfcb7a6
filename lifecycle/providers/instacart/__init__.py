"""Instacart Connect: last mile delivery orders.

| module | holds |
|---|---|
| `definition` | states, ranks, moves |
| `words` | the provider's spellings |
| `bodies` | the shapes of its bodies |
| `details` | the details of an order |
| `reader` | all of these together: what an arrival says |

The modules that use HTTP (extra `http`); none of the above imports them:

| module | does |
|---|---|
| `request`, `client` | a create request as a model; calls to the provider |
| `receiver` | who may call back |

Stand-ins for the provider: `simulator` over HTTP, `sample_orders` in memory, and `recordings`
for tests. They share `order_generator` and `sample_scenarios`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from lifecycle.core.definition import Definition
from lifecycle.core.event import Kind
from lifecycle.providers.instacart.bodies import JsonObject
from lifecycle.providers.instacart.definition import LAST_MILE
from lifecycle.providers.instacart.details import read_details
from lifecycle.providers.instacart.reader import read


@dataclass(frozen=True)
class Instacart:
    """The provider `instacart`, a `lifecycle.core.provider.Provider`."""

    name: str = "instacart"
    definition: Definition = LAST_MILE
    kept_headers: frozenset[str] = frozenset()
    details_member: ClassVar[str] = "event_metadata"

    read = staticmethod(read)

    def read_details(self, kind: Kind, body: JsonObject) -> Mapping[str, Any]:
        """Return the details that `read` tells of a callback, an order object or an answer."""
        if kind != "callback":
            return read_details(body)
        metadata = body.get("event_metadata")
        is_flat = metadata is None and body.get("event_name") is None
        return read_details(body if is_flat else metadata)


INSTACART: Final = Instacart()
PROVIDER: Final = INSTACART
"""The name under which every provider package exports its provider."""

# Source: the provider's how-to on asynchronous creation. None of it can be checked from here.
PREREQUISITES: Final = (
    "asynchronous order creation is enabled in your retailer configuration",
    "the last mile delivery workflow is implemented on your site",
    "the Brand New callback is enabled for that workflow",
)
"""What must be in place before orders can be created; your Instacart representative can help."""

DISTINCTIVE: Final = frozenset(
    {
        "acknowledged_for_delivery",
        "arrival_at_customer",
        "at_store",
        "bags_verified",
        "brand_new",
        "customer_mia",
        "customer_missing",
        "instacart",
        "instacartplus",
        "late_delivery",
        "order_location",
        "rating_reminder",
        "rating_updated",
        "staged_for_delivery",
        "tip_adjustment",
        "waiting_for_delivery",
    }
)
"""Words that are this provider's alone: nothing outside of its folder may say them."""
