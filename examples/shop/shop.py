"""A whole shop: orders are created and corrected, shown, and every change is mailed once.

    PROVIDER_URL=... PROVIDER_SECRET=... CALLBACK_SECRET=... SIGNING_KEY=... uvicorn shop:service

It has no table and no loop of its own: what a killed process left is in the log, and is finished
by the next one.
"""

import os
import smtplib
from asyncio import to_thread
from datetime import timedelta
from email.message import EmailMessage
from html import escape
from typing import Any

from fastapi import FastAPI, HTTPException
from fastapi.responses import HTMLResponse

from lifecycle import (
    AsyncOrders,
    InvalidRequestError,
    OrderChange,
    UnknownOrderError,
    connect_async,
)
from lifecycle.http.create_order import Correctable, Created, create_order_async
from lifecycle.http.receiver import BearerTokens, Receiver, Service
from lifecycle.http.reconcile import keep_reconciled
from lifecycle.http.resume import keep_resumed
from lifecycle.providers.instacart.client import AsyncClient
from lifecycle.providers.instacart.request import CreateOrder

SMTP = os.environ.get("SMTP_HOST", "localhost"), int(os.environ.get("SMTP_PORT", "25"))
EVERY = timedelta(seconds=float(os.environ.get("SHOP_RESUMES_EVERY", "30")))

orders = connect_async(os.environ.get("SHOP_DB", "sqlite:///shop.db"))
client = AsyncClient(
    os.environ["PROVIDER_URL"], client_id="retailer", client_secret=os.environ["PROVIDER_SECRET"]
)
app = FastAPI()


@app.post("/orders")
async def create(form: dict[str, Any]) -> dict[str, Any]:
    """Create an order, or send it corrected; 422 names what the customer can correct."""
    kept = {"email": form.pop("email", "")}
    user_id = form.pop("user_id", "")
    try:
        request = CreateOrder(**form)
    except InvalidRequestError as refused:
        raise HTTPException(422, dict(refused.problems)) from None
    match await create_order_async(orders, client, request, user_id=user_id, context=kept):
        case Created(view):
            return {"status": view.status}
        case Correctable(errors):
            raise HTTPException(422, {error.key or "": error.message for error in errors})
    return {"status": "we are working on it"}


@app.get("/orders/{order_id}", response_class=HTMLResponse)
async def show(order_id: str) -> str:
    """Return the page that tells the customer where the order is."""
    try:
        view = await orders.get(order_id)
    except UnknownOrderError:
        raise HTTPException(404) from None
    steps = "".join(f"<li>{escape(step.status)} {step.at or ''}</li>" for step in view.path)
    return f"<h1>Your order {escape(order_id)}: {escape(view.status)}</h1><ol>{steps}</ol>"


async def mail(change: OrderChange) -> None:
    """Mail the customer what changed: once, as the mail server is asked for this change first."""
    begun = await orders.last_request(change.order_id)
    to = begun.context.get("email") if begun else None
    if to:
        text = f"Your order {change.order_id} is {change.after}."
        await to_thread(send_once, f"<{change.position}@shop.example>", to, text)


def send_once(message_id: str, to: str, text: str) -> None:
    """Send an e-mail, unless the server has accepted one of this id."""
    with smtplib.SMTP(*SMTP, timeout=30) as session:
        if session.docmd("VRFY", message_id)[0] == 250:  # yours may have an API for this
            return
        message = EmailMessage()
        message["Message-ID"], message["From"], message["To"] = message_id, "us@shop.example", to
        message.set_content(text)
        session.send_message(message)


async def mail_changes(orders: AsyncOrders) -> None:
    """Mail every change there is and will be."""
    await orders.subscription("e-mails", mail).follow()


gate = BearerTokens(
    clients={"instacart": os.environ["CALLBACK_SECRET"]}, signing_keys=[os.environ["SIGNING_KEY"]]
)
service = Service(
    Receiver(orders, gate),
    mounts={"/shop": app},
    background={
        "resume": keep_resumed(client, every=EVERY),
        "reconcile": keep_reconciled(client),
        "e-mails": mail_changes,
    },
)
