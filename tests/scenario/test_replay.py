"""Replay: what is stored comes out of its bytes again, and every difference is named."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from functools import partial
from hashlib import sha256
from random import Random
from zlib import crc32

import pytest

from lifecycle import LostWorkerError, StoreMissingError
from lifecycle.audit import replay as auditor
from lifecycle.audit.replay import Source, replay, replay_in_processes
from lifecycle.audit.stream_check import Links
from lifecycle.audit.verify import verify
from lifecycle.composition import open_log
from lifecycle.providers.instacart import INSTACART, Instacart
from lifecycle.registry import known_providers
from tests.scenario.command_line import DATABASE, callback, lines, request, response, run, story
from tests.without_rules import connect

PROVIDERS = known_providers()
REJECTION = {"error": {"message": "no such store", "code": 1001}, "meta": {"key": "store"}}


@pytest.fixture(autouse=True)
def small_ranges(monkeypatch):
    monkeypatch.setattr(auditor, "STREAMS_AT_ONCE", 3)


def recordings():
    rejected = {**response("rejected"), "http_status": 422, "body": REJECTION}
    poll = {
        **response("polled"),
        "kind": "poll",
        "headers": {"date": "Sat, 04 Jun 2022 10:00:02 GMT"},
    }
    del poll["attempt"]
    flat = {"kind": "callback", "body": {"id": "flat", "status": "at_store"}}
    odd = callback("never_heard_of", "odd")
    odd["body"]["event_timestamp"] = "yesterday"
    return [
        *(line for name in "abcdefgh" for line in story(name)),
        request("rejected"),
        rejected,
        {**response("failed"), "http_status": None, "body": None},
        poll,
        flat,
        odd,
        callback("brand_new", "twice", event_id="1"),
        callback("canceled", "twice", event_id="1"),
        {"kind": "callback", "body_text": "<html>"},
        callback("brand_new", "é\U0001f600"),
        callback("brand_new", "'; --"),
    ]


@pytest.fixture
def path(tmp_path):
    """A log of everything that can come, with its views."""
    path = tmp_path / "orders.db"
    with connect(f"sqlite:///{path}") as orders:
        orders.record_many(recordings())
        orders.views.rebuild()
    return path


def replayed(path, providers=PROVIDERS):
    with closing(open_log(f"sqlite:///{path}", create=False)) as log:
        return replay(log, providers)


def change(path, statement, *values):
    """Change what is stored behind everybody's back."""
    with closing(sqlite3.connect(path)) as driver, driver:
        driver.execute("DROP TRIGGER IF EXISTS stored_events_refuse_update")
        driver.execute("DROP TRIGGER IF EXISTS stored_events_refuse_delete")
        driver.execute("PRAGMA ignore_check_constraints = ON")
        return driver.execute(statement, values).fetchall()


def state(path, position):
    ((found,),) = change(path, "SELECT state FROM stored_events WHERE rowid = ?", position)
    return found


def forged(path, position, old, new, *, body=None):
    """Change a header at one place, and make its own check hold again."""
    header, _, was = state(path, position).partition(b"\n")
    body = was if body is None else body
    checked = header.rpartition(b',"check":')[0].replace(old, new, 1)
    digest = sha256(was).hexdigest().encode()
    checked = checked.replace(digest, sha256(body).hexdigest().encode())
    sealed = b'%b,"check":"%08x"}\n%b' % (checked, crc32(checked), body)
    change(path, "UPDATE stored_events SET state = ? WHERE rowid = ?", sealed, position)


def named(found):
    return {(difference.stream, difference.field) for difference in found.differences}


# Nothing differs


@pytest.mark.parametrize("url", ["memory:", "sqlite"])
@pytest.mark.parametrize("stored", [False, True])
def test_a_stored_record_is_exported(tmp_path, url, stored):
    url = url if url == "memory:" else f"sqlite:///{tmp_path}/orders.db"
    with connect(url) as orders:
        orders.record_many(recordings())
        if stored:
            orders.views.rebuild()
        found = replay(orders.log, PROVIDERS)

    assert found.differences == ()
    assert found.ok
    assert (found.orders, found.linked, found.behind) == (16, True, 0)
    assert found.compared == (16 if stored else 0)
    assert found.records == len(recordings())


def test_an_empty_log_comes_out_again():
    with connect("memory:") as orders:
        orders.views.rebuild()
        assert replay(orders.log, PROVIDERS) == auditor.Replay(0, 0, 0, 0, True, (), 0)


def test_views_that_are_behind_are_compared_as_far_as_they_go(path):
    with connect(f"sqlite:///{path}") as orders:
        orders.record_many([callback("canceled", "a", 60), callback("brand_new", "new")])
    found = replayed(path)
    assert (found.ok, found.behind, found.compared) == (True, 2, 16)


