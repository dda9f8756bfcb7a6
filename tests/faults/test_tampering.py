"""Whoever goes around the triggers and changes the log is found out, and the record is named."""

from __future__ import annotations

import random
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from zlib import crc32

import pytest

from lifecycle.audit.difference import MOST_LISTED
from lifecycle.audit.merkle import TreeHead
from lifecycle.audit.verify import Verification, verify
from lifecycle.core.event import Redriven
from lifecycle.errors import InvalidArgumentError
from lifecycle.log.contract import Record
from lifecycle.log.stores.memory.log import MemoryLog
from lifecycle.log.stores.sqlite.log import SQLiteLog
from tests.contract.entries import NOON, TickingClock, event, stream, unreadable
from tests.tampered import header_hash, resealed

RECORDS = 24
REDRIVEN = 7


def fill(log: SQLiteLog | MemoryLog) -> None:
    """Five orders, interleaved, one of them diverging, and some that could not be read."""
    chance, target = random.Random(20260707), ""
    for number in range(RECORDS - 4):
        order, body = f"o{chance.randrange(5)}", b'{"status": "brand_new"}\n'
        log.append(event(order, number, body, redriven_from=1 if number == REDRIVEN else None))
        target = order if number == REDRIVEN else target
    log.append(event("o1", 0, b"[]", occurred_at=NOON, headers={"date": "now"}))
    mark = Redriven(1, stream(target), f"callback:{REDRIVEN}", NOON)
    log.append_many([unreadable(), unreadable(b""), mark])


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("filled") / "orders.db"
    with closing(SQLiteLog(path, clock=TickingClock())) as log:
        fill(log)
        assert log.last_position() == RECORDS
    return path


@pytest.fixture
def path(filled: Path, tmp_path: Path) -> Path:
    return shutil.copy(filled, tmp_path / "orders.db")


class Tamperer:
    """Somebody with the file in hand and no triggers in the way."""

    def __init__(self, path: Path) -> None:
        self.raw = sqlite3.connect(path, isolation_level=None)
        self.raw.execute("PRAGMA ignore_check_constraints = ON")
        self.unguard()

    def unguard(self) -> None:
        """Drop the triggers, which come back whenever the log is opened to record."""
        for change in ("update", "delete"):
            self.raw.execute(f"DROP TRIGGER IF EXISTS stored_events_refuse_{change}")

    def row(self, position: int) -> tuple[str, int, str, bytes]:
        rows = self.raw.execute(
            "SELECT originator_id, originator_version, topic, state FROM stored_events "
            "WHERE rowid = ?",
            (position,),
        )
        return rows.fetchone()

    def write(self, position: int, **columns: object) -> None:
        for column, value in columns.items():
            self.raw.execute(
                f"UPDATE stored_events SET {column} = ? WHERE rowid = ?", (value, position)
            )

    def delete(self, *positions: int) -> None:
        for position in positions:
            self.raw.execute("DELETE FROM stored_events WHERE rowid = ?", (position,))

    def move(self, position: int, to: int) -> None:
        self.raw.execute("UPDATE stored_events SET rowid = ? WHERE rowid = ?", (to, position))

    def close_gaps(self) -> None:
        rows = self.raw.execute("SELECT rowid FROM stored_events ORDER BY rowid").fetchall()
        for to, (position,) in enumerate(rows, 1):
            self.move(position, to)


@pytest.fixture
def tamperer(path: Path) -> Iterator[Tamperer]:
    tamperer = Tamperer(path)
    yield tamperer
    tamperer.raw.close()


def look(path: Path, checkpoint: TreeHead | None = None) -> Verification:
    with closing(SQLiteLog(path, create=False)) as log:
        return verify(log, checkpoints=[checkpoint] if checkpoint else [])


def records(path: Path) -> list[Record]:
    with closing(SQLiteLog(path, create=False)) as log:
        return list(log.scan())


def place(record: Record) -> tuple[str, int, int]:
    return record.stream, record.version, record.position


def last_of_its_order(found: list[Record]) -> list[int]:
    return sorted({record.stream: record.position for record in found}.values())


# Clean logs


@pytest.mark.parametrize("records", [0, 1, 24])
def test_a_clean_log_raises_no_alarm(tmp_path, records):
    with closing(SQLiteLog(tmp_path / "orders.db")) as log:
        if records == RECORDS:
            fill(log)
        elif records:
            log.append(event())
        first = verify(log)
        again = verify(log, checkpoints=[first.checkpoint])

    assert first.ok
    assert again == first
    assert first.records == first.checkpoint.size == records


