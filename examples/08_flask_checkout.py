"""The checkout in Flask, in short: `handle` is a plain function, and goes into any framework."""

from typing import Any

from checkout.customer import PROVIDER, visit_wsgi
from flask import Flask, jsonify, request

from lifecycle import InvalidRequestError, connect
from lifecycle.providers.instacart.client import Client
from lifecycle.providers.instacart.dialogue import Correctable, Created, create_order
from lifecycle.providers.instacart.receiver import Request, SyncReceiver
from lifecycle.providers.instacart.request import CreateOrder

orders = connect("memory:")  # yours: sqlite:/// or postgresql://
client = Client(PROVIDER.url, client_id="retailer", client_secret="retailer-secret")  # noqa: S106
receiver = SyncReceiver(orders, clients={"instacart": "hush"}, signing_keys=["k" * 32])
app = Flask("shop")


@app.post("/checkout")
def checkout() -> Any:
    """Create the order, or prompt the customer for a correction."""
    try:
        wanted = CreateOrder(**request.get_json())
    except InvalidRequestError as refused:
        return dict(refused.problems), 422
    match create_order(orders, client, wanted, user_id="kamal"):
        case Created(order):
            return jsonify(order.status)
        case Correctable(errors):
            return {error.key or "": error.message for error in errors}, 422
    return jsonify("we are working on it")  # refused or unknown


@app.get("/orders/<order_id>")
def show(order_id: str) -> Any:
    """Return everything known about the order."""
    return orders.get(order_id).model_dump(mode="json")


@app.route("/instacart/<path:rest>", methods=["GET", "POST"])
def instacart(rest: str) -> Any:
    """Answer the provider: its token, its callbacks, our health."""
    asked = Request(request.method, f"/{rest}", request.headers.items(), request.get_data())
    answer = receiver.handle(asked)
    return answer.body, answer.status, answer.headers


with orders, client:
    visit_wsgi(app)
