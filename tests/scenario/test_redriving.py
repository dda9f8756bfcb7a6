"""Re-driving the quarantine: each item once, by its own provider, whoever else is at it."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lifecycle import Arrival, Event, NoReading, Outcome, Reading, Receipt
from lifecycle.audit.export import export
from lifecycle.audit.log_copy import copy
from lifecycle.audit.replay import replay
from lifecycle.audit.verify import verify
from lifecycle.composition import open_log
from lifecycle.core.event import Redriven
from lifecycle.core.provider import JsonObject
from lifecycle.log import header
from lifecycle.log.codec import decode
from lifecycle.log.contract import CONTROL, QUARANTINE, Record
from lifecycle.providers.instacart import INSTACART
from lifecycle.registry import known_providers
from lifecycle.service.order_service import is_first
from tests.scenario.command_line import run
from tests.without_rules import connect, connect_async

ITEMS = 60
FLAT = b'{"id":"7","status":"delivered"}'


class Mending:
    """Instacart's provider, which can read nothing until it is mended."""

    definition = INSTACART.definition
    kept_headers: frozenset[str] = frozenset()

    def __init__(self, name: str = "instacart", *, mended: bool = False) -> None:
        self.name = name
        self.mended = mended

    def read(self, arrival: Arrival, body: JsonObject | None) -> Reading | NoReading:
        if not self.mended:
            raise NotImplementedError
        return INSTACART.read(arrival, body)


def filled(url: str, items: int = ITEMS) -> None:
    with connect(url, provider=Mending()) as orders:
        for number in range(items):
            body = {"id": f"q{number % 7}", "status": "brand_new", "n": number}
            receipt = orders.record_callback(body)
            assert receipt.outcome is Outcome.QUARANTINED


