"""How straight the way of an arrival is: calls of our own functions, files, and changes of file.

Comprehensions are not counted. The most that is allowed is what was reached, and a little: a
call more is a decision, to be made here. What is left on the way of a callback is the
provider's reading and its check field by field, the key and the digest, the header, the queue
in which callers share a commit, the plan, and the looks at the files before and after it.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import lifecycle
from lifecycle import Orders, connect
from lifecycle.log.stores.sqlite import files

ROOT = str(Path(lifecycle.__file__).parent)


class Way(NamedTuple):
    """What a call passes through."""

    calls: int
    files: int
    changes: int


def way_of(call: Callable[[], object]) -> Way:
    passed: list[str] = []

    def note(frame: Any, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(ROOT) and code.co_name[0] != "<":
            passed.append(code.co_filename)

    before = sys.getprofile()
    gc.collect()  # what an earlier log left behind is closed while it is collected
    gc.disable()
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(before)
        gc.enable()
    changes = sum(one != other for one, other in pairwise(passed))
    return Way(len(passed), len(set(passed)), changes)


def callback(number: int, status: str, order_id: str = "o1") -> bytes:
    return json.dumps(
        {
            "event_id": f"e{number}",
            "event_name": f"fulfillment.{status}",
            "event_timestamp": f"2026-07-0{number}T10:00:00Z",
            "event_metadata": {"order_id": order_id, "created_at": "x"},
        }
    ).encode()


@pytest.fixture
def orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Orders]:
    """Orders of a file, two callbacks each, all looked at but for the last one of `o1`.

    A reader does not look at the files again meanwhile, however slow the machine is.
    """
    monkeypatch.setattr(files, "LOOK_SECONDS", 3600.0)
    with connect(f"sqlite:///{tmp_path}/orders.db") as orders:
        for order_id in ("w1", "w2", "w3"):
            _ = orders.record_callback(callback(1, "brand_new", order_id)).view
            _ = orders.record_callback(callback(2, "acknowledged", order_id)).view
        _ = orders.record_callback(callback(1, "brand_new")).view
        yield orders


def test_a_callback_takes_a_straight_way_into_the_log(orders: Orders) -> None:
    way = way_of(lambda: orders.record_callback(callback(2, "acknowledged")))

    assert 50 < way.calls <= CALLBACK.calls
    assert way.files <= CALLBACK.files
    assert way.changes <= CALLBACK.changes


def test_a_change_and_its_view_take_a_short_way(orders: Orders) -> None:
    receipt = orders.record_callback(callback(2, "acknowledged"))

    way = way_of(lambda: (receipt.change, receipt.view))

    assert 20 < way.calls <= CHANGE_AND_VIEW.calls
    assert way.files <= CHANGE_AND_VIEW.files
    assert way.changes <= CHANGE_AND_VIEW.changes


def test_a_known_order_is_got_on_a_short_way(orders: Orders) -> None:
    way = way_of(lambda: orders.get("w1"))

    assert 10 < way.calls <= WARM.calls
    assert way.files <= WARM.files
    assert way.changes <= WARM.changes


def test_an_order_of_two_events_is_read_and_folded_on_a_short_way(orders: Orders) -> None:
    with connect(orders.log.url) as anew:
        anew.get("w1")

        way = way_of(lambda: anew.get("w2"))

    assert 40 < way.calls <= COLD.calls
    assert way.files <= COLD.files
    assert way.changes <= COLD.changes


CALLBACK = Way(calls=54, files=18, changes=30)
CHANGE_AND_VIEW = Way(calls=25, files=8, changes=15)
WARM = Way(calls=15, files=8, changes=10)
COLD = Way(calls=48, files=21, changes=35)
