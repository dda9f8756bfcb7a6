"""Five orders among others, served as pages: can a stranger tell what happened to each?

    .venv/bin/python -m campaigns.five_orders --port 8080

    70418  was delivered; our side heard of most of it late
    70423  was refused, corrected, accepted, and canceled by the customer
    70430  is stuck: the shopper reached the store, and nothing came since
    70437  contradicts itself: delivered, then delivering and canceled; one callback came twice
    70441  was delivered and then erased

The answers above are what the reader of the pages has to find out. The log is encrypted, so that
an order can be erased, and lies in a folder that is deleted at the end.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

import uvicorn

from lifecycle import OrderChange, connect
from lifecycle.audit.signed_note import PrivateKey
from lifecycle.providers.instacart import sample_orders
from lifecycle.service.orders import Orders
from lifecycle.web import Pages

LATE: Final = "70418"
CANCELED: Final = "70423"
STUCK: Final = "70430"
CONTRADICTING: Final = "70437"
ERASED: Final = "70441"
FIVE: Final = (LATE, CANCELED, STUCK, CONTRADICTING, ERASED)

_WAY: Final = (
    *(("brand_new", 0), ("acknowledged_for_delivery", 6), ("at_store", 19)),
    *(("bags_verified", 27), ("delivering", 34), ("delivered", 58)),
)
_HOURS: Final = 30

_REFUSED: Final = {
    "error": {
        "message": "There were issues with your request",
        "code": 1001,
        "errors": [
            {
                "error": {"message": "is outside of the service area", "code": 1001},
                "meta": {"key": "address"},
            }
        ],
    },
    "meta": {"key": "order"},
}
_CUSTOMER: Final = {"user": {"first_name": "Kamal", "phone": "+1 555 0100"}}


class Clock:
    """The clock of the log while it is written: it stands where it was put."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now


class Written:
    """One order being written: each call adds what was sent or came so many minutes after."""

    def __init__(self, order_id: str, starts_at: datetime) -> None:
        self.order_id = order_id
        self.recordings: list[dict[str, Any]] = []
        self._starts_at = starts_at

    def request(self, minute: float, attempt: int = 1) -> None:
        """Add a request of ours."""
        body = {"order_id": self.order_id, **_CUSTOMER}
        self._add("request", minute, body, attempt=attempt)

    def answer(self, minute: float, status: int, body: object, attempt: int = 1) -> None:
        """Add the provider's answer to it."""
        more = {"attempt": attempt, "exchange_id": f"{self.order_id}-{attempt}"}
        self._add("response", minute, body, http_status=status, **more)

    def accepted(self, minute: float, attempt: int = 1) -> None:
        """Add the answer that the provider took the order."""
        self.answer(minute, 200, {"id": self.order_id, "status": "created"}, attempt)

    def callback(self, name: str, minute: float, heard: float | None = None, **told: Any) -> None:
        """Add a callback about what happened in a minute; `heard` later than that if it is told."""
        body = {
            "event_id": f"{self.order_id}-{name}",
            "event_name": f"fulfillment.{name}",
            "event_timestamp": self._at(minute).isoformat(timespec="seconds"),
            "event_metadata": {"order_id": self.order_id, **told},
        }
        self._add("callback", minute + 0.03 if heard is None else heard, body)

    def _add(self, kind: str, minute: float, body: object, **more: Any) -> None:
        told = {"kind": kind, "order_id": self.order_id, "body": body, **more}
        self.recordings.append({**told, "received_at": self._at(minute).isoformat()})

    def _at(self, minute: float) -> datetime:
        return self._starts_at + timedelta(minutes=minute)


def late(order: Written) -> None:
    """Write an order of which most was heard late."""
    order.request(0)
    order.accepted(0.01)
    for name, minute in _WAY:
        is_late = name in {"brand_new", "at_store", "delivered"}
        order.callback(name, minute + 1, minute + 48 if is_late else None)


def canceled(order: Written) -> None:
    """Write an order that was refused, corrected, accepted and canceled."""
    order.request(0)
    order.answer(0.01, 400, _REFUSED)
    order.request(7, attempt=2)
    order.accepted(7.01, attempt=2)
    order.callback("brand_new", 8)
    order.callback("acknowledged_for_delivery", 15)
    order.callback("canceled", 21, cancellation_reason="customer_request")


