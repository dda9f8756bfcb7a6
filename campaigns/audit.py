"""An audit by columns of ten million events: how fast it is, what memory it takes, what it names.

Orders of eight callbacks, each order's shuffled, are written as an export by the real codec, but
without a database between, which would take hours: positions run from order to order, and the
first record of each shard names none before it. Then `lifecycle audit` runs on two processors,
without the bodies and with them, beside a scan of the same files by DuckDB and beside `replay` of
a log of such events. Memory is compared with that of a hundredth and a tenth. Nothing may differ.
The controls are an edited byte, a missing shard, a repeated one and a moved order: each has to be
named.

    python -m campaigns.audit --events 10000000
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, Final

import duckdb
import pyarrow as pa
from pyarrow import parquet

from campaigns.million import STEPS, callback
from campaigns.scratch_folder import scratch
from campaigns.verdict import Campaign, Figures
from lifecycle.audit.columns.auditing import audit_columns
from lifecycle.audit.columns.leaves import SLOTS, LeafWriter
from lifecycle.audit.columns.manifest import (
    FORMAT,
    Bodies,
    ExportedViews,
    File,
    Manifest,
    Shard,
    read_manifest,
    write_manifest,
)
from lifecycle.audit.columns.schema import Content
from lifecycle.audit.columns.writing import RECORDS_A_SHARD, ShardWriter
from lifecycle.audit.merkle import TreeHead
from lifecycle.audit.tree import leaf_of, split
from lifecycle.composition import connect
from lifecycle.core.event import Arrival, Event
from lifecycle.core.fold import Folding
from lifecycle.core.instant import format_instant
from lifecycle.core.recognizer import Recognizer, recognizer_of
from lifecycle.log.codec import link, prepare, seal
from lifecycle.log.contract import Record
from lifecycle.projections.stored_form import to_stored
from lifecycle.registry import known_providers

PROVIDER: Final = "instacart"
RECORDED: Final = datetime(2026, 7, 2, tzinfo=UTC)
RECORDED_AT: Final = format_instant(RECORDED)
A_SHARD: Final = RECORDS_A_SHARD // len(STEPS)
"""Orders."""

REPLAYED: Final = 40_000
"""Events of the log that `replay` reads."""

JUDGED_FROM: Final = 4_000_000
"""Events: in a smaller run a tenth has fewer shards than keep two processors busy."""

MOST_MEMORY: Final = 1.2
PROCESSORS: Final = 2
BAD: Final = ("differences", "memory that grew", "changes named")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign and return its exit code."""
    sizes = {"events": (1_000_000, "how many callbacks are exported")}
    campaign = Campaign(__doc__ or "", sizes)
    campaign.parser.add_argument("--folder", type=Path, help="where to, if not into memory")
    options = campaign.parse(arguments)
    figures = Figures(*BAD)
    with scratch() as memory:
        folder = (options.folder or memory) / "export"
        orders = max(16, options.events // len(STEPS))
        write_export(folder, orders, options.seed, campaign)
        figures.count("events", orders * len(STEPS))
        measure(folder, figures)
        beside(folder, memory, options, figures)
        if options.events >= JUDGED_FROM:
            compare_memory(folder, figures)
        shutil.rmtree(folder)
        controls = {what: named(memory / "control", change) for what, change in CHANGES.items()}
    return campaign.verdict("audit", figures, controls)


# The export


def write_export(folder: Path, orders: int, seed: int, campaign: Campaign, shard: int = 0) -> None:
    """Write an export of so many orders, by two processes."""
    size = shard or A_SHARD
    for name in ("records", "views", "leaves"):
        (folder / name).mkdir(parents=True)
    starts = range(0, orders, size)
    with ProcessPoolExecutor(PROCESSORS) as pool:
        jobs = [
            pool.submit(_write_shard, folder, number, start, min(size, orders - start), seed)
            for number, start in enumerate(starts)
        ]
        shards, tree, positions = [], LeafWriter(folder), count(1)
        for job in jobs:
            shard_written, leaves = job.result()
            shards.append(shard_written)
            for leaf in split(leaves):
                tree.add(next(positions), leaf)
            campaign.tell(f"{len(shards)} of {len(starts)} shards written")
    keep(folder, shards, *tree.close())


def keep(folder: Path, shards: Sequence[Shard], leaves: tuple[File, ...], head: TreeHead) -> None:
    """Write a manifest of these files."""
    records = sum(shard.records.rows for shard in shards)
    fingerprint = known_providers()[PROVIDER].definition.fingerprint
    manifest = Manifest(
        format=FORMAT,
        release="0",
        made_at=RECORDED,
        bodies=Bodies.WHOLE,
        gapless=True,
        position=records,
        records=records,
        orders=sum(shard.orders for shard in shards),
        checkpoint=str(head),
        signed=None,
        views=(ExportedViews(PROVIDER, fingerprint, records, stored=False),),
        shards=tuple(shards),
        leaves=leaves,
    )
    write_manifest(folder, manifest)


def _write_shard(
    folder: Path, number: int, start: int, orders: int, seed: int
) -> tuple[Shard, bytes]:
    """Write the files of a shard; return what the manifest says of it, and its leaves."""
    provider = recognizer_of(known_providers()[PROVIDER])
    random = Random(seed + number)
    writer = ShardWriter(folder, number, PROVIDER, Bodies.WHOLE)
    positions, after, leaves = count(start * len(STEPS) + 1), None, bytearray()
    for order in range(start, start + orders):
        events = [*_events(provider, order, random)]
        stream, previous = events[0].stream, None
        for version, event in enumerate(events, 1):
            append = prepare(event)
            append.version, position = version, next(positions)
            previous = seal(append, previous, after, RECORDED_AT)
            after = link((stream, version, previous))
            record = Record(stream, version, append.topic, position, append.state)
            writer.add(record, Content(event.body))
            leaves += leaf_of(record)
        writer.include(stream)
        view = Folding.of(provider.definition, _stored(events)).view()
        writer.add_view((stream, PROVIDER, to_stored(events[0].order_id, view, position)))
    return writer.close(), bytes(leaves)


def _events(provider: Recognizer, order: int, random: Random) -> Iterator[Event]:
    """Yield the events of an order in some order; names of orders sort by their numbers."""
    steps = [*enumerate(STEPS)]
    random.shuffle(steps)
    for step, name in steps:
        line = callback(order, step, name, order_id=f"{order:09}-{order * 2654435761 % 2**32:08x}")
        received_at = datetime.fromisoformat(line["received_at"]) + timedelta(seconds=2)
        body = line["body_text"].encode()
        event = provider.recognize(Arrival("callback", body, received_at))
        if not isinstance(event, Event):
            raise TypeError
        yield event


def _stored(events: Sequence[Event]) -> list[Event]:
    return [
        event._replace(version=version, recorded_at=RECORDED)
        for version, event in enumerate(events, 1)
    ]


# The measurements


def measure(folder: Path, figures: Figures) -> None:
    """Audit without bodies and with them, on two processors."""
    records = read_manifest(folder).records
    for what, depth in (("chain, state and path", "headers"), ("details too", "bodies")):
        seconds, found, _ = audited(folder, depth)
        figures.count(f"events a second, {what}", round(records / seconds))
        figures.count(f"orders not plain, {what}", found["orders"] - found["plain"])
        figures.find("differences", f"{depth}: {found['differences'][:3]}", found["found"])


def audited(folder: Path, depth: str) -> tuple[float, dict[str, Any], int]:
    """Run the command; return its seconds, what it found, and the most memory it had, in kB."""
    arguments = ["audit", str(folder), "--json", "--depth", depth, "--workers", str(PROCESSORS)]
    script = "from lifecycle.cli import main; main()"
    began, most = time.perf_counter(), 0
    with subprocess.Popen(  # noqa: S603 - our own
        [sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE
    ) as process:
        while process.poll() is None:
            most = max(most, _memory(process.pid))
            time.sleep(0.05 if most < 1 else 0.2)
        out = process.stdout.read() if process.stdout is not None else b""
    return time.perf_counter() - began, json.loads(out), most


def _memory(pid: int) -> int:
    """Return what a process and its children have in memory, in kB."""
    total, waiting = 0, [pid]
    while waiting:
        each = waiting.pop()
        try:
            status = Path(f"/proc/{each}/status").read_text()
            children = Path(f"/proc/{each}/task/{each}/children").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in status.splitlines() if line[:6] == "VmRSS:")
        waiting += map(int, children.split())
    return total


def beside(folder: Path, memory: Path, options: Any, figures: Figures) -> None:
    """Scan the same files with DuckDB, and replay a log of such events, on two processors."""
    records = read_manifest(folder).records
    began = time.perf_counter()
    with duckdb.connect(config={"threads": PROCESSORS}) as database:
        database.execute("SET enable_progress_bar = false")
        database.execute(
            "SELECT sum(hash(columns(*))) FROM read_parquet(?)", [f"{folder}/records/*.parquet"]
        ).fetchall()
    seconds = time.perf_counter() - began
    figures.count("events a second, scanned by DuckDB", round(records / seconds))
    url, random = f"sqlite:///{memory}/log.db", Random(options.seed)
    events = min(REPLAYED, options.events)
    with connect(url) as orders:
        lines = [
            callback(number, step, name)
            for number in range(events // len(STEPS))
            for step, name in random.sample([*enumerate(STEPS)], len(STEPS))
        ]
        for start in range(0, len(lines), 500):
            orders.record_many(lines[start : start + 500])
        orders.views.rebuild()
    script = "from lifecycle.cli import main; main()"
    command = [sys.executable, "-c", script, "replay", "--workers", str(PROCESSORS), "--db", url]
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
    seconds = time.perf_counter() - began
    figures.count("events a second, replayed", round(len(lines) / seconds))


def compare_memory(folder: Path, figures: Figures) -> None:
    """Compare the memory of an audit with that of a hundredth and of a tenth of the shards."""
    shards = read_manifest(folder).shards
    most = {}
    for part in (100, 10, 1):
        few = shards[: max(1, len(shards) // part)]
        shorter = folder.with_name("shorter")
        shorten(folder, shorter, few)
        records = sum(shard.records.rows for shard in few)
        most[records] = audited(shorter, "bodies")[2]
        figures.count(f"MB of memory for {records:,} events", most[records] // 1024)
        shutil.rmtree(shorter)
    least, last = min(most.values()), most[max(most)]
    if last > MOST_MEMORY * least:
        figures.find("memory that grew", f"{last} instead of {least} kB")


def shorten(folder: Path, shorter: Path, shards: Sequence[Shard]) -> None:
    """Make an export of the first shards of another one."""
    for name in ("records", "views", "leaves"):
        (shorter / name).mkdir(parents=True)
    for shard in shards:
        for file in shard.files:
            os.link(folder / file.name, shorter / file.name)
    left, tree = sum(shard.records.rows for shard in shards), LeafWriter(shorter)
    for number, file in enumerate(read_manifest(folder).leaves):
        leaves = split((folder / file.name).read_bytes())[: max(0, left - number * SLOTS)]
        for position, leaf in enumerate(leaves, number * SLOTS + 1):
            tree.add(position, leaf)
    keep(shorter, shards, *tree.close())


# The controls


def named(folder: Path, change: Any) -> Figures:
    """Change an export that holds, and count what the audit names."""
    shutil.rmtree(folder, ignore_errors=True)
    write_export(folder, 60, 1, Campaign("", {}), shard=20)
    if not audit_columns(folder, known_providers).ok:
        raise ValueError
    expected = change(folder)
    found = audit_columns(folder, known_providers)
    figures = Figures(*BAD)
    figures.count("audits", 2)
    names = [f"{each.file}: {each.sentence}" for each in found.files]
    figures.find("changes named", "; ".join(names), int(expected in names))
    return figures


def edit_a_byte(folder: Path) -> str:
    """Change one byte of a shard."""
    path = folder / "records" / "00001.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return "records/00001.parquet: it was changed since it was exported"


def lose_a_shard(folder: Path) -> str:
    """Remove the records of a shard."""
    (folder / "records" / "00001.parquet").unlink()
    return "records/00001.parquet: it is missing"


def repeat_a_shard(folder: Path) -> str:
    """Put one shard in the place of another."""
    shutil.copy(folder / "records" / "00002.parquet", folder / "records" / "00001.parquet")
    return "records/00001.parquet: it repeats records/00002.parquet"


def move_an_order(folder: Path) -> str:
    """Move an order to another shard, and make the manifest agree with the files."""
    manifest = read_manifest(folder)
    shards = list(manifest.shards)
    names = [shard.records.name for shard in shards]
    tables = [parquet.read_table(folder / name) for name in names]
    moved = shards[0].first
    mask = pa.compute.equal(tables[0]["stream"], moved)
    tables[1] = pa.concat_tables([tables[1], tables[0].filter(mask)])
    tables[0] = tables[0].filter(pa.compute.invert(mask))
    for number in (0, 1):
        parquet.write_table(tables[number], folder / names[number])
        records = File.of(folder, names[number], tables[number].num_rows)
        old = shards[number]
        shards[number] = Shard(records, old.views, old.first, old.last, old.orders)
    keep(folder, shards, manifest.leaves, TreeHead.parse(manifest.checkpoint))
    return f"{names[1]}: it holds {moved!a}, which belongs in another shard"


CHANGES: Final = {
    "an edited byte": edit_a_byte,
    "a missing shard": lose_a_shard,
    "a repeated shard": repeat_a_shard,
    "a moved order": move_an_order,
}


if __name__ == "__main__":
    sys.exit(main())
