"""A provider that makes its orders' ids itself: our id leads to them by a list, or a search."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path

import httpx2
import pytest

from lifecycle import connect
from lifecycle.errors import ProviderError
from lifecycle.http import client as http
from lifecycle.http.create_order import Created, Unknown, find_outcome
from lifecycle.testing import simulated

PACKAGE = Path(__file__).parents[1] / "provider_packages" / "onfleet"
ONFLEET = "onfleet_lifecycle:PROVIDER"
KEY = "retailer-secret"


@pytest.fixture
def onfleet(monkeypatch):
    """Return the modules `client` and `simulator` of the package."""
    monkeypatch.syspath_prepend(PACKAGE)
    yield import_module("onfleet_lifecycle.client"), import_module("onfleet_lifecycle.simulator")
    for name in [name for name in sys.modules if name.startswith("onfleet_lifecycle")]:
        del sys.modules[name]


def found_out(onfleet, made_by, *, made=True):
    """Return what a client finds out about a request whose answer was lost, and the order."""
    client_module, simulator = onfleet
    request = simulator.BODIES.request("p-1", 1)
    with (
        connect("memory:", provider=ONFLEET) as orders,
        simulated(provider=ONFLEET) as provider,
        made_by(*client_module.access(provider.url, KEY)) as client,
    ):
        sent = orders.begin_request("p-1", request)
        if made:
            client.create(json.dumps(request).encode())
        sent.unanswered()
        return find_outcome(orders, client, "p-1"), orders.get("p-1")


def test_an_order_whose_answer_was_lost_is_found_by_a_search_for_our_id(onfleet):
    outcome, view = found_out(onfleet, onfleet[0].Client)
    assert isinstance(outcome, Created)
    assert (view.status, view.details.task_id) == ("unassigned", "task-p-1")


def test_an_order_that_was_never_made_is_absent_and_no_list_is_recorded(onfleet):
    outcome, view = found_out(onfleet, onfleet[0].Client, made=False)
    assert isinstance(outcome, Unknown)
    assert (outcome.why, view.events) == ("not_found", 2)


def test_a_client_that_asks_by_our_id_takes_an_order_for_none(onfleet):
    """The positive control: what `OrderCalls` does where it does not fit."""

    class ByOurId(http.HttpClient, http.OrderCalls[http.Answer]):
        orders = "tasks"

    outcome, _ = found_out(onfleet, ByOurId)
    assert isinstance(outcome, Unknown)
    assert outcome.why == "not_found"


def test_a_list_that_is_not_there_does_not_say_that_the_order_is_not(onfleet):
    class Lost(onfleet[0].Client):
        def searches(self, order_id):
            yield http.json_call("search", "GET", self.url_of("nowhere", order_id))

    outcome, view = found_out(onfleet, Lost)
    assert isinstance(outcome, Unknown)
    assert (outcome.why, view.events) == ("no_answer", 2)


def test_an_order_that_no_full_page_shows_is_neither_found_nor_absent(onfleet):
    full = json.dumps([{"id": f"task-{number}", "metadata": []} for number in range(100)])
    client = answered_by(onfleet, full.encode())
    with pytest.raises(ProviderError, match="not among the first 100"):
        client.get("p-1")


@pytest.mark.parametrize("body", [b"", b"{}", b'{"data": 7}', b"<html>", b"7"])
def test_what_is_no_list_is_an_answer_like_any_other(onfleet, body):
    answer = answered_by(onfleet, body).get("p-1")
    assert (answer.http_status, answer.body, answer.about_order) == (200, body, True)


@pytest.mark.parametrize("listed", [[None, 7, []], [{"id": "task-p-1"}], [{"metadata": {}}]])
def test_odd_entries_of_a_list_are_passed_over(onfleet, listed):
    assert not answered_by(onfleet, json.dumps(listed).encode()).get("p-1").about_order


def answered_by(onfleet, body):
    """Return a client whose every call is answered so."""
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, stream=httpx2.ByteStream(body)))
    access = onfleet[0].access("https://onfleet.example", KEY)
    return onfleet[0].Client(*access, transport=transport)
