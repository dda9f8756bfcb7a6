"""`lifecycle verify`: a clean log passes, a changed one does not; a checkpoint holds the end."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from tests.scenario.command_line import DATABASE, ORDER, lines, run, story


@pytest.fixture
def folder(tmp_path):
    told = run("ingest", "-", "--db", DATABASE, cwd=tmp_path, stdin=lines([*story(), *story("b")]))
    assert told.code == 0
    return tmp_path


def verify(folder, *arguments):
    answer = run("verify", "--db", DATABASE, "--json", *arguments, cwd=folder)
    assert answer.err == ""
    return answer.code, answer.value


def tamper(folder, statement, *values):
    """Change the file as somebody with access to it could: the guards are taken off first."""
    with contextlib.closing(sqlite3.connect(folder / "orders.db")) as driver, driver:
        triggers = driver.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall()
        for (name,) in triggers:
            driver.execute(f'DROP TRIGGER "{name}"')
        driver.execute("PRAGMA ignore_check_constraints = ON")
        assert driver.execute(statement, values).rowcount == 1


def table(folder):
    with contextlib.closing(sqlite3.connect(folder / "orders.db")) as driver:
        names = driver.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return next(name for (name,) in names if not name.startswith("sqlite"))


def test_a_clean_log_holds(folder):
    code, told = verify(folder)
    assert code == 0
    assert (told["ok"], told["records"], told["orders"], told["findings"]) == (True, 7, 2, [])
    assert told["checkpoint"].startswith("7:")


def test_a_changed_body_is_named(folder):
    changed = f"UPDATE {table(folder)} SET state = replace(state, 'items_count', 'items_coint')"
    tamper(folder, f"{changed} WHERE rowid = 2")
    code, told = verify(folder)
    assert (code, told["ok"]) == (1, False)
    assert told["findings"][0]["position"] == 2
    assert told["findings"][0]["stream"] == f"order:instacart:{ORDER}"
    answer = run("verify", "--db", DATABASE, cwd=folder)
    assert answer.code == 1
    assert "its body was changed" in answer.out


def test_a_cut_end_shows_against_a_checkpoint_alone(folder):
    _, before = verify(folder)
    tamper(folder, f"DELETE FROM {table(folder)} WHERE rowid = 7")
    assert verify(folder)[0] == 0, "the control: nothing inside the log can tell"
    code, told = verify(folder, "--checkpoint", before["checkpoint"])
    assert (code, told["ok"]) == (1, False)


def test_a_log_that_only_grew_holds_its_checkpoint(folder):
    _, before = verify(folder)
    run("ingest", "-", "--db", DATABASE, cwd=folder, stdin=lines(story("c")))
    code, told = verify(folder, "--checkpoint", before["checkpoint"])
    assert (code, told["ok"], told["records"]) == (0, True, 10)


def test_the_output_for_people_shows_the_checkpoint_to_keep(folder):
    answer = run("verify", "--db", DATABASE, cwd=folder)
    _, told = verify(folder)
    assert answer.out.splitlines()[0].startswith("7 records of 2 orders: nothing that")
    assert f"checkpoint {told['checkpoint']}" in answer.out.splitlines()


@pytest.mark.parametrize("checkpoint", ["", "6", "x:y", "6:abc"])
def test_a_malformed_checkpoint_is_wrong_usage(checkpoint, folder):
    answer = run("verify", "--db", DATABASE, "--checkpoint", checkpoint, cwd=folder)
    assert (answer.code, answer.out) == (2, "")
    assert "checkpoint" in answer.err
