"""The pages: what they show and to whom, that foreign text stays text, and what they change."""

from __future__ import annotations

import asyncio
import base64
import csv
import io
import json
import re
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import attrgetter
from time import perf_counter, process_time
from urllib.parse import quote, urlencode

import pytest
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.urls import path
from fastapi import FastAPI

from campaigns.five_orders import (
    CANCELED,
    CONTRADICTING,
    ERASED,
    LATE,
    STUCK,
    five_orders,
)
from lifecycle import InvalidArgumentError, UnknownOrderError, connect, connect_async
from lifecycle.audit.evidence_check import check_evidence
from lifecycle.audit.signed_note import key_at
from lifecycle.audit.verify import verify
from lifecycle.cli.serve_pages import read_access
from lifecycle.core.event import Reviewed, Unmasked
from lifecycle.errors import StoreUnavailableError
from lifecycle.http.receiver import Basic, BasicOrToken
from lifecycle.log.codec import decode
from lifecycle.log.contract import CONTROL
from lifecycle.projections.overview import overview_of
from lifecycle.projections.rates import MOST_HOURS
from lifecycle.providers.instacart import sample_orders
from lifecycle.web import Pages, TrustedHeader, keep_views
from lifecycle.web.attention_page import FIRST_OF_A_KIND
from lifecycle.web.definitions import Prover, kept_at
from lifecycle.web.django import view
from lifecycle.web.live import LiveLog
from lifecycle.web.log_source import LogSource
from lifecycle.web.worklists import with_what_they_block
from tests.http import django_urls
from tests.paging import LOCAL, Browser, Read, ask, kept_proof
from tests.pictures import HOSTILE, long_story, named
from tests.polling import wait_until
from tests.serving import asgi_server, connected, wsgi_server
from tests.serving import ask as ask_server

LISTS = (
    *("/attention", "/orders", "/fleet", "/quarantine", "/letters"),
    *("/definitions", "/checkpoints"),
)
SECRET = "a password of many letters"
CANARIES = ("Kamala Nadir", "5 Main Street", "+1 555 0100", "kamala@example.org", "37.78123")
PERSONAL = {
    "user": {"name": CANARIES[0], "phone": CANARIES[2], "email": CANARIES[3]},
    "address": {"lines": [CANARIES[1]], "latitude": float(CANARIES[4])},
    CANARIES[0]: "a name of a field",
}


@pytest.fixture(scope="module", autouse=True)
def proof(tmp_path_factory):
    with kept_proof(tmp_path_factory.mktemp("cache")):
        yield


@contextmanager
def sample(count=8, *more):
    with connect("memory:") as orders:
        told = sample_orders.generate(3, count)
        orders.record_many(sample_orders.deliver(3, told, divergent=0.3, delayed=0.2).recordings)
        orders.record_many(list(more))
        yield orders


@pytest.fixture(scope="module")
def filled():
    """A log with orders, some odd, and two items in the quarantine."""
    with sample(12) as orders:
        orders.record_callback(b"no json at all")
        orders.record_callback({"status": "brand_new", **PERSONAL})
        orders.record_callback({"id": "kamala", "status": "brand_new", **PERSONAL})
        yield orders


@pytest.fixture(scope="module")
def addresses(filled):
    every = [f"/orders/instacart/{view.order_id}" for view in filled.find()]
    pictures = [f"/pictures/{kind}/instacart/kamala" for kind in ("path", "timeline")]
    files = ["/static/pages.css", "/static/pages.js", "/static/icon.svg"]
    forms = [f"{name}.{form}" for name in LISTS for form in ("json", "csv")]
    return [*LISTS, *forms, *every, "/orders?q=demo", *pictures, *files, "/", "/events"]


# What is shown


def test_the_first_page_is_what_needs_a_person_and_names_each_order(filled):
    pages = Pages(filled)
    first = ask(pages, "/")
    assert (first.status, first.headers["location"]) == (303, "/attention")
    text = ask(pages, "/attention").page.text
    first_ones, further = set(), set()
    for kind, found in groupby(filled.attention(), attrgetter("kind")):
        items = [*found]
        page = ask(pages, f"/attention?kind={kind}").page
        items.sort(key=lambda item: item.since, reverse=kind != "overdue")
        items.sort(key=lambda item: kind == "anomaly" and "refused" not in item.found)
        listed = [item.order_id for item in items if item.order_id is not None]
        assert sorted(listed, key=page.text.find) == listed
        first_ones.update(listed[:FIRST_OF_A_KIND])
        further.update(listed[FIRST_OF_A_KIND:])
        assert (f"All {len(items)} \u203a" in text) == (len(items) > FIRST_OF_A_KIND)
    assert [order_id for order_id in further - first_ones if order_id in text] == []
    assert f"{len(filled.attention())} things need a person" in text


@pytest.mark.parametrize("prefix", ["", "/pages", "/a/b c"])
def test_every_link_of_every_page_leads_to_a_page_under_the_prefix(filled, prefix):
    pages, seen, waiting = Pages(filled), set(), ["/attention"]
    while waiting and len(seen) < 60:
        address = waiting.pop(0)
        seen.add(address)
        answer = ask(pages, address, prefix=prefix)
        assert answer.status in {200, 303}, address
        for link in answer.page.links() if "html" in answer.headers.get("content-type", "") else ():
            if link.startswith("#"):
                continue
            assert link.startswith(f"{quote(prefix)}/"), link
            below = link.removeprefix(quote(prefix)).partition("#")[0]
            if below not in seen | set(waiting):
                waiting.append(below)
    assert len(seen) > 30


