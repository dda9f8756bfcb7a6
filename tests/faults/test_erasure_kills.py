"""A process that is killed while it erases: the order is whole, or erased by whoever comes next.

A fork erases and is killed at one of its calls; every call of the library's code is a point.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType

import pytest

import lifecycle
from lifecycle import Orders, connect
from lifecycle.log.cipher import Cipher
from tests.faults.children import Child
from tests.scenario.test_erasure import CANARIES, found, tell

ROOT = str(Path(lifecycle.__file__).parent)
STEP = 41
"""Every so manieth call is tried in the run; all of them by `-m long`."""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an encrypted log and stored views, closed."""
    folder = tmp_path_factory.mktemp("log")
    with connect(url(folder), keys=f"file:{folder}/orders.db.keys") as orders:
        tell(orders)
        orders.views.rebuild()
    return folder


def url(folder: Path) -> str:
    return f"sqlite:///{folder}/orders.db"


def erase(folder: Path, kill_at: int) -> int:
    """Erase in a fork that is killed at a call; return how many calls there were."""

    def work(sending: int) -> None:
        calls = 0

        def count(frame: FrameType, event: str, _: object) -> None:
            nonlocal calls
            if event == "call" and frame.f_code.co_filename.startswith(ROOT):
                calls += 1
                if calls == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)

        orders = connect(url(folder))
        sys.setprofile(count)
        orders.erase("xyz", reason="asked")
        sys.setprofile(None)
        os.write(sending, str(calls).encode())

    code, written = Child(work).collect()
    assert code in {0, -signal.SIGKILL}, written
    return int(written or b"0")


def is_whole(orders: Orders) -> bool:
    """Tell whether the order is not erased; half of it would be neither."""
    view = orders.get("xyz")
    assert view.erased is (view.details.locale is None)
    assert {each.erased for each in orders.find()} <= {view.erased, False}
    return not view.erased


def tried(folder: Path, copy: Path, kill_at: int) -> bool:
    """Kill at one call, look, and erase again; tell whether the order was erased already."""
    shutil.copytree(folder, copy)
    erase(copy, kill_at)
    with connect(url(copy), create=False) as orders:
        was_whole = is_whole(orders)
    with connect(url(copy)) as orders:
        assert is_whole(orders) is was_whole
        assert was_whole or keys_left(orders) == {"xyz2"}
        orders.erase("xyz", reason="asked again")
        assert not is_whole(orders)
        assert keys_left(orders) == {"xyz2"}
        assert list(orders.quarantine()) == []
    assert found(copy) == set()
    shutil.rmtree(copy)
    return not was_whole


def keys_left(orders: Orders) -> set[str]:
    """Return the orders of which the key store has a key."""
    left = set()
    for stream in orders.log.streams():
        record = orders.log.read(stream)[0]
        key_id = record.state.split(b'"key_id":"')[1].split(b'"')[0].decode()
        if orders.log.cipher._store.find([key_id])[key_id] is not None:
            left.add(stream.rpartition(":")[2])
    return left


def test_the_way_of_an_erasure_has_points_enough(log: Path, tmp_path: Path) -> None:
    shutil.copytree(log, tmp_path / "copy")
    assert erase(tmp_path / "copy", -1) > 200


@pytest.mark.parametrize("part", range(2))
def test_killed_at_any_call_an_order_is_whole_or_erased_for_good(
    log: Path, tmp_path: Path, part: int
) -> None:
    shutil.copytree(log, tmp_path / "counted")
    calls = erase(tmp_path / "counted", -1)
    points = list(range(1 + part * STEP, calls, STEP * 2))
    came = {tried(log, tmp_path / "copy", point) for point in points}
    assert came == {True, False}


@pytest.mark.long
def test_killed_at_each_call_an_order_is_whole_or_erased_for_good(
    log: Path, tmp_path: Path
) -> None:
    shutil.copytree(log, tmp_path / "counted")
    calls = erase(tmp_path / "counted", -1)
    came = [tried(log, tmp_path / "copy", point) for point in range(1, calls)]
    # Not in two halves: from run to run a call more or less is made before the log is written.
    assert len(came) > 200
    assert (came[0], came[-1]) == (False, True)


def test_an_erasure_that_forgets_the_key_store_is_noticed(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The positive control: the log says that it was erased, and the key is still there."""
    monkeypatch.setattr(Cipher, "erase", lambda self, key_ids: self._forget(key_ids))
    with pytest.raises(AssertionError):
        tried(log, tmp_path / "copy", -1)


def test_what_was_said_in_the_log_is_not_shown_even_before_its_key_is_destroyed(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(log, tmp_path / "copy")
    with monkeypatch.context() as patched, connect(url(tmp_path / "copy")) as orders:
        patched.setattr(Cipher, "erase", lambda self, key_ids: None)
        orders.erase("xyz", reason="asked")
        assert keys_left(orders) == {"xyz", "xyz2"}
    with connect(url(tmp_path / "copy"), create=False) as reader:
        assert reader.get("xyz").erased
        shown = str(reader.get("xyz").model_dump()) + str(reader.history("xyz"))
        assert not [canary for canary in CANARIES.values() if canary in shown]
    with connect(url(tmp_path / "copy")) as writer:  # whoever opens it to write goes on
        assert keys_left(writer) == {"xyz2"}