def test_a_checkpoint_holds_while_the_log_grows(path):
    checkpoint = look(path).checkpoint
    with closing(SQLiteLog(path)) as log:
        log.append(event("o1", 99))

    grown = look(path, checkpoint)

    assert grown.ok
    assert grown.checkpoint != checkpoint


def test_the_same_log_has_the_same_checkpoint_in_every_store(path):
    with closing(MemoryLog(clock=TickingClock())) as log:
        fill(log)

        assert verify(log) == look(path)


def test_a_checkpoint_is_written_and_read_as_text(path):
    checkpoint = look(path).checkpoint

    assert TreeHead.parse(f" {checkpoint}\n") == checkpoint


@pytest.mark.parametrize("text", ["", "7", "7:", "7:abc", "-1:" + "a" * 64, "7:" + "A" * 64])
def test_a_malformed_checkpoint_is_refused(text):
    with pytest.raises(InvalidArgumentError):
        TreeHead.parse(text)


# One byte


@pytest.mark.parametrize("position", range(1, RECORDS + 1))
def test_a_flipped_bit_anywhere_names_its_record(path, tamperer, position):
    chance = random.Random(position)
    record = records(path)[position - 1]
    state, end = record.state, record.state.index(b"\n")
    with closing(SQLiteLog(path, create=False)) as log:
        for at in {0, end - 1, end, len(state) - 1, *chance.sample(range(len(state)), 12)}:
            flipped = bytearray(state)
            flipped[at] ^= 1 << chance.randrange(8)
            tamperer.write(position, state=bytes(flipped))

            found = verify(log)

            assert found.findings[0][:3] == place(record), at
            assert found.found == 1


def test_a_byte_more_or_less_names_its_record(path, tamperer):
    for position, change in [(3, lambda s: s + b"x"), (5, lambda s: s[:-1]), (7, lambda s: b"")]:
        tamperer.write(position, state=change(tamperer.row(position)[3]))

    assert [finding.position for finding in look(path).findings] == [3, 5, 7]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("originator_id", "order:instacart:new"),
        ("originator_id", "order:other:o1"),
        ("originator_version", 99),
        ("originator_version", "first"),
        ("topic", "poll"),
    ],
)
def test_a_changed_column_names_its_record(path, tamperer, column, value):
    tamperer.write(9, **{column: value})

    assert look(path).findings[0].position == 9


# Swaps


def test_two_swapped_contents_are_both_named(path, tamperer):
    third, tenth = tamperer.row(3)[3], tamperer.row(10)[3]
    tamperer.write(3, state=tenth)
    tamperer.write(10, state=third)

    assert [finding.position for finding in look(path).findings] == [3, 10]


def test_two_swapped_bodies_are_both_named(path, tamperer):
    first, last = tamperer.row(1)[3], tamperer.row(RECORDS - 3)[3]
    for position, ours, other in [(1, first, last), (RECORDS - 3, last, first)]:
        tamperer.write(position, state=ours.partition(b"\n")[0] + b"\n" + other.partition(b"\n")[2])

    assert [finding.position for finding in look(path).findings] == [1, RECORDS - 3]


@pytest.mark.parametrize(("one", "other"), [(1, 2), (4, 5), (3, 11), (23, 24)])
def test_two_swapped_positions_name_the_first(path, tamperer, one, other):
    moved = place(records(path)[other - 1])[:2]
    tamperer.move(one, 99)
    tamperer.move(other, one)
    tamperer.move(99, other)

    assert look(path).findings[0][:3] == (*moved, one)


# Deletions


@pytest.mark.parametrize("position", range(1, RECORDS))
@pytest.mark.parametrize("renumbered", [False, True])
def test_a_deleted_record_is_named(path, tamperer, position, renumbered):
    gone = records(path)[position - 1]
    tamperer.delete(position)
    if renumbered:
        tamperer.close_gaps()

    first = look(path).findings[0]

    if renumbered:
        assert first.position == position
        assert f"version {gone.version} of '{gone.stream}'" in first.sentence
    else:
        assert first[:3] == place(gone)
        assert "it is gone" in first.sentence


def test_one_deletion_is_one_finding(path, tamperer):
    middle = next(r for r in records(path) if r.version == 2 and r.stream != "quarantine")
    tamperer.delete(middle.position)

    assert look(path).found == 1


