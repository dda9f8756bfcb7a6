"""`lifecycle export`: everything that is stored comes out, and goes in again as the same."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest

from lifecycle import connect
from lifecycle.core.event import Redriven
from tests.scenario.command_line import (
    DATABASE,
    ORDER,
    at,
    callback,
    lines,
    run,
    run_on_terminal,
    story,
)

DIVERGENT = callback(second=10, event_id=f"{ORDER}-brand_new-9")
BAD = b'{"kind": "callback", "body": \x80\xff\x1b[31m'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    odd = {"kind": "response", "order_id": ORDER, "received_at": at(2), "http_status": 502}
    recordings = [
        *story(),
        DIVERGENT,
        odd | {"body_base64": base64.b64encode(b"\xff<html>").decode()},
        odd | {"http_status": None},
        {"kind": "callback", "received_at": at(3), "body_text": "no json"},
        *story("second"),
    ]
    text = lines(recordings).encode() + BAD + b"\n"
    assert run("ingest", "-", "--db", DATABASE, cwd=folder, stdin=text).code == 0
    return folder


def export(folder, *arguments):
    answer = run("export", "--db", DATABASE, *arguments, cwd=folder)
    assert (answer.code, answer.err) == (0, ""), answer
    return [json.loads(line) for line in answer.out.splitlines()]


def views(folder, db):
    listed = run("list", "--db", db, "--json", cwd=folder).value
    return [{name: view[name] for name in view if name != "arrival"} for view in listed]


def test_every_stored_event_comes_out_divergent_ones_too(folder):
    exported = export(folder)
    assert len(exported) == 9
    assert [line["position"] for line in exported] == sorted(line["position"] for line in exported)
    assert [line["version"] for line in exported if line["order_id"] == ORDER] == [1, 2, 3, 4, 5, 6]


def test_the_stored_header_comes_with_every_line(folder):
    for line in export(folder):
        header = json.loads(base64.b64decode(line["header_base64"]))
        assert header["order_id"] == line["order_id"]
        assert header["version"] == line["version"]


def test_bodies_are_the_bytes_as_they_came(folder):
    bodies = [
        base64.b64decode(line["body_base64"]) for line in export(folder) if "body_base64" in line
    ]
    assert bodies == [b"\xff<html>"]
    assert all("body" not in line for line in export(folder))


def test_into_an_empty_log_it_gives_the_same_views(folder):
    run("export", "--db", DATABASE, "--output", "copy.jsonl", cwd=folder)
    told = run("ingest", "copy.jsonl", "--db", "sqlite:///copy.db", "--json", cwd=folder)
    assert told.value == {
        "appended": 8,
        "duplicate": 0,
        "divergent": 1,
        "quarantined": 0,
        "orders": 2,
    }
    assert views(folder, "sqlite:///copy.db") == views(folder, DATABASE)
    again = run("ingest", "copy.jsonl", "--db", DATABASE, "--json", cwd=folder)
    assert again.value["duplicate"] == 9


def test_the_quarantine_comes_on_request_and_ends_there_again(folder):
    answer = run("export", "--db", DATABASE, "--quarantine", "--output", "all.jsonl", cwd=folder)
    assert answer.code == 0
    told = run("ingest", "all.jsonl", "--db", "sqlite:///all.db", "--json", cwd=folder)
    assert told.value["quarantined"] == 2

    def reasons(db):
        listed = run("quarantine", "--db", db, "--json", cwd=folder).value
        return [(item["reason"], item["detail"], item["sha256"]) for item in listed]

    assert reasons("sqlite:///all.db") == reasons(DATABASE)


def test_one_order_comes_alone(folder):
    assert {line["order_id"] for line in export(folder, "--order", "second")} == {"second"}
    answer = run("export", "--order", "nobody", "--db", DATABASE, cwd=folder)
    assert (answer.code, answer.out) == (1, "")


def test_a_file_is_whole_or_not_there(folder):
    assert run("export", "--db", DATABASE, "-o", "out.jsonl", cwd=folder).out == ""
    assert (folder / "out.jsonl").read_text() == run("export", "--db", DATABASE, cwd=folder).out
    assert run("export", "--order", "nobody", "-o", "none", "--db", DATABASE, cwd=folder).code == 1
    assert not (folder / "none").exists()
    assert not list(folder.glob(".*.part"))


def test_a_log_is_never_overwritten(folder):
    before = (folder / "orders.db").read_bytes()
    answer = run("export", "--db", DATABASE, "--output", "orders.db", cwd=folder)
    assert (answer.code, answer.out) == (2, "")
    assert (folder / "orders.db").read_bytes() == before


@pytest.mark.parametrize("output", [".", "no/folder/out.jsonl", "orders.db/x"])
def test_an_output_that_cannot_be_written_is_exit_code_2(output, folder):
    answer = run("export", "--db", DATABASE, "--output", output, cwd=folder)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.count("\n") == 1


def test_a_terminal_is_not_steered_by_what_was_quarantined(folder):
    shown = run_on_terminal("export", "--quarantine", "--db", DATABASE, cwd=folder, columns=200)
    assert shown.code == 0
    assert "\x1b" not in shown.out
    piped = run("export", "--quarantine", "--db", DATABASE, "--output", "raw", cwd=folder)
    assert piped.code == 0
    assert BAD in (folder / "raw").read_bytes(), "the control: in a file it is as it came"


def test_a_whole_export_holds_every_record_and_ends_with_the_checkpoint(folder):
    log = run("verify", "--db", DATABASE, "--json", cwd=folder).value

    run("export", "--db", DATABASE, "--whole", "--output", "whole.jsonl", cwd=folder)

    exported = (folder / "whole.jsonl").read_bytes().splitlines()
    *others, last = exported
    bad = [line for line in others if b'"control":"bad_line"' in line]
    assert len(others) == log["records"] + len(bad)
    assert json.loads(last) == {
        "kind": "control",
        "control": "checkpoint",
        "checkpoint": log["checkpoint"],
        "signed": None,
    }


def test_a_whole_export_ends_with_the_last_checkpoint_that_was_signed(folder):
    note = run("checkpoint", "--db", DATABASE, cwd=folder).out

    run("export", "--db", DATABASE, "--whole", "--output", "whole.jsonl", cwd=folder)

    last = (folder / "whole.jsonl").read_bytes().splitlines()[-1]
    assert json.loads(last)["signed"] == note


def test_a_whole_export_goes_in_again_and_its_control_lines_are_counted(folder):
    with connect(f"sqlite:///{folder}/redriven.db") as orders:
        orders.record_many([{"kind": "callback", "provider": "nobody", "body": {"id": "o"}}])
        append_mark(orders)
    whole = run("export", "--db", "sqlite:///redriven.db", "--whole", cwd=folder).out
    marks = [line for line in map(json.loads, whole.splitlines()) if line["kind"] == "control"]
    assert [mark["control"] for mark in marks] == ["bad_line", "redriven", "checkpoint"]
    assert marks[1]["item"] == 1

    into = ("ingest", "-", "--db", "sqlite:///again.db", "--json")
    counts = run(*into, cwd=folder, stdin=whole.encode()).value

    assert (counts["quarantined"], counts["control"]) == (1, 3)
    assert counts["appended"] == 0


def append_mark(orders):
    """Append the mark that the first item was re-driven."""
    at = datetime(2026, 7, 7, tzinfo=UTC)
    orders.log.append(Redriven(1, "order:instacart:o", "callback:brand_new:1", at))


def test_a_whole_export_is_not_of_one_order(folder):
    answer = run("export", "--db", DATABASE, "--whole", "--order", ORDER, cwd=folder)

    assert answer.code == 2
    assert "--order" in answer.err
