"""A log exported as columns and audited there: the same answers as `verify` and `replay`.

Whatever somebody changes in the files, in the manifest or in the log before the export is named.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime
from hashlib import sha256
from random import Random
from types import SimpleNamespace
from zlib import crc32

import pyarrow as pa
import pytest
from pyarrow import parquet
from pydantic import BaseModel

from lifecycle import InvalidArgumentError
from lifecycle.audit.checkpoint import Checkpoint
from lifecycle.audit.columns import leaves
from lifecycle.audit.columns import manifest as manifests
from lifecycle.audit.columns.auditing import audit_columns
from lifecycle.audit.columns.column_check import ColumnCheck
from lifecycle.audit.columns.engine import in_processes
from lifecycle.audit.columns.manifest import Bodies, Depth, read_manifest, write_manifest
from lifecycle.audit.columns.told_details import DetailsCheck, end_with_details
from lifecycle.audit.columns.writing import export_columns
from lifecycle.audit.merkle import Frontier, TreeHead
from lifecycle.audit.replay import replay
from lifecycle.audit.verify import verify
from lifecycle.composition import open_log
from lifecycle.registry import known_providers
from tests.contract.keys import OwnKeys
from tests.products import every_second
from tests.sample_events.scenarios import SCENARIOS
from tests.scenario.command_line import DATABASE, callback, lines, run, story
from tests.scenario.test_erasure import CANARIES, tell
from tests.scenario.test_replay import recordings
from tests.without_rules import connect

PROVIDERS = known_providers()
AT = "2026-08-01T00:00:00Z"
SHARD = 7
"""Records a shard: the samples fill several."""


def exported(log, folder, **options):
    return export_columns(log, PROVIDERS, folder, **{"records_a_shard": SHARD} | options)


def audited(folder, **options):
    return audit_columns(folder, known_providers, **options)


def differences(found):
    return {(each.stream, each.field, each.version) for each in found.differences}


def causes(found):
    """Return the differences but those that follow from a record that was changed."""
    records = {(each.stream, each.version) for each in found.differences if each.version}
    changed = {stream for stream, _ in records}
    return {
        (each.stream, each.field, each.version)
        for each in found.differences
        if (each.version or each.stream not in changed)
        and not (each.field == "previous" and (each.stream, each.version - 1) in records)
        and not (each.field == "after" and records)
    }


def named(found):
    return [(each.file, each.sentence) for each in found.files]


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """An export of everything that can come, with its stored views."""
    folder = tmp_path_factory.mktemp("columns")
    with connect(f"sqlite:///{folder}/orders.db") as orders:
        orders.record_many(recordings())
        orders.views.rebuild()
        exported(orders.log, folder / "export")
    return folder / "export"


@pytest.fixture
def copied(export, tmp_path):
    return shutil.copytree(export, tmp_path / "copied")


# Nothing differs


@pytest.mark.parametrize(
    ("url", "stored", "depth"), every_second([["memory:", "sqlite"], [False, True], Depth])
)
def test_an_export_holds_as_the_log_does(tmp_path, url, stored, depth):
    url = url if url == "memory:" else f"sqlite:///{tmp_path}/orders.db"
    with connect(url) as orders:
        orders.record_many(recordings())
        if stored:
            orders.views.rebuild()
        manifest = exported(orders.log, tmp_path / "export")
        replayed = replay(orders.log, PROVIDERS)
    found = audited(tmp_path / "export", depth=depth)

    assert (found.files, found.differences, found.ok) == ((), (), True)
    assert (found.records, found.orders) == (replayed.records, replayed.orders)
    assert (found.compared, found.linked) == (16, True)
    assert len(manifest.shards) > 4
    assert all(not shard.first > shard.last for shard in manifest.shards)


def test_plain_orders_are_checked_by_columns_alone(export):
    found = {depth: audited(export, depth=depth).plain for depth in Depth}

    assert found == {Depth.HEADERS: 13, Depth.BODIES: 13, Depth.REDERIVE: 0}


def test_an_empty_log_is_exported_and_holds(tmp_path):
    with connect("memory:") as orders:
        exported(orders.log, tmp_path / "export")
    found = audited(tmp_path / "export")

    assert (found.ok, found.records, found.linked) == (True, 0, True)


def test_processes_give_the_same_answer(export):
    assert audited(export, engine=in_processes(2)) == audited(export)


def test_orders_of_every_scenario_hold_whatever_order_they_came_in(tmp_path):
    random = Random(19)
    with connect("memory:") as orders:
        for number, scenario in enumerate([*SCENARIOS.values()] * 4):
            told = scenario(random, f"order-{number}")
            random.shuffle(told)
            orders.record_many(told)
        exported(orders.log, tmp_path / "export", records_a_shard=10_000)
    found = {depth: audited(tmp_path / "export", depth=depth) for depth in Depth}

    assert [each.differences for each in found.values()] == [(), (), ()]
    assert 0 < found[Depth.BODIES].plain < found[Depth.BODIES].orders


# Files and the manifest


def rewrite(folder, name, change):
    """Change the rows of a file, and make the manifest agree with it."""
    table = parquet.read_table(folder / name)
    rows = table.to_pylist()
    change(rows)
    parquet.write_table(pa.Table.from_pylist(rows, table.schema), folder / name)
    manifest = read_manifest(folder)
    changed = manifests.File.of(folder, name, len(rows))
    shards = [
        manifests.Shard(
            *(changed if file.name == name else file for file in shard.files),
            shard.first,
            shard.last,
            shard.orders,
        )
        for shard in manifest.shards
    ]
    keep(folder, manifest, shards=tuple(shards))


def keep(folder, manifest, **changes):
    records = {"records": sum(each.records.rows for each in changes["shards"])}
    fields = {name: getattr(manifest, name) for name in manifest.__struct_fields__}
    write_manifest(folder, manifests.Manifest(**fields | changes | records))


@pytest.mark.parametrize(
    ("kind", "where"), every_second([["records", "views"], [0.0, 0.3, 0.6, 0.9, 0.999]])
)
def test_one_edited_byte_is_named_by_its_file(copied, kind, where):
    path = copied / kind / "00001.parquet"
    content = bytearray(path.read_bytes())
    content[int(where * len(content))] ^= 1
    path.write_bytes(content)
    found = audited(copied)

    assert not found.ok
    assert {each.file for each in found.files} == {f"{kind}/00001.parquet"}


def test_a_missing_shard_is_named(copied):
    (copied / "records" / "00001.parquet").unlink()
    found = audited(copied)

    assert named(found) == [("records/00001.parquet", "it is missing")]
    assert {each.field for each in found.differences} == {"positions"}
    assert not found.ok


def test_a_shard_that_stands_in_for_another_is_named(copied):
    shutil.copy(copied / "records" / "00002.parquet", copied / "records" / "00001.parquet")
    found = audited(copied)

    assert ("records/00001.parquet", "it repeats records/00002.parquet") in named(found)


def test_a_shard_that_is_there_twice_is_named(copied):
    shutil.copy(copied / "records" / "00002.parquet", copied / "records" / "00077.parquet")

    assert named(audited(copied)) == [("records/00077.parquet", "it repeats records/00002.parquet")]


def test_a_shard_that_the_manifest_lists_twice_is_named(copied):
    manifest = read_manifest(copied)
    keep(copied, manifest, shards=(*manifest.shards[:2], *manifest.shards[1:]))
    found = audited(copied)

    told = "its orders are not behind those of the shard before it"
    assert (manifest.shards[1].records.name, told) in named(found)


def test_an_order_that_was_moved_to_another_shard_is_named(copied):
    moved = []
    shards = read_manifest(copied).shards

    def take(rows):
        moved.extend(row for row in rows if row["stream"] == shards[1].first)
        rows[:] = [row for row in rows if row["stream"] != shards[1].first]

    rewrite(copied, shards[1].records.name, take)
    assert [each.field for each in audited(copied).differences][-1] == "positions", "the control"
    rewrite(copied, shards[2].records.name, lambda rows: rows.extend(moved))
    found = audited(copied)

    told = f"it holds {shards[1].first!a}, which belongs in another shard"
    assert named(found) == [(shards[2].records.name, told)]


@pytest.mark.parametrize("column", ["name", "occurred_at", "key", "attempt", "position", "topic"])
def test_a_column_that_its_header_does_not_say_is_named(copied, column):
    name = read_manifest(copied).shards[1].records.name

    def change(rows):
        other = next(row[column] for row in rows if row[column] != rows[0][column])
        rows[0][column] = other

    rewrite(copied, name, change)
    found = audited(copied)

    assert not found.ok
    assert found.files == ()


def rehashed(header, change):
    """Return a header with another field, and the check that it should have."""
    fields = json.loads(header)
    change(fields)
    return checked(json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode())


def checked(header):
    opening = header[: header.rindex(b',"check"')]
    return opening + b',"check":"%08x"}' % crc32(opening)


def test_one_changed_header_is_one_finding_even_if_its_check_was_made_again(copied):
    shard = next(each for each in read_manifest(copied).shards if each.records.rows > 3)

    def change(rows):
        row = rows[1]
        row["header"] = rehashed(row["header"], lambda fields: fields.update(received_at=AT))
        row["received_at"] = datetime.fromisoformat(AT)

    rewrite(copied, shard.records.name, change)
    row = parquet.read_table(copied / shard.records.name).to_pylist()[1]
    found = audited(copied)

    (difference,) = found.differences
    assert (difference.stream, difference.field) == (row["stream"], "leaf")
    assert (difference.version, difference.position) == (row["version"], row["position"])
    assert (found.found, found.linked) == (1, False)


def test_a_changed_leaf_is_named_with_its_record_and_its_file(copied):
    path = copied / "leaves" / "00000.bin"
    content = bytearray(path.read_bytes())
    content[32 * 4] ^= 1
    path.write_bytes(content)
    found = audited(copied)

    assert named(found) == [("leaves/00000.bin", "it was changed since it was exported")]
    assert [(each.field, each.position) for each in found.differences] == [("leaf", 5)]

    path.unlink()
    assert named(audited(copied)) == [("leaves/00000.bin", "it is missing")]


@pytest.mark.parametrize("size", [0, 1, 33, 64])
def test_leaves_that_were_cut_are_named(copied, size):
    path = copied / "leaves" / "00000.bin"
    path.write_bytes(path.read_bytes()[:size])
    found = audited(copied)

    assert named(found) == [("leaves/00000.bin", "it was changed since it was exported")]
    assert {each.field for each in found.differences} == {"leaf"}


@pytest.mark.parametrize("column", ["position", "stream", "version", "topic", "header"])
def test_a_row_that_lacks_what_every_record_has_is_named(copied, column):
    name = read_manifest(copied).shards[1].records.name
    rewrite(copied, name, lambda rows: rows[1].update({column: None}))
    found = audited(copied)

    assert {file for file, _ in named(found)} == {name}


def test_leaves_go_by_position_and_gaps_stay_empty(tmp_path, monkeypatch):
    monkeypatch.setattr(leaves, "SLOTS", 8)
    (tmp_path / "leaves").mkdir()
    written, expected = leaves.LeafWriter(tmp_path), Frontier()
    heads = leaves.Heads([3, 7, 40])
    positions = [2, 3, 4, 7, 8, 9, 10, 30, 31, 32, 33, 34]
    hashes = {position: sha256(bytes([position])).digest() for position in positions}
    states = {0: expected.head}
    for position in positions:
        written.add(position, hashes[position])
        expected.add(hashes[position])
        states[expected.size] = expected.head
    files, head = written.close()

    assert [(each.name, each.rows) for each in files] == [
        ("leaves/00000.bin", 5),
        ("leaves/00001.bin", 2),
        ("leaves/00003.bin", 3),
        ("leaves/00004.bin", 2),
    ]
    assert sum(heads.add((tmp_path / each.name).read_bytes()) for each in files) == len(positions)
    assert heads.found == {size: states[size] for size in (0, 3, 7, 12)}
    assert head == states[12]
    random = Random(3)
    rows = random.sample(positions, len(positions))
    own = b"".join(hashes[position] for position in rows)
    assert list(leaves.unlike(tmp_path, pa.chunked_array([rows]), own, 34)) == []
    moved = [rows[1], rows[0], *rows[2:]]
    assert sorted(leaves.unlike(tmp_path, pa.chunked_array([moved]), own, 34)) == [0, 1]
    beyond = [1, 100, *rows[2:]]
    assert sorted(leaves.unlike(tmp_path, pa.chunked_array([beyond]), own, 34)) == [0]


def test_a_folder_without_a_manifest_is_no_export(tmp_path, copied):
    with pytest.raises(InvalidArgumentError, match="manifest"):
        audited(tmp_path)
    (copied / "manifest.json").write_text((copied / "manifest.json").read_text()[:-20])
    with pytest.raises(InvalidArgumentError, match="manifest"):
        audited(copied)


def test_a_manifest_cannot_lead_out_of_its_folder(copied):
    text = (copied / "manifest.json").read_text()
    (copied / "manifest.json").write_text(text.replace("records/00001", "../records/00001"))
    with pytest.raises(InvalidArgumentError, match="manifest"):
        audited(copied)


def test_nothing_is_written_into_a_folder_that_holds_something(tmp_path):
    (tmp_path / "mine").write_text("keep this")
    with connect("memory:") as orders, pytest.raises(InvalidArgumentError, match="empty"):
        exported(orders.log, tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["mine"]


# Orders and views


def leaf_paths(value, path=()):
    """Yield the path of every leaf of a JSON value, texts for people apart."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for name, item in inner:
        if isinstance(item, dict | list) and item:
            yield from leaf_paths(item, (*path, name))
        else:
            yield (*path, name)