def test_an_order_is_shown_as_the_log_held_it_after_each_of_its_events(filled):
    pages, records = Pages(filled), filled.log.read("order:instacart:demo-3-0001")
    for record in records:
        asked = f"/orders/instacart/demo-3-0001.json?version={record.version}"
        told = json.loads(ask(pages, asked).text)
        view = filled.get("demo-3-0001", log_at=record.position)
        assert told["view"] == view.model_dump(mode="json")
        assert len(told["events"]) == view.events
    back = ask(pages, "/orders/instacart/demo-3-0001?version=3").page
    assert "You look at the past" in back.text
    assert "What changed since" in back.text
    now = ask(pages, "/orders/instacart/demo-3-0001").page
    assert "You look at the past" not in now.text


def test_a_list_is_told_as_json_and_as_csv_at_the_same_address(filled):
    pages = Pages(filled)
    told = json.loads(ask(pages, "/orders.json?limit=1000").text)["orders"]
    assert {each["order_id"] for each in told} == {view.order_id for view in filled.find()}
    accepted = ask(pages, "/orders?limit=1000", headers={**LOCAL, "accept": "application/json"})
    assert json.loads(accepted.text)["orders"] == told
    rows = [*csv.DictReader(io.StringIO(ask(pages, "/orders.csv?limit=1000").text))]
    assert [row["order_id"] for row in rows] == [each["order_id"] for each in told]
    assert ask(pages, "/orders/instacart/kamala", headers={**LOCAL, "accept": "text/csv"}).text


def test_no_cell_of_a_csv_is_a_formula():
    with connect("memory:") as orders:
        orders.record_callback({"id": "=cmd|' /C calc'!A0", "status": "brand_new"})
        row = ask(Pages(orders), "/orders.csv").text.splitlines()[1]
    assert "'=cmd" in row


@pytest.mark.parametrize("build", [False, True])
def test_the_pages_of_the_list_hold_every_order_once_the_one_heard_of_last_first(filled, build):
    with sample(40) as orders:
        if build:
            orders.views.rebuild()
        told = sample_orders.generate(4, 6)
        orders.record_many(
            sample_orders.deliver(4, told, delayed=0.2).recordings
        )  # not yet in them
        pages, found, before = Pages(orders), [], ""
        while before is not None:
            asked = ask(pages, f"/orders.json?limit=7&before={quote(before)}")
            page = json.loads(asked.text)
            found += page["orders"]
            before = page["before"]
        expected = sorted(
            orders.find(), key=lambda v: (v.arrival.last_received_at, v.order_id), reverse=True
        )
        assert found == [view.model_dump(mode="json") for view in expected]


def test_the_filters_of_the_list_are_those_of_find():
    with sample(40) as orders:
        orders.views.rebuild()
        pages = Pages(orders)
        for asked, wanted in (
            ("status=delivered", {"status": "delivered"}),
            ("odd=1", {"anomalies": True}),
            ("waiting=1h", {"waiting_longer_than": timedelta(hours=1)}),
        ):
            told = json.loads(ask(pages, f"/orders.json?limit=1000&{asked}").text)
            found = {view.order_id for view in orders.find(**wanted)}
            assert found
            assert {each["order_id"] for each in told["orders"]} == found
        assert json.loads(ask(pages, "/orders.json?heard=1h").text)["orders"] == []


def test_a_search_leads_to_the_only_order_or_lists_those_that_begin_so(filled):
    pages = Pages(filled)
    exact = ask(pages, "/orders?q=demo-3-0001")
    assert exact.headers["location"] == "/orders/instacart/demo-3-0001"
    only = ask(pages, "/orders?q=kama")
    assert only.headers["location"] == "/orders/instacart/kamala"
    several = ask(pages, "/orders?q=demo-3-000")
    assert "9 orders found" in several.page.text
    assert "No order has such an id" in ask(pages, "/orders?q=nobody").page.text


@pytest.mark.parametrize("order_id", ["a/b", ".", "..", "x.json", "x.csv", "a%2Fb", "?&#=", "é//"])
def test_an_order_of_any_id_has_an_address(order_id):
    with connect("memory:") as orders:
        for each in {order_id, "x"}:
            orders.record_callback({"id": each, "status": "brand_new"})
        pages = Pages(orders)
        (link,) = [
            link
            for link in ask(pages, "/orders").page.links()
            if "/orders/" in link and not link.endswith("/x")
        ] or ["/orders/instacart/x"]
        assert "/../" not in link
        assert "/./" not in link
        assert order_id in ask(pages, link).page.text
        as_json = ask(pages, link, headers={**LOCAL, "accept": "application/json"})
        assert as_json.status == 200