def test_the_last_record_of_an_order_is_missed(path, tamperer):
    *last_ones, _tail = last_of_its_order(records(path))
    found = records(path)
    for position in last_ones:
        tamperer.delete(position)

    missed = {finding[:3] for finding in look(path).findings}

    assert missed >= {
        place(found[position - 1]) for position in last_ones if position + 1 not in last_ones
    }
    assert look(path).found >= len({p for p in last_ones if p - 1 not in last_ones})


def test_a_whole_order_is_missed(path, tamperer):
    gone = [record for record in records(path) if record.stream == stream("o2")]
    tamperer.delete(*(record.position for record in gone))

    first = look(path).findings[0]

    assert first.position in {record.position for record in gone}
    assert first.stream == stream("o2")


def test_several_records_in_a_row_are_missed_together(path, tamperer):
    tamperer.delete(5, 6, 7)

    assert look(path).findings[0].position == 7
    assert "positions 5 to 7 hold nothing" in look(path).findings[0].sentence


def test_the_start_of_the_log_is_missed(path, tamperer):
    tamperer.delete(1, 2)

    assert "positions 1 to 2 hold nothing" in look(path).findings[0].sentence


@pytest.mark.parametrize("cut", [1, 2, RECORDS])
def test_a_cut_tail_is_missed_under_a_checkpoint_only(path, tamperer, cut):
    checkpoint = look(path).checkpoint
    tamperer.delete(*range(RECORDS - cut + 1, RECORDS + 1))

    assert look(path).ok
    (finding,) = look(path, checkpoint).findings
    assert finding.position == RECORDS - cut + 1


def test_a_checkpoint_reveals_an_old_backup(path, tmp_path):
    backup = shutil.copy(path, tmp_path / "backup.db")
    with closing(SQLiteLog(path)) as log:
        log.append(event("o1", 99))
    checkpoint = look(path).checkpoint
    with closing(SQLiteLog(backup)) as log:
        assert verify(log, checkpoints=[checkpoint]).found == 1
        log.append(event("o1", 100))
        (finding,) = verify(log, checkpoints=[checkpoint]).findings

    assert finding.position == checkpoint.size


# Forgeries


def test_an_inserted_record_is_named(path, tamperer):
    """Forged as well as can be: at the end of its order, named after the record before it."""
    found = records(path)
    position = 8
    before = found[position - 1]
    forged_for = "order:instacart:new"
    for moved in range(RECORDS, position, -1):
        tamperer.move(moved, moved + 1)
    state = resealed(
        before.state,
        order_id="new",
        version=1,
        after=[before.stream, before.version, header_hash(before.state)],
    )
    state = re.sub(rb'"previous":"[0-9a-f]+",', b"", state)
    header, _, body = state.partition(b"\n")
    text = header[: header.rindex(b',"check"')]
    state = text + b',"check":"%08x"}\n' % crc32(text) + body
    tamperer.raw.execute(
        "INSERT INTO stored_events VALUES (?, ?, 1, 'callback', ?)",
        (position + 1, forged_for, state),
    )

    (finding,) = look(path).findings

    assert finding[:3] == (forged_for, 1, position + 1)


def test_a_copy_of_a_record_at_the_end_is_named(path, tamperer):
    name, _, topic, state = tamperer.row(2)
    tamperer.raw.execute(
        "INSERT INTO stored_events VALUES (?, ?, 98, ?, ?)", (RECORDS + 1, name, topic, state)
    )

    assert look(path).findings[0].position == RECORDS + 1


def rehash(tamperer: Tamperer, position: int, *, everything: bool) -> None:
    """Change a record, and make right again what follows: in its order, or in the whole log."""
    changed = {position}
    hashes: dict[str, str] = {}
    last: list[object] | None = None
    rows = tamperer.raw.execute("SELECT max(rowid) FROM stored_events").fetchone()[0]
    for at in range(1, rows + 1):
        name, version, _, state = tamperer.row(at)
        fields: dict[str, object] = {"name": "delivered"} if at == position else {}
        if at > position and name in hashes:
            fields["previous"] = hashes[name]
        if at > position and everything:
            fields["after"] = last
        if fields:
            state = resealed(state, **fields)
            tamperer.write(at, state=state)
            changed.add(at)
        hashes[name] = header_hash(state)
        last = [name, version, hashes[name]]


