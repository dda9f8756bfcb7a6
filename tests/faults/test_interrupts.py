"""Ctrl-C may strike whoever commits for the others: they neither hang nor fail."""

from __future__ import annotations

import random
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path

import pytest

from lifecycle.audit.verify import verify
from lifecycle.log.codec import decode_event
from lifecycle.log.contract import Log, Outcome
from lifecycle.log.stores.memory.log import MemoryLog
from lifecycle.log.stores.sqlite.log import SQLiteLog
from tests.contract.entries import NOON, event, stream

INTERRUPTS, THREADS, EACH = 300, 3, 300


class Interrupting:
    """A clock that is interrupted once, in the middle of the first commit after `arm`."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.waiting = threading.Semaphore(0)
        self.armed = False

    def __call__(self) -> datetime:
        if self.armed:
            self.armed = False
            self.reached.set()
            self.waiting.acquire()
            raise KeyboardInterrupt
        return NOON


@pytest.fixture(params=["memory", "sqlite"])
def interrupting(request, tmp_path):
    clock = Interrupting()
    memory = request.param == "memory"
    log = MemoryLog(clock=clock) if memory else SQLiteLog(tmp_path / "orders.db", clock=clock)
    with closing(log):
        yield log, clock


def test_when_the_leader_is_interrupted_those_in_its_group_record_by_themselves(interrupting):
    log, clock = interrupting
    clock.armed = True
    died: list[BaseException] = []

    def lead() -> None:
        try:
            log.append(event(number=0))
        except KeyboardInterrupt as interrupt:
            died.append(interrupt)

    leader = threading.Thread(target=lead)
    leader.start()
    clock.reached.wait()
    with ThreadPoolExecutor(5) as threads:
        others = [threads.submit(log.append, event(number=n)) for n in range(1, 6)]
        while len(log._queue._waiting) < 5:
            pass
        clock.waiting.release()
        assert {other.result(timeout=60).outcome for other in others} == {Outcome.APPENDED}
    leader.join()

    assert died
    assert sorted(record.version for record in log.read(stream())) == [1, 2, 3, 4, 5]
    assert log.append(event(number=0)).outcome is Outcome.APPENDED


def test_an_interrupted_caller_leaves_nothing_behind_in_the_queue(interrupting):
    log, clock = interrupting
    clock.armed = True
    clock.waiting.release()

    with pytest.raises(KeyboardInterrupt):
        log.append(event(number=1))

    assert log.append(event(number=2)).version == 1


def interrupt_the_main_thread(path: Path | None) -> None:
    """Record from the main thread under a hail of interrupts, and from others beside it."""
    chance = random.Random(20260707)
    log = MemoryLog() if path is None else SQLiteLog(path)
    with ThreadPoolExecutor(THREADS) as threads:
        others = [threads.submit(record_all, log, f"other{n}") for n in range(THREADS)]
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        interrupted = number = 0
        while interrupted < INTERRUPTS:
            try:
                signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.0001, 0.003))
                while True:
                    log.append(event("main", number))
                    number += 1
            except KeyboardInterrupt:
                interrupted += 1
        for other in others:
            other.result(timeout=60)
    counted = Counter((one.stream, one.key) for one in map(decode_event, log.scan()))
    assert set(counted.values()) == {1}
    assert all(counted[stream("main"), f"callback:{n}"] == 1 for n in range(number))
    assert sum(name != stream("main") for name, _ in counted) == THREADS * EACH
    assert verify(log).findings == ()
    log.close()


def record_all(log: Log, order_id: str) -> None:
    for number in range(EACH):
        log.append(event(order_id, number))


@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_many_interrupts_neither_hang_nor_fail_other_callers(tmp_path, store):
    path = tmp_path / "orders.db" if store == "sqlite" else None
    # A fresh process: a fork would inherit whatever locks this one's threads hold.
    child = get_context("spawn").Process(target=interrupt_the_main_thread, args=(path,))
    child.start()
    child.join(120)
    ended = child.exitcode
    child.kill()

    assert ended == 0
