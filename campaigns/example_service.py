"""The service of `three_processes`: receives callbacks, creates orders, reconciles.

    POST /orders/     a create request ─→ its outcome
    POST /callbacks   the receiver
    GET  /health

One process on the loopback, on the database that it is given. Its two broken variants are the
controls: `hasty` acknowledges callbacks before they are committed, `blind` resends a create
request without polling first.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

import uvicorn

from campaigns.accounts import ACCOUNTS, OURS, Account
from lifecycle.composition import connect_async
from lifecycle.core.event import Entry, Event
from lifecycle.errors import ProviderError
from lifecycle.http.create_order import CreateRequest, Refused, Unknown, create_order_async
from lifecycle.http.receiver import Credentials, Receiver, Service
from lifecycle.http.reconcile import keep_reconciled
from lifecycle.log.contract import QUARANTINE, Append
from lifecycle.log.stores.sqlite import log as sqlite
from lifecycle.registry import part_of
from lifecycle.service.async_orders import AsyncOrders

CLIENT: Final = "the-provider"
SECRET: Final = "a secret of the campaign, 32 bytes and more"  # noqa: S105 - it guards nothing
SETTLE_AFTER: Final = timedelta(seconds=2)
EVERY: Final = timedelta(seconds=1)
OVERDUE: Final = timedelta(seconds=3)
TIMEOUT: Final = 1.0
LAG: Final = 3.0
BLIND_TRIES: Final = 5

Create = Callable[[AsyncOrders, Any, CreateRequest], Awaitable[dict[str, Any]]]


async def create(orders: AsyncOrders, client: Any, request: CreateRequest) -> dict[str, Any]:
    """Return what became of a create request."""
    outcome = await create_order_async(orders, client, request, settle_after=SETTLE_AFTER)
    answer: dict[str, Any] = {"outcome": type(outcome).__name__.lower()}
    if isinstance(outcome, Unknown | Refused):
        answer["why"] = outcome.why
    if isinstance(outcome, Unknown):
        answer["retry_after"] = outcome.retry_after
    return answer


async def create_blindly(
    orders: AsyncOrders, client: Any, request: CreateRequest
) -> dict[str, Any]:
    """Broken on purpose: what was not answered with success is simply sent again."""
    await orders.begin_request(request.order_id, request.body())
    for _ in range(BLIND_TRIES):
        try:
            answer = await client.create(request.body())
        except ProviderError:
            continue
        if answer.http_status // 100 == 2:
            await orders.record_response(request.order_id, answer.http_status, answer.body)
            return {"outcome": "created"}
        if answer.http_status == 400:
            return {"outcome": "correctable"}
    return {"outcome": "unknown"}


class HastyLog(sqlite.SQLiteLog):
    """Broken on purpose: it acknowledges callbacks at once, and commits them later."""

    async def append_async(self, entry: Entry, *, expected_version: int | None = None) -> Append:
        """Return at once for a callback."""
        if not isinstance(entry, Event) or entry.kind != "callback":
            return await super().append_async(entry, expected_version=expected_version)
        later = asyncio.create_task(self._append_later(entry))
        self._pending = {*getattr(self, "_pending", set()), later}
        return Append(QUARANTINE, "", "", "", b"", b"")

    async def _append_later(self, entry: Entry) -> None:
        await asyncio.sleep(LAG)
        await super().append_async(entry)


class OrderRoute:
    """Takes create requests; an ASGI app to mount beside the receiver."""

    def __init__(self, orders: AsyncOrders, account: Account, client: Any, make: Create) -> None:
        self._orders = orders
        self._account = account
        self._client = client
        self._make = make

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG002
        """Create the order that the body asks for."""
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        asked = json.loads(body)
        request = self._account.request(asked["order_id"], asked["right"])
        answer = json.dumps(await self._make(self._orders, self._client, request)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


async def serve(options: argparse.Namespace) -> None:
    """Serve until SIGTERM."""
    name, account = options.provider, ACCOUNTS[options.provider]
    gate = part_of(name, "receiver").gate(Credentials({CLIENT: [SECRET]}, [SECRET]))
    receiver = Receiver(connect_async(f"sqlite:///{options.db}", provider=name), gate)
    settings = account.settings(options.provider_url, OURS)
    make_client = part_of(name, "client").async_client
    client = make_client(**settings, timeout=TIMEOUT, first_wait=0.05)
    make = create_blindly if options.variant == "blind" else create
    keep = keep_reconciled(client, every=EVERY, longer_than=OVERDUE, interval=OVERDUE)
    service = Service(
        receiver,
        mounts={"/orders": OrderRoute(receiver.orders, account, client, make)},
        background={"reconciliation": keep},
    )
    listener = socket.create_server(("127.0.0.1", options.port))
    config = uvicorn.Config(service, lifespan="off", log_config=None, access_log=False)
    async with client, service:
        await uvicorn.Server(config).serve([listener])


def main() -> int:
    """Run the service."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--db", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--provider", required=True, choices=tuple(ACCOUNTS))
    parser.add_argument("--provider-url", required=True, help="the provider's base URL")
    parser.add_argument("--variant", default="sound", choices=("sound", "hasty", "blind"))
    options = parser.parse_args()
    if options.variant == "hasty":
        sqlite.SQLiteLog = HastyLog  # type: ignore[misc]
    asyncio.run(serve(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
