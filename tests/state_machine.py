"""The promise in the large: a log that lives through everything that may happen to it.

A Hypothesis state machine records, repeats, reorders and contradicts events, throws rubbish in,
crashes, reopens and rebuilds the log, and, where it is encrypted, as half of the logs are, erases
orders. After every step each order that the step touched (after a
crash, a reopening or a rebuilding: every order) is held against two answers:

    an independent oracle's, from all that was ever sent, that shares no code with the library
    a fresh fold's, from the stored records alone

and each outcome against what had been sent before. `figures` counts the steps by their name.
"""

from __future__ import annotations

import base64
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lifecycle.audit.export import export
from lifecycle.composition import connect
from lifecycle.core.event import Event, stream_of
from lifecycle.core.fold import fold
from lifecycle.core.recognizer import Recognizer
from lifecycle.core.view import OrderView
from lifecycle.log.cipher import NO_KEYS, Cipher
from lifecycle.log.codec import decode_event
from lifecycle.log.contract import Record
from lifecycle.providers.instacart import INSTACART
from lifecycle.service.orders import Orders
from lifecycle.service.receipt import Receipt
from lifecycle.testing import FixedClock, hostile_bodies
from tests import oracle
from tests.recalled import recalled
from tests.sample_events import Recording, callback, flat, random_set, request, respelled

RECOGNIZER = Recognizer(INSTACART)

ORDERS = ("one", "two")
POOL = 14
APART = ("arrival", "definition", "digest", "provider")
# What is put to the test here is the order of things; the disk itself is, elsewhere.
IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
NUMBER = st.integers(0, 2**16)
LIKE = (
    request("one"),
    callback("one", 5, "at_store", "2026-07-07T12:00:00Z"),
    flat("two", "staged"),
)