def test_several_processes_find_the_same(path):
    change(path, "UPDATE order_views SET status = 'canceled' WHERE order_id IN ('b', 'g')")
    url = f"sqlite:///{path}"
    source = Source(partial(open_log, url, create=False), known_providers)
    counted = []
    with closing(open_log(url)) as log:
        by_two = replay_in_processes(log, source, 2, counted.append)
    assert by_two == replayed(path)
    assert by_two.found == 2
    assert sum(counted) == by_two.records


# Records that were changed


def test_an_edited_body_is_named_by_replay_and_by_verify(path):
    header, _, body = state(path, 3).partition(b"\n")
    edited = b"%b\n%b" % (header, body.replace(b"brand_new", b"delivered"))
    change(path, "UPDATE stored_events SET state = ? WHERE rowid = 3", edited)

    found = replayed(path)

    places = {(one.stream, one.version, one.position) for one in found.differences}
    assert places >= {("order:instacart:a", 3, 3)}
    assert {one.field for one in found.differences if one.version == 3} >= {
        "body",
        "digest",
        "name",
        "trigger",
    }
    with closing(open_log(f"sqlite:///{path}")) as log:
        (finding,) = verify(log).findings
    assert (finding.stream, finding.version) == ("order:instacart:a", 3)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (b'"name":"brand_new"', b'"name":"delivered"', "name"),
        (b'"key":"callback:', b'"key":"callback:x', "key"),
        (b'"digest":"', b'"digest":"00', "digest"),
        (b'"status":"fulfillment.brand_new"', b'"status":"brand_new"', "status"),
        (b'"event_id":"a', b'"event_id":"b', "event_id"),
        (b'"occurred_at":"2022', b'"occurred_at":"2021', "occurred_at"),
        (b'"order_id":"a"', b'"order_id":"b"', "place"),
        (b'"kind":"callback"', b'"kind":"poll"', "place"),
        (b'"previous":"', b'"previous":"00', "previous"),
        (b'"received_at":"2022', b'"received_at":22,"x":"', "header"),
        (b'"provider":"instacart"', b'"provider":7', "header"),
        (b'"occurred_at":"2022-06-04T10:00:09Z"', b'"occurred_at":"2022-06-04"', "header"),
        (b'"occurred_at":"2022-06-04T10:00:09Z"', b'"occurred_at":7', "header"),
        (b'"received_at":"2022-06-04T10:00:09Z"', b'"received_at":"2022-06-04"', "header"),
    ],
    ids=lambda value: value.decode() if isinstance(value, bytes) else value,
)
def test_a_header_that_does_not_match_its_body_is_named(path, old, new, field):
    forged(path, 3, old, new)
    found = replayed(path)
    assert not found.ok
    assert ("order:instacart:a", field) in named(found)


def test_a_header_whose_check_fails_is_named(path):
    edited = state(path, 3).replace(b'"recorded_at":"2', b'"recorded_at":"3', 1)
    change(path, "UPDATE stored_events SET state = ? WHERE rowid = 3", edited)
    assert ("order:instacart:a", "header") in named(replayed(path))


@pytest.mark.parametrize("rubbish", [b"", b"x", b"{}\n", b"[]\n", b'{"v":99}\n', b"\n"])
def test_a_row_that_is_no_record_is_named(path, rubbish):
    change(path, "UPDATE stored_events SET state = ? WHERE rowid = 3", rubbish)
    assert ("order:instacart:a", "header") in named(replayed(path))


def test_a_body_that_was_forged_with_its_hash_breaks_the_chain_and_the_order_of_the_log(path):
    """Everything about the record holds; only the next ones tell."""
    forged(path, 1, b"", b"", body=b'{"order_id":"a","items_count":99}')
    found = replayed(path)
    assert ("order:instacart:a", "previous") in named(found)
    assert found.linked is False


def test_a_last_record_of_an_order_that_was_forged_shows_in_the_order_of_the_log_alone(path):
    header, _, body = state(path, 3).partition(b"\n")
    forged(path, 3, b'"recorded_at":"2', b'"recorded_at":"1')
    found = replayed(path)
    assert named(found) == {("", "after")}
    assert found.linked is False
    assert body
    assert header


@pytest.mark.parametrize("position", [1, 2, 3, 7, 16])
def test_a_record_that_is_gone_is_missed(path, position):
    change(path, "DELETE FROM stored_events WHERE rowid = ?", position)
    found = replayed(path)
    assert not found.ok
    assert ("", "positions") in named(found)


def test_two_swapped_records_are_reported(path):
    for old, new in ((3, 999), (6, 3), (999, 6)):
        change(path, "UPDATE stored_events SET rowid = ? WHERE rowid = ?", new, old)
    assert replayed(path).linked is False


