"""Our accounts at the simulated providers: how a client is made, and what it orders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from lifecycle.http.create_order import CreateRequest
from lifecycle.providers.doordash_drive.client import create_request as doordash_request
from lifecycle.providers.instacart.request import Address, CreateOrder
from lifecycle.providers.uber_direct.client import create_request as uber_request

US: Final = "retailer"
OURS: Final = "retailer-secret"
"""Who we are by default at every simulated provider."""


class Account(NamedTuple):
    """How one provider is met.

    `settings` are those of a client, for the provider's URL and our secret; `request` makes a
    create request, one that has to be corrected where it is not `right`; `made` is the status
    of an order that was just made.
    """

    settings: Callable[[str, str], Mapping[str, str]]
    request: Callable[[str, bool], CreateRequest]
    made: str


def _at_instacart(order_id: str, right: bool) -> CreateRequest:  # noqa: FBT001 - one shape for all
    return CreateOrder(
        order_id=order_id,
        service_option_hold_id=42,
        location_code="1003",
        first_name="Kamal",
        last_name="Singh",
        user_phone="+18005550101",
        items_count=12,
        items_weight=15,
        address=Address(address_line_1="50 Beale St", postal_code="94105" if right else "nowhere"),
    )


def _at_doordash(order_id: str, right: bool) -> CreateRequest:  # noqa: FBT001 - as above
    address = "1201 3rd Avenue, Seattle, WA 98101" if right else " "
    fields = {"dropoff_address": address, "dropoff_phone_number": "+16505550112"}
    return doordash_request(order_id, fields)


def _at_uber(order_id: str, right: bool) -> CreateRequest:  # noqa: FBT001 - as above
    fields = {
        "dropoff_name": "Kim Placeholder",
        "dropoff_address": "30 Lincoln Center Plaza, New York, NY 10023" if right else "",
        "dropoff_phone_number": "+15555550102",
    }
    return uber_request(order_id, fields)


ACCOUNTS: Final = {
    "instacart": Account(
        lambda url, secret: {
            "base_url": url,
            "client_id": US,
            "client_secret": secret,
            "user_id": "kamal",
        },
        _at_instacart,
        "created",
    ),
    "doordash_drive": Account(
        lambda url, secret: {
            "base_url": url,
            "developer_id": US,
            "key_id": "key-1",
            "signing_secret": secret,
        },
        _at_doordash,
        "created",
    ),
    "uber_direct": Account(
        lambda url, secret: {
            "base_url": url,
            "token_url": f"{url}/oauth/v2/token",
            "customer_id": "cus_1",
            "client_id": US,
            "client_secret": secret,
        },
        _at_uber,
        "pending",
    ),
}
