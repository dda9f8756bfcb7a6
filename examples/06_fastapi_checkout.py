"""A FastAPI checkout: an order is created, corrected, resubmitted, and its callbacks received."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from checkout.customer import KEY, PROVIDER, SECRET, visit
from fastapi import FastAPI, HTTPException

from lifecycle import InvalidRequestError, UnknownOrderError, connect_async
from lifecycle.http.create_order import Correctable, Created, create_order_async
from lifecycle.http.receiver import BearerTokens, Receiver
from lifecycle.providers.instacart.client import AsyncClient
from lifecycle.providers.instacart.request import CreateOrder

orders = connect_async("memory:")  # yours: sqlite:/// or postgresql://
client = AsyncClient(PROVIDER.url, client_id="retailer", client_secret="retailer-secret")  # noqa: S106


@contextlib.asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Keep the orders and the client open while the app runs."""
    async with orders, client:
        yield


app = FastAPI(lifespan=lifespan)
app.mount(
    "/instacart", Receiver(orders, BearerTokens(clients={"instacart": SECRET}, signing_keys=[KEY]))
)


@app.post("/checkout")
async def checkout(form: dict[str, Any]) -> str:
    """Create the order, or prompt the customer for a correction."""
    try:
        request = CreateOrder(**form)
    except InvalidRequestError as refused:
        raise HTTPException(422, dict(refused.problems)) from None
    match await create_order_async(orders, client, request, user_id="kamal"):
        case Created(view):
            return view.status
        case Correctable(errors):
            raise HTTPException(422, {error.key or "": error.message for error in errors})
    return "we are working on it"  # refused or unknown: nothing that the customer can mend


@app.get("/orders/{order_id}")
async def show(order_id: str) -> dict[str, Any]:
    """Return everything known about the order."""
    try:
        return (await orders.get(order_id)).model_dump(mode="json")
    except UnknownOrderError:
        raise HTTPException(404) from None


visit(app)
