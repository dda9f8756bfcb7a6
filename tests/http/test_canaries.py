"""Nothing secret or personal shows: not in a log line at any level, an error, a traceback, a repr.

The HTTP library itself logs URLs, headers and whatever is no HTTP; ours are kept out of that.
"""

from __future__ import annotations

import logging
import traceback

import httpx2
import pytest

from lifecycle import LifecycleError
from lifecycle.http.create_order import (
    create_order,
    create_order_async,
    find_outcome,
    find_outcome_async,
)
from lifecycle.providers.instacart.client import Client
from lifecycle.providers.instacart.request import Address, CreateOrder
from tests.http.scripted import REJECTED, Scripted, answer, drop, grant, made, raw
from tests.http.sync_and_async import settings

PERSON = "kamal.singh@customer.example"
TOKEN = "t0ken-that-lets-anybody-in"
SECRET = "s3cret-of-the-shop"
WORDS = (PERSON, PERSON.partition("@")[0], TOKEN, SECRET)
REQUEST = CreateOrder(
    order_id="xyz123456",
    service_option_hold_id=PERSON,
    location_code="1003",
    first_name=PERSON,
    last_name=PERSON,
    user_phone=PERSON,
    items_count=1,
    items_weight=1,
    special_instructions=PERSON,
    address=Address(address_line_1=PERSON, postal_code=PERSON),
)
TELLING = {"location": f"/users/{PERSON}", "set-cookie": f"session={TOKEN}", "x-user": PERSON}
PERSONAL_ERROR = {"error": {"message": PERSON, "code": 1001}, "meta": {"key": PERSON}}
REPLIES = [
    answer(200, {"id": "xyz123456", "status": "created", "order_url": PERSON}, TELLING),
    answer(400, PERSONAL_ERROR, TELLING),
    answer(401, PERSONAL_ERROR, TELLING),
    answer(403, PERSONAL_ERROR, TELLING),
    answer(302, b"", TELLING),
    answer(429, PERSONAL_ERROR, {**TELLING, "retry-after": PERSON}),
    answer(500, PERSON.encode(), TELLING),
    answer(200, {"id": PERSON, "status": "created"}, TELLING),
    made(drop()),
    drop(),
    raw(f"{PERSON} {TOKEN}\r\n\r\n".encode()),
    raw(f"HTTP/1.1 200 OK\r\n{PERSON}\x00: {TOKEN}\r\n\r\n".encode()),
    raw(f"HTTP/1.1 200 OK\r\ncontent-length: {PERSON}\r\n\r\n".encode()),
]


def shown(value):
    """Return all that a value says of itself."""
    if isinstance(value, BaseException):
        chain = [value, value.__cause__, value.__context__]
        return "".join(
            "".join(traceback.format_exception(error)) + repr(error) + str(vars(error))
            for error in chain
            if error is not None
        )
    return f"{value!r} {value!s}"


@pytest.fixture
def everything(caplog):
    """Collect whatever is said while a test runs."""
    caplog.set_level(logging.DEBUG)
    said = []
    yield said
    assert said, "nothing was shown, so nothing was tried"
    told = "\n".join(said) + caplog.text
    assert [word for word in WORDS if word in told] == []


@pytest.mark.parametrize("place", range(len(REPLIES)))
@pytest.mark.parametrize("operation", ["create", "get", "cancel", "staged", "token"])
def test_no_call_of_the_client_logs_personal_data(server, way, everything, operation, place):
    server.always("token", grant(TOKEN)).always(operation, REPLIES[place])
    client = way.client(server, user_id=PERSON, client_secret=SECRET, tries=2)
    calls = {
        "create": lambda: way.call(client.create, REQUEST),
        "get": lambda: way.call(client.get, PERSON),
        "cancel": lambda: way.call(client.cancel, PERSON),
        "staged": lambda: way.call(client.stage, PERSON, {"bag_label": PERSON}),
        "token": lambda: way.call(client.authorize),
    }
    try:
        everything.append(shown(calls[operation]()))
    except LifecycleError as failure:
        everything.append(shown(failure))
    everything.append(shown(client))


@pytest.mark.parametrize("place", range(len(REPLIES)))
def test_no_dialogue_logs_personal_data(server, way, everything, place):
    server.always("token", grant(TOKEN)).always("create", REPLIES[place])
    client = way.client(server, user_id=PERSON, client_secret=SECRET)
    orders = way.orders()
    creating, finding = (create_order, find_outcome)
    if way.name == "async":
        creating, finding = (create_order_async, find_outcome_async)
    for _ in range(2):
        outcome = way.call(creating, orders, client, REQUEST)
        everything.append(shown(outcome))
        everything += [shown(error) for error in getattr(outcome, "errors", ())]
    everything.append(shown(way.call(finding, orders, client, REQUEST.order_id)))


def test_values_on_the_way_say_nothing(server, everything):
    """What stands in the frames of a traceback: calls, answers, tokens, the token's keeper."""
    server.on("token", grant(TOKEN)).always("create", answer(400, REJECTED, TELLING))
    told = settings(server, user_id=PERSON, client_secret=SECRET)
    with Client(**told) as client:
        operations = client._operations
        everything.append(shown(client.create(REQUEST)))
        everything += [shown(value) for value in vars(operations).values()]
        everything += [shown(value) for value in vars(operations._authorization).values()]
        everything.append(shown(client._endpoint.create(REQUEST, None)))
        everything.append(shown(REQUEST))


def test_the_library_alone_would_have_leaked_it(server, caplog):
    """The positive control: called directly, it logs URLs and headers, and goes on doing so."""
    caplog.set_level(logging.DEBUG)
    server.always("get", answer(302, b"", TELLING))
    with Scripted() as other, Client(**settings(other)) as client:
        client.get("xyz")
    with httpx2.Client() as plain:
        plain.get(f"{server.url}/users/{PERSON}")
    assert PERSON in caplog.text
    assert TOKEN in caplog.text
    assert "receive_response_headers" in caplog.text
