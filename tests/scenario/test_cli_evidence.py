"""`lifecycle evidence`: a file about one order that a stranger verifies with Python alone."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lifecycle.audit.evidence import seal_text
from lifecycle.audit.evidence_check import check_evidence
from lifecycle.audit.signed_note import key_at
from lifecycle.registry import known_providers
from tests.insider import VERIFIER
from tests.scenario.command_line import DATABASE, ORDER, lines, run, story
from tests.scenario.test_cli_verify import tamper

PARTS = (
    *("format", "proves", "order", "rules", "view", "history"),
    *("story", "picture", "since", "complete"),
)


@pytest.fixture
def folder(tmp_path):
    told = run(
        "ingest",
        "-",
        "--db",
        DATABASE,
        cwd=tmp_path,
        stdin=lines([*story("a"), *story(), *story("b"), *story("c")]),
    )
    assert told.code == 0
    return tmp_path


def evidence(folder: Path, *arguments: str, order: str = ORDER) -> dict[str, Any]:
    told = run("evidence", order, "--db", DATABASE, "-o", "e.json", *arguments, cwd=folder)
    assert told.code == 0, told.err
    return json.loads((folder / "e.json").read_text(encoding="utf-8"))


def verify(folder: Path, *arguments: str):
    return run("verify", "--evidence", "e.json", *arguments, cwd=folder)


def alone(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the standalone verifier where nothing but Python can be imported."""
    command = [sys.executable, "-I", "-S", str(VERIFIER), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False)


def rewrite(folder: Path, file: dict[str, Any]) -> None:
    (folder / "e.json").write_text(json.dumps(file, indent=1), encoding="utf-8")


@pytest.mark.parametrize(
    "options",
    [[], ["--complete"], ["--without-bodies"], ["--mask-bodies"], ["--complete", "--mask-bodies"]],
)
def test_a_file_is_verified_without_a_database_by_us_and_with_python_alone(folder, options):
    file = evidence(folder, *options)
    (folder / "orders.db").unlink()

    ours, theirs = verify(folder), alone(folder, "e.json")

    assert ours.code == theirs.returncode == 0
    assert f"signed with the key {file['key']}" in ours.out
    assert f"signed with the key {file['key']}" in theirs.stdout
    assert "VERIFIED: 3 records of order:instacart:xyz123456" in theirs.stdout
    assert ("no other of it" in theirs.stdout) is ("--complete" in options)
    assert ("no further record of this order" in ours.out) is ("--complete" in options)
    whole = "body_text" in json.dumps(file["records"])
    assert whole is {"--without-bodies", "--mask-bodies"}.isdisjoint(options)


def test_it_holds_what_show_and_history_print_and_a_picture(folder):
    file = evidence(folder)

    shown = run("show", ORDER, "--db", DATABASE, "--json", cwd=folder).value
    told = run("history", ORDER, "--db", DATABASE, "--json", cwd=folder).value
    assert file["view"] == shown
    assert file["history"] == told
    assert file["picture"].startswith("<svg")
    assert file["story"].startswith(f"Order {ORDER}")


def test_the_dispute_over_a_late_cancellation_is_settled(tmp_path):
    # "You told us canceled at 10:05": it was so then, but it reached us at noon.
    ten = datetime(2022, 6, 4, 10, tzinfo=UTC)
    recordings = [
        {
            "kind": "callback",
            "received_at": (ten + timedelta(minutes=1)).isoformat(),
            "body": body(1, "brand_new", ten),
        },
        {
            "kind": "callback",
            "received_at": (ten + timedelta(hours=2)).isoformat(),
            "body": body(2, "canceled", ten + timedelta(minutes=5)),
        },
    ]
    assert run("ingest", "-", "--db", DATABASE, cwd=tmp_path, stdin=lines(recordings)).code == 0

    evidence(tmp_path, "--complete")
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    (tmp_path / "e.json").rename(stranger / "e.json")

    assert alone(stranger, "e.json").returncode == 0
    file = json.loads((stranger / "e.json").read_text(encoding="utf-8"))
    canceled = file["history"][-1]
    assert canceled["name"] == "canceled"
    assert canceled["occurred_at"] == "2022-06-04T10:05:00Z"
    assert canceled["received_at"] == "2022-06-04T12:00:00Z"
    file["history"][-1]["received_at"] = "2022-06-04T10:05:01Z"
    rewrite(stranger, file)
    assert alone(stranger, "e.json").returncode == 1


def body(event_id: int, name: str, at: datetime) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "event_name": name,
        "event_timestamp": at.isoformat(),
        "event_metadata": {"order_id": ORDER},
    }


@pytest.mark.parametrize("part", PARTS)
def test_whatever_part_is_changed_both_say_so(folder, part):
    file = evidence(folder)
    file[part] = "x" if file[part] != "x" else "y"
    rewrite(folder, file)

    assert verify(folder).code == 1
    assert alone(folder, "e.json").returncode == 1


def change_a_body(file):
    file["records"][1]["body_text"] += " "


def forget_a_record(file):
    del file["records"][-1]


