"""A process that is killed loses nothing that it acknowledged, and nothing is stored twice."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from lifecycle.audit.verify import verify
from lifecycle.core.event import Event
from lifecycle.log.codec import decode_event
from lifecycle.log.stores.sqlite.log import SQLiteLog
from tests.contract.entries import event
from tests.faults.children import Child

THREADS, POOL = 4, 4000

Record = Callable[[SQLiteLog, Event, Callable[[Event], None]], None]


def record(log: SQLiteLog, one: Event, acknowledge: Callable[[Event], None]) -> None:
    log.append(one)
    acknowledge(one)


def acknowledge_first(log: SQLiteLog, one: Event, acknowledge: Callable[[Event], None]) -> None:
    """Broken on purpose: the caller is told before the event is durable."""
    acknowledge(one)
    log.append(one)


def record_until_killed(path: Path, seed: int, how: Record, pipe: int) -> None:
    def acknowledge(one: Event) -> None:
        os.write(pipe, f"{one.key}\n".encode())

    def work(chance: random.Random) -> None:
        while True:
            number = chance.randrange(POOL)
            how(log, event(f"o{number % 50}", number), acknowledge)

    log = SQLiteLog(path)
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(work, [random.Random(f"{seed} {n}") for n in range(THREADS)]))


def kill_again_and_again(path: Path, rounds: int, how: Record) -> set[str]:
    """Return the keys that were acknowledged."""
    chance = random.Random(20260707)
    acknowledged: set[str] = set()
    for seed in range(rounds):
        child = Child(partial(record_until_killed, path, seed, how))
        told = child.first_bytes()
        time.sleep(chance.uniform(0, 0.03))
        child.kill()
        _, more = child.collect()
        acknowledged.update((told + more).decode().split())
    return acknowledged


def stored(log: SQLiteLog) -> Counter[str]:
    return Counter(decode_event(record).key for record in log.scan())


@pytest.mark.parametrize("kills", [20, pytest.param(100, marks=pytest.mark.long)])
def test_many_kills_lose_nothing_acknowledged_and_double_nothing(tmp_path, kills):
    path = tmp_path / "orders.db"

    acknowledged = kill_again_and_again(path, kills, record)

    with closing(SQLiteLog(path, create=False)) as log:
        assert len(acknowledged) > kills
        assert acknowledged - set(stored(log)) == set()
        assert set(stored(log).values()) == {1}
        assert verify(log).findings == ()


def test_control_an_acknowledgement_before_the_commit_is_found_out(tmp_path):
    path = tmp_path / "orders.db"

    acknowledged = kill_again_and_again(path, 15, acknowledge_first)

    with closing(SQLiteLog(path, create=False)) as log:
        assert acknowledged - set(stored(log))
