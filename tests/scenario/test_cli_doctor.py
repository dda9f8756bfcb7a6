"""`lifecycle doctor` and `lifecycle diagram`: is it well, and what does it look like."""

from __future__ import annotations

import importlib.metadata
import sqlite3
from datetime import UTC, datetime

import pytest

from lifecycle import NoReading, connect
from lifecycle.cli.doctor import checks_of_log
from lifecycle.log.contract import Level, Setting
from lifecycle.providers.instacart import Instacart
from tests.scenario.command_line import (
    DATABASE,
    ORDER,
    callback,
    lines,
    request,
    response,
    run,
    story,
)

OF_ONE_ID = [(name, second) for name in ("at_store", "order_location") for second in (10, 11)]
LONG_AGO = datetime(2022, 6, 4, tzinfo=UTC)


@pytest.fixture
def ingested(tmp_path):
    """Return a function that makes a log of recordings and gives its folder."""

    def ingested(*recordings):
        told = run("ingest", "-", "--db", DATABASE, cwd=tmp_path, stdin=lines(recordings))
        assert told.code == 0, told
        return tmp_path

    return ingested


def examine(folder, *arguments):
    answer = run("doctor", "--db", DATABASE, "--json", *arguments, cwd=folder)
    assert answer.err == ""
    return (
        answer.code,
        answer.value["ok"],
        {check["name"]: check for check in answer.value["checks"]},
    )


def test_a_healthy_log_is_well(ingested):
    code, ok, checks = examine(ingested(*story()))
    assert (code, ok) == (0, True)
    assert checks["database"]["found"] == DATABASE
    assert checks["journal_mode"]["found"] == "wal"
    assert checks["synchronous"]["found"] == "full"
    assert checks["records"]["found"] == "4 in the log, of 1 order"
    assert checks["eventsourcing"]["found"] == importlib.metadata.version("eventsourcing")
    assert all(
        set(check) == {"name", "level", "ok", "found", "advice", "meaning"}
        for check in checks.values()
    )


def test_orders_that_were_never_confirmed_are_reported(ingested):
    recordings = [line for n in range(3) for line in (request(f"o-{n}"), response(f"o-{n}"))]
    code, ok, checks = examine(ingested(*recordings))
    assert (code, ok) == (1, False)
    told = checks["callback brand_new"]
    assert "3 orders at created" in told["found"]
    assert "may not be enabled" in told["advice"]


def test_an_order_that_was_accepted_just_now_is_no_reason_to_worry(ingested):
    now = datetime.now(UTC).isoformat()
    fresh = [{**line, "received_at": now} for line in (request(), response())]
    code, ok, checks = examine(ingested(*fresh))
    assert (code, ok) == (0, True)
    assert "none came" in checks["callback brand_new"]["found"]


def test_the_prerequisites_of_the_how_to_are_named(ingested):
    _, _, checks = examine(ingested(request(), response()))
    told = checks["prerequisites"]["advice"]
    assert "asynchronous order creation is enabled" in told
    assert "last mile delivery workflow is implemented" in told
    assert "Brand New callback is enabled" in told
    assert "prerequisites" in checks["callback brand_new"]["advice"]


def test_one_confirmation_in_the_whole_log_is_enough(ingested):
    """The control: the callback is enabled, those orders are only slow."""
    code, ok, _ = examine(ingested(request(), response(), *story("confirmed")))
    assert (code, ok) == (0, True)


def test_a_poll_that_shows_the_order_does_not_count_as_a_callback(ingested):
    poll = {
        "kind": "poll",
        "order_id": "polled",
        "received_at": "2022-06-04T10:00:00Z",
        "http_status": 200,
        "body": {"id": "polled", "status": "brand_new"},
    }
    code, _, checks = examine(ingested(request(), response(), poll))
    assert code == 1
    assert "1 order at created" in checks["callback brand_new"]["found"]


