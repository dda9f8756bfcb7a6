"""Replay of a whole log from its raw bytes, on one core. CPU time.

    python benchmarks/replay.py

Every header is checked with its chain and every body with its hash, every event is recognized
anew and its key and digest compared with what is stored, every order is folded and looked at.
Beside it the strict parse of the same bytes, headers and bodies, and the obvious way's `get`
of every order. Comparing with stored views is not in it: the log stores none yet.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from hashlib import sha256

from pairs import Peer, Row, Stopwatch, cpu, main, measure, new_file
from view import filled_obviously, gotten
from workload import EVENTS_PER_ORDER, arrivals

from lifecycle import Arrival, Event, Orders, connect
from lifecycle.fold import Folding
from lifecycle.log import Record
from lifecycle.stored import decode_event, hash_of, is_intact, parse_header, split
from lifecycle.strict_json import parse


def replayed(orders: Orders, records: Iterable[Record]) -> str:
    """Return the status that an order comes to; nothing may be other than it was written."""
    previous = None
    events = []
    for record in records:
        header, body = split(record)
        fields = parse_header(header, record.stream, record.version)
        stored = decode_event(record)
        again = recognized(orders, stored)
        is_sound = (
            is_intact(header)
            and fields.get("previous") == previous
            and fields["sha256"] == sha256(body).hexdigest()
            and (again.key, again.digest) == (stored.key, stored.digest)
        )
        if not is_sound:
            raise SystemExit(f"record {record.position} is not what was written")
        previous = hash_of(header)
        events.append(again)
    return Folding.of(orders.provider.definition, events).view().status


def recognized(orders: Orders, stored: Event) -> Event:
    """Return what a stored event's body says today."""
    arrival = Arrival(
        stored.kind,
        stored.body,
        stored.received_at,
        stored.order_id,
        stored.attempt or 1,
        stored.exchange_id,
        stored.http_status,
        stored.headers,
    )
    again = orders.provider.recognize(arrival)
    if not isinstance(again, Event):
        raise SystemExit("a stored event cannot be read any more")
    return again


def replaying(orders: Orders, streams: Sequence[Sequence[Record]]) -> Peer:
    """Replay the whole log, an order after the other."""

    def run(watch: Stopwatch) -> int:
        with watch.running():
            for records in streams:
                replayed(orders, records)
        return sum(map(len, streams))

    return run


def parsing(streams: Sequence[Sequence[Record]]) -> Peer:
    """Parse every header and every body."""
    texts = [text for records in streams for record in records for text in split(record)]

    def run(watch: Stopwatch) -> int:
        with watch.running():
            for text in texts:
                parse(text)
        return sum(map(len, streams))

    return run


def rows(options: argparse.Namespace) -> list[Row]:
    """Return how replaying compares with parsing, and with the obvious way."""
    callbacks = list(arrivals(options.orders * EVENTS_PER_ORDER))
    order_ids = sorted({each.order_id for each in callbacks})
    few = order_ids[: max(1, len(order_ids) // 10)]
    with new_file() as path, connect("memory:") as orders:
        orders.record_many([{"kind": "callback", "body": each.body} for each in callbacks])
        streams = list(orders.log.read_many(list(orders.log.streams())).values())
        filled_obviously(path, [each for each in callbacks if each.order_id in set(few)])
        get = gotten(path, few)
        found = measure(
            {
                "replay": replaying(orders, streams),
                "parse": parsing(streams),
                "obvious": lambda watch: get(watch) * EVENTS_PER_ORDER,
            },
            clock=cpu,
            rounds=options.rounds,
        )
    what = "replay, without stored views"
    return [
        found.row(what, "strict parse of the same bytes", of="parse", to="replay"),
        found.row(what, "the obvious way, all orders", of="obvious", to="replay"),
    ]


if __name__ == "__main__":
    main(__doc__, rows, orders=500)
