"""Operations beside creation, as `cancel`: durable before they are sent, numbered, answered.

On every store; the answer is a poll that says which operation and which exchange it is of.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lifecycle import Orders, connect, connect_async
from lifecycle.audit.export import export
from lifecycle.audit.replay import replay
from lifecycle.audit.verify import verify
from lifecycle.errors import InvalidArgumentError

CREATED = {"id": "o1", "status": "created"}
CANCELED = {"id": "o1", "status": "canceled"}


NATS = pytest.param("nats", marks=pytest.mark.long)
PARTED = pytest.param("nats of 4 partitions", marks=pytest.mark.long)


@pytest.fixture(params=["memory", "sqlite", "postgres", NATS, PARTED])
def orders(request: Any, tmp_path: Any) -> Iterator[Orders]:
    if request.param in {"postgres", "nats"}:
        url = request.getfixturevalue(request.param).new_url()
    elif request.param.startswith("nats"):
        url = request.getfixturevalue("nats").new_url(partitions=4)
    else:
        url = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/o.db"
    with connect(url) as orders:
        orders.begin_request("o1", {"order_id": "o1"}).answered(200, CREATED)
        yield orders


def test_an_operation_is_durable_before_it_is_sent_and_moves_nothing(orders: Orders) -> None:
    sent = orders.begin_operation("o1", "cancel", {"reason": "late"}, context={"who": "kamal"})

    assert (sent.operation, sent.number, sent.receipt.outcome) == ("cancel", 1, "appended")
    assert orders.get("o1").status == "created"
    told = {each.name: (each.kind, each.key, each.verdict) for each in orders.history("o1")}
    assert told["cancel_requested"] == ("request", "operation:cancel:1", "noted")


def test_the_answer_says_which_operation_and_exchange_it_is_of(orders: Orders) -> None:
    sent = orders.begin_operation("o1", "cancel")

    receipt = sent.answered(200, CANCELED, headers={"date": "Tue, 07 Jul 2026 16:05:00 GMT"})

    assert (receipt.event.operation, receipt.event.exchange_id) == ("cancel", sent.exchange_id)
    assert orders.get("o1").status == "canceled"
    for part in orders.log.partitions:
        assert verify(part).ok
        assert replay(part, {"instacart": orders.provider}).ok


def test_an_operation_without_an_answer_says_so(orders: Orders) -> None:
    receipt = orders.begin_operation("o1", "cancel").unanswered()

    assert (receipt.event.name, receipt.event.operation) == ("poll_failed", "cancel")


def test_each_operation_counts_for_itself(orders: Orders) -> None:
    asked = ["cancel", "cancel", "quote", "cancel"]

    sent = [orders.begin_operation("o1", operation) for operation in asked]

    assert [each.number for each in sent] == [1, 2, 1, 3]
    assert orders.get("o1").attempt == 1
    assert orders.begin_request("o1", {"order_id": "o1", "more": 1}).attempt == 2


def test_of_several_who_begin_at_once_each_has_a_number_of_its_own(orders: Orders) -> None:
    with ThreadPoolExecutor(4) as pool:
        sent = list(pool.map(lambda _: orders.begin_operation("o1", "cancel"), range(8)))

    assert sorted(each.number or 0 for each in sent) == list(range(1, 9))


def test_a_quote_may_come_before_there_is_an_order(orders: Orders) -> None:
    assert orders.begin_operation("new", "quote").number == 1
    assert orders.get("new").path == ()


def test_coroutines_begin_operations_too(tmp_path: Any) -> None:
    async def run() -> list[int | None]:
        async with connect_async(f"sqlite:///{tmp_path}/a.db") as orders:
            sent = await asyncio.gather(*(orders.begin_operation("o1", "quote") for _ in range(3)))
            answer = await sent[0].answered(200, CREATED)
            assert answer.event.exchange_id == sent[0].exchange_id
            return sorted(each.number or 0 for each in sent)

    assert asyncio.run(run()) == [1, 2, 3]


def test_an_export_records_the_same_operations_elsewhere(orders: Orders) -> None:
    orders.begin_operation("o1", "cancel").answered(200, CANCELED)
    orders.record_request("o1", {"again": 1}, operation="cancel", number=2)

    with connect("memory:") as other:
        other.record_many(line for part in orders.log.partitions for line in export(part))

        assert other.get("o1").digest == orders.get("o1").digest
        assert other.begin_operation("o1", "cancel").number == 3


@pytest.mark.parametrize("operation", ["", "Cancel", "cancel it", 7, None])
def test_what_can_name_no_operation_is_refused_before_it_is_sent(operation: Any) -> None:
    with connect("memory:") as orders, pytest.raises(InvalidArgumentError):
        orders.begin_operation("o1", operation)


@pytest.mark.parametrize("number", [0, -1, True, "1", 10**7])
def test_what_can_be_no_number_is_refused(number: Any) -> None:
    with connect("memory:") as orders, pytest.raises(InvalidArgumentError):
        orders.record_request("o1", {}, operation="cancel", number=number)
