"""The share of each stage in the time of an append, in batches of 100. CPU time.

python benchmarks/stages.py

Each stage is measured separately, on the same callbacks. The rest is deduplication, stream
tails and receipts.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, Final

from append_sqlite import BATCH, Callbacks, batches, in_batches
from pairs import Peer, Row, Stopwatch, cpu, main, measure, new_file
from raw import Floor, stored
from workload import arrivals

from lifecycle import Arrival, Event
from lifecycle.core.identity import digest_of
from lifecycle.core.recognizer import Recognizer
from lifecycle.core.strict_json import parse_and_write
from lifecycle.log.codec import link, prepare, seal
from lifecycle.log.contract import Append
from lifecycle.providers.instacart import INSTACART

_RECEIVED_AT: Final = datetime(2022, 6, 4, 10, 0, tzinfo=UTC)
_HASH: Final = "0" * 64


def each(things: Sequence[Any], take: Callable[[Any], object]) -> Peer:
    """Put every one of `things` through a stage, and keep nothing."""

    def run(watch: Stopwatch) -> int:
        with watch.running():
            for thing in things:
                take(thing)
        return len(things)

    return run


def inserting(callbacks: Callbacks) -> Peer:
    """Insert the records that callbacks become, made before, a hundred arrivals in one commit."""
    made = stored(batches(callbacks, BATCH))

    def run(watch: Stopwatch) -> int:
        with new_file() as path, closing(Floor(path)) as log, watch.running():
            for _, records in made:
                log.insert(records)
        return len(callbacks)

    return run


def recognized(arrived: Iterable[Arrival]) -> list[Event]:
    """Return the events that arrivals are."""
    found = map(Recognizer(INSTACART).recognize, arrived)
    return [event for event in found if isinstance(event, Event)]


def sealed(append: Append) -> object:
    """Seal an entry, as it is at its place in the log."""
    append.version = 2
    return seal(append, _HASH, link((append.stream, 1, _HASH)), "2022-06-04T10:00:00Z")


def rows(options: argparse.Namespace) -> list[Row]:
    """Return the share of each stage."""
    callbacks = list(arrivals(options.events))
    arrived = [Arrival("callback", one.body, _RECEIVED_AT) for one in callbacks]
    events = recognized(arrived)
    written = [(one, parse_and_write(one.body)[1]) for one in arrived]
    found = measure(
        {
            "all": in_batches(callbacks),
            "parse": each([one.body for one in callbacks], parse_and_write),
            "digest": each(written, lambda told: digest_of(told[0], None, told[1])),
            "recognize": each(arrived, Recognizer(INSTACART).recognize),
            "prepare": each(events, prepare),
            "seal": each([prepare(event) for event in events], sealed),
            "insert": inserting(callbacks),
        },
        clock=cpu,
        rounds=options.rounds,
    )
    whole = "all of an append, batches of 100"
    return [
        found.row("recognizing", whole, of="recognize", to="all"),
        found.row("of it, the strict parse and the canonical JSON", whole, of="parse", to="all"),
        found.row("of it, the digest", whole, of="digest", to="all"),
        found.row("the header and the body's hash", whole, of="prepare", to="all"),
        found.row("the chain, the check, the header's hash", whole, of="seal", to="all"),
        found.row("SQLite", whole, of="insert", to="all"),
    ]


if __name__ == "__main__":
    main(__doc__, rows, events=8000)