def test_an_order_that_is_not_there_and_a_wrong_question_are_told_in_a_sentence(filled):
    pages = Pages(filled)
    for address, status in (
        ("/orders/instacart/nobody", 404),
        ("/orders/nobody/kamala", 404),
        ("/orders?status=nowhere", 400),
        ("/orders?before=x", 400),
        ("/orders?limit=0", 400),
        ("/orders?waiting=soon", 400),
        ("/attention?kind=all", 400),
        ("/orders/instacart/kamala?version=one", 400),
        ("/pictures/sequence/instacart/kamala", 400),
        ("/nowhere", 404),
        ("/static/../pages.py", 404),
    ):
        answer = ask(pages, address)
        assert answer.status == status, address
        assert "Traceback" not in answer.text
        told = ask(pages, address, headers={**LOCAL, "accept": "application/json"})
        assert (told.status, [*json.loads(told.text)]) == (status, ["error"])


# To whom


def basic(user="ann", secret=SECRET):
    return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": basic(secret="wrong password here")},
        {"authorization": basic(user="eve")},
        {"authorization": "Bearer wrong token of letters"},
        {"authorization": "Basic"},
        {"x-remote-user": "ann"},
    ],
)
def test_without_credentials_nothing_is_told(filled, addresses, headers):
    pages = Pages(filled, access=BasicOrToken({"ann": [SECRET]}))
    for address in addresses:
        answer = ask(pages, address, headers={**LOCAL, **headers})
        assert answer.status in {401, 429}, address
        assert json.loads(answer.text).keys() == {"error"}
        assert "kamala" not in answer.text
    form = ask(pages, "/quarantine/redrive", form={}, headers={**LOCAL, **headers})
    assert form.status in {401, 429}


def test_with_credentials_everything_is_told(filled, addresses):
    """The positive control of the test above."""
    pages = Pages(filled, access=BasicOrToken({"ann": [SECRET]}))
    for authorization in (basic(), f"Bearer {SECRET}"):
        for address in set(addresses) - {"/events"}:
            headers = {**LOCAL, "authorization": authorization}
            assert ask(pages, address, headers=headers).status in {200, 303}, address


def test_without_access_the_pages_are_for_this_machine_alone(filled):
    pages = Pages(filled)
    assert ask(pages, "/orders").status == 200
    assert ask(pages, "/orders", client="::1", headers={"host": "[::1]:80"}).status == 200
    for headers, client in (
        ({"host": "evil.example"}, "127.0.0.1"),
        ({"host": "127.0.0.1.evil.example"}, "127.0.0.1"),
        ({}, "127.0.0.1"),
        (LOCAL, "192.0.2.7"),
        (LOCAL, ""),
        ({**LOCAL, "x-forwarded-for": "192.0.2.7"}, "127.0.0.1"),
        ({**LOCAL, "forwarded": "for=192.0.2.7"}, "127.0.0.1"),
    ):
        assert ask(pages, "/orders", headers=headers, client=client).status == 403


def test_a_proxy_names_the_user_and_nobody_else_may(filled):
    pages = Pages(filled, access=TrustedHeader("X-Remote-User", addresses=["10.0.0.1"]))
    named = {"host": "orders.example", "x-remote-user": "Ann"}
    assert "Signed in as Ann" in ask(pages, "/orders", headers=named, client="10.0.0.1").page.text
    assert ask(pages, "/orders", headers=named, client="10.0.0.2").status == 403
    assert ask(pages, "/orders", headers=named, client="::ffff:10.0.0.1").status == 200
    assert ask(pages, "/orders", headers={"host": "h"}, client="10.0.0.1").status == 403
    for header, proxies in (("", ["10.0.0.1"]), ("x", []), ("x", "10.0.0.1"), ("x", ["proxy"])):
        with pytest.raises(InvalidArgumentError):
            TrustedHeader(header, addresses=proxies)


def test_a_file_says_who_may_see_the_pages(tmp_path):
    file = tmp_path / "access.toml"
    file.write_text(f'[users]\nann = "{SECRET}"\nbob = ["{SECRET[::-1]}"]\n')
    assert isinstance(read_access(file), BasicOrToken)
    file.write_text('[proxy]\nheader = "x-user"\naddresses = ["127.0.0.1"]\n')
    assert isinstance(read_access(file), TrustedHeader)
    for wrong in ("", "[users]\nann = 1\n", "[users]\nann = 'short'\n", "[proxy]\n", "[a]", "\x00"):
        file.write_text(wrong)
        with pytest.raises(InvalidArgumentError) as refused:
            read_access(file)
        assert "short" not in str(refused.value)


# Foreign text


def tags_of(page):
    return {tag for tag, _ in page.elements}


