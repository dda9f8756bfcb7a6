"""A process that is killed while it erases: the order is whole, or erased by whoever comes next.

A fork erases and is killed at one of its calls; every call of the library's code is a point. On
SQLite with a key file, on PostgreSQL with a key file and with keys in a table.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import pytest

import lifecycle
from lifecycle import Orders, connect
from lifecycle.log.cipher import Cipher
from lifecycle.service.erasure import Erasure
from tests.faults.children import Child
from tests.postgres_server import Server
from tests.scenario.test_erasure import CANARIES, found, tell

ROOT = str(Path(lifecycle.__file__).parent)
POINTS = {"sqlite": 8, "postgres": 4, "table": 4}
"""How many calls are tried in the run; all of them by `-m long`."""

KEPT = "CREATE DATABASE {} TEMPLATE {}"
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}'"


class Place(NamedTuple):
    """Where a log lies, with its keys; on SQLite in a folder, else in a database of the server."""

    folder: Path
    server: Server | None = None
    database: str = ""
    keeps_table: bool = False

    def opened(self, **how: Any) -> Orders:
        """Return the orders of the log."""
        keys = f"file:{self.folder}/orders.db.keys"
        if self.keeps_table:
            keys = f"database:?master={self.folder}/master"
        if self.server is None:
            return connect(f"sqlite:///{self.folder}/orders.db", keys=keys, **how)
        return connect(self.server.url(self.database), keys=keys, **how)

    def copied(self, to: Path) -> Place:
        """Return a copy of the log and its keys, to kill in."""
        shutil.copytree(self.folder, to)
        if self.server is None:
            return Place(to)
        self.settle()
        name = f"{self.database}_copy"
        self.server.execute(f"DROP DATABASE IF EXISTS {name}")
        self.server.execute(KEPT.format(name, self.database))
        return self._replace(folder=to, database=name)

    def settle(self) -> None:
        """Wait until the server has noticed that whoever used the database is gone."""
        deadline = time.monotonic() + 30
        while self.server is not None and time.monotonic() < deadline:
            if self.server.execute(SESSIONS.format(self.database)) == [(0,)]:
                return
            time.sleep(0.002)


@pytest.fixture(scope="module", params=POINTS)
def log(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """An encrypted log and stored views, closed."""
    place = Place(tmp_path_factory.mktemp("log"), keeps_table=request.param == "table")
    if request.param != "sqlite":
        server = request.getfixturevalue("postgres")
        place = place._replace(server=server, database=server.new_database())
    with place.opened() as orders:
        tell(orders)
        orders.views.rebuild()
    return place


def points_of(log: Place) -> int:
    """Return how many calls are tried in the run."""
    return POINTS["table" if log.keeps_table else "postgres" if log.server else "sqlite"]


def erase(place: Place, kill_at: int) -> int:
    """Erase in a fork that is killed at a call; return how many calls there were."""

    def work(sending: int) -> None:
        calls = 0

        def count(frame: FrameType, event: str, _: object) -> None:
            nonlocal calls
            if event == "call" and frame.f_code.co_filename.startswith(ROOT):
                calls += 1
                if calls == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)

        orders = place.opened()
        sys.setprofile(count)
        orders.erase("xyz", reason="asked")
        sys.setprofile(None)
        os.write(sending, str(calls).encode())

    code, written = Child(work).collect()
    assert code in {0, -signal.SIGKILL}, written
    place.settle()
    return int(written or b"0")


def is_whole(orders: Orders) -> bool:
    """Tell whether the order is not erased; half of it would be neither."""
    view = orders.get("xyz")
    assert view.erased is (view.details.locale is None)
    assert {each.erased for each in orders.find()} <= {view.erased, False}
    return not view.erased


def tried(log: Place, folder: Path, kill_at: int) -> bool:
    """Kill at one call, look, and erase again; tell whether the order was erased already."""
    place = log.copied(folder)
    erase(place, kill_at)
    with place.opened(create=False) as orders:
        was_whole = is_whole(orders)
    with place.opened() as orders:
        assert is_whole(orders) is was_whole
        assert was_whole or keys_left(orders) == {"xyz2"}
        orders.erase("xyz", reason="asked again")
        assert not is_whole(orders)
        assert keys_left(orders) == {"xyz2"}
        assert list(orders.quarantine()) == []
    assert found(place.folder) == set()
    shutil.rmtree(place.folder)
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


def test_killed_at_any_call_an_order_is_whole_or_erased_for_good(
    log: Place, tmp_path: Path
) -> None:
    calls = erase(log.copied(tmp_path / "counted"), -1)
    assert calls > 200
    step = calls // points_of(log)
    came = {tried(log, tmp_path / "copy", point) for point in range(1, calls, step)}
    assert came == {True, False}


@pytest.mark.long
def test_killed_at_each_call_an_order_is_whole_or_erased_for_good(
    log: Place, tmp_path: Path
) -> None:
    calls = erase(log.copied(tmp_path / "counted"), -1)
    came = [tried(log, tmp_path / "copy", point) for point in range(1, calls)]
    # Not in two halves: from run to run a call more or less is made before the log is written.
    assert len(came) > 200
    assert (came[0], came[-1]) == (False, True)


def test_an_erasure_that_forgets_the_key_store_is_noticed(
    log: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The positive control: the log says that it was erased, and the key is still there."""
    monkeypatch.setattr(Cipher, "erase", lambda self, key_ids: self._forget(key_ids))
    with pytest.raises(AssertionError):
        tried(log, tmp_path / "copy", -1)


def test_what_was_said_in_the_log_is_not_shown_even_before_its_key_is_destroyed(
    log: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = log.copied(tmp_path / "copy")
    with monkeypatch.context() as patched, place.opened() as orders:
        assert shown(orders) != set()
        patched.setattr(Cipher, "erase", lambda self, key_ids: None)
        patched.setattr(Erasure, "_fold_anew", lambda self, erased: None)
        orders.erase("xyz", reason="asked")
        assert keys_left(orders) == {"xyz", "xyz2"}
    with place.opened(create=False) as reader:
        assert reader.get("xyz").erased
        assert [view.erased for view in reader.find()] == [True, False]
        assert shown(reader) == set()
    with place.opened() as writer:  # whoever opens it to write goes on
        assert keys_left(writer) == {"xyz2"}


def shown(orders: Orders) -> set[str]:
    """Return the canaries in anything that is shown of a log."""
    views = [orders.get("xyz"), *orders.find(), *orders.find(anomalies=True)]
    views += [change.view for change in orders.changes()]
    told = [view.model_dump() for view in views], orders.history("xyz")
    bodies = [item.body for item in orders.quarantine(all=True)], orders.last_request("xyz")
    return {name for name, canary in CANARIES.items() if canary in repr((told, bodies))}