def changed_at(value, path):
    """Return a JSON value with another leaf."""
    *way, last = path
    inner = value
    for name in way:
        inner = inner[name]
    inner[last] = not inner[last] if isinstance(inner[last], bool) else [inner[last]]
    return value


def test_every_leaf_of_an_exported_view_is_compared(tmp_path):
    with connect("memory:") as orders:
        orders.record_many(story("a"))
        orders.record_callback(json.dumps(callback("canceled", "a")["body"]).encode())
        view = json.loads(orders.get("a").model_dump_json())
    paths = [*leaf_paths({**view, "details": {}})]
    names = [f"order-{number:03}" for number in range(len(paths) + 30)]
    with connect("memory:") as orders:
        for name in names:
            orders.record_many([*story(name), callback("canceled", name)])
        exported(orders.log, tmp_path / "export", records_a_shard=10_000)
    held = audited(tmp_path / "export")
    assert (held.ok, held.plain) == (True, len(names)), "the control"
    changed = set()

    def change(rows):
        for row, path in zip(rows, leaf_paths(json.loads(rows[0]["body"])), strict=False):
            row["body"] = json.dumps(changed_at(json.loads(row["body"]), path))
            changed.add(row["stream"])

    shards = read_manifest(tmp_path / "export").shards
    (of_orders,) = (shard for shard in shards if shard.first.startswith("order:"))
    rewrite(tmp_path / "export", of_orders.views.name, change)

    assert len(changed) > 40
    found = audited(tmp_path / "export")
    assert found.found >= len(changed)
    assert found.plain == len(names) - len(changed)


