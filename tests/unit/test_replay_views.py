"""What `replay` tells of stored views that differ, word for word: every difference, no other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from lifecycle.audit.replay import Replay, replay
from lifecycle.audit.stream_check import Chain, Links, rederived
from lifecycle.audit.view_comparison import differing
from lifecycle.core.fold import fold
from lifecycle.log.view_store import Generation, Phase, StoredView
from tests.replays import PROVIDERS, Otherwise, Shown, log_of
from tests.scenario.command_line import callback, request, response, story

A, B = "order:instacart:a", "order:instacart:b"
REJECTION = {"error": {"message": "no such store", "code": 1001}, "meta": {"key": "store"}}
REJECTED = {**response("rejected"), "http_status": 422, "body": REJECTION}
EVERYTHING = (
    *story("a"),
    *story("b"),
    callback("at_store", "odd", 20),
    callback("never_heard_of", "odd", 21),
    request("rejected"),
    REJECTED,
)
WITH_MILESTONE = ("brand_new", "acknowledged_for_delivery", "staged")


@pytest.fixture
def shown() -> Iterator[Shown]:
    shown = Shown(*EVERYTHING)
    yield shown
    shown.orders.close()


def test_views_that_are_as_they_were_are_counted(shown):
    assert shown.replay() == Replay(10, 4, 4, 0, True, (), 0)


def test_views_that_are_as_they_were_are_not_written_out_to_be_compared(monkeypatch):
    """That would take four times as long."""
    shown = Shown(
        *EVERYTHING, *(callback(name, "done", n) for n, name in enumerate(WITH_MILESTONE))
    )
    done = json.loads(shown.view("done").body)
    assert (len(done["path"]), len(done["milestones"])) == (2, 1)
    monkeypatch.delattr("lifecycle.audit.view_comparison.as_json")

    assert shown.replay() == Replay(13, 5, 5, 0, True, (), 0)
    definition, records = PROVIDERS["instacart"].definition, shown.log.read(A)
    view = fold(definition, rederived(PROVIDERS["instacart"], records, Chain(A, Links(0), print)))
    assert view.digest == shown.view("a").digest
    told = differing(definition, shown.view("a"), view, records[-1].position, of_another=False)
    assert list(told) == []


@pytest.mark.parametrize("order_id", ["a", "odd", "rejected"])
def test_a_column_that_differs_is_reported(shown, order_id):
    view = shown.view(order_id)
    changed = {
        "status": "s",
        "terminal": not view.terminal,
        "awaiting": "nobody knows",
        "waiting_since": 1,
        "anomalies": 9,
        "first_received_at": 2,
        "last_received_at": 3,
        "position": 99,
        "digest": "d",
    }
    shown.change(order_id, **changed)

    stream = f"order:instacart:{order_id}"
    assert shown.differences() == [
        (stream, f"column {name}", changed[name], getattr(view, name), None, None)
        for name in changed
    ]


@pytest.mark.parametrize("novelty", [None, 1, {"x": 1}, [{"code": 1, "detail": 2}], []])
def test_an_extra_field_is_reported_whatever_it_holds(shown, novelty):
    shown.rewrite("a", novelty=novelty)

    assert shown.differences() == [(A, "novelty", novelty, None, None, None)]


@pytest.mark.parametrize("body", [b"x", b"[]", b"5", b"\xff"])
def test_for_a_body_that_is_no_object_only_that_is_reported(shown, body):
    shown.change("a", body=body, status="s")

    assert shown.differences() == [
        (A, "body", None, "what is stored is no JSON object", None, None)
    ]


def test_fields_of_a_body_that_differ_are_reported_by_the_names_that_show_prints(shown):
    told = json.loads(shown.view("a").body)
    details = told["details"] | {"novel": 1}
    gone = next(iter(told["details"]))
    was = details.pop(gone)
    arrival = told["arrival"] | {"version": 9}
    shown.rewrite("a", status="s", details=details, arrival=arrival, path=[], novelty=None)

    assert sorted(shown.differences()) == sorted(
        [
            (A, "status", "s", "brand_new", None, None),
            (A, "path", [], told["path"], None, None),
            (A, "arrival.version", 9, 3, None, None),
            (A, f"details.{gone}", None, was, None, None),
            (A, "details.novel", 1, None, None, None),
            (A, "novelty", None, None, None, None),
        ]
    )


def test_values_of_different_types_are_reported_verbatim(shown):
    told = json.loads(shown.view("odd").body)
    assert told["anomalies"]
    for fields in ({"details": 5}, {"arrival": 5}, {"anomalies": 5}, {"path": 5}):
        [(name, value)] = fields.items()
        before = shown.view("odd")
        shown.rewrite("odd", **fields)
        found = shown.differences()
        assert ("order:instacart:odd", name, value) in {one[:3] for one in found if one[2] == 5}
        shown.change("odd", body=before.body)


def test_texts_for_people_do_not_count(shown):
    anomalies = json.loads(shown.view("odd").body)["anomalies"]
    shown.rewrite("odd", anomalies=[{**each, "detail": "otherwise"} for each in anomalies])
    assert shown.differences() == []

    shown.rewrite("odd", anomalies=[{**each, "code": "otherwise"} for each in anomalies])
    ((stream, field, stored, found, *_),) = shown.differences()
    assert (stream, field) == ("order:instacart:odd", "anomalies")
    assert [each["code"] for each in stored] == ["otherwise"] * len(anomalies)
    assert all("detail" not in each for each in (*stored, *found))

    shown.rewrite("odd", anomalies=[*anomalies, "text"])
    ((_, field, stored, *_),) = shown.differences()
    assert (field, stored[-1]) == ("anomalies", "text")


def test_a_time_written_otherwise_is_the_same_time_but_not_the_same_word(shown):
    path = json.loads(shown.view("a").body)["path"]
    path[-1]["at"] = path[-1]["at"].replace("Z", "+00:00")
    shown.rewrite("a", path=path)

    assert [one[:2] for one in shown.differences()] == [(A, "path")]


def test_a_missing_view_is_reported_with_the_number_of_events(shown):
    shown.forget("a")

    found = shown.replay()

    assert [tuple(one) for one in found.differences] == [(A, "view", None, 3, None, None)]
    assert (found.compared, found.behind) == (3, 1)


def test_a_view_without_records_is_reported_and_not_compared(shown):
    shown.change("a", version=0)

    found = shown.replay()

    assert [tuple(one) for one in found.differences] == [(A, "view", 0, 3, None, None)]
    assert (found.compared, found.behind) == (3, 1)


def test_a_view_without_the_last_folded_record_is_reported(shown):
    assert shown.generation.position == 10
    shown.change("rejected", version=1)

    assert shown.differences()[0] == ("order:instacart:rejected", "view", 1, 2, None, None)


@pytest.mark.parametrize("version", [1, 2])
def test_a_view_with_too_few_records_is_reported_and_compared_with_those(shown, version):
    shown.change("a", version=version)

    found = [tuple(one) for one in shown.replay().differences]

    assert found[0] == (A, "view", version, 3, None, None)
    assert shown.replay().compared == 4
    assert "status" in {one[1] for one in found}


def test_a_view_of_no_order_is_reported(shown):
    views = shown.log.views._kept[shown.generation.number].views
    for order_id in ("!", "aa", "zzz"):
        views[order_id] = views["a"]._replace(order_id=order_id)

    assert shown.differences() == [
        (f"order:instacart:{order_id}", "order", "brand_new", None, None, None)
        for order_id in ("!", "aa", "zzz")
    ]


def test_views_that_are_behind_are_no_difference(shown):
    shown.orders.record_many([callback("canceled", "a", 60), callback("brand_new", "new")])

    assert shown.replay() == Replay(12, 5, 4, 2, True, (), 0)


def test_an_order_that_has_a_view_and_cannot_be_folded_is_reported(shown):
    changed = [
        record._replace(state=b"broken") if record.stream == A else record
        for record in shown.log.scan()
    ]
    log: Any = log_of(changed)
    log.views = shown.log.views

    found = replay(log, PROVIDERS)

    no_event = "expected events of one order, found no event at all; fold each order by itself"
    assert (A, "view", "brand_new", no_event, None, None) in map(tuple, found.differences)
    assert (found.compared, found.behind) == (3, 0)


def test_under_another_definition_its_name_and_the_columns_do_not_count(shown):
    definition = replace(PROVIDERS["instacart"].definition, main_line=("requested",))
    other = Otherwise(definition=definition)

    shown.change("a", digest="d", terminal=True, position=99)
    shown.rewrite("b", digest="d", definition="d", novelty=1)

    odd = "order:instacart:odd"
    missing = ["requested", "brand_new", "acknowledged_for_delivery"]
    assert shown.differences({"instacart": other}) == [
        (A, "awaiting", ["acknowledged_for_delivery"], ["delivered"], None, None),
        (B, "awaiting", ["acknowledged_for_delivery"], ["delivered"], None, None),
        (B, "novelty", 1, None, None, None),
        (odd, "awaiting", ["bags_verified"], ["delivered"], None, None),
        (odd, "missing", missing, ["requested"], None, None),
    ]


def test_a_digest_that_was_changed_consistently_is_reported(shown):
    digest = shown.view("a").digest
    shown.change("a", digest="d")
    shown.rewrite("a", digest="d")

    assert shown.differences() == [
        (A, "digest", "d", digest, None, None),
        (A, "column digest", "d", digest, None, None),
    ]


def test_a_view_of_another_definition_is_reported(shown):
    fingerprint = PROVIDERS["instacart"].definition.fingerprint
    shown.rewrite("a", definition="d")

    assert shown.differences() == [(A, "definition", "d", fingerprint, None, None)]


def test_views_that_are_not_in_use_are_not_compared(shown):
    for phase in (Phase.WALKING, Phase.TRAILING, Phase.RETIRED):
        kept = shown.log.views._kept[shown.generation.number]
        kept.generation = kept.generation._replace(phase=phase)
        shown.change("a", status="s")
        assert shown.replay() == Replay(10, 4, 0, 0, True, (), 0)
    kept.generation = kept.generation._replace(phase=Phase.LIVE, form=99)
    assert shown.replay() == Replay(10, 4, 0, 0, True, (), 0)


def test_views_that_were_replaced_meanwhile_are_read_from_their_successor(shown, monkeypatch):
    views = shown.log.views
    between, old = views.between, shown.generation

    def replaced(generation: Generation, *limits: Any) -> list[StoredView]:
        if generation.number == old.number:
            shown.orders.views.rebuild()
            return []
        return between(generation, *limits)

    monkeypatch.setattr(views, "between", replaced)
    assert shown.replay() == Replay(10, 4, 4, 0, True, (), 0)


def test_views_that_were_taken_away_meanwhile_are_not_compared(shown, monkeypatch):
    views = shown.log.views

    def swept(*_: Any) -> list[StoredView]:
        views._kept.clear()
        return []

    monkeypatch.setattr(views, "between", swept)
    assert shown.replay() == Replay(10, 4, 0, 0, True, (), 0)


@pytest.mark.parametrize("at_once", [1, 2, 3, 64])
def test_every_order_is_compared_once_however_streams_are_shared_out(shown, monkeypatch, at_once):
    monkeypatch.setattr("lifecycle.audit.replay.STREAMS_AT_ONCE", at_once)
    record = next(shown.log.scan())
    strays = ["order:aaa:1", "order:aaa:2", "order:instacart", "order:zzz:1", "quarantine", "zzz"]
    shown.log.restore([record._replace(stream=stream) for stream in strays])
    views = shown.log.views._kept[shown.generation.number].views
    for order_id in ("!", "aa", "zzz"):
        views[order_id] = views["a"]._replace(order_id=order_id)

    found = shown.replay()

    told = [one[:2] for one in found.differences]
    known = {"quarantine", "order:instacart"}
    assert (found.orders, found.compared, found.behind) == (8, 4, 1)
    assert sorted(one for one in told if one[1] == "order") == [
        (f"order:instacart:{order_id}", "order") for order_id in ("!", "aa", "zzz")
    ]
    assert sorted(one for one in told if one[1] != "order") == sorted(
        [
            *((stream, "place") for stream in strays),
            *((stream, "provider") for stream in strays if stream not in known),
        ]
    )


def test_a_hundred_differences_are_listed_and_all_are_counted(shown, monkeypatch):
    monkeypatch.setattr("lifecycle.audit.replay.STREAMS_AT_ONCE", 1)
    views = shown.log.views._kept[shown.generation.number].views
    for n in range(150):
        views[f"a{n:03}"] = views["a"]._replace(order_id=f"a{n:03}")

    found = shown.replay()

    assert (len(found.differences), found.found) == (100, 150)


def test_progress_is_counted_in_records(shown, monkeypatch):
    monkeypatch.setattr("lifecycle.audit.replay.STREAMS_AT_ONCE", 1)
    told: list[int] = []

    replay(shown.log, PROVIDERS, told.append)

    assert told == [3, 3, 2, 2]


def test_records_appended_during_the_copy_do_not_count(shown, monkeypatch):
    log = shown.log
    read_many = log.read_many

    def meanwhile(streams: Sequence[str]) -> Any:
        shown.orders.record_many([callback("acknowledged_for_delivery", "b", 30)])
        return read_many(streams)

    monkeypatch.setattr(log, "read_many", meanwhile)

    assert shown.replay() == Replay(10, 4, 4, 1, True, (), 0)