def redriven_at_once(url: str, workers: int) -> list[list[Receipt]]:
    """Return the receipts of several that re-drive at once, each over a log of its own."""
    taken: list[list[Receipt]] = [[] for _ in range(workers)]
    ready = threading.Barrier(workers)

    def redrive(receipts: list[Receipt]) -> None:
        with connect(url) as orders:
            ready.wait()
            receipts += orders.redrive()

    threads = [threading.Thread(target=redrive, args=(receipts,)) for receipts in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken


def marks(url: str) -> list[int]:
    log = open_log(url, create=False)
    found = [decode(record) for record in log.scan()]
    log.close()
    return sorted(entry.item for entry in found if isinstance(entry, Redriven))


def test_concurrent_redrives_mark_every_item_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/orders.db"
    filled(url)

    taken = redriven_at_once(url, 3)

    assert marks(url) == list(range(1, ITEMS + 1))
    items = [one.event.redriven_from for part in taken for one in part]  # type: ignore[union-attr]
    assert sorted(items, key=int) == list(range(1, ITEMS + 1)), "each receipt came to one of them"
    with connect(url) as orders:
        assert list(orders.quarantine()) == []
        assert sum(view.events for view in orders.find()) == ITEMS
        assert verify(orders.log).ok
        assert replay(orders.log, known_providers()).ok
        assert orders.log.last_position() == 3 * ITEMS


def test_without_a_key_of_the_item_marks_are_written_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The positive control: every mark is another's."""
    url, numbers = f"sqlite:///{tmp_path}/orders.db", itertools.count()
    filled(url)
    monkeypatch.setattr(header, "key_of", lambda _: f"redriven:{next(numbers)}:odd")
    ready = threading.Barrier(3)

    def redrive() -> None:
        with connect(url) as orders:
            again = list(orders._service.readable_again())
            ready.wait()
            for _, entries in again:
                orders.log.append_many(entries)

    threads = [threading.Thread(target=redrive) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with connect(url) as orders:
        written = [record for record in orders.log.scan() if record.topic == "redriven"]
    assert len(written) > ITEMS


def test_a_late_redrive_of_all_items_writes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/orders.db"
    filled(url)
    with connect(url) as late, connect(url) as early:
        waiting = list(late._service.readable_again())
        assert len(list(early.redrive())) == ITEMS
        end = early.log.last_position()

        appended = [late.log.append_many(both) for _, both in waiting]

        assert not any(map(is_first, appended))
        assert early.log.last_position() == end


@pytest.mark.parametrize("after", [0.02, 0.06, 0.15])
def test_a_process_that_is_killed_leaves_event_and_mark_or_neither(
    tmp_path: Path, after: float
) -> None:
    url = f"sqlite:///{tmp_path}/orders.db"
    filled(url, 300)
    script = (
        "import sys; from lifecycle import connect\n"
        "with connect(sys.argv[1]) as orders:\n"
        "    print('ready', flush=True)\n"
        "    for _ in orders.redrive(): pass\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script, url], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    time.sleep(after)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()

    with connect(url) as orders:
        events = {
            entry.redriven_from
            for entry in map(decode, orders.log.scan())
            if isinstance(entry, Event)
        }
        assert sorted(events, key=lambda item: item or 0) == marks(url)
        list(orders.redrive())
        assert sum(view.events for view in orders.find()) == 300
        assert verify(orders.log).ok
    assert marks(url) == list(range(1, 301))


def test_an_item_of_another_provider_stays_and_is_named(tmp_path, caplog) -> None:
    url = f"sqlite:///{tmp_path}/orders.db"
    with connect(url, provider=Mending("kitchen")) as orders:
        orders.record_callback(FLAT)
    with connect(url) as orders:
        assert orders.record_callback(b"<html>").outcome is Outcome.QUARANTINED
        assert list(orders.redrive()) == []
        assert [item.provider for item in orders.quarantine()] == ["kitchen", "instacart"]
        assert list(orders.find()) == []
    assert "provider 'kitchen' is not known here: quarantined items left: 1" in caplog.text

    shown = run("quarantine", "--redrive", "--db", url, cwd=tmp_path)
    assert shown.code == 0
    assert "1 item left: provider 'kitchen' is not known here" in shown.err

    with connect(url, provider=Mending("kitchen", mended=True)) as orders:
        (receipt,) = orders.redrive()
        assert receipt.event.provider == "kitchen"
        assert orders.get("7").status == "delivered"


def test_an_item_is_read_by_its_own_provider_whichever_is_asked() -> None:
    line = json.dumps({"kind": "callback", "body": json.loads(FLAT)})
    kitchen = Mending("kitchen")
    with connect("memory:", provider=kitchen) as orders:
        named = {"kind": "callback", "provider": "instacart", "body_text": "<html>"}
        orders.record_many([line, {**named}, b"no line"])
        assert [item.provider for item in orders.quarantine()] == [
            "kitchen",
            "instacart",
            "kitchen",
        ]
        kitchen.mended = True
        (receipt,) = orders.redrive()
        assert receipt.event.stream == "order:kitchen:7"
        assert [item.item for item in orders.quarantine()] == [2, 3]


def test_a_line_that_named_no_provider_is_of_the_one_it_came_to(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/orders.db"
    with connect(url, provider=Mending("kitchen")) as orders:
        bad = '{"kind":"callback","attempt":0,"body":{"id":"7","status":"delivered"}}'
        orders.record_many([bad])
        (item,) = orders.quarantine()
        assert (item.provider, item.reason) == ("kitchen", "bad_line")
    with connect(url) as orders:
        assert list(orders.redrive()) == []
        assert list(orders.find()) == []


def test_async_orders_redrive_each_item_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/orders.db"
    filled(url)

    async def redrive() -> int:
        async with connect_async(url) as orders:
            return len([receipt async for receipt in orders.redrive()])

    async def both() -> list[int]:
        return await asyncio.gather(redrive(), redrive())

    assert sum(asyncio.run(both())) == ITEMS
    assert marks(url) == list(range(1, ITEMS + 1))


def test_marks_are_no_orders_and_no_items(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/orders.db"
    filled(url, 20)
    with connect(url) as orders:
        list(orders.redrive())
        log = orders.log
        assert [item.item for item in orders.quarantine(all=True)] == list(range(1, 21))
        assert all(item.redriven for item in orders.quarantine(all=True))
        assert len(log.read(QUARANTINE)) == 20
        assert list(log.streams()) == [f"order:instacart:q{number}" for number in range(7)]
        lines = [json.loads(line) for line in export(log, quarantine=True)]
        assert len(lines) == 40
        target = open_log("memory:")
        assert copy(log, target).verification.ok
        assert len(target.read(CONTROL)) == 20


def test_a_quarantine_of_large_bodies_is_read_whole(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/orders.db"
    with connect(url) as orders:
        for number in range(40):
            orders.record_callback(b"%d" % number + b" " * 1_000_000)
        assert [item.size for item in orders.quarantine()] == [
            len(b"%d" % number) + 1_000_000 for number in range(40)
        ]


def garbled(url: str, stream: str, state: bytes = b"garbage\n") -> None:
    log = open_log(url)
    log.restore([Record(stream, 1, "redriven", 1, state)])
    log.close()


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_damaged_order_keeps_no_other_item_from_being_redriven(tmp_path, caplog, way):
    url = f"sqlite:///{tmp_path}/orders.db"
    filled(url, 14)
    garbled(url, "order:instacart:q3")

    async def redriven() -> list[Receipt]:
        async with connect_async(url) as orders:
            return [receipt async for receipt in orders.redrive()]

    if way == "async":
        receipts = asyncio.run(redriven())
    else:
        with connect(url) as orders:
            receipts = list(orders.redrive())

    items = [receipt.event.redriven_from for receipt in receipts]  # type: ignore[union-attr]
    assert items == [1, 2, 3, 5, 6, 7, 8, 9, 10, 12, 13, 14], "but 4 and 11, which are of q3"
    assert "record 1 of 'order:instacart:q3' cannot be read" in caplog.text
    with connect(url) as orders:
        assert [item.item for item in orders.quarantine()] == [4, 11]


def test_a_mark_of_one_item_hides_no_other(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/orders.db"
    filled(url, 3)
    with connect(url) as orders:
        orders.log.append(Redriven(3, "order:instacart:q2", "snapshot:1", datetime.now(UTC)))

        assert [item.item for item in orders.quarantine()] == [1, 2]
        assert [item.redriven for item in orders.quarantine(all=True)][2] == "snapshot:1"


def test_a_damaged_record_among_the_marks_stops_no_item(tmp_path: Path) -> None:
    """The role that appends can insert one; it is passed over, and named by verify."""
    url = f"sqlite:///{tmp_path}/orders.db"
    filled(url, 3)
    with closing(sqlite3.connect(tmp_path / "orders.db")) as raw, raw:
        raw.execute(
            "INSERT INTO stored_events (rowid, originator_id, originator_version, topic, state) "
            "VALUES (4, 'control', 1, 'redriven', X'6162')"
        )
    for _ in range(2):
        with connect(url, provider=Mending(mended=True)) as orders:
            list(orders.redrive())
            assert all(item.redriven for item in orders.quarantine())
            assert [found.stream for found in verify(orders.log).findings] == ["control"]