@pytest.mark.parametrize("column", ["status", "awaiting", "waiting_since", "version", "digest"])
def test_every_column_of_an_exported_view_is_compared(copied, column):
    shard = read_manifest(copied).shards[1]

    def change(rows):
        old = rows[0][column]
        rows[0][column] = f"{old}x" if isinstance(old, str) else old + (old - old) or None

    rewrite(copied, shard.views.name, change)
    if column in {"status", "awaiting", "digest"}:
        assert {each.field for each in audited(copied).differences} >= {f"column {column}"}


# The log before the export


def tampered(path, random):
    """Change one record or one stored view of a log, at random, and say nothing."""
    with closing(sqlite3.connect(path)) as driver, driver:
        driver.execute("DROP TRIGGER IF EXISTS stored_events_refuse_update")
        rows = driver.execute("SELECT rowid, state FROM stored_events").fetchall()
        position, state = random.choice(rows)
        content = bytearray(state)
        content[random.randrange(len(content))] ^= 1 << random.randrange(7)
        driver.execute(
            "UPDATE stored_events SET state = ? WHERE rowid = ?", (bytes(content), position)
        )


@pytest.mark.parametrize("logs", [2, pytest.param(10, marks=pytest.mark.long)])
def test_an_audit_finds_what_replay_finds_in_a_log_that_was_changed(tmp_path, logs):
    random = Random(7)
    path = tmp_path / "honest.db"
    with connect(f"sqlite:///{path}") as orders:
        orders.record_many(recordings())
        orders.views.rebuild()
    found_any = 0
    for number in range(logs):
        copy = tmp_path / f"{number}.db"
        shutil.copy(path, copy)
        tampered(copy, random)
        with closing(open_log(f"sqlite:///{copy}", create=False)) as log:
            replayed = replay(log, PROVIDERS)
            exported(log, tmp_path / f"{number}", records_a_shard=20)
        assert not replayed.ok
        for depth in (Depth.BODIES, Depth.REDERIVE):
            audit = audited(tmp_path / f"{number}", depth=depth)
            assert differences(audit) == causes(replayed), depth
        found_any += len(replayed.differences)
    assert found_any > logs