settings.register_profile(
    "dev",
    max_examples=20,
    stateful_step_count=80,
    deadline=None,
    database=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
DEV = settings.get_profile("dev")

figures: Counter[str] = Counter()


def told(view: OrderView) -> dict[str, Any]:
    """Return a view as the oracle tells it."""
    dumped = view.model_dump(mode="json")
    for anomaly in dumped["anomalies"]:
        del anomaly["detail"]
    return {name: value for name, value in dumped.items() if name not in APART}


@lru_cache(10_000)
def event_of(record: Record, cipher: Cipher | None) -> Event:
    """Return the event that a record holds; of the same record, always the same."""
    event = decode_event(record, cipher)
    return event if event.erased else recalled(RECOGNIZER, event)


class Sent:
    """Everything that was ever sent, as the oracle understands it."""

    def __init__(self) -> None:
        self.events: dict[str, list[oracle.Event]] = {}
        self.erased: set[str] = set()
        self._contents: set[tuple[str, str, str]] = set()
        self._keys: set[tuple[str, str]] = set()
        self._stored: Counter[tuple[str | None, str]] = Counter()

    def add(self, recording: Recording) -> tuple[str | None, str]:
        """Add what was sent and return its order, None if unreadable, and the right outcome."""
        found = oracle.identify(recording)
        outcome = self._outcome(found)
        order_id = None if isinstance(found, str) else found.order_id
        if outcome != "duplicate":
            self._stored[order_id or recording.get("order_id"), outcome] += 1
        return order_id, outcome

    @property
    def stored(self) -> Counter[str]:
        """How many of each outcome are stored."""
        counts: Counter[str] = Counter()
        for (_, outcome), count in self._stored.items():
            counts[outcome] += count
        return counts

    def forget_erased(self) -> None:
        """Take the orders that were erased for unknown: an export tells nothing of them."""
        for order_id in self.erased:
            del self.events[order_id]
        self._contents = {each for each in self._contents if each[0] not in self.erased}
        self._keys = {each for each in self._keys if each[0] not in self.erased}
        kept = {each: n for each, n in self._stored.items() if each[0] not in self.erased}
        self._stored, self.erased = Counter(kept), set()

    def view(self, order_id: str) -> dict[str, Any]:
        """Return the oracle's view of an order."""
        events = self.events[order_id]
        shown = oracle.erased_view_of if order_id in self.erased else oracle.view_of
        return {name: value for name, value in shown(events).items() if name not in APART}

    def _outcome(self, found: oracle.Event | str) -> str:
        if isinstance(found, str):
            return "quarantined"
        key, content = (found.order_id, found.key), (found.order_id, found.key, found.digest)
        if content in self._contents:
            return "duplicate"
        outcome = "divergent" if key in self._keys else "appended"
        self._keys.add(key)
        self._contents.add(content)
        self.events.setdefault(found.order_id, []).append(found)
        return outcome


class LogMachine(RuleBasedStateMachine):
    """A log on SQLite, and all that happens to it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="lifecycle-", dir=IN_MEMORY))
        self.clock = FixedClock()
        self.sent = Sent()
        self.delivered: list[Recording] = []
        self.touched: dict[str, OrderView | None] = {}
        self.left_open: list[Orders] = []
        self.files = self.recorded = 0

    @initialize(number=st.integers(0, 2**32), encrypted=st.booleans())
    def begin(self, number: int, encrypted: bool) -> None:
        """Choose what may be sent: for each order a story, or events that do not fit together."""
        random = Random(number)
        self.pool = [e for order_id in ORDERS for e in random_set(random, POOL, order_id)]
        self.encrypted = encrypted
        self.orders = self.new_log()

    @rule(number=NUMBER)
    def append(self, number: int) -> None:
        """Send one of the events; it may have been sent before."""
        figures["append"] += 1
        self.record([self.pool[number % len(self.pool)]])

    @rule(numbers=st.lists(NUMBER, min_size=2, max_size=6))
    def reorder(self, numbers: list[int]) -> None:
        """Send several at once, in whatever order, some twice."""
        figures["reorder"] += 1
        self.record([self.pool[number % len(self.pool)] for number in numbers])

    @precondition(lambda self: self.delivered)
    @rule(number=NUMBER)
    def duplicate(self, number: int) -> None:
        """Send something again that was sent before, perhaps in other bytes."""
        figures["duplicate"] += 1
        again = self.delivered[number % len(self.delivered)]
        self.record([respelled(Random(number), again)])

    @precondition(lambda self: self.delivered)
    @rule(number=NUMBER)
    def divergent(self, number: int) -> None:
        """Send another content under the identity of something that was sent before."""
        figures["divergent"] += 1
        recording = self.delivered[number % len(self.delivered)]
        body = recording.get("body")
        if not isinstance(body, dict):
            return
        if isinstance(body.get("event_metadata"), dict):
            body = {**body, "event_metadata": {**body["event_metadata"], "locale": f"l{number}"}}
        self.record([{**recording, "body": {**body, "unheard_of": number}}])

    @rule(body=hostile_bodies(LIKE))
    def rubbish(self, body: bytes) -> None:
        """Send a callback whose body is rubbish, or nearly what it should be."""
        figures["rubbish"] += 1
        self.record([{"kind": "callback", "body_base64": base64.b64encode(body).decode()}])

    @precondition(lambda self: self.recorded > 4)
    @rule()
    def crash(self) -> None:
        """Lose the process: nothing is closed, and the file is opened as it lies."""
        figures["crash"] += 1
        self.left_open.append(self.orders)
        self.orders = self.opened(self.after_crash(self.file))
        self.touch_all()

    @precondition(lambda self: self.recorded > 4)
    @rule()
    def reopen(self) -> None:
        """Close the log and open it again."""
        figures["reopen"] += 1
        self.orders.close()
        self.orders = self.opened(self.file)
        self.touch_all()

    @precondition(lambda self: self.recorded > 4)
    @rule()
    def rebuild(self) -> None:
        """Export everything, read it into an empty store, and go on with that one."""
        figures["rebuild"] += 1
        lines = list(export(self.orders.log, quarantine=True))
        self.orders.close()
        self.orders = self.new_log()
        self.sent.forget_erased()
        found = Counter(receipt.outcome.value for receipt in self.orders.record_many(lines))
        assert found == self.sent.stored, f"the rebuilt log holds {found}"
        self.touch_all()

    @precondition(lambda self: self.encrypted and self.recorded > 4 and self.sent.events)
    @rule(number=NUMBER)
    def erase(self, number: int) -> None:
        """Erase an order; it may have been erased before."""
        figures["erase"] += 1
        order_id = sorted(self.sent.events)[number % len(self.sent.events)]
        assert self.orders.erase(order_id, reason="asked") or order_id in self.sent.erased
        self.sent.erased.add(order_id)
        self.touched = {order_id: None}

    @invariant()
    def check(self) -> None:
        """Hold every order that was touched against the oracle and against a fresh fold."""
        for order_id, receipt_view in self.touched.items():
            view = self.orders.get(order_id)
            assert told(view) == self.sent.view(order_id)
            assert view == self.folded_anew(order_id)
            assert receipt_view is None or receipt_view == view
        self.touched = {}

    def teardown(self) -> None:
        """Leave nothing behind."""
        for orders in (self.orders, *self.left_open):
            orders.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def record(self, recordings: Iterable[Recording]) -> None:
        """Record some, check each outcome, and remember whose view to look at."""
        self.clock.tick()
        self.recorded += 1
        sent = [*recordings]
        receipts = self.orders.record_many(sent)
        for recording, receipt in zip(sent, receipts, strict=True):
            order_id, outcome = self.sent.add(recording)
            assert receipt.outcome.value == outcome, f"{receipt} where it should be {outcome}"
            if order_id is not None:
                self.delivered.append(recording)
                self.touched[order_id] = receipt.view
        self.touched = {order_id: self.last_view(receipts, order_id) for order_id in self.touched}

    def last_view(self, receipts: Iterable[Receipt], order_id: str) -> OrderView | None:
        """Return the view that the last receipt of an order shows."""
        views = [r.view for r in receipts if r.view is not None and r.view.order_id == order_id]
        return views[-1] if views else None

    def folded_anew(self, order_id: str) -> OrderView:
        """Return the view that the stored records give, folded from nothing."""
        log = self.orders.log
        cipher = log.cipher if order_id not in self.sent.erased else NO_KEYS
        records = log.read(stream_of(INSTACART.name, order_id))
        return fold(INSTACART.definition, [event_of(record, cipher) for record in records])

    def touch_all(self) -> None:
        """Have every order looked at."""
        self.touched = dict.fromkeys(self.sent.events)
        self.recorded = 0

    def opened(self, file: Path) -> Orders:
        """Return the orders in a file."""
        self.file = file
        return connect(f"sqlite:///{file}", clock=self.clock, keys=self.keys)

    def new_log(self) -> Orders:
        """Return the orders of a log that is not there yet."""
        file = self.new_file()
        self.keys = f"file:{file}.keys" if self.encrypted else None
        return self.opened(file)

    def new_file(self) -> Path:
        """Return the name of a file that is not there yet."""
        self.files += 1
        return self.folder / f"{self.files}.db"

    def after_crash(self, file: Path) -> Path:
        """Return the file that is there after a crash."""
        return file


def run(machine: type[LogMachine], number: int, chosen: settings = DEV) -> None:
    """Run a machine with a number as its seed: twenty logs, some fifty steps each.

    Raises:
        AssertionError: an answer was wrong; the notes tell the shortest way there.
    """
    seeded = seed(number)(type(machine.__name__, (machine,), {}))
    run_state_machine_as_test(seeded, settings=chosen)


def walk(steps: int, first: int, chosen: settings = DEV) -> Iterator[tuple[int, int]]:
    """Run the machine with one seed after another until so many steps were made.

    Yields the seed that is done, and the steps so far.
    """
    made, start = 0, figures.total()
    while made < steps:
        run(LogMachine, first, chosen)
        made = figures.total() - start
        yield first, made
        first += 1
