"""`lifecycle show`, `history` and `list`: what is known, for people and for programs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lifecycle import connect
from tests.scenario.command_line import (
    DATABASE,
    ORDER,
    SCRIPT,
    at,
    callback,
    environment,
    lines,
    request,
    run,
    run_on_terminal,
    run_script,
    story,
)

LATER = ["acknowledged_for_delivery", "at_store", "bags_verified", "delivering", "delivered"]
SHOWN = {
    "order_id",
    "status",
    "terminal",
    "attempt",
    "order_url",
    "created_at",
    "cancellation_reason",
    "locale",
    "is_express",
    "is_instacartplus",
    "is_fallback_window",
    "fulfillment_details",
    "errors",
    "awaiting",
    "path",
    "missing",
    "milestones",
    "anomalies",
    "events",
    "definition",
    "digest",
    "arrival",
}
TOLD = {
    "name",
    "kind",
    "key",
    "verdict",
    "reason",
    "from",
    "to",
    "occurred_at",
    "received_at",
    "sha256",
    "position",
    "recorded_at",
    "recording",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a log: one order delivered, one canceled with an anomaly, one just begun."""
    folder = tmp_path_factory.mktemp("reading")
    delivered = [callback(name, second=60 * n) for n, name in enumerate(LATER, 1)]
    canceled = [
        callback("canceled", "canceled-1", 30),
        callback("delivering", "canceled-1", 40),
    ]
    recordings = [*story(), *delivered, *story("canceled-1"), *canceled, request("begun-1", 5)]
    told = run("ingest", "-", "--db", DATABASE, cwd=folder, stdin=lines(recordings))
    assert told.code == 0, told
    return folder


def ask(folder, *arguments):
    answer = run(*arguments, "--db", DATABASE, "--json", cwd=folder)
    assert (answer.code, answer.err) == (0, ""), answer
    return answer.value


def test_show_prints_everything_that_is_known(folder):
    view = ask(folder, "show", ORDER)
    assert set(view) >= SHOWN
    assert (view["order_id"], view["status"], view["terminal"]) == (ORDER, "delivered", True)
    assert view["fulfillment_details"]["store_location"] == "1003"
    assert [step["status"] for step in view["path"]] == [
        "requested",
        "created",
        "brand_new",
        *LATER,
    ]


def test_show_prints_what_the_library_says(folder):
    with connect(f"sqlite:///{folder / 'orders.db'}", create=False) as orders:
        assert ask(folder, "show", ORDER) == orders.get(ORDER).model_dump(mode="json")


def test_history_prints_one_array_in_canonical_order(folder):
    entries = ask(folder, "history", "canceled-1")
    assert all(set(entry) == TOLD for entry in entries)
    assert [entry["name"] for entry in entries] == [
        "requested",
        "accepted",
        "brand_new",
        "canceled",
        "delivering",
    ]
    assert entries[-1]["verdict"] == "refused"


def test_an_unknown_order_is_a_no_and_not_an_error_of_the_machine(folder):
    for command in ("show", "history"):
        for json in ((), ("--json",)):
            answer = run(command, "nobody", "--db", DATABASE, *json, cwd=folder)
            assert (answer.code, answer.out) == (1, "")
            assert answer.err.count("\n") == 1
            assert "'nobody'" in answer.err


@pytest.mark.parametrize(
    "order", ["", "\x00".join("ab"[:1]), "x" * 5000, "-", "ä\x1b[31m"], ids=len
)
def test_an_order_that_cannot_exist_is_unknown(order, folder):
    answer = run("show", "--db", DATABASE, "--", order, cwd=folder)
    assert (answer.code, answer.out) == (1, "")
    assert "\x1b" not in answer.err


def test_as_at_and_as_of_look_back(folder):
    assert ask(folder, "show", ORDER, "--as-at", at(9))["status"] == "brand_new"
    assert ask(folder, "show", ORDER, "--as-of", at(60))["status"] == "acknowledged_for_delivery"
    both = ("--as-at", at(120), "--as-of", "2022-06-04T12:00:59.5+02:00")
    assert ask(folder, "show", ORDER, *both)["status"] == "brand_new"
    assert len(ask(folder, "history", ORDER, "--as-at", at(1))) == 2


