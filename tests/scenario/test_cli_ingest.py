"""`lifecycle ingest`: any file in, counts out, and nothing is ever half done or lost."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import time

import pytest

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
    story,
)

NOTHING = {"appended": 0, "duplicate": 0, "divergent": 0, "quarantined": 0, "orders": 0}


@pytest.fixture
def ingest(tmp_path):
    """Return a function that ingests files, or bytes on stdin, and gives the counts."""

    def ingest(*names, stdin=b""):
        answer = run("ingest", *names, "--db", DATABASE, "--json", cwd=tmp_path, stdin=stdin)
        assert (answer.code, answer.err) == (0, ""), answer
        return answer.value

    return ingest


def shown(tmp_path, order=ORDER):
    return run("show", order, "--db", DATABASE, "--json", cwd=tmp_path).value


def quarantined(tmp_path):
    return run("quarantine", "--db", DATABASE, "--json", cwd=tmp_path).value


def test_the_counts_account_for_every_line(tmp_path, ingest):
    other = callback(second=10, event_id=f"{ORDER}-brand_new-9")
    recordings = [*story(), story()[0], other, {"kind": "callback", "body": "?"}, *story("second")]
    (tmp_path / "a.jsonl").write_text(lines(recordings))
    assert ingest("a.jsonl") == {
        "appended": 6,
        "duplicate": 1,
        "divergent": 1,
        "quarantined": 1,
        "orders": 2,
    }


def test_the_same_file_again_changes_nothing(tmp_path, ingest):
    (tmp_path / "a.jsonl").write_text(lines(story()))
    ingest("a.jsonl")
    before = shown(tmp_path)
    assert ingest("a.jsonl") == NOTHING | {"duplicate": 3, "orders": 1}
    assert shown(tmp_path) == before


def test_several_files_and_stdin_are_one_delivery(tmp_path, ingest):
    (tmp_path / "a.jsonl").write_text(lines(story()[2:]))
    (tmp_path / "b.jsonl").write_text(lines(story()[:1]))
    told = ingest("a.jsonl", "-", "b.jsonl", stdin=lines(story()[1:2]))
    assert told == NOTHING | {"appended": 3, "orders": 1}
    assert shown(tmp_path)["status"] == "brand_new"


def test_for_people_the_counts_stand_under_each_other(tmp_path):
    answer = run("ingest", "-", "--db", DATABASE, cwd=tmp_path, stdin=lines(story()))
    assert [line.split() for line in answer.out.splitlines()] == [
        ["appended", "3"],
        ["duplicate", "0"],
        ["divergent", "0"],
        ["quarantined", "0"],
        ["orders", "1"],
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n", "\r\n \t\r\n"], ids=repr)
def test_line_ends_and_blank_lines_make_no_difference(end, tmp_path, ingest):
    text = end.join(json.dumps(recording) for recording in story())
    (tmp_path / "a.jsonl").write_bytes(text.encode())
    (tmp_path / "b.jsonl").write_bytes((text + end).encode())
    assert ingest("a.jsonl") == NOTHING | {"appended": 3, "orders": 1}
    assert ingest("b.jsonl") == NOTHING | {"duplicate": 3, "orders": 1}


def test_an_empty_file_is_no_recordings_and_no_error(tmp_path, ingest):
    (tmp_path / "empty.jsonl").write_bytes(b"")
    assert ingest("empty.jsonl") == NOTHING
    assert ingest("-") == NOTHING


def test_a_bad_line_is_kept_whole_with_its_number_and_the_rest_goes_on(tmp_path, ingest):
    bad = b'{"kind": "callback", "body": \x80\xff garbage'
    text = b"\n".join([lines(story()[:1]).strip().encode(), b"", bad, lines(story()[1:]).encode()])
    (tmp_path / "a.jsonl").write_bytes(text)
    assert ingest("a.jsonl") == NOTHING | {"appended": 3, "quarantined": 1, "orders": 1}
    (item,) = quarantined(tmp_path)
    assert (item["reason"], item["line_number"], item["size"]) == ("bad_line", 3, len(bad))


def test_line_numbers_go_on_from_batch_to_batch(tmp_path, ingest):
    good = json.dumps(story()[0]).encode()
    text = b"\n".join([good] * 1234 + [b"no recording"] + [good] * 5)
    (tmp_path / "a.jsonl").write_bytes(text)
    assert ingest("a.jsonl")["quarantined"] == 1
    assert [item["line_number"] for item in quarantined(tmp_path)] == [1235]


def test_binary_garbage_is_quarantined_and_crashes_nothing(tmp_path, ingest):
    garbage = bytes(range(256)) * 64
    (tmp_path / "photo.png").write_bytes(garbage)
    told = ingest("photo.png")
    assert told["quarantined"] == len([line for line in garbage.split(b"\n") if line.strip()])
    assert told["appended"] == 0


def test_a_line_of_twenty_megabytes_is_read(tmp_path, ingest):
    big = request() | {"body": {"order_id": ORDER, "note": "x" * 20_000_000}}
    (tmp_path / "a.jsonl").write_text(lines([big, *story()]))
    assert ingest("a.jsonl") == NOTHING | {"appended": 3, "quarantined": 1, "orders": 1}
    (item,) = quarantined(tmp_path)
    assert item["reason"] == "too_big"
    assert item["size"] > 20_000_000


def test_a_file_is_read_in_constant_memory(tmp_path):
    """60,000 lines take no more than 3,000 do, give or take what an interpreter wobbles."""

    def peak(name):
        program = (
            "import resource, subprocess, sys\n"
            "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
        )
        command = ["python3", "-c", program, SCRIPT, "ingest", name, "--db", DATABASE]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=True, env=environment()
        )
        return int(done.stdout)

    line = json.dumps(story()[0]) + "\n"
    (tmp_path / "few.jsonl").write_text(line * 3_000)
    (tmp_path / "many.jsonl").write_text(line * 60_000)
    assert peak("many.jsonl") < peak("few.jsonl") * 1.2


@pytest.mark.parametrize("bad", ["missing.jsonl", "folder", "secret.jsonl", "a\nb\x1b[31m.jsonl"])
def test_nothing_is_written_before_every_file_is_known_to_open(bad, tmp_path):
    (tmp_path / "a.jsonl").write_text(lines(story()))
    (tmp_path / "folder").mkdir()
    (tmp_path / "secret.jsonl").write_text("")
    (tmp_path / "secret.jsonl").chmod(0)
    if bad == "secret.jsonl" and os.access(tmp_path / bad, os.R_OK):
        pytest.skip("this user may read everything")
    answer = run("ingest", "a.jsonl", bad, "--db", DATABASE, cwd=tmp_path)
    assert answer.code == 2
    assert answer.out == ""
    assert answer.err.count("\n") == 1
    assert "\x1b" not in answer.err
    assert not (tmp_path / "orders.db").exists()


def test_a_database_is_no_recording(tmp_path, ingest):
    """It would be quarantined line by line, and grow while it is read."""
    ingest("-", stdin=lines(story()))
    answer = run("ingest", "orders.db", "--db", DATABASE, cwd=tmp_path)
    assert (answer.code, answer.out) == (2, "")
    assert "database" in answer.err
    assert quarantined(tmp_path) == []


def test_a_named_pipe_is_read_once_and_whole(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    command = [SCRIPT, "ingest", "pipe", "--db", DATABASE, "--json"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, env=environment()
    ) as process:
        with (tmp_path / "pipe").open("w") as pipe:
            pipe.write(lines(story()))
        out, _ = process.communicate(timeout=60)
    assert json.loads(out)["appended"] == 3


def test_a_store_that_cannot_be_written_is_exit_code_3(tmp_path):
    (tmp_path / "folder.db").mkdir()
    for url in ("sqlite:///folder.db", "sqlite:///no/folder/here.db"):
        answer = run("ingest", "-", "--db", url, cwd=tmp_path, stdin=lines(story()))
        assert answer.code == 3
        assert answer.err.count("\n") == 1


def test_interrupted_it_ends_with_130_and_keeps_what_it_stored(tmp_path):
    command = [SCRIPT, "ingest", "-", "--db", DATABASE]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as process:
        assert process.stdin
        process.stdin.write(lines(callback(second=n) for n in range(600)).encode())
        process.stdin.flush()
        stored = 0
        deadline = time.monotonic() + 60
        while not stored and time.monotonic() < deadline:
            time.sleep(0.1)
            listed = run("show", ORDER, "--db", DATABASE, "--json", cwd=tmp_path)
            stored = listed.value["events"] if listed.code == 0 else 0
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == b""
    assert err.count(b"\n") == 1
    assert shown(tmp_path)["events"] == stored == 500


def test_progress_shows_on_a_terminal_alone_and_never_in_the_answer(tmp_path):
    """Stderr is a pipe here, stdout a terminal: the counts are all there is."""
    (tmp_path / "a.jsonl").write_text(lines(story()))
    answer = run_on_terminal("ingest", "a.jsonl", "--db", DATABASE, "--json", cwd=tmp_path)
    assert answer.err == ""
    assert answer.value["appended"] == 3


def test_ingested_events_have_the_recordings_time_of_receipt(tmp_path, ingest):
    ingest("-", stdin=lines(story()))
    assert shown(tmp_path)["arrival"]["first_received_at"] == at(0)


def test_peak_memory_is_measured_in_a_child_of_its_own():
    """The positive control: a program that holds 100 MB is seen to hold it."""
    held = "x = bytearray(100_000_000); import resource; print(resource.getrusage(0).ru_maxrss)"
    done = subprocess.run(["python3", "-c", held], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 100_000 > resource.getpagesize() // 1024