def test_quarantined_items_need_a_person_until_they_are_redriven(ingested, tmp_path):
    code, ok, checks = examine(ingested(*story(), {"kind": "pigeon"}, {"kind": "pigeon"}))
    assert (code, ok) == (1, False)
    told = checks["quarantine"]
    assert (told["level"], told["ok"]) == ("attention", False)
    assert told["found"] == "2 waiting"
    assert told["meaning"] == "bad_line 2"
    assert "lifecycle quarantine --redrive" in told["advice"]


def test_an_item_that_was_redriven_waits_no_longer(tmp_path):
    url = f"sqlite:///{tmp_path}/orders.db"
    body = {"order_id": "o-1"}
    with connect(url, provider=Deaf()) as orders:
        assert orders.record_request("o-1", body, attempt=1).outcome == "quarantined"
    assert examine(tmp_path, "--db", url)[:2] == (1, False)
    with connect(url) as orders:
        assert [receipt.outcome for receipt in orders.redrive()] == ["appended"]
    assert examine(tmp_path, "--db", url)[:2] == (0, True)


class Deaf(Instacart):
    """A provider that understood nothing yet, as before a fix."""

    def read(self, _arrival, _body):
        return NoReading("no_name", "not yet")


def test_an_order_with_an_anomaly_needs_a_person(ingested):
    odd = callback("canceled", second=60), callback("delivering", second=70)
    code, ok, checks = examine(ingested(*story(), *odd))
    assert (code, ok) == (1, False)
    told = checks["anomalies"]
    assert (told["level"], told["found"]) == ("attention", "1 order")
    assert told["meaning"] == "refused 1"
    assert "lifecycle list --anomalies" in told["advice"]


def test_a_dead_letter_needs_a_person_until_it_was_taken(tmp_path):
    url = f"sqlite:///{tmp_path}/orders.db"
    works = []

    def handler(change):
        if not works:
            raise RuntimeError

    with connect(url) as orders:
        orders.record_many(story())
        subscription = orders.subscription("mails", handler, attempts=1)
        subscription.catch_up()
        code, ok, checks = examine(tmp_path, "--db", url)
        assert (code, ok) == (1, False)
        told = checks["feed mails"]
        assert told["level"] == "attention"
        assert "3 dead letters" in told["found"]
        assert "lifecycle letters redrive" in told["advice"]
        works.append(True)
        subscription.redrive()
    assert examine(tmp_path, "--db", url)[:2] == (0, True)


def test_problems_that_need_a_person_are_in_the_text_output_too(ingested):
    folder = ingested(*story(), {"kind": "pigeon"})
    answer = run("doctor", "--db", DATABASE, cwd=folder)
    assert answer.code == 1
    row = next(line for line in answer.out.splitlines() if line.startswith("attention"))
    assert "quarantine" in row
    assert "run: lifecycle quarantine" in row
    assert "something needs a person" in answer.out
    assert "all is well" not in answer.out


def test_notes_do_not_change_the_exit_code(ingested):
    """The control: a note has advice, and nobody has to follow it."""
    code, ok, checks = examine(ingested(*story()))
    assert (code, ok) == (0, True)
    noted = [name for name, check in checks.items() if check["level"] == "note"]
    assert {"views", "prerequisites"} <= set(noted)
    assert all(checks[name]["ok"] and checks[name]["advice"] for name in noted)


@pytest.mark.parametrize("level", Level)
def test_the_level_of_a_row_alone_decides_whether_the_doctor_is_content(level, monkeypatch):
    """Whatever a store says of itself: its level becomes the check's, and the exit code."""
    row = Setting("any_setting", "as found", "what may happen, and what to do", level)
    with connect("memory:") as orders:
        monkeypatch.setattr(orders.log, "settings", lambda: [row])
        checks = list(checks_of_log(orders.log))
    told = next(check for check in checks if check.name == "any_setting")
    assert told.level is level
    assert told.ok is (level in {Level.OK, Level.NOTE})
    assert told.advice == (None if level is Level.OK else row.meaning)


