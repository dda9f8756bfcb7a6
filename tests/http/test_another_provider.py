"""A second provider through every engine: gate, client, dialogue, reconciliation, simulator."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from lifecycle import connect, connect_async
from lifecycle.http.client import Answer
from lifecycle.http.create_order import (
    Correctable,
    Created,
    Refused,
    create_order,
    create_order_async,
    find_outcome,
)
from lifecycle.http.receiver import HmacSignatures, Receiver
from lifecycle.http.reconcile import reconcile
from lifecycle.simulator import RunningSimulator, Simulator
from tests.polling import wait_until
from tests.serving import asgi_server
from tests.signed_provider import (
    FORM,
    SIMULATED,
    AsyncClient,
    BookCrate,
    Client,
    Crates,
    CrateSettings,
    gate,
)

KEY = CrateSettings().key.get_secret_value()


class World(NamedTuple):
    """Our service and the provider."""

    orders: Any
    provider: RunningSimulator
    client: Client
    receiver: Receiver


@contextmanager
def world(path: Any, receiver_gate: Any = None, **settings: Any) -> Iterator[World]:
    url = f"sqlite:///{path}/orders.db"
    receiver = Receiver(
        connect_async(url, provider=Crates()), receiver_gate or gate(CrateSettings())
    )
    with (
        asgi_server(receiver) as port,
        RunningSimulator(
            Simulator(SIMULATED, callback_url=f"http://127.0.0.1:{port}/callbacks", **settings)
        ) as provider,
        Client(provider.url, KEY) as client,
        connect(url, provider=Crates()) as orders,
    ):
        yield World(orders, provider, client, receiver)


def test_an_order_is_created_and_signed_callbacks_tell_what_becomes_of_it(tmp_path):
    with world(tmp_path, seed=1) as there:
        outcome = create_order(there.orders, there.client, BookCrate("c-1"))
        assert isinstance(outcome, Created)
        there.provider.settle()
        view = there.orders.get("c-1")
        assert (view.status, view.terminal) == ("handed_over", True)
        assert there.provider.truth["c-1"].status == "handed_over"
        fates = {sent.fate for sent in there.provider.truth["c-1"].callbacks}
        assert fates == {"acknowledged"}


def test_a_rejected_request_is_corrected_and_created_once(tmp_path):
    with world(tmp_path) as there:
        refused = create_order(there.orders, there.client, BookCrate("c-1", size=9))
        assert isinstance(refused, Correctable)
        assert isinstance(create_order(there.orders, there.client, BookCrate("c-1")), Created)
        assert isinstance(create_order(there.orders, there.client, BookCrate("c-1")), Created)
        assert there.provider.truth["c-1"].creates == 1


@pytest.mark.parametrize(
    ("status", "body", "is_absent"),
    [
        (404, b'{"problem":"no such crate"}', True),
        (404, b"{}", True),
        (404, b"<html>no such page</html>", False),
        (404, b"", False),
        (404, b'"no"', False),
        (200, b'{"problem":"no such crate"}', False),
        (410, b"{}", False),
    ],
)
def test_only_a_404_with_an_object_says_that_there_is_no_such_order(status, body, is_absent):
    with Client("http://127.0.0.1:9", KEY) as client:
        assert client.is_absent(Answer(status, body, {})) is is_absent
        assert client.is_absent(Answer(200, b"", {}, about_order=False))


def test_an_order_that_was_stopped_is_refused(tmp_path):
    with world(tmp_path) as there:
        create_order(there.orders, there.client, BookCrate("c-1"))
        assert there.client.stop("c-1").http_status == 200
        there.provider.settle()
        outcome = create_order(there.orders, there.client, BookCrate("c-1"))
        assert isinstance(outcome, Refused)
        assert outcome.why == "canceled"
        assert isinstance(find_outcome(there.orders, there.client, "c-1"), Refused)


def test_coroutines_create_over_the_same_engine(tmp_path):
    with world(tmp_path) as there:

        async def main() -> Any:
            async with (
                connect_async("memory:", provider=Crates()) as orders,
                AsyncClient(there.provider.url, KEY) as client,
            ):
                return await create_order_async(orders, client, BookCrate("c-2"))

        assert isinstance(asyncio.run(main()), Created)


def test_a_key_that_is_not_known_is_refused_and_nothing_is_made(tmp_path):
    with world(tmp_path) as there, Client(there.provider.url, "another key") as stranger:
        outcome = create_order(there.orders, stranger, BookCrate("c-1"))
        assert isinstance(outcome, Refused)
        assert outcome.why == "unauthorized"
        assert "c-1" not in there.provider.truth


def test_lost_callbacks_are_replaced_by_polls(tmp_path):
    with world(tmp_path, faults={"lost": 1}) as there:
        create_order(there.orders, there.client, BookCrate("c-1"))
        there.provider.settle()
        assert there.orders.get("c-1").status == "booked"
        later = datetime.now(UTC) + timedelta(hours=2)
        found = reconcile(there.orders, there.client, now=later)
        assert (found.overdue, found.moved) == (1, 1)
        assert there.orders.get("c-1").status == "handed_over"


@pytest.mark.parametrize("seed", range(3))
def test_faults_by_seed_make_no_view_differ_from_the_truth(tmp_path, seed):
    faults = dict.fromkeys(("repeated", "reordered", "divergent", "skewed", "overtaking"), 0.5)
    with world(tmp_path, seed=seed, faults=faults, speed=10_000, retry_seconds=0.01) as there:
        for number in range(5):
            create_order(there.orders, there.client, BookCrate(f"c-{number}"))
        there.provider.settle()
        for order_id, truth in there.provider.truth.items():
            assert there.orders.get(order_id).status == truth.status
        marks = {
            mark
            for one in there.provider.truth.values()
            for sent in one.callbacks
            for mark in sent.marks
        }
        assert len(marks) > 1


def test_callbacks_that_somebody_else_signed_are_never_recorded(tmp_path):
    """The control: the same provider, its secret not known here."""
    other = HmacSignatures(FORM, {"crates": "another secret of many letters!!"})
    with world(tmp_path, receiver_gate=other, retries=0) as there:
        create_order(there.orders, there.client, BookCrate("c-1"))
        there.provider.settle()
        wait_until(lambda: there.receiver.admission.waiting == 0)
        answers = [one.attempts[-1].answer for one in there.provider.truth["c-1"].callbacks]
        assert answers == [401, 401, 401]
        assert {entry.kind for entry in there.orders.history("c-1")} == {"request", "response"}