def test_markup_of_others_shows_as_text_on_every_page():
    hostile = [text for text in HOSTILE if text.strip()]
    with sample(1) as orders:
        usual = set()
        for address in (*LISTS, "/orders/instacart/demo-3-0001"):
            usual |= tags_of(ask(Pages(orders), address).page)
    with connect("memory:") as orders:
        for number, text in enumerate(hostile):
            order_id = f"{text}{number}" if text.isprintable() else f"order {number}"
            body = {"id": order_id, "status": "brand_new", "cancellation_reason": text, text: text}
            orders.record_callback(body, headers={"user-agent": text.encode("ascii", "ignore")})
            orders.record_callback({"id": order_id, "status": text})
            orders.record_callback(text.encode())
            orders.record_callback({"id": text * 200, "status": "brand_new"})
        pages = Pages(orders)
        every = [each for each in ask(pages, "/orders").page.links() if "/orders/" in each]
        assert len(every) > 10
        for address in (*LISTS, *every):
            page = ask(pages, address).page
            # `iframe`, `b` and the like would show; so would a handler or a style.
            assert tags_of(page) <= usual | {"s", "strong", "b", "code", "option", "select"}
            for tag, named in page.elements:
                assert not [name for name in named if name.startswith("on") or name == "style"]
                assert tag != "script" or named == {"src": "/static/pages.js", "defer": None}
                assert tag != "img" or named["src"].startswith(
                    ("/static/", "/pictures/", "/fleet/")
                )
        assert "<b>bold</b><img src=x onerror=alert(1)>" in ask(pages, "/orders").page.text
        assert "\u202e" not in ask(pages, "/orders").text


def test_what_is_about_a_person_is_masked(filled, addresses):
    pages = Pages(filled)
    for address in set(addresses) - {"/events"}:
        answer = ask(pages, address)
        for canary in CANARIES:
            assert canary not in answer.text, address
    assert "•••" in ask(pages, "/orders/instacart/kamala").page.text


def test_nothing_is_inline_and_no_page_may_be_kept_or_framed(filled, addresses):
    for address in set(addresses) - {"/events"}:
        answer = ask(Pages(filled), address)
        policy = answer.headers["content-security-policy"]
        is_page = "html" in answer.headers.get("content-type", "")
        assert ("unsafe-inline" in policy) == (address.startswith("/pictures/")), address
        assert not is_page or "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not is_page or answer.headers["cache-control"] == "no-store"
        assert not [tag for tag, _ in answer.page.elements if is_page and tag == "style"]


def test_the_fleet_is_counted_and_told_by_the_hour():
    with sample(12) as orders:
        pages = Pages(orders)
        told = json.loads(ask(pages, "/fleet.json").text)["providers"]["instacart"]
        assert told["stats"] == orders.stats().model_dump(mode="json")
        views = [*orders.find()]
        for name, expected in (
            ("events", sum(view.events for view in views)),
            ("late", sum(view.arrival.late for view in views)),
            ("missing", sum(len(view.missing) for view in views)),
            ("begun", len(views)),
            ("ended", sum(view.terminal for view in views)),
        ):
            assert sum(hour[name] for hour in told["hours"]) == expected, name
        rows = [*csv.DictReader(io.StringIO(ask(pages, "/fleet.csv").text))]
        assert len(rows) == len(told["hours"])
        for kind in ("rates", "diagram"):
            picture = ask(pages, f"/fleet/instacart/{kind}.svg")
            assert picture.headers["content-type"].startswith("image/svg+xml")
        assert ask(pages, "/fleet/instacart/other.svg").status == 400
        assert ask(pages, "/fleet/nobody/rates.svg").status == 404


def test_hours_are_kept_for_two_weeks_and_none_is_left_out():
    with connect("memory:") as orders:
        for number in range(60):
            at = datetime(2026, 7, 1, tzinfo=UTC) + timedelta(hours=number * 24)
            orders.record_callback({"id": f"{number}", "status": "brand_new"}, received_at=at)
        hours = overview_of(orders.log, {"instacart": orders.provider}, orders.provider).hours
        assert (len(hours), hours[-1].hour) == (MOST_HOURS, at)
        assert sum(hour.events for hour in hours) == MOST_HOURS / 24


def test_an_order_that_cannot_be_folded_stops_no_count():
    with sample(3) as orders:
        counted = overview_of(orders.log, {"instacart": orders.provider}, orders.provider)
        assert (counted.stats.orders, counted.stats.unfoldable) == (3, 0)
        counted = overview_of(orders.log, {}, orders.provider)  # nobody can read their events
        assert (counted.stats.orders, counted.stats.unfoldable, counted.hours) == (0, 3, ())


def test_a_definition_is_shown_with_its_states_and_what_is_proved_of_it(filled):
    fingerprint = filled.provider.definition.fingerprint
    page = ask(Pages(filled), f"/definitions/{fingerprint}").page
    assert "1,000 cases" in page.text


