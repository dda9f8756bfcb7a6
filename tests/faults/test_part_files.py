"""Files that take their name once they are whole: what the killed leave, and who may read."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from lifecycle.errors import StoreUnavailableError
from lifecycle.log.private_file import ORDINARY, part_of
from lifecycle.log.stores.sqlite.log import SQLiteLog
from lifecycle.providers.instacart.receiver import RECEIVER
from tests.contract.entries import event
from tests.faults.children import Child
from tests.scenario.command_line import DATABASE, lines, run, story


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def killed_while_it_writes(target: Path) -> list[Path]:
    """Return what is left in the folder by a process that was killed in the middle."""

    def write(pipe: int) -> None:
        with part_of(target) as file:
            file.write(b"half")
            file.flush()
            os.write(pipe, b".")
            os.read(os.pipe()[0], 1)

    child = Child(write)
    child.first_bytes()
    child.kill()
    assert child.collect()[0] == -9
    return parts(target.parent)


def parts(folder: Path) -> list[Path]:
    return sorted(folder.glob(".*.part*"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a log."""
    told = run("ingest", "-", "--db", DATABASE, cwd=tmp_path, stdin=lines(story()))
    assert told.code == 0
    return tmp_path


# What is left behind


@pytest.mark.parametrize("target", ["copy.db", "export.jsonl"])
@pytest.mark.parametrize(
    "command",
    [("backup", "copy.db"), ("export", "-o", "export.jsonl"), ("diagram", "-o", "states.svg")],
)
def test_the_next_command_clears_what_a_killed_one_left(folder, target, command):
    assert len(killed_while_it_writes(folder / target)) == 1

    assert run(*command, "--db", DATABASE, cwd=folder).code == 0

    assert parts(folder) == []


def test_a_part_file_that_is_being_written_is_left_alone(folder):
    with part_of(folder / "copy.db") as file:
        file.write(b"half")
        assert run("export", "-o", "copy.jsonl", "--db", DATABASE, cwd=folder).code == 0
        assert run("backup", "copy.db", "--db", DATABASE, cwd=folder).code == 0

        assert parts(folder) == [Path(file.name)]


def test_a_whole_file_whose_part_was_not_removed_stays(folder):
    """A process was killed between giving the name and taking the other one away."""
    assert run("backup", "copy.db", "--db", DATABASE, cwd=folder).code == 0
    second = folder / ".copy.db.000000000001.lifecycle.part"
    second.hardlink_to(folder / "copy.db")

    assert run("backup", "other.db", "--db", DATABASE, cwd=folder).code == 0

    assert parts(folder) == []
    assert run("verify", "--db", "sqlite:///copy.db", cwd=folder).code == 0


@pytest.mark.parametrize(
    "name",
    [
        ".video.mp4.part",
        ".other.db.1.part",
        "copy.db.000000000001.lifecycle.part",
        ".copy.db.1.lifecycle.part",
        ".copy.db.000000000001.lifecycle.part.txt",
    ],
)
def test_files_of_others_are_left_alone(folder, name):
    (folder / name).write_text("somebody's")

    assert run("backup", "copy.db", "--db", DATABASE, cwd=folder).code == 0

    assert (folder / name).read_text() == "somebody's"


def test_a_file_that_only_looks_like_a_part_is_left_alone(folder):
    (folder / "precious").write_text("somebody's")
    link = folder / ".copy.db.000000000001.lifecycle.part"
    link.symlink_to(folder / "precious")
    inside = folder / ".copy.db.000000000002.lifecycle.part"
    inside.mkdir()

    assert run("backup", "copy.db", "--db", DATABASE, cwd=folder).code == 0

    assert link.is_symlink()
    assert inside.is_dir()
    assert (folder / "precious").read_text() == "somebody's"


def test_a_backup_that_is_killed_in_the_middle_leaves_one_part_which_the_next_clears(tmp_path):
    def back_up(pipe: int) -> None:
        with closing(SQLiteLog(tmp_path / "orders.db")) as log:
            log.append_many([event(number=n, body=b"x" * 50_000) for n in range(400)])
            os.write(pipe, b".")
            while True:
                log.backup(str(tmp_path / "copy.db"))
                (tmp_path / "copy.db").unlink()

    for pause in (0.0, 0.005, 0.02, 0.05):
        child = Child(back_up)
        child.first_bytes()
        time.sleep(pause)
        child.kill()
        child.collect()
        (tmp_path / "copy.db").unlink(missing_ok=True)
        assert len(parts(tmp_path)) <= 1

    with closing(SQLiteLog(tmp_path / "orders.db")) as log:
        log.backup(str(tmp_path / "copy.db"))
    assert parts(tmp_path) == []


def test_a_backup_gets_its_name_only_once_it_is_complete(tmp_path):
    with closing(SQLiteLog(tmp_path / "orders.db")) as log:
        log.append(event())
        with pytest.raises(StoreUnavailableError, match="cannot be written"):
            log.backup(str(tmp_path / "no" / "copy.db"))

    assert parts(tmp_path) == []


# Who may read it


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize(
    ("command", "mode"),
    [
        (("backup", "out.db"), 0o600),
        (("export", "-o", "out.db"), 0o600),
        (("diagram", "--order", "xyz123456", "--format", "svg", "-o", "out.db"), 0o600),
        (("stats", "--format", "svg", "-o", "out.db"), 0o600),
        (("diagram", "--format", "svg", "-o", "out.db"), None),
    ],
    ids=["backup", "export", "picture of an order", "picture of figures", "picture of states"],
)
def test_a_new_file_is_its_owner_s_alone_but_for_a_picture_of_a_definition(
    folder, command, mode, mask
):
    with umask(mask):
        told = run(*command, "--db", DATABASE, cwd=folder)

    assert told.code == 0, told
    assert mode_of(folder / "out.db") == (ORDINARY & ~mask if mode is None else mode)


def test_the_replacement_of_a_readable_file_is_private(folder):
    (folder / "out.jsonl").touch(mode=0o644)

    assert run("export", "-o", "out.jsonl", "--db", DATABASE, cwd=folder).code == 0

    assert mode_of(folder / "out.jsonl") == 0o600


def test_a_copy_into_a_new_database_is_its_owner_s_alone(folder):
    with umask(0):
        told = run("copy", "--from", DATABASE, "--to", "sqlite:///moved.db", cwd=folder)

    assert told.code == 0
    assert mode_of(folder / "moved.db") == 0o600


def test_an_export_overwrites_no_write_ahead_file(folder):
    wal = folder / "orders.db-wal"
    with closing(SQLiteLog(folder / "orders.db")) as log:
        log.append(event())
        before = wal.read_bytes()

        told = run("export", "-o", "orders.db-wal", "--db", DATABASE, cwd=folder)

        assert told.code == 2
        assert wal.read_bytes() == before


@pytest.mark.parametrize(("mode", "is_told"), [(0o600, False), (0o640, True), (0o644, True)])
def test_credentials_that_others_may_read_are_logged(tmp_path, caplog, mode, is_told):
    file = tmp_path / "credentials.toml"
    file.write_text('signing_keys = ["{0}"]\n[clients]\nshop = ["{0}"]\n'.format("k" * 64))
    file.chmod(mode)

    RECEIVER.read(file)

    assert ("others than its owner may read it" in caplog.text) == is_told
    assert "kkk" not in caplog.text