@pytest.mark.parametrize("position", [1, 6, 13, RECORDS - 4])
def test_a_rehashed_order_is_named_by_the_record_after_it_in_the_log(path, tamperer, position):
    rehash(tamperer, position, everything=False)

    assert look(path).findings[0].position == position


@pytest.mark.parametrize("position", [1, 6, RECORDS - 3])
def test_a_checkpoint_reveals_a_log_rehashed_to_its_end(path, tamperer, position):
    checkpoint = look(path).checkpoint
    rehash(tamperer, position, everything=True)

    assert look(path).ok
    (finding,) = look(path, checkpoint).findings
    assert finding == (
        None,
        None,
        checkpoint.size,
        "the records up to here are not those that the checkpoint that was given saw",
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda state: resealed(state, version=True),
        lambda state: resealed(state, v=1),
        lambda state: resealed(state, v=3),
        lambda state: resealed(state, v=[1]),
        lambda state: resealed(state, received_at="yesterday"),
        lambda state: resealed(state, received_at=5),
        lambda state: resealed(state, key=None),
        lambda state: resealed(state, order_id=5),
        lambda state: resealed(state, after="nothing"),
        lambda state: resealed(state, after=None),
        lambda state: resealed(state, after=[1, 2, 3]),
        lambda state: resealed(state, previous=5),
        lambda state: resealed(state, sha256=None),
        lambda state: b"[]\n",
        lambda state: b"5\n",
        lambda state: b"\xff\n",
        lambda state: b"[" * 100_000 + b"\n",
    ],
)
def test_nonsense_in_a_header_is_named_and_breaks_nothing(path, tamperer, change):
    tamperer.write(4, state=change(tamperer.row(4)[3]))

    assert look(path).findings[0].position == 4


def test_only_the_first_findings_are_kept_and_all_are_counted(tmp_path):
    path = tmp_path / "orders.db"
    with closing(SQLiteLog(path)) as log:
        log.append_many([event("a", number) for number in range(150)])
    with closing(Tamperer(path).raw) as raw:
        raw.execute("UPDATE stored_events SET state = CAST(state || 'x' AS BLOB)")

    found = look(path)

    assert (len(found.findings), found.found) == (MOST_LISTED, 150)


class UnlinkedLog(SQLiteLog):
    """As on a store whose positions have gaps: only the orders' own chains remain."""

    gapless = False


def look_unlinked(path: Path) -> Verification:
    with closing(UnlinkedLog(path, create=False)) as log:
        return verify(log)


def two_in_a_row(path: Path) -> tuple[Record, Record]:
    """Return the first two records of an order."""
    first = next(r for r in records(path) if r.stream == stream("o1") and r.version == 1)
    second = next(r for r in records(path) if r.stream == stream("o1") and r.version == 2)
    return first, second


def test_an_unlinked_log_that_is_clean_or_has_gaps_raises_no_alarm(path, tamperer):
    assert look_unlinked(path).ok
    for position in range(RECORDS, 0, -1):
        tamperer.move(position, position * 10)

    assert look_unlinked(path).ok
    assert not look(path).ok


def test_in_an_unlinked_log_the_chain_of_the_order_names_the_record(path, tamperer):
    first, _ = two_in_a_row(path)
    tamperer.write(first.position, state=resealed(first.state, name="canceled"))

    assert look_unlinked(path).findings[0][:3] == place(first)
    assert look_unlinked(path).found == 1


def test_in_an_unlinked_log_a_first_record_that_names_one_before_it_is_named(path, tamperer):
    with closing(SQLiteLog(path)) as log:
        only = log.append(event("only")).position
    tamperer.unguard()
    tamperer.write(only, state=resealed(tamperer.row(only)[3], previous="0" * 64))

    (finding,) = look_unlinked(path).findings

    assert finding.position == only


def test_in_an_unlinked_log_a_record_that_comes_too_late_is_named(path, tamperer):
    first, second = two_in_a_row(path)
    tamperer.move(first.position, 99)
    tamperer.move(second.position, first.position)
    tamperer.move(99, second.position)

    gone, late = look_unlinked(path).findings[:2]

    assert gone[:2] == (first.stream, 1)
    assert late[:3] == (first.stream, 1, second.position)
    assert "comes too late" in late.sentence


def test_a_record_that_was_moved_to_another_position_is_named(path, tamperer):
    tamperer.move(RECORDS, RECORDS + 3)

    (finding,) = look(path).findings

    assert finding.position == RECORDS + 3
    assert finding.sentence == f"its position was changed; it was written at {RECORDS}"