@pytest.mark.usefixtures("cache")
def test_a_definition_is_proved_beside_the_pages(filled):
    fingerprint = filled.provider.definition.fingerprint
    pages = Pages(filled)
    try:
        page = ask(pages, f"/definitions/{fingerprint}").page
        assert "being proved" in page.text
        assert "bags verified" in page.text
        told = json.loads(ask(pages, f"/definitions/{fingerprint}.json").text)
        assert told["definition"]["states"] == list(filled.provider.definition.states)
        assert ask(pages, f"/definitions/{fingerprint}/picture.svg").text.startswith("<svg")
        assert ask(pages, "/definitions/0000").status == 400
    finally:
        pages.stop()


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """A cache of this test's own, for it and the processes that it starts."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.long
def test_the_proof_of_a_definition_is_shown_once_it_is_there_and_is_kept(filled, cache):
    definition, prover = filled.provider.definition, Prover()
    wait_until(lambda: prover.proof(definition) is not None, seconds=300)
    assert prover.proof(definition)["ok"]
    prover.stop()
    assert json.loads(kept_at(definition).read_bytes()) == prover.proof(definition)
    assert cache in kept_at(definition).parents


def proved_anew(monkeypatch, definition):
    """Return how often a prover starts a process for a definition, and what it answers."""
    started = []
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: started.append(1))
    prover = Prover()
    wait_until(lambda: prover.proof(definition) is not None)
    return len(started), prover.proof(definition)["verdict"]


def test_a_proof_that_was_kept_is_not_made_again_and_one_that_is_damaged_is(
    filled, cache, monkeypatch
):
    definition = filled.provider.definition
    assert proved_anew(monkeypatch, definition)[0] == 1
    kept = kept_at(definition)
    kept.parent.mkdir()
    kept.write_text(json.dumps({"ok": True, "verdict": "proved"}))
    assert proved_anew(monkeypatch, definition) == (0, "proved")
    assert kept_at(named("a", "b")) != kept
    for damaged in ("", "{", "[1]"):
        kept.write_text(damaged)
        assert proved_anew(monkeypatch, definition)[0] == 1
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME")
    assert str(kept_at(definition)).startswith("/.cache/")


# What is changed


def reviews(orders):
    found = (decode(record) for record in orders.log.walk(CONTROL))
    return [entry for entry in found if isinstance(entry, Reviewed)]


def test_a_review_is_recorded_with_who_and_why_and_something_new_brings_the_order_back():
    with sample(12) as orders:
        browser = Browser(Pages(orders))
        (item, *_) = (each for each in orders.attention() if each.kind == "anomaly")
        browser.get("/attention")
        done = browser.post(
            "/attention/review", subject=item.subject, why="called them", back="/attention?all=1"
        )
        assert (done.status, done.headers["location"]) == (303, "/attention?all=1")
        assert "Reviewed." in browser.get("/attention").page.text
        (review,) = reviews(orders)
        assert (review.subject, review.by, review.why) == (item.subject, "Ann", "called them")
        assert item.subject not in [each.subject for each in orders.attention()]
        orders.record_callback({"id": item.order_id, "status": "rescheduled"})
        again = browser.post("/attention/review", subject=item.subject, why="again")
        assert again.status == 400
        assert len(reviews(orders)) == 1


def test_the_name_of_the_user_who_is_known_stands_in_the_review():
    with sample(12) as orders:
        (item, *_) = (each for each in orders.attention() if each.kind == "anomaly")
        access = TrustedHeader("x-user", addresses=["127.0.0.1"])
        browser = Browser(Pages(orders, access=access), **{"x-user": "Eve"})
        browser.get("/attention")
        assert (
            browser.post("/attention/review", subject=item.subject, why="w", by="Ann").status == 303
        )
        assert reviews(orders)[0].by == "Eve"


def test_the_quarantine_is_read_again():
    with connect("memory:") as orders:
        orders.record_callback({"status": "brand_new"})
        browser = Browser(Pages(orders))
        assert "no order" not in browser.get("/quarantine").page.text
        browser.post("/quarantine/redrive", back="/quarantine")
        assert "None of the items can be read yet." in browser.get("/quarantine").page.text


def test_dead_letters_are_redriven_and_dropped_with_a_reason():
    with sample(2) as orders:

        def fail(_change):
            raise RuntimeError

        for _ in range(2):
            orders.subscription("mail", fail, attempts=1).catch_up()
        dead = [letter for letter in orders.letters.list() if letter.state == "dead"]
        assert dead
        browser = Browser(Pages(orders))
        assert "mail" in browser.get("/letters").page.text
        where = {"subscription": "mail", "position": str(dead[0].position), "back": "/letters"}
        browser.post("/letters/redrive", **where)
        assert orders.letters.get("mail", dead[0].position).due_at is not None
        assert browser.post("/letters/drop", **where).status == 400
        assert browser.post("/letters/drop", why="sent by hand", **where).status == 303
        (dropped,) = (one for one in orders.letters.delivered(dead[0].order_id) if one.reason)
        assert dropped.reason == "sent by hand (dropped by Ann)"
        assert "dropped" in browser.get("/letters").page.text


def test_what_a_dead_letter_blocks_is_counted_behind_it():
    with sample(3) as orders:

        def fail(_change):
            raise RuntimeError

        mail = orders.subscription("mail", fail, attempts=1)
        while mail.catch_up():
            pass
        waiting = Counter(letter.order_id for letter in orders.letters.list())
        told = json.loads(ask(Pages(orders), "/letters.json").text)["letters"]
        assert {each["order_id"]: each["blocks"] + 1 for each in told} == waiting
        assert {each["state"] for each in told} == {"dead"}
        page = ask(Pages(orders), "/letters").page
        assert f"{waiting[told[0]['order_id']] - 1} later changes of this order wait" in page.text
        assert page.text.count("mail was not told of the change") == len(waiting)
        assert not with_what_they_block([])
        for blocked in orders.letters.list():
            assert with_what_they_block([blocked]) == [(blocked, 0)]


def unmaskings(orders):
    found = (decode(record) for record in orders.log.walk(CONTROL))
    return [entry for entry in found if isinstance(entry, Unmasked)]


def test_what_is_masked_is_shown_to_who_asks_and_that_is_recorded_first():
    with connect("memory:") as orders:
        orders.record_callback({"id": "kamala", "status": "brand_new", **PERSONAL})
        orders.record_callback({"status": "brand_new", **PERSONAL})
        browser = Browser(Pages(orders))
        assert CANARIES[0] not in browser.get("/orders/instacart/kamala").text
        shown = browser.post("/unmask/instacart/kamala")
        assert shown.status == 200
        assert not [canary for canary in CANARIES if canary not in shown.text]
        assert browser.get("/orders/instacart/kamala").text.count(CANARIES[0]) == 0
        item = browser.post("/quarantine/unmask", item="1")
        assert CANARIES[1] in item.text
        assert [(each.stream, each.by, each.item) for each in unmaskings(orders)] == [
            ("order:instacart:kamala", "Ann", None),
            ("quarantine", "Ann", 1),
        ]
        assert verify(orders.log).ok
        browser.token = "forged"
        refused = browser.post("/unmask/instacart/kamala")
        assert (refused.status, CANARIES[0] in refused.text) == (403, False)
        assert len(unmaskings(orders)) == 2


def test_nothing_is_unmasked_where_it_cannot_be_recorded(tmp_path):
    with connect(f"sqlite:///{tmp_path}/orders.db") as orders:
        orders.record_callback({"id": "kamala", "status": "brand_new", **PERSONAL})
        browser = Browser(Pages(orders))
        browser.get("/orders/instacart/kamala")
        for order_id in ("kamala", "nobody"):
            orders.log.append = refuse  # the store, as a reader has it
            answer = browser.post(f"/unmask/instacart/{order_id}")
            assert answer.status in {404, 503}
            assert CANARIES[0] not in answer.text


def refuse(*_):
    raise StoreUnavailableError("sqlite:///orders.db", "it is read-only")


@pytest.fixture
def odd():
    with sample(12) as orders:
        (item, *_) = (each for each in orders.attention() if each.kind == "anomaly")
        yield orders, item.subject


@pytest.mark.parametrize(
    ("form", "headers"),
    [
        ({"form-token": ""}, {}),
        ({"form-token": "0" * 64}, {}),
        ({}, {"origin": "https://evil.example"}),
        ({}, {"origin": "null"}),
        ({}, {"sec-fetch-site": "cross-site"}),
        ({}, {"sec-fetch-site": "same-site"}),
        ({}, {"cookie": ""}),
        ({}, {"cookie": "lifecycle-session=" + "x" * 43}),
    ],
)
def test_a_forged_form_changes_nothing(odd, form, headers):
    orders, subject = odd
    browser = Browser(Pages(orders))
    browser.get("/attention")
    for address in (
        "/attention/review",
        "/quarantine/redrive",
        "/letters/redrive",
        "/letters/drop",
    ):
        told = {"form-token": browser.token, "by": "Eve", "why": "w", "subject": subject}
        sent = {**browser._sent(), **headers}
        assert ask(browser.pages, address, form={**told, **form}, headers=sent).status == 403
    assert reviews(orders) == []
    own = {**browser._sent(), "origin": "http://127.0.0.1:8080", "sec-fetch-site": "same-origin"}
    answer = ask(browser.pages, "/attention/review", form=told, headers=own)
    assert (answer.status, len(reviews(orders))) == (303, 1)  # the positive control


def test_a_token_of_another_user_or_session_is_none():
    with sample(12) as orders:
        access = Basic({"ann": [SECRET], "eve": [SECRET[::-1]]})
        pages = Pages(orders, access=access)
        ann = Browser(pages, authorization=basic())
        eve = Browser(pages, authorization=basic("eve", SECRET[::-1]))
        ann.get("/attention")
        eve.get("/attention")
        assert ann.token != eve.token
        eve.token = ann.token
        assert eve.post("/quarantine/redrive").status == 403
        assert ann.post("/quarantine/redrive").status == 303
        ann.cookies |= eve.cookies
        assert ann.post("/quarantine/redrive").status == 403


def test_a_program_with_a_token_needs_no_session(odd):
    orders, subject = odd
    pages = Pages(orders, access=BasicOrToken({"robot": [SECRET]}))
    headers = {"host": "h", "authorization": f"Bearer {SECRET}", "accept": "application/json"}
    form = {"subject": subject, "why": "seen by a script"}
    answer = ask(pages, "/attention/review", form=form, headers=headers)
    assert (answer.status, json.loads(answer.text)) == (200, {"done": "Reviewed."})
    assert reviews(orders)[0].by == "robot"


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example/", "", "/\\evil.example"]
)
def test_a_form_leads_back_to_these_pages_alone(back):
    with connect("memory:") as orders:
        orders.record_callback(b"no json")
        browser = Browser(Pages(orders))
        browser.get("/quarantine")
        location = browser.post("/quarantine/redrive", back=back).headers["location"]
        assert location.startswith("/")
        assert not location.startswith(("//", "/\\", "/%5C"))


@pytest.mark.parametrize("pieces", [[b"x" * 70_000], [b"\xff"], [b"a=1&" * 100]])
def test_a_body_that_is_no_form_is_refused(pieces):
    with sample(1) as orders:
        answer = ask(Pages(orders), "/quarantine/redrive", form={}, pieces=pieces)
        assert answer.status in {400, 403, 413}


def test_an_erased_order_is_shown_with_who_erased_it_and_nothing_that_was_said(tmp_path):
    file = tmp_path / "orders.db"
    with connect(f"sqlite:///{file}", keys=f"file:{file}.keys") as orders:
        for order_id in ("kamala", "other"):
            orders.record_callback({"id": order_id, "status": "brand_new", **PERSONAL})
        orders.erase("kamala", reason="case 4711", by="privacy office")
        orders.views.rebuild()
        key, _ = key_at(tmp_path / "key")
        browser = Browser(Pages(orders, key=key))
        page = browser.get("/orders/instacart/kamala").page
        assert "by privacy office: case 4711" in page.text
        assert "It was erased: what it said cannot be read any more." in page.text
        assert "Show what is masked" not in page.text
        assert "case 4711" not in browser.get("/orders/instacart/other").page.text
        unmasked = browser.post("/unmask/instacart/kamala")
        told = json.loads(browser.get("/orders/instacart/kamala.json").text)
        assert [(event["body"], event["headers"]) for event in told["events"]] == [(None, {})]
        others = ("/evidence", "/pictures/path", "/pictures/timeline", "/orders")
        answers = [browser.get(f"{each}/instacart/kamala") for each in others]
        answers += [browser.get(each) for each in LISTS]
        assert {answer.status for answer in [unmasked, *answers]} == {200}
        for canary in CANARIES:
            assert not [answer for answer in [unmasked, *answers] if canary in answer.text]


def without_reviews(text):
    """Return a text without the time of a review, which is our own clock's."""
    return re.sub(r'"review":{[^}]*}', '"review":{}', text)


