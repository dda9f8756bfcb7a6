"""What needs a person's attention: one list, worst first; what was reviewed, and what is new."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import UTC, datetime, timedelta

import pytest

from lifecycle import InvalidArgumentError
from lifecycle.audit.export import export_whole
from lifecycle.audit.log_copy import copy
from lifecycle.audit.verify import verify
from lifecycle.cli.doctor import checks_of_log
from lifecycle.log.codec import decode
from lifecycle.log.contract import CONTROL
from lifecycle.providers.instacart import details
from tests.scenario.command_line import run
from tests.without_rules import connect, connect_async

NOON = datetime(2026, 7, 7, 12, tzinfo=UTC)
SECRET = "Kamala 5 Main Street"
BY = {"by": "ann", "why": f"called {SECRET}"}


RECENTLY = NOON + timedelta(hours=29)


def callback(orders, order_id, status, at=RECENTLY):
    body = {"id": order_id, "status": status}
    return orders.record_callback(json.dumps(body), received_at=at)


def odd(orders, order_id="odd"):
    """Make an order with an anomaly: its provider says a word that nobody knows."""
    callback(orders, order_id, "brand_new")
    callback(orders, order_id, "teleported")


def taking_nothing(_change):
    raise KeyError(SECRET)


def trouble(orders):
    """Make one thing of each kind that needs attention, and an order that is well."""
    callback(orders, "late", "brand_new", NOON)
    orders.begin_request("lost", {"order_id": "lost"}, received_at=NOON)
    odd(orders)
    orders.record_callback(b"no JSON", received_at=NOON)
    callback(orders, "well", "brand_new")
    subscription = orders.subscription("mail", taking_nothing, attempts=1)
    subscription.catch_up()


@pytest.fixture(params=["memory", "postgresql", pytest.param("nats", marks=pytest.mark.long)])
def orders(request):
    now = [NOON + timedelta(hours=30)]
    url = "memory:"
    if request.param == "nats":
        url = request.getfixturevalue("nats").new_url()
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").new_url()
    with connect(url, clock=lambda: now[0]) as opened:
        opened.now = now
        yield opened


def kinds(items):
    return [item.kind for item in items]


def subjects(items):
    return [item.subject for item in items]


def test_all_of_it_is_one_list_worst_first_with_what_to_do(orders):
    trouble(orders)

    items = orders.attention()

    letters = [item for item in items if item.kind == "dead_letter"]
    rest = [item for item in items if item.kind != "dead_letter"]
    assert kinds(items) == sorted(
        kinds(items), key=["dead_letter", "quarantined", "anomaly", "overdue"].index
    )
    assert [(item.subject, item.order_id) for item in rest] == [
        ("quarantined:1", None),
        ("anomaly:instacart:odd@2", "odd"),
        ("overdue:instacart:late@1", "late"),
        ("overdue:instacart:lost@1", "lost"),
    ]
    assert {letter.order_id for letter in letters} >= {"late", "odd"}
    assert all("mail did not deal with the change" in letter.found for letter in letters)
    advice = {item.order_id or item.kind: item.advice for item in rest}
    assert advice["lost"] == "run: lifecycle resume"
    assert advice["late"] == "run: lifecycle reconcile"
    assert all(item.advice for item in items)
    assert SECRET not in repr(items)


def test_where_nobody_knows_whether_there_is_an_order_a_quarter_of_an_hour_is_overdue(orders):
    callback(orders, "late", "brand_new", NOON)
    orders.begin_request("lost", {"order_id": "lost"}, received_at=NOON)

    assert subjects(orders.attention(now=NOON + timedelta(minutes=15))) == []
    later = NOON + timedelta(minutes=16)
    assert subjects(orders.attention(now=later)) == ["overdue:instacart:lost@1"]
    both = orders.attention(now=later, overdue_after=timedelta(minutes=1))
    assert {item.order_id for item in both} == {"late", "lost"}


def test_how_long_an_order_may_wait_is_set_once_for_the_list_and_the_figures():
    hour_later = NOON + timedelta(hours=1)
    with connect(
        "memory:", clock=lambda: hour_later, overdue_after=timedelta(minutes=30)
    ) as orders:
        callback(orders, "late", "brand_new", NOON)
        assert subjects(orders.attention()) == ["overdue:instacart:late@1"]
        assert orders.figures().attention == {"overdue": 1}
        assert orders.attention(overdue_after=timedelta(days=1)) == []
    with pytest.raises(InvalidArgumentError, match="overdue_after"):
        connect("memory:", overdue_after=30)


def test_a_handler_that_does_not_return_is_named_until_it_does(orders):
    callback(orders, "xyz", "brand_new")
    started, go = threading.Event(), threading.Event()

    def hang(_change):
        started.set()
        go.wait(60)

    reader = orders.subscription("mail", hang)
    reading = threading.Thread(target=reader.catch_up)
    reading.start()
    started.wait(60)
    assert orders.attention() == []
    orders.now[0] += timedelta(minutes=3)
    (item,) = orders.attention()
    assert (item.kind, item.subject, item.order_id) == (
        "hung_handler",
        "hung_handler:mail@1.1",
        "xyz",
    )
    (feed,) = (check for check in checks_of_log(orders.log) if check.name == "feed mail")
    assert not feed.ok
    assert "1 call that did not return" in feed.found
    assert orders.figures().attention == {"hung_handler": 1}
    assert orders.review(item, **BY)
    assert orders.attention() == []
    go.set()
    reading.join()
    assert orders.attention(all=True) == []


def test_what_was_reviewed_is_counted_nowhere(orders):
    odd(orders)
    orders.subscription("mail", taking_nothing, attempts=1).catch_up()
    assert [feed.dead_letters for feed in orders.figures().feeds] == [1]
    for item in orders.attention():
        orders.review(item, **BY)
    assert [feed.dead_letters for feed in orders.figures().feeds] == [0]
    assert orders.figures().attention == {}
    assert all(check.ok for check in checks_of_log(orders.log) if check.name == "feed mail")


def test_an_order_that_only_the_customer_can_go_on_with_is_never_overdue(orders):
    sent = orders.begin_request("o1", {"order_id": "o1"}, received_at=NOON)
    sent.answered(400, b"{}", received_at=NOON)
    assert orders.attention(now=NOON + timedelta(days=30)) == []


def test_what_was_reviewed_is_listed_no_more_and_says_by_whom_and_why(orders):
    trouble(orders)
    for item in orders.attention():
        assert orders.review(item, **BY)

    assert orders.attention() == []
    assert list(orders.find(anomalies=True)) == []
    reviewed = orders.attention(all=True)
    assert {item.review.by for item in reviewed} == {"ann"}
    assert {item.review.why for item in reviewed} == {BY["why"]}
    assert reviewed[0].review.at == orders.now[0]


def test_a_new_event_makes_an_order_unreviewed_again(orders):
    odd(orders)
    orders.review("anomaly:instacart:odd@2", **BY)
    assert list(orders.find(anomalies=True)) == []

    callback(orders, "odd", "acknowledged")

    assert subjects(orders.attention()) == ["anomaly:instacart:odd@3"]
    assert [view.order_id for view in orders.find(anomalies=True)] == ["odd"]


def test_a_review_of_what_was_seen_does_not_cover_what_came_meanwhile(orders):
    odd(orders)
    [seen] = orders.attention()
    callback(orders, "odd", "beamed up")

    orders.review(seen, **BY)

    assert subjects(orders.attention()) == ["anomaly:instacart:odd@3"]


def test_what_the_log_held_before_a_review_is_not_reviewed(orders):
    odd(orders)
    before = orders.log.last_position()
    orders.review("anomaly:instacart:odd@2", **BY)
    assert [view.order_id for view in orders.find(anomalies=True, log_at=before)] == ["odd"]
    assert list(orders.find(anomalies=True, log_at=before + 1)) == []


def test_the_first_review_stays(orders):
    odd(orders)
    [item] = orders.attention()
    assert orders.review(item, by="ann", why="known")
    assert not orders.review(item, by="bob", why="mine")
    [item] = orders.attention(all=True)
    assert (item.review.by, item.review.why) == ("ann", "known")


@pytest.mark.parametrize(
    ("subject", "by", "why"),
    [
        ("anomaly:instacart:odd@1", "ann", "old"),
        ("anomaly:instacart:nobody@2", "ann", "none"),
        ("anomaly:instacart:odd@2", "", "no name"),
        ("anomaly:instacart:odd@2", "ann", "  "),
        ("anomaly:instacart:odd@2", "ann", "x" * 1001),
        ("anomaly:instacart:odd@2", 7, "no text"),
        (7, "ann", "no subject"),
    ],
)
def test_a_review_of_nothing_or_without_a_reason_is_refused(orders, subject, by, why):
    odd(orders)
    with pytest.raises(InvalidArgumentError):
        orders.review(subject, by=by, why=why)
    assert list(orders.log.walk(CONTROL)) == []


@pytest.mark.parametrize("wrong", [{"overdue_after": 5}, {"now": "today"}])
def test_invalid_limits_are_refused(orders, wrong):
    with pytest.raises(InvalidArgumentError):
        orders.attention(**wrong)


def test_a_review_is_a_record_that_is_verified_copied_and_exported(orders):
    odd(orders)
    orders.review("anomaly:instacart:odd@2", **BY)

    assert verify(orders.log).ok
    [record] = orders.log.walk(CONTROL)
    assert (record.topic, decode(record).by) == ("reviewed", "ann")
    assert SECRET not in repr(decode(record))
    lines = [json.loads(line) for line in export_whole(orders.log)]
    [line] = [line for line in lines if line.get("control") == "reviewed"]
    assert (line["kind"], line["subject"], line["by"]) == (
        "control",
        "anomaly:instacart:odd@2",
        "ann",
    )
    with connect("memory:") as other:
        copy(orders.log, other.log)
        assert list(other.find(anomalies=True)) == []
    with connect("memory:") as other:
        other.record_many(lines)
        assert [view.order_id for view in other.find(anomalies=True)] == ["odd"]


def test_stored_views_are_asked_and_the_reviewed_left_out(tmp_path):
    with connect(f"sqlite:///{tmp_path}/orders.db") as orders:
        for number in range(5):
            odd(orders, f"odd-{number}")
        orders.views.rebuild()
        orders.review("anomaly:instacart:odd-2@2", **BY)
        found = [view.order_id for view in orders.find(anomalies=True)]
        assert found == ["odd-0", "odd-1", "odd-3", "odd-4"]


def test_orders_that_cannot_be_folded_come_first(orders, monkeypatch):
    odd(orders)
    callback(orders, "o1", "brand_new")
    read = details.read_details

    def failing(order):
        return read(order) if order.get("id") != "o1" else taking_nothing(order)

    monkeypatch.setattr("lifecycle.providers.instacart.read_details", failing)
    with connect("memory:") as other:
        copy(orders.log, other.log)
        first, second = other.attention(overdue_after=timedelta(days=99999))
        assert (first.subject, first.advice) == (
            "unreadable:instacart:o1@1",
            "run: lifecycle verify",
        )
        assert second.subject == "anomaly:instacart:odd@2"
        assert SECRET not in repr(first)


def test_coroutines_do_the_same():
    async def seen():
        async with connect_async("memory:") as orders:
            for status in ("brand_new", "teleported"):
                await orders.record_callback(json.dumps({"id": "odd", "status": status}))
            [item] = await orders.attention()
            assert await orders.review(item, **BY)
            assert await orders.attention() == []
            return [view async for view in orders.find(anomalies=True)]

    assert asyncio.run(seen()) == []


# The commands


@pytest.fixture
def here(tmp_path):
    with connect(f"sqlite:///{tmp_path}/lifecycle.db") as orders:
        odd(orders)
        orders.record_callback(b"no JSON")
    return tmp_path


def test_the_command_lists_and_reviews_until_nothing_is_left(here):
    first = run("attention", "--json", cwd=here)
    assert first.code == 1
    listed = [item["subject"] for item in first.value]
    assert listed[:2] == ["quarantined:1", "anomaly:instacart:odd@2"]
    for subject in listed:
        done = run("attention", "--review", subject, "--by", "ann", "--why", "known", cwd=here)
        assert (done.code, done.out.strip()) == (0, "reviewed")
    left = run("attention", cwd=here)
    assert (left.code, left.out.strip()) == (0, "nothing needs attention")
    every = run("attention", "--all", cwd=here)
    assert every.code == 0
    assert "reviewed by ann: known" in every.out


def test_doctor_counts_what_is_not_reviewed(here):
    before = {check["name"]: check for check in run("doctor", "--json", cwd=here).value["checks"]}
    assert (before["anomalies"]["ok"], before["quarantine"]["ok"]) == (False, False)
    for item in run("attention", "--json", cwd=here).value:
        run("attention", "--review", item["subject"], "--by", "ann", "--why", "known", cwd=here)
    after = {check["name"]: check for check in run("doctor", "--json", cwd=here).value["checks"]}
    assert (after["anomalies"]["ok"], after["quarantine"]["ok"]) == (True, True)
    assert after["quarantine"]["found"] == "0 waiting, 1 reviewed"
    assert run("list", "--anomalies", "--json", cwd=here).value == []


def test_a_review_needs_a_name_and_a_reason_and_something_to_review(here):
    assert run("attention", "--review", "quarantined:1", cwd=here).code == 2
    none = run("attention", "--review", "quarantined:9", "--by", "a", "--why", "b", cwd=here)
    assert none.code == 1
    assert "nothing needs attention as 'quarantined:9'" in none.err


def test_a_reviewed_letter_is_counted_no_more(tmp_path):
    with connect(f"sqlite:///{tmp_path}/lifecycle.db") as orders:
        callback(orders, "o1", "brand_new", datetime.now(UTC))
        orders.subscription("mail", taking_nothing, attempts=1).catch_up()
        [item] = orders.attention()
        assert item.kind == "dead_letter"
        orders.review(item, **BY)
    checks = run("doctor", "--json", cwd=tmp_path).value["checks"]
    [feed] = [check for check in checks if check["name"] == "feed mail"]
    assert feed["ok"]
