"""A log in several partitions: one order works as ever, the rest goes partition by partition."""

from __future__ import annotations

import asyncio
from contextlib import closing
from datetime import UTC, datetime

import pytest

from lifecycle.audit.replay import replay
from lifecycle.audit.verify import verify
from lifecycle.composition import connect, connect_async, open_log
from lifecycle.errors import (
    KeyStoreError,
    PartitionedLogError,
    StoreMissingError,
    StoreUnavailableError,
    StoreUrlError,
    VersionConflictError,
)
from lifecycle.log.contract import CONTROL, QUARANTINE, Outcome
from lifecycle.log.partitioned import PartitionedLog, partition_of
from lifecycle.log.recorded_rules import recorded_rules
from lifecycle.registry import known_providers
from lifecycle.service.orders import Orders
from tests.contract.entries import event, stream, unreadable
from tests.nats_server import NatsServer, new_name
from tests.scenario.command_line import run

PARTITIONS = 4
ORDERS = [f"order-{number}" for number in range(16)]


class Parted:
    """One log, and its partitions by their number."""

    def __init__(self, server: NatsServer, folder) -> None:
        self._server, self.name = server, new_name()
        self.beside = f"sqlite:///{folder}/beside-{{partition}}.db"

    def url(self, number: int | None = None, **parameters) -> str:
        alone = {} if number is None else {"partition": number}
        given = {"partitions": PARTITIONS, "beside": self.beside, **alone, **parameters}
        return self._server.url(self.name, **given)


@pytest.fixture
def parted(nats: NatsServer, tmp_path) -> Parted:
    return Parted(nats, tmp_path)


def filled(orders: Orders) -> dict[str, str]:
    """Record some orders, and return the digest of the view of each."""
    for order in ORDERS:
        orders.record_request(order, {"order_id": order})
        orders.record_response(order, 200, {"id": order, "status": "created"})
    orders.record_many(
        [{"kind": "callback", "body": {"id": each, "status": "brand_new"}} for each in ORDERS]
    )
    orders.record_callback(b"<html>")
    return {order: orders.get(order).digest for order in ORDERS}


def recorded(parted: Parted) -> dict[str, str]:
    with connect(parted.url()) as orders:
        return filled(orders)


def test_views_are_those_of_a_log_in_one(parted):
    with connect("memory:") as whole:
        expected = filled(whole)

    assert recorded(parted) == expected

    with connect(parted.url(), create=False) as orders:
        found = list(orders.find(status="brand_new"))
        assert [view.order_id for view in found] == sorted(ORDERS)
        assert {view.order_id: view.digest for view in found} == expected
        assert [len(orders.history(order)) for order in ORDERS] == [3] * len(ORDERS)


def test_every_order_lies_whole_in_one_partition_and_each_is_verified_and_replayed_alone(parted):
    recorded(parted)

    held: list[str] = []
    for number in range(PARTITIONS):
        with closing(open_log(parted.url(number), create=False)) as log:
            assert verify(log).ok
            assert replay(log, known_providers()).ok
            names = list(log.streams())
            held += names
            assert {partition_of(name, PARTITIONS) for name in names} == {number}
            assert log.last_position() == len(list(log.scan()))
            assert bool(log.read(QUARANTINE)) == (number == 0)
            assert [record.topic for record in log.read(CONTROL)] == ["rules"]
    assert sorted(held) == sorted(stream(order) for order in ORDERS)


def test_stored_views_and_a_subscription_are_those_of_each_partition(parted):
    recorded(parted)
    told: list[str] = []
    for number in range(PARTITIONS):
        with connect(parted.url(number)) as orders:
            orders.views.rebuild()
            told += [change.order_id for change in orders.changes()]

    assert sorted(set(told)) == sorted(ORDERS)
    with connect(parted.url(), create=False) as orders:
        for each in orders.log.partitions:
            assert each.views.generations("instacart")
        assert len(list(orders.find(status="brand_new"))) == len(ORDERS)


def test_an_order_is_looked_at_as_at_a_position_of_its_own_partition(parted):
    recorded(parted)
    with connect(parted.url()) as orders:
        for order in ORDERS[:8]:
            rows = orders.history(order)
            first = rows[0].position
            assert orders.get(order, log_at=first).status == "requested"
            assert orders.get(order, log_at=datetime.now(UTC), rules="then").status == "brand_new"
        assert len(list(orders.find(log_at=datetime.now(UTC)))) == len(ORDERS)
        with pytest.raises(PartitionedLogError):
            list(orders.find(log_at=5))