def test_an_audit_finds_a_check_that_is_wrong_in_the_midst_of_an_intact_chain(tmp_path):
    path = tmp_path / "orders.db"
    with connect(f"sqlite:///{path}") as orders:
        orders.record_many(recordings())
        orders.views.rebuild()
    with closing(sqlite3.connect(path)) as driver, driver:
        driver.execute("DROP TRIGGER IF EXISTS stored_events_refuse_update")
        (stream,) = driver.execute(
            "SELECT originator_id FROM stored_events WHERE originator_id LIKE 'order:%'"
            " GROUP BY originator_id HAVING count(*) > 2"
        ).fetchone()
        states = driver.execute(
            "SELECT rowid, state FROM stored_events WHERE originator_id = ?"
            " ORDER BY originator_version",
            (stream,),
        ).fetchall()
        previous = None
        for number, (row, state) in enumerate(states):
            header, _, body = state.partition(b"\n")
            if previous is not None:
                was = json.loads(header)["previous"].encode()
                header = checked(header.replace(was, previous))
            if number == 0:
                header = header[:-10] + b"00000000" + header[-2:]
            previous = sha256(header).hexdigest().encode()
            changed = header + b"\n" + body
            driver.execute("UPDATE stored_events SET state = ? WHERE rowid = ?", (changed, row))
    with closing(open_log(f"sqlite:///{path}", create=False)) as log:
        replayed = replay(log, PROVIDERS)
        exported(log, tmp_path / "export")
    audit = audited(tmp_path / "export", depth=Depth.HEADERS)

    assert not replayed.ok
    assert (stream, 1) in {(each.stream, each.version) for each in replayed.differences}
    assert (stream, 1) in {(each.stream, each.version) for each in audit.differences}


