"""Every provider of the library on real sockets: its simulator, our receiver, and a client."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from lifecycle import connect, connect_async
from lifecycle.http.receiver import Credentials, Receiver
from lifecycle.providers.doordash_drive.client import CreateDelivery as CreateAtDoorDash
from lifecycle.providers.instacart.request import Address, CreateOrder
from lifecycle.providers.uber_direct.client import CreateDelivery as CreateAtUber
from lifecycle.registry import part_of
from lifecycle.simulator import RunningSimulator, Simulator
from tests.serving import asgi_server

SECRET = "a secret of the tests, 32 bytes and more"
CALLER = "the provider"
OURS = "cmV0YWlsZXItc2VjcmV0LW9mLXRoZS10ZXN0cy0zMi1ieXRlcw"
"""Our own secret, in base64 as one of the providers wants it."""


class Shop(NamedTuple):
    """How one provider is met: our account, a request, and one that has to be corrected."""

    name: str
    account: Callable[[str], Mapping[str, str]]
    request: Callable[..., Any]
    made: str
    """The status of an order that was just made."""


def at_instacart(order_id: str, *, right: bool = True) -> Any:
    address = Address(address_line_1="50 Beale St", postal_code="94105" if right else "nowhere")
    return CreateOrder(
        order_id=order_id,
        service_option_hold_id=42,
        location_code="1003",
        first_name="Kamal",
        last_name="Singh",
        user_phone="+18005550101",
        items_count=12,
        items_weight=15,
        address=address,
    )


def at_doordash(order_id: str, *, right: bool = True) -> Any:
    address = "1201 3rd Avenue, Seattle, WA 98101" if right else " "
    fields = {"dropoff_address": address, "dropoff_phone_number": "+16505550112"}
    return CreateAtDoorDash(order_id, fields)


def at_uber(order_id: str, *, right: bool = True) -> Any:
    fields = {
        "dropoff_name": "Kim Placeholder",
        "dropoff_address": "30 Lincoln Center Plaza, New York, NY 10023" if right else "",
        "dropoff_phone_number": "+15555550102",
    }
    return CreateAtUber(order_id, fields)


SHOPS = {
    "instacart": Shop(
        "instacart",
        lambda url: {
            "base_url": url,
            "client_id": "retailer",
            "client_secret": OURS,
            "user_id": "kamal",
        },
        at_instacart,
        "created",
    ),
    "doordash_drive": Shop(
        "doordash_drive",
        lambda url: {
            "base_url": url,
            "developer_id": "retailer",
            "key_id": "key-1",
            "signing_secret": OURS,
        },
        at_doordash,
        "created",
    ),
    "uber_direct": Shop(
        "uber_direct",
        lambda url: {
            "base_url": url,
            "token_url": f"{url}/oauth/v2/token",
            "customer_id": "cus_1",
            "client_id": "retailer",
            "client_secret": OURS,
        },
        at_uber,
        "pending",
    ),
}


class World(NamedTuple):
    """Our service and the provider."""

    shop: Shop
    orders: Any
    provider: RunningSimulator
    client: Any
    receiver: Receiver


@contextmanager
def world(shop: Shop, folder: Any, *, known: str = SECRET, **settings: Any) -> Iterator[World]:
    """Yield a shop in business; `known` is the secret that our gate knows."""
    url = f"sqlite:///{folder}/orders.db"
    gate = part_of(shop.name, "receiver").RECEIVER.gate(Credentials({CALLER: [known]}, [known]))
    receiver = Receiver(connect_async(url, provider=shop.name), gate)
    with asgi_server(receiver) as port:
        simulator = Simulator(
            part_of(shop.name, "simulator").SIMULATED,
            callback_url=f"http://127.0.0.1:{port}/callbacks",
            client_secret=OURS,
            callback_client_id=CALLER,
            callback_client_secret=SECRET,
            retry_seconds=0.01,
            **settings,
        )
        with RunningSimulator(simulator) as provider:
            account = shop.account(provider.url)
            with (
                part_of(shop.name, "client").CLIENT.client(**account) as client,
                connect(url, provider=shop.name) as orders,
            ):
                yield World(shop, orders, provider, client, receiver)