def test_what_happened_to_five_orders_stands_on_their_pages_in_plain_words():
    said = {
        LATE: ("delivered", "8, 2 out of order", "up to 47m00s after it happened"),
        CANCELED: ("canceled", "Cancellation reason", "customer request", "sent by us"),
        STUCK: ("at store", "Overdue", "waits for bags verified", "In this state since"),
        CONTRADICTING: (
            *("delivered", "Anomaly", "Contradiction", "Two versions", "Unknown event"),
            *("ask the provider which is so", "was not told of 8 changes"),
        ),
        ERASED: ("delivered", "was erased on", "by privacy office: asked by the customer"),
    }
    with five_orders(others=0) as orders:
        pages = Pages(orders)
        for order_id, expected in said.items():
            text = ask(pages, f"/orders/instacart/{order_id}").page.text
            assert [each for each in expected if each not in text] == []
        asked = ask(pages, "/attention").page.text
    assert "customer-mails was not told of a change of this order" in asked
    assert "The order is delivered, with: two versions, contradiction, unknown event." in asked


def test_on_postgresql_pages_say_and_do_what_they_do_in_memory(postgres):
    drawn = sample_orders.deliver(3, sample_orders.generate(3, 6), divergent=0.3, delayed=0.2)
    said = []
    for url in ("memory:", postgres.new_url()):
        with connect(url, clock=lambda: datetime(2026, 7, 1, tzinfo=UTC)) as orders:
            orders.record_many([*drawn.recordings, {"kind": "callback", "body": "no json"}])
            orders.views.rebuild()
            browser = Browser(Pages(orders))
            browser.get("/attention")
            (item, *_) = (each for each in orders.attention() if each.kind == "anomaly")
            browser.post("/attention/review", subject=item.subject, why="asked", back="/attention")
            browser.post("/unmask/instacart/demo-3-0001")
            addresses = [f"{name}.{form}" for name in LISTS for form in ("json", "csv")]
            addresses += [f"/orders/instacart/{view.order_id}.json" for view in orders.find()]
            said.append({each: without_reviews(browser.get(each).text) for each in addresses})
            assert {browser.get(each).status for each in LISTS} == {200}
            assert len(unmaskings(orders)) == len(reviews(orders)) == 1
    ours, theirs = said
    counted = {"/fleet.json": None}  # says when it was counted
    assert ours | counted == theirs | counted