def test_a_shard_without_a_row_is_no_end_of_the_audit(copied):
    shard = read_manifest(copied).shards[1]
    rewrite(copied, shard.records.name, list.clear)
    found = audited(copied)

    assert "positions" in {each.field for each in found.differences}
    assert shard.first in {each.stream for each in found.differences}, "its view tells of nothing"


@pytest.mark.parametrize("position", [0, -7])
def test_a_record_at_no_position_belongs_to_no_plain_order(copied, position):
    shard = read_manifest(copied).shards[1]
    rewrite(copied, shard.records.name, lambda rows: rows[0].update(position=position))

    assert shard.first in {each.stream for each in audited(copied).differences}


@pytest.mark.parametrize("column", ["stream", "body", "provider"])
def test_a_view_that_lacks_what_every_view_has_is_named(copied, column):
    shard = read_manifest(copied).shards[1]
    rewrite(copied, shard.views.name, lambda rows: rows[0].update({column: None}))
    found = audited(copied)

    assert not found.ok


def test_two_views_of_one_order_are_named(copied):
    shard = read_manifest(copied).shards[1]
    rewrite(copied, shard.views.name, lambda rows: rows.append(dict(rows[0])))

    assert (shard.views.name, "it has two views of an order") in named(audited(copied))


def test_details_that_their_model_takes_no_more_are_left_to_the_replay():
    class Strict(BaseModel):
        """Details with a field that a body has to tell."""

        needed: str

    check = DetailsCheck(SimpleNamespace(details=Strict), lambda _kind, body: body, None)
    assert check.agree(SimpleNamespace(body=b"{}", details_at=0), None) is False


