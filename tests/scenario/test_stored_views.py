"""Stored views: whatever was built, crashed or poisoned, `find` answers as folding does."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from lifecycle import (
    InvalidArgumentError,
    NoViewsError,
    PoisonedOrdersError,
    StoredFormatError,
    StoreUnavailableError,
    ViewsLagError,
)
from lifecycle.audit.replay import replay
from lifecycle.log.stores.postgres.rights import Grants
from lifecycle.log.view_store import Phase
from lifecycle.projections import projector as following
from lifecycle.projections import stored_views
from lifecycle.projections import view_query as finding
from lifecycle.providers.instacart import INSTACART, Instacart
from lifecycle.registry import known_providers
from lifecycle.service.orders import Orders
from tests.without_rules import connect, connect_async

NOON = datetime(2026, 7, 7, 12, tzinfo=UTC)
NAMES = (
    "brand_new",
    "staged",
    "acknowledged",
    "at_store",
    "delivering",
    "delivered",
    "canceled",
    "odd",
)
HOSTILE = (
    "a",
    "B",
    "é",
    "\U0001f600",
    "o'k",
    '"; DROP TABLE order_views; --',
    "%",
    "_",
    "x" * 255,
    " ",
)


@pytest.fixture(autouse=True)
def small_steps(monkeypatch):
    """Many pages and many batches, from few events."""
    monkeypatch.setattr(finding, "ORDERS_AT_ONCE", 3)
    monkeypatch.setattr(following, "ORDERS_AT_ONCE", 3)
    monkeypatch.setattr(following, "RECORDS_AT_ONCE", 4)
    monkeypatch.setattr(stored_views, "RECORDS_AT_ONCE", 4)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def orders(request, tmp_path):
    with connect(new_url(request, tmp_path), clock=lambda: NOON) as orders:
        yield orders


def new_url(request, tmp_path):
    """Return where a store of the wanted kind can be made."""
    match request.param:
        case "memory":
            return "memory:"
        case "sqlite":
            return f"sqlite:///{tmp_path}/orders.db"
        case _:
            return request.getfixturevalue("postgres").new_url()


def callback(order_id="xyz", name="brand_new", minute=0, event_id=None):
    """Return a callback, received two minutes after it happened."""
    at = NOON + timedelta(minutes=minute)
    return {
        "kind": "callback",
        "received_at": f"{at + timedelta(minutes=2):%Y-%m-%dT%H:%M:%SZ}",
        "body": {
            "event_id": event_id or f"{name}-{minute}",
            "event_name": name,
            "event_timestamp": f"{at:%Y-%m-%dT%H:%M:%SZ}",
            "event_metadata": {"order_id": order_id},
        },
    }


def drawn(random: Random, count: int, order_ids=HOSTILE):
    return [
        callback(random.choice(order_ids), random.choice(NAMES), random.randrange(90))
        for _ in range(count)
    ]


def folded(orders: Orders):
    """Return every view the slow way, which asks no stored view."""
    prefix = f"order:{orders.provider.name}:"
    names = [name.removeprefix(prefix) for name in orders.log.streams(prefix=prefix)]
    return [orders.get(name) for name in names]


def conditions():
    statuses = (None, "brand_new", "delivered")
    spans = (None, timedelta(minutes=30), timedelta.max)
    times = (None, NOON + timedelta(minutes=40))
    for status, span, anomalies in itertools.product(statuses, spans, (False, True)):
        for since, before in itertools.product(times, times):
            yield {
                "status": status,
                "waiting_longer_than": span,
                "anomalies": anomalies,
                "received_since": since,
                "received_before": before,
            }


def expected(views, wanted, now):
    """Tell in other words which views fit."""
    for view in views:
        arrival = view.arrival
        span, since, before = (
            wanted[name] for name in ("waiting_longer_than", "received_since", "received_before")
        )
        if wanted["status"] is not None and view.status != wanted["status"]:
            continue
        if span is not None and not (view.awaiting and now - arrival.waiting_since > span):
            continue
        if wanted["anomalies"] and not view.anomalies:
            continue
        if since is not None and arrival.last_received_at < since:
            continue
        if before is not None and arrival.last_received_at >= before:
            continue
        yield view


def agrees(orders: Orders) -> None:
    """Hold `find` and what is stored against folding."""
    views = folded(orders)
    found = list(orders.find())
    assert found == views
    assert [view.digest for view in found] == [view.digest for view in views]
    assert [v.model_dump_json() for v in found] == [v.model_dump_json() for v in views]


# Building, following, finding


def test_find_reads_the_stored_views_and_not_the_log(orders, monkeypatch):
    orders.record_many(drawn(Random(1), 60))
    orders.views.rebuild()
    before = list(orders.find())
    monkeypatch.setattr(finding, "from_records", lambda *_: pytest.fail("the log was folded"))
    assert list(orders.find()) == before


@pytest.mark.parametrize("stored", ["none", "all", "some", "before the last"])
def test_every_condition_gives_what_folding_gives(orders, stored):
    random = Random(2)
    orders.record_many(drawn(random, 60))
    if stored != "none":
        orders.views.rebuild()
    if stored == "some":
        orders.record_many(drawn(random, 9))
    if stored == "before the last":
        orders.record_many([callback("\U0001f680", "at_store"), callback("!", "at_store")])
    now = NOON + timedelta(hours=1)
    views = folded(orders)
    for wanted in conditions():
        assert list(orders.find(**wanted, now=now)) == list(expected(views, wanted, now))


def test_a_recorded_event_shows_at_once_and_its_view_is_stored_by_catch_up(orders):
    orders.record_many([callback("a"), callback("b")])
    orders.views.rebuild()
    receipt = orders.record_many([callback("a", "canceled", 5)])[0]

    assert [view.status for view in orders.find()] == ["canceled", "brand_new"]
    assert orders.views.status().behind == 1
    assert orders.views.catch_up() == receipt.position
    assert orders.views.status().behind == 0
    agrees(orders)


def test_a_log_without_orders_is_built_and_followed(orders):
    orders.views.rebuild()
    assert list(orders.find()) == []
    orders.record_callback(b"<html>")
    orders.record_many([callback("a")])
    orders.views.catch_up()
    agrees(orders)
    assert orders.views.status().behind == 0


def test_views_that_are_too_far_behind_do_not_help(orders, monkeypatch):
    orders.record_many(drawn(Random(3), 20))
    orders.views.rebuild()
    orders.record_many(drawn(Random(4), 30))

    def asked(*_: object) -> None:
        raise LookupError

    monkeypatch.setattr(orders.log.views, "find", asked)
    with pytest.raises(LookupError):
        list(orders.find())
    monkeypatch.setattr(finding, "LONGEST_TAIL", 10)
    agrees(orders)


def test_reading_one_s_own_writes_waits_for_a_follower(orders):
    orders.record_many([callback("a")])
    orders.views.rebuild()
    stop = threading.Event()
    follower = threading.Thread(target=orders.views.follow, args=(stop,))
    follower.start()
    try:
        for minute in range(5):
            receipt = orders.record_many([callback("a", "at_store", minute)])[0]
            orders.views.wait(receipt.position, timeout=60)
            assert orders.views.status().live.position >= receipt.position
    finally:
        stop.set()
        follower.join()
    agrees(orders)


def test_waiting_for_a_view_without_a_follower_times_out(orders):
    orders.views.rebuild()
    receipt = orders.record_many([callback("a")])[0]
    with pytest.raises(ViewsLagError) as late:
        orders.views.wait(receipt.position, timeout=0.05)
    assert (late.value.reached, late.value.expected) == (0, receipt.position)


def test_without_stored_views_there_is_nothing_to_keep_up(orders):
    orders.record_many([callback("a")])
    for call in (
        orders.views.catch_up,
        orders.views.follow,
        orders.views.redrive,
        lambda: orders.views.wait(1, timeout=0),
    ):
        with pytest.raises(NoViewsError, match="lifecycle views --rebuild"):
            call()
    assert orders.views.status().live is None
    assert list(orders.views.poisoned()) == []


@pytest.mark.parametrize("name", ["received_since", "received_before", "now"])
def test_a_time_without_a_zone_is_refused(orders, name):
    with pytest.raises(InvalidArgumentError, match=name):
        list(orders.find(**{name: datetime(2026, 7, 7)}))  # noqa: DTZ001 - that is the point


def test_coroutines_find_the_same(tmp_path):
    url = f"sqlite:///{tmp_path}/orders.db"
    with connect(url) as orders:
        orders.record_many(drawn(Random(5), 40))
        orders.views.rebuild()
        orders.record_many(drawn(Random(6), 5))
        views = folded(orders)

    async def find():
        async with connect_async(url) as orders:
            await asyncio.to_thread(orders.views.catch_up)
            odd = [view async for view in orders.find(anomalies=True)]
            return odd, [view async for view in orders.find()]

    assert asyncio.run(find()) == ([view for view in views if view.anomalies], views)


def test_the_position_in_a_receipt_is_the_stored_one(orders):
    orders.views.rebuild()
    for minute, name in enumerate(NAMES[:5]):
        for receipt in orders.record_many([callback("a", name, minute), callback("b", name)]):
            assert receipt.view.order_id in "ab"
    orders.views.catch_up()
    stored = orders.log.views.between(orders.views.status().live, "", None)
    ends = [orders.log.read(f"order:instacart:{one.order_id}")[-1] for one in stored]
    assert [(one.version, one.position) for one in stored] == [
        (end.version, end.position) for end in ends
    ]
    assert replay(orders.log, known_providers()).ok


# Rebuilding and swapping


def test_readers_go_on_with_the_old_views_while_new_ones_are_built_and_over_the_swap(orders):
    orders.record_many(drawn(Random(7), 60))
    orders.views.rebuild()
    old = orders.views.status().live
    reader = orders.find()
    read = [next(reader)]
    seen = []

    def watch(_: int) -> None:
        standing = orders.views.status()
        seen.append((standing.live == old, standing.building is not None))
        assert list(orders.find()) == views

    views = folded(orders)
    orders.views.rebuild(watch)

    assert set(seen) == {(True, True)}
    assert len(seen) > 3
    assert orders.views.status().live.number > old.number
    assert orders.log.views.find(old, finding.Conditions(), "", 9) is None
    assert read + list(reader) == views


def test_a_rebuild_that_broke_off_leaves_the_old_views_and_is_gone_on_with(orders):
    orders.record_many(drawn(Random(8), 60))
    orders.views.rebuild()
    old = orders.views.status().live
    steps = []

    def break_off(_: int) -> None:
        steps.append(orders.views.status().building)
        if len(steps) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        orders.views.rebuild(break_off)

    standing = orders.views.status()
    assert (standing.live, standing.building) == (old, steps[-1])
    agrees(orders)
    orders.record_many(drawn(Random(9), 20))
    orders.views.rebuild()
    assert orders.views.status().live.number == steps[-1].number
    orders.views.catch_up()
    agrees(orders)


def test_events_recorded_during_a_rebuild_are_in_the_new_views(orders):
    orders.record_many(drawn(Random(10), 40))
    random = Random(11)
    orders.views.rebuild(lambda _: orders.record_many(drawn(random, 3)) and None)
    assert orders.views.status().behind <= 8
    agrees(orders)
    orders.views.catch_up()
    agrees(orders)


def with_another_definition(**changes):
    """Return the provider with a definition of another fingerprint."""
    return Instacart(definition=replace(INSTACART.definition, **changes))


def test_views_of_another_definition_are_not_used_and_both_can_follow_one_another(tmp_path):
    url = f"sqlite:///{tmp_path}/orders.db"
    changed = with_another_definition(main_line=("requested",))
    with connect(url) as old, connect(url, provider=changed) as new:
        old.record_many(drawn(Random(12), 40))
        old.views.rebuild()
        agrees(new)
        assert (old.views.status().fits, new.views.status().fits) == (True, False)
        assert not new.views.status().ok
        with pytest.raises(NoViewsError, match="another definition"):
            new.views.catch_up()

        new.views.rebuild()

        assert (old.views.status().fits, new.views.status().fits) == (False, True)
        agrees(old)
        agrees(new)


def test_a_rebuild_for_another_definition_takes_the_place_of_one_that_broke_off(tmp_path):
    url = f"sqlite:///{tmp_path}/orders.db"
    changed = with_another_definition(main_line=("requested",))
    with connect(url) as old, connect(url, provider=changed) as new:
        old.record_many(drawn(Random(13), 40))

        def take_over(_: int) -> None:
            new.views.rebuild()

        with pytest.raises(NoViewsError):
            old.views.rebuild(take_over)
        assert new.views.status().fits
        agrees(new)
        agrees(old)


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_several_rebuild_and_follow_at_once(request, tmp_path, store):
    url = f"sqlite:///{tmp_path}/orders.db"
    if store == "postgres":
        url = request.getfixturevalue("postgres").new_url()
    with connect(url) as orders:
        orders.record_many(drawn(Random(14), 80))
    failures = []

    def work(seed: int) -> None:
        try:
            with connect(url) as mine:
                mine.views.rebuild()
                for _ in range(5):
                    mine.record_many(drawn(Random(seed), 5))
                    mine.views.catch_up()
        except Exception as failure:  # noqa: BLE001 - told below
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    with connect(url) as orders:
        orders.views.catch_up()
        standing = orders.views.status()
        assert (standing.behind, standing.building) == (0, None)
        phases = [one.phase for one in orders.log.views.generations("instacart")]
        assert phases == [Phase.LIVE]
        agrees(orders)


def test_providers_have_views_of_their_own(tmp_path):
    url = f"sqlite:///{tmp_path}/orders.db"
    with connect(url) as ours, connect(url, provider=Instacart("other")) as theirs:
        ours.record_many(drawn(Random(15), 30, HOSTILE[:3]))
        theirs.record_many(drawn(Random(16), 30, HOSTILE[2:6]))
        ours.views.rebuild()
        theirs.views.rebuild()
        theirs.record_many(drawn(Random(17), 9, HOSTILE[:9]))
        ours.views.catch_up()
        agrees(ours)
        agrees(theirs)
        assert ours.views.status().behind == 0


# Any sequence


@pytest.mark.parametrize("seed", range(4))
def test_after_any_sequence_the_stored_views_are_the_folds(orders, seed):
    random = Random(f"views {seed}")
    for _ in range(25):
        step = random.random()
        if step < 0.5:
            orders.record_many(drawn(random, random.randrange(1, 12)))
        elif step < 0.6:
            broken_off(orders, random)
        elif step < 0.7:
            orders.views.rebuild()
        elif orders.views.status().live:
            orders.views.catch_up()
        agrees(orders)
    orders.views.rebuild()
    orders.views.catch_up()
    live = orders.views.status().live
    stored = orders.log.views.between(live, "", None)
    views = folded(orders)
    assert [(one.order_id, one.digest) for one in stored] == [
        (view.order_id, view.digest) for view in views
    ]


def broken_off(orders: Orders, random: Random) -> None:
    """Rebuild until some moment, and stop there as a crash would."""
    steps = random.randrange(1, 5)

    def count(_: int) -> None:
        nonlocal steps
        steps -= 1
        if not steps:
            raise KeyboardInterrupt

    try:
        orders.views.rebuild(count)
    except KeyboardInterrupt:
        return


# Poisoned orders


@dataclass(frozen=True)
class Failing(Instacart):
    """A provider that trips over one order once it is broken, until it is mended."""

    broken: list[bool] = field(default_factory=list)

    def read(self, arrival, body):
        if self.broken and b'"bad"' in arrival.body:
            raise ZeroDivisionError("secret")
        return super().read(arrival, body)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def failing(request, tmp_path):
    with connect(new_url(request, tmp_path), provider=Failing()) as orders:
        orders.record_many([callback("a"), callback("bad"), callback("c")])
        orders.provider.broken.append(True)
        yield orders


@pytest.mark.parametrize("stored", [False, True])
def test_one_poisoned_order_stops_no_other_and_is_reported_last(failing, stored):
    if stored:
        failing.views.rebuild()
        failing.record_many([callback("d")])
        failing.views.catch_up()
    found = []
    with pytest.raises(PoisonedOrdersError) as trouble:
        found.extend(view.order_id for view in failing.find())

    assert found == (["a", "c", "d"] if stored else ["a", "c"])
    assert (trouble.value.count, trouble.value.order_id) == (1, "bad")
    assert "ZeroDivisionError" in str(trouble.value)
    assert "secret" not in str(trouble.value)


def test_a_poisoned_order_is_listed_with_the_reason_and_heals_when_it_is_driven_again(failing):
    failing.views.rebuild()
    (poisoned,) = failing.views.poisoned()
    assert poisoned == ("bad", "the provider's code raised ZeroDivisionError")
    assert (failing.views.status().poisoned, failing.views.status().ok) == (1, False)
    assert failing.views.redrive() == 0

    failing.provider.broken.clear()

    assert failing.views.redrive() == 1
    assert failing.views.status().ok
    agrees(failing)


def test_a_poisoned_order_heals_by_itself_when_something_more_comes(failing):
    failing.views.rebuild()
    failing.provider.broken.clear()
    failing.record_many([callback("bad", "canceled", 9)])
    agrees(failing)
    failing.views.catch_up()
    assert failing.views.status().ok
    agrees(failing)


def test_an_order_that_goes_bad_has_no_stored_view_any_more(failing):
    failing.provider.broken.clear()
    failing.views.rebuild()
    failing.provider.broken.append(True)
    failing._service._fold_cache._by_stream.clear()
    failing.record_many([{"kind": "poll", "order_id": "bad", "http_status": 404}])
    failing.views.catch_up()
    with pytest.raises(PoisonedOrdersError):
        list(failing.find())
    assert [one.order_id for one in failing.views.poisoned()] == ["bad"]


def test_a_damaged_record_poisons_its_order_alone(tmp_path):
    path = tmp_path / "orders.db"
    with connect(f"sqlite:///{path}") as orders:
        orders.record_many([callback("a"), callback("bad"), callback("c")])
    with closing(sqlite3.connect(path)) as driver, driver:
        driver.execute("DROP TRIGGER stored_events_refuse_update")
        driver.execute("UPDATE stored_events SET state = CAST('rubbish' AS BLOB) WHERE rowid = 2")
    with connect(f"sqlite:///{path}") as orders:
        orders.views.rebuild()
        (poisoned,) = orders.views.poisoned()
        assert poisoned.order_id == "bad"
        assert "its header has no end" in poisoned.reason
        with pytest.raises(StoredFormatError):
            orders.get("bad")
        found = []
        with pytest.raises(PoisonedOrdersError, match="lifecycle verify"):
            found.extend(view.order_id for view in orders.find())
        assert found == ["a", "c"]


def test_stored_views_that_cannot_be_read_are_folded_anew(tmp_path):
    path = tmp_path / "orders.db"
    with connect(f"sqlite:///{path}") as orders:
        orders.record_many([callback("a"), callback("b"), callback("c")])
        orders.views.rebuild()
        for body in (b"rubbish", b"{}", b"[]", b'{"details": 5}', b""):
            with closing(sqlite3.connect(path)) as driver, driver:
                driver.execute("UPDATE order_views SET body = ? WHERE order_id = 'b'", (body,))
            agrees(orders)
            assert [view.order_id for view in orders.find()] == ["a", "b", "c"]


# In PostgreSQL


def test_a_role_that_only_reads_and_appends_finds_without_the_views(postgres):
    url = postgres.new_url()
    with connect(url) as owner:
        owner.record_many(drawn(Random(20), 30))
        owner.views.rebuild()
        role = f"app_{owner.log.recorder._tables.schema}"
        owner.log.initialize(Grants(role))
        with connect(url.replace("postgres@", f"{role}@")) as app:
            app.record_many(drawn(Random(21), 5))
            assert app.views.status().live is None
            agrees(app)
            with pytest.raises(StoreUnavailableError, match="42501"):
                app.views.rebuild()
        agrees(owner)


def test_a_record_stored_in_postgresql_is_exported(postgres):
    with connect(postgres.new_url()) as orders:
        orders.record_many(drawn(Random(22), 40))
        orders.views.rebuild()
        found = replay(orders.log, known_providers())
    assert (found.ok, found.linked, found.behind) == (True, None, 0)
    assert found.compared == found.orders > 5