def test_a_record_in_the_quarantine_is_checked_too(path):
    ((position,),) = change(
        path, "SELECT rowid FROM stored_events WHERE originator_id = 'quarantine'"
    )
    edited = state(path, position).replace(b"<html>", b"<body>")
    change(path, "UPDATE stored_events SET state = ? WHERE rowid = ?", edited, position)
    assert ("quarantine", "body") in named(replayed(path))


def test_a_stream_of_an_unknown_kind_is_reported(path):
    change(path, "UPDATE stored_events SET originator_id = 'stray' WHERE rowid = 3")
    assert ("stray", "place") in named(replayed(path))
    assert ("stray", "provider") in named(replayed(path))


def test_orders_of_an_unknown_provider_are_reported(path):
    found = replayed(path, {})
    assert {one.field for one in found.differences} == {"provider"}
    assert found.found == 16


# Views that differ


@pytest.mark.parametrize(
    ("statement", "fields"),
    [
        ("UPDATE order_views SET status = 'canceled' WHERE order_id = 'c'", ("column status",)),
        ("UPDATE order_views SET terminal = 1 WHERE order_id = 'c'", ("column terminal",)),
        ("UPDATE order_views SET awaiting = '' WHERE order_id = 'c'", ("column awaiting",)),
        ("UPDATE order_views SET anomalies = 9 WHERE order_id = 'c'", ("column anomalies",)),
        (
            "UPDATE order_views SET waiting_since = 0 WHERE order_id = 'c'",
            ("column waiting_since",),
        ),
        ("UPDATE order_views SET position = 99 WHERE order_id = 'c'", ("column position",)),
        ("UPDATE order_views SET digest = 'x' WHERE order_id = 'c'", ("column digest",)),
        ("UPDATE order_views SET body = 'x' WHERE order_id = 'c'", ("body",)),
        ("UPDATE order_views SET body = '[]' WHERE order_id = 'c'", ("body",)),
        ("DELETE FROM order_views WHERE order_id = 'c'", ("view",)),
        ("UPDATE order_views SET version = 1 WHERE order_id = 'c'", ("view",)),
        ("UPDATE order_views SET order_id = 'cc' WHERE order_id = 'c'", ("order", "view")),
        ("UPDATE order_views SET order_id = 'zzz' WHERE order_id = 'c'", ("order", "view")),
        ("UPDATE order_views SET order_id = '!' WHERE order_id = 'c'", ("order", "view")),
    ],
    ids=str,
)
def test_a_changed_stored_view_is_named_by_order_and_field(path, statement, fields):
    change(path, statement)
    found = replayed(path)
    assert not found.ok
    assert {field for _, field in named(found)} >= set(fields)
    orders = {stream.removeprefix("order:instacart:") for stream, _ in named(found)}
    assert orders <= {"c", "cc", "zzz", "!"}


def leaves(value, place=()):
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, (*place, name))
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from leaves(inner, (*place, index))
    else:
        yield place


def test_any_word_of_a_stored_view_that_was_changed_is_named(path):
    """Every leaf of three views, one after the other; only texts for people may differ."""
    for order_id in ("c", "rejected", "odd"):
        ((body,),) = change(path, "SELECT body FROM order_views WHERE order_id = ?", order_id)
        told = json.loads(body)
        for place in leaves(told):
            changed = json.loads(body)
            inner = changed
            for name in place[:-1]:
                inner = inner[name]
            inner[place[-1]] = "2001-01-01T00:00:00Z" if "_at" in str(place[-1]) else "changed"
            write = "UPDATE order_views SET body = ? WHERE order_id = ?"
            change(path, write, json.dumps(changed).encode(), order_id)
            found = replayed(path)
            assert found.ok == (place[-1] == "detail"), place
            if not found.ok:
                field = (
                    ".".join(map(str, place[:2]))
                    if place[0] in ("details", "arrival")
                    else place[0]
                )
                assert named(found) == {(f"order:instacart:{order_id}", field)}
        change(path, "UPDATE order_views SET body = ? WHERE order_id = ?", body, order_id)


def test_under_other_rules_replay_shows_what_they_change(path):
    changed = Instacart(definition=replace(INSTACART.definition, main_line=("requested",)))
    found = replayed(path, {"instacart": changed})

    assert {field for _, field in named(found)} == {"missing", "awaiting"}


def test_an_order_that_cannot_be_folded_is_reported_and_stops_no_other(path):
    edited = b"rubbish"
    change(path, "UPDATE stored_events SET state = ? WHERE originator_id LIKE '%:b'", edited)
    with connect(f"sqlite:///{path}") as orders:
        orders.views.rebuild()
    found = replayed(path)
    assert {stream for stream, _ in named(found)} == {"order:instacart:b", ""}
    assert found.compared == 15


