"""Durable appends on NATS JetStream, from raw bytes to the receipt. Wall time.

    python benchmarks/append_nats.py

One at a time and in batches of 100, beside the bare atomic publish of the same stored records by
the same client; and in batches of 400 on four partitions and on one, beside the same for the bare
publish. A lone server is started on the disk of temporary files; it syncs always.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import nats
from append_sqlite import BATCH, batches
from pairs import Peer, Row, Stopwatch, main, measure, wall
from raw import stored
from workload import Callback, arrivals

sys.path.append(str(Path(__file__).parents[1]))

from lifecycle import connect
from lifecycle.composition import open_log
from lifecycle.log.contract import Record
from lifecycle.log.partitioned import partition_of
from lifecycle.log.stores.jetstream.message import payload_of, subject_of
from tests.nats_server import NatsServer, running

Callbacks = Sequence[Callback]
Messages = Sequence[tuple[str, bytes]]

LARGE: Final = 4 * BATCH
PARTITIONS: Final = 4


def recorded(server: NatsServer, callbacks: Callbacks, size: int, partitions: int = 1) -> Peer:
    """Record so many callbacks in one call; one of them by itself, as a web handler does."""

    def run(watch: Stopwatch) -> int:
        with connect(server.new_url(partitions=partitions)) as orders, watch.running():
            for batch in batches(callbacks, size):
                if size == 1:
                    orders.record_callback(batch[0].body)
                else:
                    orders.record_many([{"kind": "callback", "body": each.body} for each in batch])
        return len(callbacks)

    return run


def published(server: NatsServer, callbacks: Callbacks, size: int, partitions: int = 1) -> Peer:
    """Publish the records that callbacks become, so many in one batch, in each partition."""
    made = [records for _, records in stored(batches(callbacks, size))]

    async def publish(watch: Stopwatch) -> None:
        url = server.new_url(partitions=partitions)
        open_log(url).close()
        name = url.partition("?")[0].rpartition("/")[2]
        client = await nats.connect(f"nats://127.0.0.1:{server.port}")
        parts = [
            [[each for each in batch if _lies_in(each, part, partitions)] for batch in made]
            for part in range(partitions)
        ]
        names = [name] if partitions == 1 else [f"{name}-{part}" for part in range(partitions)]
        messages = [
            [[_message(place, each) for each in batch] for batch in part if batch]
            for place, part in zip(names, parts, strict=True)
        ]
        with watch.running():
            await asyncio.gather(*(_all(client, part) for part in messages))
        await client.close()

    def run(watch: Stopwatch) -> int:
        asyncio.run(publish(watch))
        return len(callbacks)

    return run


def _lies_in(record: Record, part: int, partitions: int) -> bool:
    return partition_of(record.stream, partitions) == part


def _message(name: str, record: Record) -> tuple[str, bytes]:
    subject = subject_of(name, record.stream)
    assert subject is not None
    return subject, payload_of(record.version, record.topic, record.state)


async def _all(client: nats.NATS, made: Sequence[Messages]) -> None:
    for number, messages in enumerate(made):
        batch = f"{id(made)}-{number}"
        for place, (subject, payload) in enumerate(messages, 1):
            headers = {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(place)}
            if place == len(messages):
                headers["Nats-Batch-Commit"] = "1"
                reply = await client.request(subject, payload, timeout=10, headers=headers)
                assert b'"count"' in reply.data, reply.data
            else:
                await client.publish(subject, payload, headers=headers)


def rows(options: argparse.Namespace) -> list[Row]:
    """Return the rows of appending, each beside the bare publish."""
    callbacks = list(arrivals(options.events))
    few = callbacks[: max(1, options.events // 10)]
    with running(on_disk=True) as server:
        return beside(server, callbacks, few, options.rounds) + parted(
            server, callbacks, options.rounds
        )


def beside(server: NatsServer, callbacks: Callbacks, few: Callbacks, rounds: int) -> list[Row]:
    """Measure one callback at a time, and a hundred in one commit."""
    singly = measure(
        {"ours": recorded(server, few, 1), "bare": published(server, few, 1)},
        clock=wall,
        rounds=rounds,
    )
    grouped = measure(
        {"ours": recorded(server, callbacks, BATCH), "bare": published(server, callbacks, BATCH)},
        clock=wall,
        rounds=rounds,
    )
    one, many = "append to NATS, one at a time", "append to NATS, batches of 100"
    return [
        singly.row(one, "bare publish, one a batch", of="bare", to="ours", reach=0.45),
        grouped.row(many, "bare publish, 100 a batch", of="bare", to="ours", reach=0.45),
    ]


def parted(server: NatsServer, callbacks: Callbacks, rounds: int) -> list[Row]:
    """Measure four partitions and one."""
    measured = measure(
        {
            "one": recorded(server, callbacks, LARGE),
            "four": recorded(server, callbacks, LARGE, PARTITIONS),
            "bare one": published(server, callbacks, LARGE),
            "bare four": published(server, callbacks, LARGE, PARTITIONS),
        },
        clock=wall,
        rounds=rounds,
    )
    return [
        measured.row("append to 4 partitions of NATS", "to one", of="one", to="four"),
        measured.row("bare publish to 4 streams", "to one", of="bare one", to="bare four"),
    ]


if __name__ == "__main__":
    main(__doc__, rows, events=4000)