def forget_the_first(file):
    del file["records"][0]


def swap_records(file):
    file["records"].reverse()


def move_a_record(file):
    file["records"][0]["index"] += 1


def change_a_proof(file):
    file["records"][0]["proof"].pop()


def take_anothers_record(file):
    file["order"]["stream"] = "order:instacart:a"


def take_another_key(file):
    name, _, rest = file["key"].partition("+")
    file["key"] = f"{name}x+{rest}"


def lose_the_seal(file):
    file["seal"] = file["checkpoint"]


def lose_a_part(file):
    del file["history"]


@pytest.mark.parametrize(
    "change",
    [
        change_a_body,
        forget_a_record,
        forget_the_first,
        swap_records,
        move_a_record,
        change_a_proof,
        take_anothers_record,
        take_another_key,
        lose_the_seal,
        lose_a_part,
    ],
)
def test_whatever_record_is_changed_both_say_so(folder, change):
    file = evidence(folder, "--complete")
    change(file)
    rewrite(folder, file)

    assert verify(folder).code == 1
    told = alone(folder, "e.json")
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.startswith("NOT VERIFIED: ")
    assert "Traceback" not in told.stderr


def test_a_record_that_is_left_out_shows_even_if_the_key_s_owner_sealed_the_file(folder):
    # Whoever holds the key can seal what he likes; the second root holds him to what was there.
    file = evidence(folder, "--complete")
    key, _ = key_at(folder / "orders.db.checkpoint-key")
    del file["records"][-1], file["seal"]
    rewrite(folder, {**file, "seal": str(key.sign(seal_text(file)))})

    assert "the last record here was not the last of its order" in verify(folder).out
    assert "records of this order are missing" in alone(folder, "e.json").stderr


def test_a_view_that_the_records_do_not_come_to_shows_even_if_it_was_sealed(folder):
    file = evidence(folder)
    key, _ = key_at(folder / "orders.db.checkpoint-key")
    file["view"]["status"] = "delivered"
    del file["seal"]
    rewrite(folder, {**file, "seal": str(key.sign(seal_text(file)))})

    assert verify(folder).out.split("\n")[0] == "the view is not what the records come to"


def test_another_key_than_the_one_that_is_trusted_is_refused(folder):
    file = evidence(folder)
    run("ingest", "-", "--db", DATABASE, cwd=folder, stdin=lines(story("d")))
    other = evidence(folder, "--key", "other")["key"]
    rewrite(folder, file)

    assert verify(folder, "--key", file["key"]).code == 0
    assert verify(folder, "--key", other).code == 1
    itself = "by the key in the file itself: compare it"
    assert itself in verify(folder).out
    assert itself in alone(folder, "e.json").stdout
    assert itself not in verify(folder, "--key", file["key"]).out
    assert itself not in alone(folder, "e.json", "--key", file["key"]).stdout
    assert alone(folder, "e.json", "--key", file["key"]).returncode == 0
    assert alone(folder, "e.json", "--key", other).returncode == 1


@pytest.mark.parametrize("value", [{}, {"format": 1}, {"records": []}, {"key": None}])
def test_what_is_no_evidence_is_not_verified_and_breaks_nothing(folder, value):
    rewrite(folder, value)

    assert verify(folder).code == 1
    assert alone(folder, "e.json").returncode == 1
    assert check_evidence(value, known_providers()) != []


def test_a_checkpoint_that_somebody_holds_is_what_the_file_goes_by(folder):
    run("checkpoint", "--db", DATABASE, "--to", "held", cwd=folder)
    run("ingest", "-", "--db", DATABASE, cwd=folder, stdin=lines(story("d")))
    run("checkpoint", "--db", DATABASE, "--to", "later", cwd=folder)

    by = evidence(folder, "--checkpoint", "held")

    assert by["checkpoint"] == (folder / "held").read_text(encoding="utf-8")
    assert alone(folder, "e.json", "--checkpoint", "held").returncode == 0
    assert alone(folder, "e.json", "--checkpoint", "later").returncode == 1
    assert verify(folder, "--checkpoint", "held").code == 0
    assert verify(folder, "--checkpoint", "later").code == 1
    evidence(folder, "--since", "held")
    assert verify(folder, "--checkpoint", "held", "--checkpoint", "later").code == 0
    told = verify(folder).out
    assert "the log only grew since the checkpoint of `since`" in told