def test_a_provider_that_trips_over_one_order_stops_no_other(path):
    class Tripping(Instacart):
        def read(self, arrival, body):
            if arrival.order_id == "b":
                raise ZeroDivisionError
            return super().read(arrival, body)

    found = replayed(path, {"instacart": Tripping()})

    assert {stream for stream, _ in named(found)} == {"order:instacart:b"}
    assert ("order:instacart:b", "event") in named(found)
    assert found.compared == 15


def test_the_sum_of_links_changes_if_two_headers_are_swapped():
    """The control: a sum without the place would not."""
    random = Random(3)
    hashes = [random.randbytes(32).hex() for _ in range(50)]
    for wrong in (None, 7):
        links = Links(50)
        places = list(range(1, 51))
        random.shuffle(places)
        for place in places:
            told = hashes[place - 1]
            if wrong is not None and place in (wrong, wrong + 1):
                told = hashes[2 * wrong - place]
            before = None if place == 1 else ["order:x", 1, hashes[place - 2]]
            links.add(place, told, before)
        assert links.hold is (wrong is None)
    assert sum(int(one, 16) for one in hashes) == sum(int(one, 16) for one in hashes[::-1])


# The command


@pytest.fixture
def folder(tmp_path):
    told = run("ingest", "-", "--db", DATABASE, cwd=tmp_path, stdin=lines(recordings()))
    assert told.code == 0
    return tmp_path


def test_the_command_says_that_no_views_are_stored(folder):
    answer = run("replay", "--db", DATABASE, cwd=folder)
    assert answer.code == 0
    assert answer.out == (
        f"{len(recordings()) + 1} records of 16 orders: all of it comes out as it was stored\n"
        "no stored views were there to compare with\n"
    )


def test_the_command_prints_an_object_with_ok(folder):
    run("views", "--rebuild", "--db", DATABASE, cwd=folder)
    answer = run("replay", "--json", "--db", DATABASE, cwd=folder)
    assert answer.code == 0
    assert answer.value == {
        "ok": True,
        "records": len(recordings()) + 1,
        "orders": 16,
        "compared": 16,
        "behind": 0,
        "linked": True,
        "found": 0,
        "differences": [],
    }


def test_the_command_lists_differences_by_order_and_field(folder):
    run("views", "--rebuild", "--db", DATABASE, cwd=folder)
    change(folder / "orders.db", "UPDATE order_views SET status = 'x' WHERE order_id = 'c'")
    answer = run("replay", "--workers", "2", "--db", DATABASE, cwd=folder)
    assert answer.code == 1
    header, row, *_ = answer.out.splitlines()[1:]
    assert header.split() == ["order", "version", "field", "stored", "found"]
    assert row.split() == ["instacart:c", "-", "column", "status", '"x"', '"brand_new"']
    told = run("replay", "--json", "--db", DATABASE, cwd=folder).value
    assert (told["ok"], told["found"]) == (False, 1)
    assert told["differences"][0]["field"] == "column status"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_damaged_page_is_one_finding_with_any_number_of_processes(workers, tmp_path):
    bodies = [{"id": f"o-{n:04}", "status": "brand_new", "x": "y" * 900} for n in range(600)]
    with connect(f"sqlite:///{tmp_path}/orders.db") as orders:
        orders.record_many({"kind": "callback", "body": body} for body in bodies)
    damage_the_middle(tmp_path / "orders.db")
    answer = run("replay", "--workers", workers, "--db", DATABASE, cwd=tmp_path)
    assert (answer.code, answer.out) == (3, "")
    assert "the database is damaged" in answer.err
    assert "fault of lifecycle" not in answer.err


def damage_the_middle(path):
    with closing(sqlite3.connect(path)) as driver:
        driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size, pages = (
            driver.execute(f"PRAGMA page_{of}").fetchone()[0] for of in ("size", "count")
        )
    with path.open("r+b") as file:
        file.seek(pages // 2 * size)
        file.write(b"\xff" * size * 3)


def test_a_workers_failure_to_open_the_log_is_reported(folder):
    with connect(f"sqlite:///{folder}/orders.db") as orders:
        absent = Source(
            partial(open_log, f"sqlite:///{folder}/absent.db", create=False), no_providers
        )
        with pytest.raises(StoreMissingError, match=r"absent\.db"):
            replay_in_processes(orders.log, absent, workers=2)


def test_a_worker_that_ends_in_the_middle_is_an_error_that_says_so(folder):
    with connect(f"sqlite:///{folder}/orders.db") as orders:
        killed = Source(partial(os._exit, 9), no_providers)
        with pytest.raises(LostWorkerError, match="one of 2 processes ended"):
            replay_in_processes(orders.log, killed, workers=2)


def no_providers():
    return {}


def test_a_missing_log_is_not_made(tmp_path):
    assert run("replay", "--db", DATABASE, cwd=tmp_path).code == 3
    assert list(tmp_path.iterdir()) == []
