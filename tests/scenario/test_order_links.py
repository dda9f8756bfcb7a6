"""An event that names its order by an id of the provider's own alone: it waits for a link.

On every store, whether the event or its link comes first, by hand, when the log is opened, and
when two orders claim one id.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from lifecycle import Orders, Reading
from lifecycle.audit.replay import replay
from lifecycle.audit.verify import verify
from lifecycle.composition import initialize, open_log
from lifecycle.core.definition import Definition
from lifecycle.log.contract import CONTROL
from lifecycle.log.link_store import OrderLink
from tests.without_rules import connect, connect_async

AT = datetime(2026, 7, 7, 12, tzinfo=UTC)


class Parcels:
    """Reads `{"order"?, "parcel"?, "links"?, "state", "id"}`."""

    name = "parcels"
    kept_headers: frozenset[str] = frozenset()
    definition = Definition.write(
        "parcels",
        states=("requested", "taken", "brought"),
        moves=[
            {"trigger": "taken", "source": "requested", "dest": "taken"},
            {"trigger": "brought", "source": "taken", "dest": "brought"},
        ],
        terminal=("brought",),
        birth=("taken",),
        informational=("failed", "poll_failed"),
    )

    def read(self, arrival: Any, body: Any) -> Any:
        if arrival.kind == "request":
            return Reading()
        if "events" in body:
            return tuple(map(self._one, body["events"]))
        return self._one(body)

    def _one(self, told: Any) -> Reading:
        return Reading(
            told["state"],
            order_id=told.get("order"),
            status=told["state"],
            event_id=told["id"],
            links=tuple(told.get("links", ())),
            refers_to=told.get("parcel"),
        )


def body(state: str, number: int, **told: Any) -> bytes:
    return json.dumps({"state": state, "id": f"e{number}", **told}).encode()


LINK = body("taken", 1, order="o1", links=["p1", "p2"])
OTHER = body("taken", 2, order="o2", links=["p1"])
EVENT = body("brought", 3, parcel="p1")


PARTED = pytest.param("nats", marks=pytest.mark.long)


@pytest.fixture(params=["memory", "sqlite", "postgres", PARTED])
def connected(request: Any, tmp_path: Any) -> Callable[..., Orders]:
    """Return what opens one log again and again; in memory it is opened once."""
    if request.param == "postgres":
        url = request.getfixturevalue("postgres").new_url()
    elif request.param == "nats":
        beside = f"sqlite:///{tmp_path}/beside-{{partition}}.db"
        url = request.getfixturevalue("nats").new_url(partitions=4, beside=beside)
    else:
        url = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/links.db"
    return lambda **how: connect(url, provider=Parcels(), **how)


@pytest.fixture
def orders(connected: Callable[..., Orders]) -> Iterator[Orders]:
    with connected() as orders:
        yield orders


@pytest.fixture
def alone(orders: Orders) -> Orders:
    """Return the orders of a log that has one order of recording."""
    if len(orders.log.partitions) > 1:
        pytest.skip("it has several partitions")
    return orders


def waiting(orders: Orders) -> list[tuple[int, str]]:
    return [(item.item, item.reason) for item in orders.quarantine()]


def sound(orders: Orders) -> bool:
    parcels = {"parcels": Parcels()}
    return all(
        verify(part, providers=parcels).ok and replay(part, parcels).ok
        for part in orders.log.partitions
    )


def test_an_event_that_comes_after_its_link_is_its_order_s(orders: Orders) -> None:
    orders.record_callback(LINK)

    receipt = orders.record_callback(EVENT)

    assert receipt.outcome == "appended"
    assert receipt.view is not None
    assert (receipt.view.order_id, receipt.view.status) == ("o1", "brought")
    assert orders.record_callback(EVENT).outcome == "duplicate"
    assert sound(orders)


def test_an_event_that_comes_before_its_link_waits_and_is_then_its_order_s(orders: Orders) -> None:
    assert orders.record_callback(EVENT).outcome == "quarantined"
    assert waiting(orders) == [(1, "unlinked")]

    orders.record_callback(LINK)

    assert waiting(orders) == []
    assert orders.get("o1").status == "brought"
    (item,) = orders.quarantine(all=True)
    assert item.redriven == "callback:brought:e3"
    assert sound(orders)


def test_whichever_comes_first_the_order_has_the_same_view(tmp_path: Any) -> None:
    views = []
    for number, bodies in enumerate([(LINK, EVENT), (EVENT, LINK), (EVENT, LINK, EVENT)]):
        with connect(f"sqlite:///{tmp_path}/{number}.db", provider=Parcels()) as orders:
            for each in bodies:
                orders.record_callback(each)
            views.append(orders.get("o1").model_dump(mode="json", exclude={"arrival"}))

    assert views[0] == views[1] == views[2]


def test_a_batch_holds_the_event_before_its_link(orders: Orders) -> None:
    lines = [{"kind": "callback", "body": json.loads(each)} for each in (EVENT, LINK)]

    receipts = orders.record_many(lines)

    assert [receipt.outcome for receipt in receipts] == ["quarantined", "appended"]
    assert orders.get("o1").status == "brought"
    assert waiting(orders) == []


def test_coroutines_resolve_and_redrive_too(tmp_path: Any) -> None:
    async def run() -> list[str]:
        url = f"sqlite:///{tmp_path}/async.db"
        async with connect_async(url, provider=Parcels()) as orders:
            first = await orders.record_callback(EVENT)
            assert first.outcome == "quarantined"
            await orders.record_callback(LINK)
            assert (await orders.get("o1")).status == "brought"
            later = await orders.record_callback(body("brought", 4, parcel="p2"))
            return [later.outcome, *[item.reason async for item in orders.quarantine()]]

    assert asyncio.run(run()) == ["appended"]


def test_an_item_that_two_orders_claim_stays_and_says_so(orders: Orders) -> None:
    orders.record_callback(LINK)
    orders.record_callback(OTHER)

    assert orders.record_callback(EVENT).outcome == "quarantined"

    assert waiting(orders) == [(1, "linked_twice")]
    assert list(orders.redrive()) == []
    assert waiting(orders) == [(1, "linked_twice")]
    assert sound(orders)


def test_an_item_that_two_orders_claim_while_it_waits_says_so(orders: Orders) -> None:
    orders.record_callback(EVENT)

    orders.record_many([{"kind": "callback", "body": json.loads(each)} for each in (LINK, OTHER)])

    assert waiting(orders) == [(1, "linked_twice")]
    if len(orders.log.partitions) == 1:
        assert [item.kind for item in orders.attention()] == ["linked_twice"]


def test_an_event_that_was_given_to_an_order_stays_there(orders: Orders) -> None:
    orders.record_callback(LINK)
    orders.record_callback(EVENT)

    orders.record_callback(OTHER)

    assert orders.get("o1").status == "brought"
    assert orders.get("o2").status == "taken"
    assert sound(orders)


def test_an_event_may_tell_a_link_that_another_item_waits_for(orders: Orders) -> None:
    orders.record_callback(body("brought", 5, parcel="box"))
    orders.record_callback(body("taken", 6, parcel="p1", links=["box"]))
    assert len(waiting(orders)) == 2

    orders.record_callback(LINK)

    assert waiting(orders) == []
    assert orders.get("o1").events == 3
    assert sound(orders)


def test_a_body_that_waits_for_two_links_waits_until_it_has_both(orders: Orders) -> None:
    both = [json.loads(EVENT), {**json.loads(EVENT), "parcel": "p9", "id": "e7"}]
    orders.record_callback(json.dumps({"events": both}).encode())

    orders.record_callback(LINK)
    assert orders.get("o1").status == "brought"
    assert waiting(orders) == [(1, "unlinked")]

    orders.record_callback(body("taken", 8, order="o9", links=["p9"]))
    assert orders.get("o9").status == "brought"
    assert waiting(orders) == []
    assert sound(orders)


def test_a_process_sees_what_waits_since_another_one_wrote_it(connected: Any) -> None:
    with connected() as first:
        if first.log.url == "memory:":
            pytest.skip("a log in memory has one process")
        first.record_callback(body("taken", 9, order="o8", links=["p8"]))
        with connected() as second:
            second.record_callback(EVENT)

        first.record_callback(LINK)

        assert waiting(first) == []
        assert first.get("o1").status == "brought"


def test_opening_for_writing_reads_again_what_waited(
    connected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connected() as orders:
        if orders.log.url == "memory:":
            pytest.skip("a log in memory is opened once")
        monkeypatch.setattr(orders, "_append_linked", lambda _: ())
        orders.record_callback(EVENT)
        orders.record_callback(LINK)
        assert waiting(orders) == [(1, "unlinked")]

    with connected(create=False) as reader:
        assert waiting(reader) == [(1, "unlinked")]
    with connected() as orders:
        assert waiting(orders) == []
        assert orders.get("o1").status == "brought"


def test_what_waited_can_be_read_again_by_hand(
    orders: Orders, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as crashed:
        crashed.setattr(orders, "_append_linked", lambda _: ())
        orders.record_callback(EVENT)
        orders.record_callback(LINK)

    (receipt,) = orders.redrive()

    assert receipt.outcome == "appended"
    assert waiting(orders) == []
    assert sound(orders)


def test_an_event_and_its_mark_are_written_in_one_commit(alone: Orders) -> None:
    alone.record_callback(EVENT)
    alone.record_callback(LINK)

    *_, event, mark = alone.log.scan()

    assert (event.stream, mark.stream) == ("order:parcels:o1", CONTROL)
    assert mark.position == event.position + 1


def test_a_log_without_an_index_gets_one_from_what_it_holds(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/old.db"
    with connect(url, provider=Parcels()) as orders:
        orders.record_callback(LINK)
        orders.log.recorder.datastore.ask("DROP TABLE order_links")  # type: ignore[attr-defined]
    with connect(url, provider=Parcels()) as orders:
        assert orders.record_callback(EVENT).outcome == "quarantined"
        found = verify(orders.log)
        assert (found.ok, found.findings[0].position) == (False, 1)

    initialize(url)

    with connect(url, provider=Parcels()) as orders:
        assert orders.get("o1").status == "brought"
        assert sound(orders)


def test_verify_names_an_order_that_the_index_gives_an_id_of_nobody_s(alone: Orders) -> None:
    alone.record_callback(LINK)
    with alone.log._recorder.writing(exclusive=True) as transaction:  # type: ignore[attr-defined]
        transaction.insert((), [OrderLink("parcels", "p7", "o7")])

    (finding,) = verify(alone.log).findings

    assert (finding.stream, finding.version) == ("order:parcels:o7", None)


def test_links_go_along_when_a_log_is_copied(alone: Orders, tmp_path: Any) -> None:
    alone.record_callback(LINK)
    with closing(open_log(f"sqlite:///{tmp_path}/copy.db")) as target:
        target.restore(list(alone.log.scan()))

        assert target.links.orders("parcels", "p2") == ["o1"]
        assert verify(target).ok


def test_a_provider_without_links_makes_no_table_and_asks_no_index(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/plain.db"
    with connect(url, provider=Parcels()) as orders:
        orders.record_callback(body("taken", 1, order="o1"))
        names = orders.log.recorder.datastore.ask("SELECT name FROM sqlite_master")  # type: ignore[attr-defined]

    assert ("order_links",) not in names


def test_a_link_is_stored_with_its_event_or_not_at_all(alone: Orders) -> None:
    recorder: Any = alone.log.recorder  # type: ignore[attr-defined]
    link = OrderLink("parcels", "p1", "o1")

    with suppress(RuntimeError), recorder.writing(exclusive=True) as transaction:
        transaction.insert((), [link])
        raise RuntimeError
    assert alone.log.links.page(None, 1) == []

    with recorder.writing(exclusive=True) as transaction:
        transaction.insert((), [link])
    assert alone.log.links.page(None, 1) == [link]
