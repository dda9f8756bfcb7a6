"""Every provider of the library on real sockets: its simulator, our receiver, and a client."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from campaigns.accounts import ACCOUNTS
from lifecycle import connect, connect_async
from lifecycle.http.receiver import Credentials, Receiver
from lifecycle.registry import part_of
from lifecycle.simulator import RunningSimulator, Simulator
from tests.serving import asgi_server

SECRET = "a secret of the tests, 32 bytes and more"
CALLER = "the provider"
OURS = "cmV0YWlsZXItc2VjcmV0LW9mLXRoZS10ZXN0cy0zMi1ieXRlcw"
"""Our own secret, in base64 as one of the providers wants it."""


class Shop(NamedTuple):
    """How one provider is met: our account, a request, and the status of an order just made."""

    name: str
    account: Callable[[str], Mapping[str, str]]
    request: Callable[..., Any]
    made: str


def shop_of(name: str) -> Shop:
    settings, request, made = ACCOUNTS[name]

    def requested(order_id: str, *, right: bool = True) -> Any:
        return request(order_id, right)

    return Shop(name, lambda url: settings(url, OURS), requested, made)


SHOPS = {name: shop_of(name) for name in ACCOUNTS}


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
    gate = part_of(shop.name, "receiver").gate(Credentials({CALLER: [known]}, [known]))
    receiver = Receiver(connect_async(url, provider=shop.name), gate)
    with asgi_server(receiver) as port:
        simulator = Simulator(
            part_of(shop.name, "simulator"),
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
                part_of(shop.name, "client").client(**account) as client,
                connect(url, provider=shop.name) as orders,
            ):
                yield World(shop, orders, provider, client, receiver)