@pytest.mark.parametrize(
    ("body", "is_known"),
    [
        (b'{"a":1,"told":{"x":1}}', True),
        (b'{"told": {"x":1},"b":2}', True),
        (b'{"a":{"told":{"x":1}}}', False),
        (b'{"x":1,"a":{"told":{}}}', False),
        (b'{"a":[{"told":{}}]}', False),
        (b'{"told":[1]}', False),
        (b'{"told":{},"a":{"told":{}}}', False),
    ],
)
def test_only_a_member_of_the_body_itself_decides_on_details(body, is_known):
    assert bool(end_with_details(b'"told":', body)) is is_known


# Checkpoints


def test_checkpoints_of_the_log_hold_over_its_export(tmp_path):
    with closing(open_log(f"sqlite:///{tmp_path}/orders.db", create=True)) as log:
        with connect(f"sqlite:///{tmp_path}/orders.db") as orders:
            orders.record_many(recordings()[:9])
            early = verify(log).checkpoint
            orders.record_many(recordings()[9:])
        exported(log, tmp_path / "out")
        late = verify(log).checkpoint
    assert 0 < early.size < late.size
    assert audited(tmp_path / "out", checkpoints=[early, Checkpoint(late)]).ok


def test_a_checkpoint_that_the_records_do_not_come_to_is_named(copied):
    manifest = read_manifest(copied)
    size, root = manifest.checkpoint.split(":")
    other = f"{size}:{root[::-1]}"
    beyond = TreeHead(int(size) + 1, bytes(32))
    found = audited(copied, checkpoints=[TreeHead.parse(other), beyond])
    assert [(each.field, each.stored, each.found) for each in found.differences] == [
        ("checkpoint", other, manifest.checkpoint),
        ("checkpoint", str(beyond), None),
    ]

    keep(copied, manifest, shards=manifest.shards, checkpoint=other)
    (difference,) = audited(copied).differences
    assert (difference.field, difference.stored) == ("checkpoint", other)


# Bodies that are masked or left out, and erased


