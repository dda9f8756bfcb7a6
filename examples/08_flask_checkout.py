"""The checkout in Flask, in short: the receiver is a WSGI app, mounted beside it."""

from typing import Any

from checkout.customer import KEY, PROVIDER, SECRET, visit_wsgi
from flask import Flask, jsonify, request
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from lifecycle import InvalidRequestError, UnknownOrderError, connect
from lifecycle.http.create_order import Correctable, Created, create_order
from lifecycle.http.receiver import BearerTokens, SyncReceiver
from lifecycle.providers.instacart.client import Client
from lifecycle.providers.instacart.request import CreateOrder

orders = connect("memory:")  # yours: sqlite:/// or postgresql://
client = Client(PROVIDER.url, client_id="retailer", client_secret="retailer-secret")  # noqa: S106
receiver = SyncReceiver(orders, BearerTokens(clients={"instacart": SECRET}, signing_keys=[KEY]))
app = Flask("shop")
app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/instacart": receiver})  # type: ignore[method-assign]


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
    try:
        return orders.get(order_id).model_dump(mode="json")
    except UnknownOrderError:
        return "nobody knows it", 404


with orders, client:
    visit_wsgi(app)
