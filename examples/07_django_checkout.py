"""The checkout in Django, in short: views in threads, over `connect` and `Client`."""

import json

from checkout.customer import KEY, PROVIDER, SECRET, visit_wsgi
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

from lifecycle import InvalidRequestError, UnknownOrderError, connect
from lifecycle.http.create_order import Correctable, Created, create_order
from lifecycle.http.receiver import BearerTokens, SyncReceiver
from lifecycle.http.receiver.django import view
from lifecycle.providers.instacart.client import Client
from lifecycle.providers.instacart.request import CreateOrder

orders = connect("memory:")  # yours: sqlite:/// or postgresql://
client = Client(PROVIDER.url, client_id="retailer", client_secret="retailer-secret")  # noqa: S106
receiver = SyncReceiver(orders, BearerTokens(clients={"instacart": SECRET}, signing_keys=[KEY]))


def checkout(request: HttpRequest) -> JsonResponse:
    """Create the order, or prompt the customer for a correction."""
    try:
        wanted = CreateOrder(**json.loads(request.body))
    except InvalidRequestError as refused:
        return JsonResponse(dict(refused.problems), status=422)
    match create_order(orders, client, wanted, user_id="kamal"):
        case Created(order):
            return JsonResponse(order.status, safe=False)
        case Correctable(errors):
            return JsonResponse({error.key or "": error.message for error in errors}, status=422)
    return JsonResponse("we are working on it", safe=False)  # refused or unknown


def show(_: HttpRequest, order_id: str) -> JsonResponse:
    """Return everything known about the order."""
    try:
        return JsonResponse(orders.get(order_id).model_dump(mode="json"))
    except UnknownOrderError:
        return JsonResponse("nobody knows it", status=404, safe=False)


urlpatterns = [
    path("checkout", checkout),
    path("orders/<order_id>", show),
    path("instacart/<path:rest>", view(receiver)),
]
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"])

with orders, client:
    visit_wsgi(get_wsgi_application())