def test_evidence_is_downloaded_without_bodies_where_there_is_a_key(tmp_path):
    key, _ = key_at(tmp_path / "key")
    with sample(2) as orders:
        assert "Evidence" not in ask(Pages(orders), "/orders/instacart/demo-3-0001").page.text
        assert ask(Pages(orders), "/evidence/instacart/demo-3-0001").status == 404
        pages = Pages(orders, key=key)
        assert "Evidence" in ask(pages, "/orders/instacart/demo-3-0001").page.text
        answer = ask(pages, "/evidence/instacart/demo-3-0001")
        assert "attachment" in answer.headers["content-disposition"]
        file = json.loads(answer.text)
        assert check_evidence(file, {"instacart": orders.provider}, key.public) == []
        assert not [line for line in file["records"] if "body_text" in line]
        other, _ = key_at(tmp_path / "other")
        assert ask(Pages(orders, key=other), "/evidence/instacart/demo-3-0001").status == 400


# Mounted


@pytest.mark.parametrize("server", ["fastapi", "django asgi", "django wsgi"])
def test_the_pages_are_mounted_in_each_framework(server):
    with (
        sample(12) as orders,
        mounted(server, Pages(orders)) as port,
        connected(port) as connection,
    ):
        for address in ("/pages/", "/pages/orders", "/pages/orders/instacart/demo-3-0001"):
            answer = sent(connection, "GET", address, {})
            assert answer.status in {200, 303}, address
            assert b'href="/pages/orders"' in answer.body or address == "/pages/"
        assert sent(connection, "GET", "/pages/static/pages.css", {}).status == 200
        page = sent(connection, "GET", "/pages/attention", {})
        token = Read.of(page.body.decode()).hidden("form-token")[0]
        (item, *_) = (each for each in orders.attention() if each.kind == "anomaly")
        form = {"form-token": token, "subject": item.subject, "by": "Ann", "why": "seen"}
        cookie = {"cookie": page.headers["set-cookie"].partition(";")[0]}
        assert sent(connection, "POST", "/pages/attention/review", cookie, form).status == 303
        assert len(reviews(orders)) == 1
        assert sent(connection, "POST", "/pages/attention/review", {}, form).status == 403
        if server == "django wsgi":
            assert sent(connection, "GET", "/pages/events", {}).status == 204
            return
        seen = orders.log.last_position()
        orders.record_callback({"id": "new", "status": "brand_new"})
        connection.request("GET", f"/pages/events?seen={seen}")  # as a page says that was made then
        stream = connection.getresponse()
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert b"event: change" in b"".join(stream.readline() for _ in range(4))


