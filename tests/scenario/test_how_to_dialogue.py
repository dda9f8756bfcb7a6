"""The provider's how-to on asynchronous creation, walked step by step with its own bodies.

Provider, client and receiver are real ones, on real sockets. Where the how-to leaves a
placeholder, so does the test.
"""

from __future__ import annotations

import json

import httpx2
import pytest

from lifecycle import connect, connect_async
from lifecycle.http.create_order import Correctable, Created, Unknown, create_order
from lifecycle.http.receiver import BearerTokens, Receiver
from lifecycle.providers.instacart.client import Client
from lifecycle.providers.instacart.request import Address, CreateOrder
from lifecycle.testing import simulated
from tests.how_to import BRAND_NEW, CLIENT_ERROR, FIELDS
from tests.serving import asgi_server

SECRET = "a secret between the provider and us, for tests"


def request(order_id="xyz123456", address=FIELDS["address"], simulate=None):
    told = FIELDS | {"order_id": order_id, "address": address and Address(**address)}
    if simulate:
        told["special_instructions"] = f"simulate: {simulate}"
    return CreateOrder(**told)


@pytest.fixture
def world(tmp_path):
    """Our service and the provider: its orders, its client, its receiver, the simulator."""
    url = f"sqlite:///{tmp_path}/orders.db"
    receiver = Receiver(
        connect_async(url), BearerTokens(clients={"instacart": SECRET}, signing_keys=[SECRET])
    )
    with (
        asgi_server(receiver) as port,
        simulated(
            callback_url=f"http://127.0.0.1:{port}/callbacks",
            callback_client_secret=SECRET,
            callbacks="flat",
            retry_seconds=0.05,
        ) as provider,
        Client(
            provider.url,
            client_id="retailer",
            client_secret="retailer-secret",
            user_id="kamalsingh1234",
            first_wait=0.01,
        ) as client,
        connect(url) as orders,
    ):
        yield orders, client, f"http://127.0.0.1:{port}", provider


def test_the_request_is_the_how_to_s_body_field_by_field():
    assert json.loads(request().body()) == FIELDS


def test_step_by_step_an_order_is_created_and_brand_new_brings_the_rest(world):
    orders, client, _, provider = world
    outcome = create_order(orders, client, request())  # steps 1 and 2: sent, and validated
    assert isinstance(outcome, Created)
    view = outcome.view  # step 3: some details
    assert (view.status, view.details.order_url) == ("created", None)
    assert view.details.fulfillment_details.store_location == "<location_code>"
    assert view.awaiting == ("brand_new", "canceled")
    provider.advance(16)  # step 4: the Brand New callback, with all details
    provider.settle()
    view = orders.get("xyz123456")
    told = json.loads(provider.truth["xyz123456"].callbacks[0].body)
    assert told.keys() == json.loads(BRAND_NEW).keys()
    assert [step.status for step in view.path][:3] == ["requested", "created", "brand_new"]
    assert view.details.order_url == told["order_url"]
    assert view.details.is_instacartplus == told["is_instacartplus"]
    assert view.status == "delivered"


def test_the_how_to_s_own_callback_is_received_and_read(world):
    orders, client, receiver, _ = world
    create_order(orders, client, request())
    grant = {"grant_type": "client_credentials", "client_id": "instacart", "client_secret": SECRET}
    token = httpx2.post(f"{receiver}/oauth/token", data=grant, trust_env=False).json()
    bearer = {"authorization": f"Bearer {token['access_token']}"}
    for _ in range(2):  # the second one changes nothing
        reply = httpx2.post(
            f"{receiver}/callbacks", content=BRAND_NEW.encode(), headers=bearer, trust_env=False
        )
        assert reply.status_code // 100 == 2
    view = orders.get("xyz123456")
    details = view.details.model_dump(exclude={"fulfillment_details", "cancellation_reason"})
    assert view.status == "brand_new"
    assert details == {name: json.loads(BRAND_NEW)[name] for name in details}
    assert view.details.cancellation_reason is None
    assert view.events == 3


def test_a_client_side_error_is_corrected_and_the_order_created_again(world):
    orders, client, _, provider = world
    outcome = create_order(orders, client, request(address=None))
    assert isinstance(outcome, Correctable)
    assert [(e.message, e.code, e.key) for e in outcome.errors] == [
        ("Required parameter missing or invalid", 1001, "address")
    ]
    assert json.loads(client.create(request("other", address=None)).body) == json.loads(
        CLIENT_ERROR
    )
    again = create_order(orders, client, request())
    assert isinstance(again, Created)
    assert again.view.attempt == 2
    assert provider.truth["xyz123456"].creates == 1


def test_a_server_side_error_is_retried_twice_and_ends_in_the_canceled_callback(world):
    orders, client, _, provider = world
    outcome = create_order(orders, client, request(simulate="server-failed"))
    assert isinstance(outcome, Created | Unknown)
    provider.settle()
    history = [happened.name for happened in provider.truth["xyz123456"].history]
    assert history == ["created", "retried", "retried", "canceled"]
    assert orders.get("xyz123456").status == "canceled"
    assert orders.get("xyz123456").details.cancellation_reason == "instacart_driven"


def test_a_request_that_succeeds_may_still_end_in_the_canceled_callback(world):
    orders, client, _, provider = world
    assert isinstance(create_order(orders, client, request(simulate="creation-failed")), Created)
    provider.settle()
    view = orders.get("xyz123456")
    assert [step.status for step in view.path] == ["requested", "created", "canceled"]
    assert view.terminal
