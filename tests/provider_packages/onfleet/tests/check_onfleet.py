"""What `onfleet` promises: of its definition, of its bodies, and over real sockets."""

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from onfleet_lifecycle import PROVIDER, TASK
from onfleet_lifecycle.client import CLIENT
from onfleet_lifecycle.receiver import RECEIVER, SIGNATURE
from onfleet_lifecycle.simulator import BODIES, SIMULATED, WAYS, metadata

from lifecycle import connect
from lifecycle.http.create_order import Correctable, Created, JsonRequest, create_order
from lifecycle.http.receiver import Credentials, Request, SyncReceiver
from lifecycle.http.reconcile import reconcile
from lifecycle.proof import lint
from lifecycle.testing import assert_any_order, receiving, simulated

NAME = "onfleet_lifecycle:PROVIDER"
SECRET = "0123456789abcdef" * 4
REQUEST = JsonRequest("p-1", BODIES.request("p-1", 1))
DOCUMENTED = Path(__file__).with_name("completed.json").read_bytes()


class World(NamedTuple):
    """Our orders, a client of the provider, and the provider."""

    orders: Any
    client: Any
    provider: Any


@contextmanager
def world(secret: str = SECRET, **settings: Any) -> Iterator[World]:
    """Connect a receiver that knows a secret with a provider that signs with its own."""
    gate = RECEIVER.gate(Credentials({"onfleet": [secret]}))
    signs = {"callback_client_secret": SECRET, "retry_seconds": 0.01, **settings}
    with (
        connect("memory:", provider=NAME) as orders,
        receiving(orders, gate) as url,
        simulated(provider=NAME, callback_url=url, **signs) as provider,
        CLIENT.client(base_url=provider.url, key="retailer-secret") as client,
    ):
        yield World(orders, client, provider)


def test_nothing_is_wrong_with_the_definition():
    assert lint(TASK).findings == ()


@pytest.mark.parametrize("way", WAYS)
def test_callbacks_may_come_in_any_order_and_twice(way):
    names = ("requested", *WAYS[way].names)
    view = {"status": names[-1]}
    told = SIMULATED.recorded.recordings_for(names)
    assert_any_order(told, view, provider=NAME, samples=30)


def test_the_documented_body_waits_for_its_order_and_is_read_whole():
    with connect("memory:", provider=PROVIDER) as orders:
        orders.record_callback(DOCUMENTED)
        assert [item.reason for item in orders.quarantine()] == ["unlinked"]
        orders.record_request("p-1", REQUEST.body())
        made = {"id": "11z1BFspwhBYDvIH_FrJfWMm", "state": 1, "metadata": metadata("p-1")}
        orders.record_response("p-1", 200, made)
        view = orders.get("p-1")
        assert [step.status for step in view.path] == ["requested", "assigned", "completed"]
        assert view.path[-1].at == datetime(2026, 5, 25, 17, 26, 40, tzinfo=UTC)
        assert (view.details.short_id, view.details.notes) == (
            "8f983639",
            "Delivered at front desk",
        )


def test_a_task_that_names_our_order_needs_no_link():
    with connect("memory:", provider=PROVIDER) as orders:
        body = {"triggerName": "taskStarted", "taskId": "11z1"}
        event = orders.record_callback(
            {**body, "data": {"task": {"metadata": metadata("p-1")}}}
        ).event
        assert (event.order_id, event.name, event.links) == ("p-1", "active", ("11z1",))


def test_a_worker_is_no_order():
    with connect("memory:", provider=PROVIDER) as orders:
        orders.record_callback({"triggerName": "workerDuty", "workerId": "1Ds6"})
        orders.record_callback({"taskId": "11z1"})
        assert [item.reason for item in orders.quarantine()] == ["no_order", "no_name"]


def test_bodies_are_signed_as_the_provider_signs_them():
    mac = hmac.new(bytes.fromhex(SECRET), b"{}", "sha512").hexdigest()
    assert SIGNATURE.sign(SECRET, b"{}") == {"x-onfleet-signature": mac}


@pytest.mark.parametrize("way", WAYS)
def test_an_order_is_created_and_signed_callbacks_tell_what_becomes_of_it(way):
    with world(ways={way: 1}) as there:
        assert isinstance(create_order(there.orders, there.client, REQUEST), Created)
        there.provider.settle()
        assert there.orders.get("p-1").status == there.provider.truth["p-1"].status
        assert there.orders.get("p-1").terminal


def test_a_request_that_is_rejected_can_be_corrected():
    with world() as there:
        wrong = JsonRequest("p-1", {"metadata": metadata("p-1")})
        assert isinstance(create_order(there.orders, there.client, wrong), Correctable)
        assert isinstance(create_order(there.orders, there.client, REQUEST), Created)
        assert there.provider.truth["p-1"].creates == 1


def test_an_order_is_canceled():
    with world() as there:
        create_order(there.orders, there.client, REQUEST)
        known = there.client.where(there.orders.get("p-1"))
        assert known == {"own_id": "task-p-1"}
        sent = there.orders.begin_operation("p-1", "cancel")
        answer = there.client.cancel("p-1", **known)
        receipt = sent.answered(answer.http_status, answer.body, headers=answer.headers)
        assert receipt.event.name == "deletion_taken"
        there.provider.settle()
        assert there.orders.get("p-1").status == "deleted"


def test_lost_callbacks_are_replaced_by_answers():
    with world(faults={"lost": 1}) as there:
        create_order(there.orders, there.client, REQUEST)
        there.provider.settle()
        assert there.orders.get("p-1").status == "unassigned"
        reconcile(there.orders, there.client, now=datetime.now(UTC) + timedelta(days=1))
        assert there.orders.get("p-1").status == "completed"


@pytest.mark.parametrize("seed", range(3))
def test_no_fault_makes_a_view_differ_from_the_truth(seed):
    faults = dict.fromkeys(("repeated", "reordered", "divergent", "skewed"), 0.5)
    with world(seed=seed, faults=faults) as there:
        create_order(there.orders, there.client, REQUEST)
        there.provider.settle()
        assert there.orders.get("p-1").status == there.provider.truth["p-1"].status


def test_the_url_is_ours_as_the_provider_asks():
    with connect("memory:", provider=NAME) as orders:
        gate = RECEIVER.gate(Credentials({"onfleet": [SECRET]}))
        receiver = SyncReceiver(orders, gate, routes=RECEIVER.routes)
        answer = receiver.handle(Request("GET", "/callbacks", query="check=abc"))
        assert (answer.status, answer.body) == (200, b"abc")


def test_a_callback_that_somebody_else_signed_is_never_recorded():
    with world(secret="fedcba9876543210" * 4, retries=0) as there:
        create_order(there.orders, there.client, REQUEST)
        there.provider.settle()
        assert {entry.kind for entry in there.orders.history("p-1")} == {"request", "response"}