def stuck(order: Written) -> None:
    """Write an order of which nothing came for long."""
    order.request(0)
    order.accepted(0.01)
    for name, minute in _WAY[:3]:
        order.callback(name, minute + 1)


def contradicting(order: Written) -> None:
    """Write an order of which the callbacks say what cannot all be so."""
    order.request(0)
    order.accepted(0.01)
    for name, minute in _WAY:
        order.callback(name, minute + 1)
    order.callback("at_store", 26)  # the same event id, with another time
    order.callback("canceled", 71, cancellation_reason="store_closed")
    order.callback("parked_around_the_corner", 44)


def erased(order: Written) -> None:
    """Write an order that is erased afterwards."""
    order.request(0)
    order.accepted(0.01)
    for name, minute in _WAY:
        order.callback(name, minute + 1)


_STORIES: Final[tuple[tuple[str, Callable[[Written], None], timedelta], ...]] = (
    (LATE, late, timedelta(hours=5)),
    (CANCELED, canceled, timedelta(hours=3)),
    (STUCK, stuck, timedelta(hours=31)),
    (CONTRADICTING, contradicting, timedelta(hours=8)),
    (ERASED, erased, timedelta(days=2)),
)


def write_all(orders: Orders, clock: Clock, others: int) -> None:
    """Record the five orders among others, all as they came, and two items nobody can read."""
    now = clock.now
    arrived = _others(now, others)
    for order_id, story, ago in _STORIES:
        order = Written(order_id, now - ago)
        story(order)
        arrived += order.recordings
    for recording in sorted(arrived, key=_received):
        clock.now = _received(recording)
        orders.record_many([recording])
    clock.now = now
    orders.record_callback(b"<html>502 Bad Gateway</html>")
    orders.record_callback({"status": "delivering", "user": {"first_name": "Kamal"}})
    if orders.log.cipher is not None:
        orders.erase(ERASED, reason="asked by the customer, case 4711", by="privacy office")


def _others(now: datetime, count: int) -> list[dict[str, Any]]:
    """Return what came of other orders, a part of them begun in each of the last hours."""
    drawn, arrived = Random(7), []
    for hours in range(_HOURS, 0, -1):
        begun = drawn.randint(0, 2 * count // _HOURS)
        told = sample_orders.generate(hours, begun, starts_at=now - timedelta(hours=hours))
        some = sample_orders.deliver(hours, told, lost=0.02, divergent=0.03, delayed=0.2)
        arrived += some.recordings
    return [each for each in arrived if _received(each) < now]


def write_letters(orders: Orders) -> None:
    """Deliver the changes to two subscribers, one of which fails with some orders."""

    def fail(change: OrderChange) -> None:
        if change.order_id in {LATE, CONTRADICTING}:
            raise ConnectionError("the mail server does not answer")

    for name, handler in (("customer-mails", fail), ("warehouse", lambda _: None)):
        subscription = orders.subscription(name, handler, attempts=1)
        while subscription.catch_up():
            pass


@contextmanager
def five_orders(others: int = 60, *, encrypted: bool = True) -> Iterator[Orders]:
    """Yield the orders of a new log with the five orders and some others."""
    with tempfile.TemporaryDirectory(prefix="five-orders-") as folder:
        file = Path(folder) / "orders.db"
        url, keys = f"sqlite:///{file}", f"file:{file}.keys" if encrypted else None
        clock = Clock()
        with connect(url, keys=keys, clock=clock) as orders:
            write_all(orders, clock, others)
        with connect(url, keys=keys) as orders:
            write_letters(orders)
            orders.views.rebuild()
            yield orders


def _received(recording: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(recording["received_at"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the five orders until it is interrupted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--others", type=int, default=60, help="about how many others there are")
    options = parser.parse_args(arguments)
    with five_orders(options.others) as orders:
        pages = Pages(orders, key=PrivateKey("five-orders.example", bytes(32)))
        print(f"http://127.0.0.1:{options.port}/ has the orders {', '.join(FIVE)}")
        uvicorn.run(pages, host="127.0.0.1", port=options.port, log_level="warning")
        pages.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