def sent(connection, method, address, headers, form=None):
    body = None if form is None else urlencode(form)
    more = {} if form is None else {"content-type": "application/x-www-form-urlencoded"}
    return ask_server(connection, method, address, body, {**headers, **more})


@contextmanager
def mounted(server, pages):
    django_urls.set_up()
    django_urls.use([path("pages/", view(pages)), path("pages/<path:rest>", view(pages))])
    app = FastAPI()
    app.mount("/pages", pages)
    serving = {
        "fastapi": lambda: asgi_server(app),
        "django asgi": lambda: asgi_server(get_asgi_application(), lifespan="off"),
        "django wsgi": lambda: wsgi_server(get_wsgi_application()),
    }
    with serving[server]() as port:
        yield port
        pages.stop()


# Live, and fast


async def first_event(live, stream, record):
    events = live.events(stream, None)
    assert b"retry" in await anext(events)
    told = asyncio.create_task(anext(events))
    await asyncio.sleep(0.05)
    begun = perf_counter()
    await asyncio.to_thread(record)
    try:
        async with asyncio.timeout(1.5):
            said = await told
    except TimeoutError:
        said = b""
    await events.aclose()
    return said, perf_counter() - begun


def test_whoever_looks_at_an_order_is_told_within_a_second_of_a_change(filled):
    def record(order_id):
        body = {"id": order_id, "status": "rescheduled", "now": datetime.now(UTC).isoformat()}
        return lambda: filled.record_callback(body)

    live = LiveLog(LogSource(filled))
    said, seconds = asyncio.run(first_event(live, "order:instacart:kamala", record("kamala")))
    assert said.startswith(b"id: ")
    assert seconds < 1
    said, seconds = asyncio.run(first_event(live, None, record("demo-3-0002")))
    assert said
    said, _ = asyncio.run(first_event(live, "order:instacart:kamala", record("demo-3-0002")))
    assert said == b""


def test_a_browser_that_comes_again_is_told_what_it_missed_and_a_stop_ends_every_stream(filled):
    async def missed():
        live = LiveLog(LogSource(filled))
        events = live.events(None, 1)
        await anext(events)
        said = await anext(events)
        waiting = asyncio.create_task(anext(events, b"the end"))
        await asyncio.sleep(0.01)
        live.stop()
        return said, await waiting

    said, ended = asyncio.run(missed())
    assert f"id: {filled.log.last_position()}".encode() in said
    assert ended == b"the end"


def test_an_order_of_sixty_events_is_made_with_its_pictures_in_less_than_150_milliseconds():
    with connect("memory:") as orders:
        orders.record_many(long_story("sixty", 60))
        pages, took = Pages(orders), []
        for _ in range(7):
            begun = process_time()
            for below in ("/orders", "/pictures/path", "/pictures/timeline"):
                assert ask(pages, f"{below}/instacart/sixty").status == 200
            took.append(process_time() - begun)
    assert min(took) < 0.15


def kept_up(views):
    """Wait until views are stored, and lack nothing."""
    wait_until(lambda: (status := views.status()).live is not None and not status.behind)


def test_views_are_built_and_kept_up_while_the_pages_are_served(tmp_path):
    async def served():
        async with connect_async(f"sqlite:///{tmp_path}/orders.db") as orders:
            keeping = asyncio.create_task(keep_views(orders))
            await orders.record_callback({"id": "a", "status": "brand_new"})
            async with asyncio.timeout(20):
                await asyncio.to_thread(kept_up, orders.views)
            keeping.cancel()
            await asyncio.wait([keeping])
            return keeping.cancelled()

    assert asyncio.run(served())


def test_an_unknown_provider_has_no_orders(filled):
    with pytest.raises(UnknownOrderError):
        LogSource(filled).orders_of("nobody")


def test_a_place_beyond_all_numbers_is_refused(filled):
    assert ask(Pages(filled), f"/orders?before={'9' * 20}~x").status == 400