@pytest.mark.parametrize("bodies", [Bodies.MASKED, Bodies.NONE])
def test_an_export_without_whole_bodies_shows_nothing_of_them_and_holds(tmp_path, bodies):
    with connect("memory:") as orders:
        tell(orders)
        exported(orders.log, tmp_path / "export", bodies=bodies)
        exported(orders.log, tmp_path / "whole")
    found = audited(tmp_path / "export")

    assert (found.differences, found.ok, found.bodies) == ((), True, bodies)
    shown = {name: shown_in(tmp_path / name) for name in ("whole", "export")}
    canaries = {each for name, each in CANARIES.items() if name not in {"item", "late"}}
    assert {each for each in canaries if each in shown["whole"]} == canaries, "the control"
    assert [each for each in canaries if each in shown["export"]] == []


def shown_in(folder):
    """Return all that the rows of an export show."""
    files = sorted(folder.glob("*/*.parquet"))
    return "".join(str(parquet.read_table(file).to_pylist()) for file in files)


def test_an_erased_order_is_exported_by_its_headers_and_holds(tmp_path):
    with connect("memory:", keys=OwnKeys()) as orders:
        tell(orders)
        orders.record_many(story("kept"))
        orders.erase("xyz", reason="asked")
        exported(orders.log, tmp_path / "export")
        replayed = replay(orders.log, PROVIDERS)
    found = audited(tmp_path / "export")

    assert replayed.ok
    assert (found.differences, found.ok) == ((), True)
    assert "Canary-Name-Ada" not in shown_in(tmp_path / "export")
    claimed = read_manifest(tmp_path / "export").shards[1]

    def erase(rows):
        for row in rows:
            if row["order_id"] == "kept":
                row["erased"], row["body"] = True, None

    rewrite(tmp_path / "export", claimed.records.name, erase)
    found = audited(tmp_path / "export")
    assert {(each.stream, each.field) for each in found.differences} >= {
        ("order:instacart:kept", "body")
    }, "an erasure that the log never recorded"


# The command line


def test_export_and_audit_say_what_they_did(tmp_path):
    assert run("ingest", "-", cwd=tmp_path, stdin=lines([*story(), *story("b")])).code == 0
    told = run("export", "--format", "parquet", "-o", "out", cwd=tmp_path)
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith("7 records of 2 orders written, in 2 shards\n")
    checkpoint = run("verify", "--json", cwd=tmp_path).value["checkpoint"]
    assert f"checkpoint {checkpoint}" in told.out
    answer = run("audit", "out", "--json", cwd=tmp_path)
    assert answer.code == 0
    assert answer.value["ok"] is True
    assert "all of it comes out as it was exported" in run("audit", "out", cwd=tmp_path).out

    (tmp_path / "out" / "views" / "00001.parquet").unlink()
    answer = run("audit", "out", "--json", cwd=tmp_path)
    assert (answer.code, answer.value["ok"]) == (1, False)
    assert answer.value["files"] == [{"file": "views/00001.parquet", "sentence": "it is missing"}]
    answer = run("audit", "out", cwd=tmp_path)
    assert answer.code == 1
    assert "views/00001.parquet" in answer.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "--format", "parquet"),
        ("export", "--format", "parquet", "-o", "out", "--order", "b"),
        ("export", "--format", "parquet", "-o", "out", "--whole"),
        ("export", "--format", "parquet", "-o", "orders.db"),
        ("export", "--bodies", "none"),
        ("audit", "nowhere"),
        ("audit", ".", "--engine", "dask"),
        ("audit", ".", "--address", "tcp://127.0.0.1:1"),
    ],
)
def test_a_command_that_cannot_be_done_says_why(tmp_path, arguments):
    run("ingest", "-", "--db", DATABASE, cwd=tmp_path, stdin=lines(story()))
    answer = run(*arguments, cwd=tmp_path, env={"LIFECYCLE_DB": DATABASE})
    assert answer.code == 2
    assert answer.err.count("\n") == 1


def test_a_slow_query_shows_no_progress_among_the_answers():
    with closing(ColumnCheck(1)) as check:
        told = check._database.execute("SELECT current_setting('enable_progress_bar')").fetchall()
    assert told == [(False,)]