def test_a_checkpoint_of_another_log_or_key_makes_no_evidence(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    run("ingest", "-", "--db", DATABASE, cwd=elsewhere, stdin=lines(story()))
    run("checkpoint", "--db", DATABASE, "--to", str(folder / "other"), cwd=elsewhere)
    run("checkpoint", "--db", DATABASE, "--key", "key", "--to", "ours", cwd=folder)
    make = partial(run, "evidence", ORDER, "--db", DATABASE, cwd=folder)

    run("checkpoint", "--db", DATABASE, "--key", "second", cwd=folder)  # makes this key
    for arguments in (("--since", "other"), ("--checkpoint", "other")):
        assert make(*arguments, "--key", "key").code == 1
    assert "pass the one that signed it" in make("--checkpoint", "ours", "--key", "second").err
    assert make("--since", "e.json", "--key", "key").code == 2
    assert make("--mask-bodies", "--without-bodies").code == 2


def test_of_records_that_are_not_folded_again_it_is_said(folder):
    evidence(folder, "--mask-bodies")

    assert "not folded again: the bodies are not in the file" in verify(folder).out


def test_a_part_that_stands_twice_is_refused(folder):
    evidence(folder)
    written = (folder / "e.json").read_text(encoding="utf-8")
    twice = written.replace('"view": {', '"view": {"status": "canceled"}, "view": {', 1)
    (folder / "e.json").write_text(twice, encoding="utf-8")

    assert verify(folder).code == 2
    assert alone(folder, "e.json").returncode == 1


def test_a_file_that_is_not_there_or_holds_no_json_is_wrong_usage(folder):
    assert verify(folder).code == 2
    (folder / "e.json").write_text("[", encoding="utf-8")
    assert verify(folder).code == 2


def test_of_an_unknown_order_there_is_no_evidence(folder):
    told = run("evidence", "nobody", "--db", DATABASE, "-o", "e.json", cwd=folder)

    assert told.code == 1
    assert not (folder / "e.json").exists()


def test_a_whole_export_is_verified_with_python_alone(folder):
    run("ingest", "-", "--db", DATABASE, cwd=folder, stdin=b'{"kind"\n{"kind":"x"}\n')
    note = run("checkpoint", "--db", DATABASE, "--json", "--to", "held", cwd=folder).value
    run("export", "--db", DATABASE, "--whole", "-o", "whole.jsonl", cwd=folder)

    told = alone(folder, "whole.jsonl", "--key", note["key"], "--checkpoint", "held")

    assert told.returncode == 0
    assert told.stdout.startswith("VERIFIED: 15 of 15 records are those")
    assert alone(folder, "whole.jsonl").returncode == 1
    whole = (folder / "whole.jsonl").read_bytes()
    for changed in (
        whole.replace(b'{"kind"\n', b'{"kid"\n', 1),
        whole.replace(b"items_count", b"items_coint", 1),
        b"\n".join(whole.split(b"\n")[:3] + whole.split(b"\n")[4:]),
    ):
        assert changed != whole
        (folder / "whole.jsonl").write_bytes(changed)
        assert alone(folder, "whole.jsonl", "--key", note["key"]).returncode == 1


def test_an_export_that_no_checkpoint_was_signed_for_is_not_verified_and_says_so(folder):
    run("export", "--db", DATABASE, "--whole", "-o", "whole.jsonl", cwd=folder)

    told = alone(folder, "whole.jsonl", "--key", "log+00000000+AQ==")

    assert told.returncode == 1
    assert "a signed checkpoint" in told.stderr


def test_the_standalone_verifier_is_a_page_that_imports_python_s_own_library_alone():
    source = VERIFIER.read_text(encoding="utf-8")
    imported = {
        line.split()[1] for line in source.splitlines() if line.startswith(("import ", "from "))
    }

    assert len(source.splitlines()) <= 150
    assert imported <= sys.stdlib_module_names


_STATE = "UPDATE stored_events SET state = CAST(replace(CAST(state AS TEXT), {}) AS BLOB)"
_BODY = _STATE.format("'items_count', 'items_coint'")
_HEADER = _STATE.format('\'"recorded_at":"2\', \'"recorded_at":"1\'')


@pytest.mark.parametrize("options", [(), ("--checkpoint", "held"), ("--complete",)])
@pytest.mark.parametrize(
    ("change", "version"),
    [
        (f"{_BODY} WHERE rowid = 5", 1),
        (f"{_HEADER} WHERE rowid = 5", 1),
        (f"{_HEADER} WHERE rowid = 7", 3),  # nothing of the order stands after it
        ("UPDATE stored_events SET state = x'00' WHERE rowid = 6", 2),
    ],
)
def test_of_a_changed_record_no_evidence_is_written_and_it_is_named(
    folder, change, version, options
):
    run("checkpoint", "--db", DATABASE, "--to", "held", cwd=folder)
    tamper(folder, change)

    told = run("evidence", ORDER, "--db", DATABASE, "-o", "e.json", *options, cwd=folder)

    assert (told.code, told.out) == (1, "")
    assert told.err.startswith(f"lifecycle: no evidence was written: record {version}"), told.err
    assert told.err.endswith("run: lifecycle verify\n")
    assert not (folder / "e.json").exists()


@pytest.mark.parametrize("row", [5, 6, 7])
def test_an_order_with_a_record_that_is_gone_is_not_said_to_be_complete(folder, row):
    run("checkpoint", "--db", DATABASE, cwd=folder)
    tamper(folder, f"DELETE FROM stored_events WHERE rowid = {row}")

    told = run("evidence", ORDER, "--db", DATABASE, "-o", "e.json", "--complete", cwd=folder)

    assert (told.code, (folder / "e.json").exists()) == (1, False)
    assert "every record that the checkpoint saw; run: lifecycle verify" in told.err