def test_before_the_first_event_the_answer_is_no(folder):
    for option in ("--as-at", "--as-of"):
        answer = run("show", ORDER, option, "1999-01-01T00:00:00Z", "--db", DATABASE, cwd=folder)
        assert (answer.code, answer.out) == (1, "")
        assert "1999-01-01T00:00:00Z" in answer.err


def test_list_prints_every_order_once(folder):
    views = ask(folder, "list")
    assert sorted(view["order_id"] for view in views) == sorted([ORDER, "canceled-1", "begun-1"])
    assert ask(folder, "show", ORDER) in views


def test_list_applies_every_condition(folder):
    def listed(*conditions):
        return [view["order_id"] for view in ask(folder, "list", *conditions)]

    assert listed("--status", "canceled") == ["canceled-1"]
    assert listed("--anomalies") == ["canceled-1"]
    assert listed("--waiting-longer-than", "15m") == ["begun-1"]
    assert listed("--waiting-longer-than", "36500d") == []
    assert listed("--status", "created") == []
    assert listed("--status", "canceled", "--anomalies", "--waiting-longer-than", "1s") == []


def test_list_refuses_unknown_conditions(folder):
    answer = run("list", "--status", "cancelled", "--db", DATABASE, cwd=folder)
    assert (answer.code, answer.out) == (2, "")
    assert "canceled" in answer.err


def test_people_get_text_without_escape_codes_through_a_pipe(folder):
    for command in (("show", ORDER), ("history", ORDER), ("list",), ("quarantine",)):
        answer = run(*command, "--db", DATABASE, cwd=folder)
        assert answer.code == 0
        assert "\x1b" not in answer.out
        assert answer.out.endswith("\n")
    assert "delivered" in run("show", ORDER, "--db", DATABASE, cwd=folder).out
    assert "canceled-1" in run("list", "--db", DATABASE, cwd=folder).out


def test_a_terminal_gets_colors_unless_they_are_turned_off(folder):
    colored = run_on_terminal("history", ORDER, "--db", DATABASE, cwd=folder)
    assert "\x1b[" in colored.out, "the control: without NO_COLOR there are escape codes"
    for plain in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        answer = run_on_terminal("history", ORDER, "--db", DATABASE, cwd=folder, **plain)
        assert answer.code == 0
        assert "\x1b" not in answer.out
        assert "delivering" in answer.out


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_a_narrow_terminal_breaks_no_word(columns, folder):
    for command in (("list",), ("history", "canceled-1"), ("show", "canceled-1")):
        shown = run_on_terminal(
            *command, "--db", DATABASE, cwd=folder, columns=columns, NO_COLOR="1"
        )
        assert shown.code == 0
        assert "canceled" in shown.out
        assert "refused" in shown.out
    listed = run_on_terminal("list", "--db", DATABASE, cwd=folder, columns=columns, NO_COLOR="1")
    assert max(map(len, listed.out.splitlines())) <= max(columns, 40)


def test_a_terminal_that_cannot_speak_unicode_gets_ascii(folder):
    answer = run_script(
        "history",
        ORDER,
        "--db",
        DATABASE,
        cwd=folder,
        env={"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"},
    )
    assert answer.code == 0
    assert answer.out.isascii()
    assert "->" in answer.out


def test_a_closed_pipe_is_no_error(folder):
    for command in ("list --json", f"show {ORDER}", "export", "quarantine", "--help"):
        done = subprocess.run(
            ["bash", "-c", f"'{SCRIPT}' {command} | true; echo ${{PIPESTATUS[0]}}"],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            env=environment(LIFECYCLE_DB=DATABASE),
        )
        assert done.stderr == ""
        assert done.stdout.strip() in {"0", "141"} or command == "--help"


def test_an_answer_that_cannot_be_written_is_reported(folder):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [SCRIPT, "list", "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=folder,
            env=environment(LIFECYCLE_DB=DATABASE),
        )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
