"""`lifecycle views`, and what `list` and `doctor` make of stored views."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.scenario.command_line import DATABASE, callback, lines, run, story


@pytest.fixture
def folder(tmp_path):
    recordings = [line for name in ("a", "b", "c") for line in story(name)]
    assert run("ingest", "-", "--db", DATABASE, cwd=tmp_path, stdin=lines(recordings)).code == 0
    return tmp_path


def views(folder, *arguments):
    answer = run("views", *arguments, "--db", DATABASE, "--json", cwd=folder)
    assert answer.err == ""
    return answer


def listed(folder, *arguments):
    answer = run("list", *arguments, "--json", "--db", DATABASE, cwd=folder)
    assert answer.code == 0, answer
    return answer.out


def test_without_stored_views_there_is_no_finding(folder):
    answer = views(folder)
    assert (answer.code, answer.value["ok"], answer.value["live"]) == (0, True, None)
    told = run("views", "--db", DATABASE, cwd=folder)
    assert told.out == "no views are stored; list folds the whole log\n"
    doctor = run("doctor", "--db", DATABASE, cwd=folder)
    assert "if list is too slow, run: lifecycle views --rebuild" in doctor.out


@pytest.mark.parametrize("option", ["--catch-up", "--follow", "--redrive"])
def test_without_stored_views_catch_up_does_nothing(folder, option):
    answer = run("views", option, "--db", DATABASE, cwd=folder)
    assert answer.code == 3
    assert "run: lifecycle views --rebuild" in answer.err


def test_no_database_is_made(tmp_path):
    assert run("views", "--rebuild", "--db", DATABASE, cwd=tmp_path).code == 3
    assert list(tmp_path.iterdir()) == []


def test_two_things_at_once_are_refused(folder):
    answer = run("views", "--rebuild", "--follow", "--db", DATABASE, cwd=folder)
    assert (answer.code, answer.out) == (2, "")


@pytest.mark.parametrize(
    "conditions",
    [
        (),
        ("--status", "brand_new"),
        ("--waiting-longer-than", "15m"),
        ("--anomalies",),
        ("--received-since", "2022-06-04T10:00:09Z"),
        ("--received-before", "2022-06-04T10:00:09Z"),
    ],
    ids=" ".join,
)
def test_list_prints_the_same_with_and_without_stored_views(folder, conditions):
    before = listed(folder, *conditions)
    assert views(folder, "--rebuild").value["live"]["position"] == 10
    assert listed(folder, *conditions) == before


def test_events_recorded_since_are_listed_and_notified(folder):
    views(folder, "--rebuild")
    late = lines([callback("canceled", "b", 60)])
    run("ingest", "-", "--db", DATABASE, cwd=folder, stdin=late)

    assert '"order_id": "b"' in listed(folder, "--status", "canceled")
    assert views(folder).value["behind"] == 1
    told = run("views", "--db", DATABASE, cwd=folder)
    assert told.out == "generation 1 at position 10 of 11, 1 record behind\n"
    assert views(folder, "--catch-up").value["behind"] == 0


def damage(folder):
    with closing(sqlite3.connect(folder / "orders.db")) as driver, driver:
        driver.execute("DROP TRIGGER stored_events_refuse_update")
        driver.execute("UPDATE stored_events SET state = x'78' WHERE originator_id LIKE '%:b'")


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("how", [(), ("--json",)])
def test_an_order_that_cannot_be_folded_stops_no_other_and_ends_in_a_sentence(folder, stored, how):
    damage(folder)
    if stored:
        assert views(folder, "--rebuild").code == 1

    answer = run("list", *how, "--db", DATABASE, cwd=folder)

    assert answer.code == 3
    assert "order 'b' of 'instacart' cannot be folded" in answer.err
    if how:
        assert [view["order_id"] for view in answer.value] == ["a", "c"]
    else:
        assert [line.split()[0] for line in answer.out.splitlines()] == ["order", "a", "c"]


def test_poisoned_orders_are_listed_with_the_reason(folder):
    damage(folder)
    answer = views(folder, "--rebuild")
    assert (answer.code, answer.value["ok"], answer.value["poisoned"]) == (1, False, 1)
    (poisoned,) = answer.value["poisoned_orders"]
    assert poisoned["order_id"] == "b"
    assert "run: lifecycle verify" in poisoned["reason"]
    assert "1 order cannot be folded" in run("views", "--db", DATABASE, cwd=folder).out
    assert views(folder, "--redrive").code == 1


def test_the_doctor_reports_views_of_another_definition(folder):
    views(folder, "--rebuild")
    with closing(sqlite3.connect(folder / "orders.db")) as driver, driver:
        driver.execute("UPDATE view_generations SET definition = 'another'")

    before = listed(folder)
    told = run("doctor", "--db", DATABASE, "--json", cwd=folder)
    (check,) = [check for check in told.value["checks"] if check["name"] == "views"]
    assert (told.code, check["ok"]) == (1, False)
    assert "made for another definition" in check["found"]
    assert check["advice"] == "run: lifecycle views --rebuild"
    assert views(folder).code == 1

    assert views(folder, "--rebuild").code == 0
    assert listed(folder) == before
