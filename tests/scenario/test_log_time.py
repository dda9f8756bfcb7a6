"""The log's own time: where and when the log took each event, and what it held at a time."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from lifecycle import InvalidArgumentError, UnknownOrderError
from lifecycle.audit.log_copy import copy
from lifecycle.composition import open_log
from lifecycle.diagram import draw_order
from tests.scenario.command_line import run
from tests.without_rules import connect, connect_async

ORDER = "xyz123456"
MORNING = datetime(2026, 7, 7, 10, tzinfo=UTC)


class Hands:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.at = MORNING

    def __call__(self) -> datetime:
        return self.at


def minutes(count: float) -> datetime:
    return MORNING + timedelta(minutes=count)


def callback(event_id: int, name: str, order: str = ORDER) -> dict:
    return {"event_id": event_id, "event_name": name, "event_metadata": {"order_id": order}}


@pytest.fixture
def clock():
    return Hands()


@pytest.fixture
def orders(tmp_path, clock):
    with connect(f"sqlite:///{tmp_path}/log.db", clock=clock) as orders:
        yield orders


def record(orders, clock, at: datetime, event_id: int, name: str, **told):
    clock.at = at
    return orders.record_callback(callback(event_id, name, told.pop("order", ORDER)), **told)


def test_each_row_of_the_history_tells_where_and_when_the_log_took_it(orders, clock):
    record(orders, clock, minutes(0), 1, "brand_new")
    receipt = record(orders, clock, minutes(1), 2, "delivering", received_at=minutes(0.5))

    rows = orders.history(ORDER)

    assert [(row.position, row.recorded_at) for row in rows] == [(1, minutes(0)), (2, minutes(1))]
    assert [row.recording for row in rows] == [None, None]
    assert "delayed" not in receipt.view.model_dump(mode="json")["arrival"]


def test_the_receipts_view_knows_the_logs_time_as_a_view_read_anew_does(orders, clock, tmp_path):
    receipt = record(orders, clock, minutes(30), 1, "canceled", received_at=minutes(0))
    with connect(f"sqlite:///{tmp_path}/log.db") as others:
        anew = others.get(ORDER)
        rows = others.history(ORDER)

    assert receipt.view.arrival == anew.arrival
    assert orders.history(ORDER) == rows


@pytest.mark.parametrize(("late", "says"), [(5, None), (5.001, "delayed"), (-60, None)])
def test_an_event_recorded_five_minutes_after_it_claims_to_have_come_says_so(
    orders, clock, late, says
):
    record(orders, clock, minutes(late), 1, "canceled", received_at=minutes(0))

    assert orders.history(ORDER)[0].recording == says
    assert orders.get(ORDER).arrival.delayed == (says is not None)


def test_recordings_and_what_was_redriven_say_that_they_were_replayed(orders, clock):
    clock.at = minutes(600)
    body = callback(1, "brand_new")
    orders.record_many(
        [
            {"kind": "callback", "received_at": MORNING, "body": body},
            {"kind": "callback", "body": callback(2, "canceled")},
        ]
    )

    by_name = {row.name: row.recording for row in orders.history(ORDER)}
    arrival = orders.get(ORDER).model_dump(mode="json")["arrival"]

    assert by_name == {"brand_new": "replayed", "canceled": None}
    assert arrival["replayed"] == 1
    assert "delayed" not in arrival


def test_a_copy_changes_neither_times_nor_positions(orders, clock, tmp_path):
    record(orders, clock, minutes(60), 1, "brand_new", received_at=minutes(0))
    record(orders, clock, minutes(61), 2, "canceled")
    url = f"sqlite:///{tmp_path}/copy.db"
    target = open_log(url)
    assert copy(orders.log, target).verification.ok
    target.close()

    with connect(url) as copied:
        assert copied.history(ORDER) == orders.history(ORDER)
        assert copied.get(ORDER) == orders.get(ORDER)


def test_the_log_at_a_time_is_what_it_held_whatever_times_callers_claim(orders, clock):
    record(orders, clock, minutes(0), 1, "brand_new")
    record(orders, clock, minutes(120), 2, "canceled", received_at=minutes(5))

    assert orders.get(ORDER, as_at=minutes(60)).status == "canceled"
    assert orders.get(ORDER, log_at=minutes(60)).status == "brand_new"
    assert orders.get(ORDER, log_at=minutes(120)).status == "canceled"
    assert orders.get(ORDER, log_at=1).status == "brand_new"
    assert orders.get(ORDER, log_at=2, as_of=minutes(1)).status == "brand_new"
    assert [row.name for row in orders.history(ORDER, log_at=1)] == ["brand_new"]


def test_the_prefix_ends_before_the_first_later_record_even_where_the_clock_ran_back(orders, clock):
    record(orders, clock, minutes(0), 1, "brand_new")
    record(orders, clock, minutes(90), 7, "brand_new", order="another")
    record(orders, clock, minutes(10), 2, "canceled")

    assert orders.get(ORDER, log_at=minutes(30)).status == "brand_new"
    assert orders.get(ORDER, log_at=minutes(90)).status == "canceled"


def test_orders_are_found_as_the_log_held_them(orders, clock):
    record(orders, clock, minutes(0), 1, "brand_new")
    record(orders, clock, minutes(10), 1, "brand_new", order="another")
    record(orders, clock, minutes(20), 2, "canceled")
    orders.views.rebuild()

    def found(**wanted):
        return {view.order_id: view.status for view in orders.find(**wanted)}

    assert found(log_at=1) == {ORDER: "brand_new"}
    assert found(log_at=minutes(15)) == {ORDER: "brand_new", "another": "brand_new"}
    assert found(log_at=0) == {}
    assert found() == {ORDER: "canceled", "another": "brand_new"}
    waiting = found(log_at=minutes(15), waiting_longer_than=timedelta(minutes=12))
    assert waiting == {ORDER: "brand_new"}


@pytest.mark.parametrize("wrong", [True, -1, 1.5, "1", datetime(2026, 7, 7)])  # noqa: DTZ001
def test_what_is_neither_a_time_with_a_zone_nor_a_position_is_refused(orders, clock, wrong):
    record(orders, clock, minutes(0), 1, "brand_new")

    with pytest.raises(InvalidArgumentError, match="log_at"):
        orders.get(ORDER, log_at=wrong)


@pytest.mark.parametrize("log_at", [0, MORNING - timedelta(seconds=1)])
def test_an_order_that_the_log_did_not_hold_then_is_unknown(orders, clock, log_at):
    record(orders, clock, minutes(0), 1, "brand_new")

    with pytest.raises(UnknownOrderError, match="before"):
        orders.get(ORDER, log_at=log_at)


def test_coroutines_ask_of_the_logs_time_too(clock):
    async def ask() -> None:
        async with connect_async("memory:", clock=clock) as orders:
            await orders.record_callback(callback(1, "brand_new"))
            clock.at = minutes(9)
            await orders.record_callback(callback(2, "canceled"))

            assert (await orders.get(ORDER, log_at=minutes(5))).status == "brand_new"
            assert len(await orders.history(ORDER, log_at=1)) == 1
            assert [view.status async for view in orders.find(log_at=1)] == ["brand_new"]

    asyncio.run(ask())


def test_pictures_tell_the_logs_time_and_that_something_was_delayed(orders, clock):
    record(orders, clock, minutes(0), 1, "brand_new")
    record(orders, clock, minutes(120), 2, "canceled", received_at=minutes(5))

    svg = draw_order(orders, ORDER).svg()
    held = draw_order(orders, ORDER, "timeline", log_at=1).svg()

    assert "2 at 12:00:00 delayed" in svg
    assert "recorded 1h55m after" in svg
    assert "as the log held it at position 1" in held
    assert "canceled" not in held


def test_the_commands_take_a_time_or_a_position(orders, clock, tmp_path):
    record(orders, clock, minutes(0), 1, "brand_new")
    record(orders, clock, minutes(120), 2, "canceled", received_at=minutes(5))

    def ask(*arguments):
        return run(*arguments, "--db", "sqlite:///log.db", cwd=tmp_path)

    now = ask("history", ORDER)
    assert "2026-07-07T12:00:00Z delayed" in now.out
    assert "recorded 1h55m after the time at which it claims to be received" in now.out
    rows = json.loads(ask("history", ORDER, "--json").out)
    assert [(row["position"], row["recording"]) for row in rows] == [(1, None), (2, "delayed")]
    for log_at in ("1", "2026-07-07T11:00:00Z"):
        assert json.loads(ask("show", ORDER, "--log-at", log_at, "--json").out)["events"] == 1
        assert len(json.loads(ask("history", ORDER, "--log-at", log_at, "--json").out)) == 1
        (listed,) = json.loads(ask("list", "--log-at", log_at, "--json").out)
        assert listed["status"] == "brand_new"
        assert "canceled (now)" not in ask("diagram", "--order", ORDER, "--log-at", log_at).out
    early = ask("show", ORDER, "--log-at", "0")
    assert early.code == 1
    assert "before position 0, that one included; its first record was stored at 20" in early.err
    assert early.err.endswith("at position 1; ask for a later time\n")
    assert "check the id" in ask("show", "nobody", "--log-at", "0").err
    assert ask("show", ORDER, "--log-at", "yesterday").code == 2
    assert ask("show", ORDER, "--log-at", "9" * 400, "--json").code == 0