def test_a_batch_over_several_partitions_is_answered_in_its_order_and_deduplicated(parted):
    with closing(open_log(parted.url())) as log:
        batch = [event(order, number) for number in range(3) for order in ORDERS]
        done = log.append_many([*batch, unreadable(), *batch])

        assert [each.stream for each in done[:-1]][:48] == [each.stream for each in batch]
        outcomes = [each.outcome for each in done]
        assert outcomes[:48] == [Outcome.APPENDED] * 48
        assert outcomes[48] is Outcome.QUARANTINED
        assert outcomes[49:] == [Outcome.DUPLICATE] * 48
        with pytest.raises(VersionConflictError):
            log.append(event(ORDERS[0], 9), expected_version=1)
        assert {len(records) for records in log.read_many(list(log.streams())).values()} == {3}


def test_links_lead_to_orders_in_whatever_partition(parted):
    with closing(open_log(parted.url())) as log:
        log.append_many([event(order, links=(f"del_{order}", "shared")) for order in ORDERS])

        assert all(log.links.orders("instacart", f"del_{order}") == [order] for order in ORDERS)
        assert log.links.orders("instacart", "shared") == sorted(ORDERS)[:2]
        assert log.links.page(None, 3) == sorted(log.links.page(None, 99))[:3]


def test_coroutines_record_in_partitions_too(parted):
    async def record() -> list[str]:
        async with connect_async(parted.url()) as orders:
            await asyncio.gather(
                *(orders.record_callback({"id": order, "status": "brand_new"}) for order in ORDERS)
            )
            return [(await orders.get(order)).status for order in ORDERS]

    assert asyncio.run(record()) == ["brand_new"] * len(ORDERS)


def test_what_goes_by_position_is_refused_with_what_to_add(parted):
    with connect(parted.url()) as orders:
        log = orders.log
        assert isinstance(log, PartitionedLog)
        for ask in (
            log.last_position,
            log.scan,
            log.strays,
            lambda: log.feeds,
            lambda: log.views,
            lambda: log.tree,
            lambda: log.restore([]),
            lambda: verify(log),
            orders.views.status,
            orders.attention,
            lambda: recorded_rules(log),
        ):
            with pytest.raises(PartitionedLogError, match="partition=N to the URL, N from 0 to 3"):
                ask()


def test_commands_about_one_order_find_its_partition(parted, tmp_path):
    recorded(parted)

    for command in (["show"], ["history"], ["explain"], ["show", "--rules", "then"]):
        done = run(command[0], ORDERS[0], *command[1:], "--db", parted.url(), cwd=tmp_path)
        assert (done.code, done.err) == (0, "")


def test_a_partition_takes_no_order_of_another(parted):
    open_log(parted.url()).close()
    other = next(order for order in ORDERS if partition_of(stream(order), PARTITIONS) != 2)

    with (
        closing(open_log(parted.url(2))) as log,
        pytest.raises(StoreUnavailableError, match="belongs to another partition"),
    ):
        log.append(event(other))


def test_a_partition_alone_takes_nothing_into_a_quarantine_that_nobody_would_list(parted):
    open_log(parted.url()).close()

    with connect(parted.url(2)) as orders:
        with pytest.raises(StoreUnavailableError, match="leave partition out of the URL"):
            orders.record_callback(b"<html>")
        assert list(orders.log.streams(prefix="")) == []
    with connect(parted.url(0)) as orders:
        orders.record_callback(b"<html>")
    with connect(parted.url()) as orders:
        assert len(list(orders.quarantine())) == 1


def test_the_number_of_partitions_never_changes(parted, nats):
    open_log(parted.url()).close()

    with pytest.raises(StoreUnavailableError, match="number of partitions of its stream is 4"):
        open_log(parted.url(partitions=8))


def test_a_partition_that_is_missing_is_missed(parted, nats):
    with pytest.raises(StoreMissingError):
        open_log(parted.url(), create=False)


def test_a_log_with_partitions_takes_no_keys(parted, tmp_path):
    for url in (parted.url(), parted.url(1)):
        with pytest.raises(KeyStoreError, match="it has several partitions"):
            open_log(url, keys=f"file:{tmp_path}/x.keys")


@pytest.mark.parametrize(
    "parameters",
    [
        {"partitions": 4, "beside": "sqlite:///one.db"},
        {"partitions": 4, "partition": 4},
        {"partitions": 0},
        {"partitions": 65},
        {"partition": 0},
    ],
    ids=str,
)
def test_partitions_of_no_use_are_refused(nats, parameters):
    with pytest.raises(StoreUrlError):
        open_log(nats.url("x", **parameters))


def test_the_partition_of_an_order_stays_for_ever():
    pinned = [partition_of(stream(order), 4) for order in ORDERS[:12]]
    assert pinned == [
        3,
        2,
        0,
        1,
        3,
        0,
        0,
        1,
        1,
        0,
        0,
        2,
    ]
    assert partition_of(QUARANTINE, 64) == partition_of(CONTROL, 64) == 0