def test_divergent_callbacks_are_reported(ingested):
    others = [callback(name, second=second, event_id="0") for name, second in OF_ONE_ID]
    code, ok, checks = examine(ingested(*story(), *others))
    assert (code, ok) == (1, False)
    told = checks["event ids"]
    assert told["found"] == "of 1 order 2 callbacks came again with other content"
    assert "lifecycle history ORDER" in told["advice"]
    assert checks["anomalies"]["meaning"] == "divergent 1"


def test_one_id_for_events_of_different_names_is_nothing_to_look_at(ingested):
    """The control: nothing is lost, since the name is a part of the key."""
    others = [callback(name, second=10, event_id="0") for name in ("at_store", "delivered")]
    code, ok, checks = examine(ingested(*story(), *others))
    assert (code, ok) == (0, True)
    assert checks["event ids"]["found"] == "none came twice with other content"


def test_a_divergent_request_is_no_finding_about_event_ids(ingested):
    other = request() | {"body": {"order_id": ORDER, "items_count": 99}}
    code, _, checks = examine(ingested(*story(), other))
    assert code == 1
    assert checks["event ids"]["level"] == "ok"


def test_a_log_that_is_not_there_is_no_traceback_and_no_file(tmp_path):
    code, ok, checks = examine(tmp_path)
    assert (code, ok) == (3, False)
    assert not checks["database"]["ok"]
    assert "python" in checks, "the installation is looked at all the same"
    assert list(tmp_path.iterdir()) == []


def test_for_people_it_says_what_to_look_at(ingested):
    answer = run("doctor", "--db", DATABASE, cwd=ingested(request(), response()))
    assert answer.code == 1
    assert any(line.startswith("attention  callback brand_new") for line in answer.out.splitlines())


def test_secrets_in_a_url_are_not_shown(tmp_path):
    url = "postgresql://clerk:hunter2@127.0.0.1:1/orders"
    for command in ("doctor", "list"):
        answer = run(command, "--db", url, cwd=tmp_path)
        assert answer.code in {2, 3}
        assert "hunter2" not in answer.out + answer.err


@pytest.mark.parametrize(("language", "opening"), [("mermaid", "stateDiagram"), ("dot", "digraph")])
def test_the_definition_is_drawn_without_any_log(language, opening, tmp_path):
    answer = run("diagram", "--format", language, cwd=tmp_path)
    assert (answer.code, answer.err) == (0, "")
    assert opening in answer.out
    assert "validation_failed" in answer.out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("language", ["mermaid", "dot"])
def test_the_path_of_an_order_is_drawn(language, ingested):
    folder = ingested(*story(), callback("canceled", second=60))
    answer = run("diagram", "--order", ORDER, "--format", language, "--db", DATABASE, cwd=folder)
    assert answer.code == 0
    assert ORDER in answer.out
    assert answer.out != run("diagram", "--format", language, cwd=folder).out


def test_the_path_of_an_unknown_order_is_a_no(ingested):
    answer = run("diagram", "--order", "nobody", "--db", DATABASE, cwd=ingested(*story()))
    assert (answer.code, answer.out) == (1, "")


def test_one_damaged_order_does_not_keep_the_doctor_from_the_others(tmp_path):
    url = f"sqlite:///{tmp_path}/orders.db"
    with connect(url) as orders:
        for order_id in ("damaged", "sound"):
            sent = orders.begin_request(order_id, {"order_id": order_id}, received_at=LONG_AGO)
            sent.answered(200, {"id": order_id, "status": "created"}, received_at=LONG_AGO)
    with sqlite3.connect(tmp_path / "orders.db") as driver:
        driver.execute("DROP TRIGGER stored_events_refuse_update")
        driver.execute("UPDATE stored_events SET state = x'7b7d0a' WHERE rowid = 2")
    answer = run("doctor", "--json", "--db", url, cwd=tmp_path)
    found = {check["name"]: check for check in answer.value["checks"]}
    assert answer.code == 1
    assert found["callback brand_new"]["found"].startswith("1 order at created")
