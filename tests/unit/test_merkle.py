"""The Merkle tree: its roots are as RFC 9162 defines them, and its proofs prove that alone."""

from __future__ import annotations

import random
from contextlib import closing
from hashlib import sha256

import pytest

from lifecycle.audit.merkle import (
    Frontier,
    TreeHead,
    consistency,
    head_at,
    head_of,
    inclusion,
    is_extension,
    is_included,
    leaf_hash,
)
from lifecycle.audit.tree import LogTree, leaf_of
from lifecycle.log.contract import Record
from lifecycle.log.stores.memory.log import MemoryLog
from lifecycle.log.stores.sqlite.log import SQLiteLog
from tests.contract.entries import event

MOST = 70
ENTRIES = [b"%d" % number for number in range(MOST)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def root(entries: list[bytes]) -> bytes:
    """Return MTH, word for word as RFC 9162 2.1.1 defines it."""
    if not entries:
        return sha256().digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = 1
    while k * 2 < len(entries):
        k *= 2
    return sha256(b"\x01" + root(entries[:k]) + root(entries[k:])).digest()


def nodes(level: int, index: int) -> bytes:
    return root(ENTRIES[index << level : (index + 1) << level])


@pytest.mark.parametrize("size", range(MOST))
def test_the_root_is_that_of_the_definition(size):
    assert head_of(LEAVES[:size]) == head_at(nodes, size) == TreeHead(size, root(ENTRIES[:size]))


def test_the_root_of_a_known_tree_is_the_published_one():
    # The eight entries that the tests of Certificate Transparency use since 2013.
    entries = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"]
    entries.append("606162636465666768696a6b6c6d6e6f")
    head = head_of([leaf_hash(bytes.fromhex(entry)) for entry in entries])

    assert head.root.hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 31, 64, MOST])
def test_every_entry_is_proved_to_be_there_and_nowhere_else(size):
    head = head_at(nodes, size)
    for index in range(size):
        proof = inclusion(nodes, index, size)

        assert is_included(LEAVES[index], index, head, proof)
        assert not is_included(LEAVES[index], index, head, [*proof, LEAVES[0]])
        assert (
            not is_included(LEAVES[index], index, head._replace(root=LEAVES[0]), proof) or size == 1
        )
        assert not is_included(LEAVES[index - 1], index, head, proof) or size == 1
        assert not any(
            is_included(LEAVES[index], other, head, proof)
            for other in range(size)
            if other != index
        )
        for missing in range(len(proof)):
            assert not is_included(
                LEAVES[index], index, head, proof[:missing] + proof[missing + 1 :]
            )


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 31, 64, MOST])
def test_a_grown_tree_is_proved_to_begin_with_every_older_one(size):
    new = head_at(nodes, size)
    for before in range(size + 1):
        old, proof = head_at(nodes, before), consistency(nodes, before, size)

        assert is_extension(old, new, proof)
        assert not is_extension(old._replace(root=LEAVES[1]), new, proof)
        assert not is_extension(old, new._replace(root=LEAVES[1]), proof) or before == 0
        assert not is_extension(old, new, [*proof, LEAVES[1]])
        assert not is_extension(new, old, proof) or before == size
        if proof:
            assert not is_extension(old, new, proof[:-1])


def test_a_frontier_holds_a_hash_for_each_bit_of_its_size():
    frontier = Frontier()
    for leaf in LEAVES[:21]:
        frontier.add(leaf)

    assert len(frontier._peaks) == 3


# Over a log


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


def append(log: MemoryLog, count: int) -> None:
    first = log.last_position()
    log.append_many([event(f"o{number % 7}", number) for number in range(first, first + count)])


@pytest.mark.parametrize("steps", [[0], [1], [256], [255, 1, 1], [300, 300], [5000, 1, 4096]])
def test_the_tree_of_a_log_is_the_same_however_it_was_followed(log, steps):
    tree = LogTree(log)
    for step in steps:
        if step:
            append(log, step)
        head = tree.follow()

    assert head == head_of([leaf_of(record) for record in log.scan()])
    assert [tile.hashes for tile in log.tree._tiles.values() if len(tile.hashes) > 256 * 32] == []


def test_a_follower_of_several_tiles_goes_on_while_others_append(tmp_path):
    path = tmp_path / "orders.db"
    with closing(SQLiteLog(path)) as log, closing(SQLiteLog(path, retry_timeout=1)) as beside:
        append(log, 600)
        tree = LogTree(beside)
        assert tree.follow().size == 600

        append(log, 300)

        assert tree.follow() == head_of([leaf_of(record) for record in log.scan()])


def test_proofs_come_out_of_the_tiles(log):
    chance, tree = random.Random(1), LogTree(log)
    append(log, 3000)
    head = tree.follow()
    records = list(log.scan())
    for record in chance.sample(records, 20):
        index = tree.index_of(record)

        assert index == record.position - 1
        assert is_included(leaf_of(record), index, head, tree.inclusion(index, head.size))
        assert is_extension(tree.head(index), head, tree.consistency(index, head.size))


def test_a_record_that_the_tree_did_not_take_in_has_no_index(log):
    tree = LogTree(log)
    append(log, 3)
    tree.follow()
    append(log, 1)
    last = list(log.scan())[-1]

    assert tree.index_of(last) is None
    assert tree.index_of(Record("order:instacart:x", 1, "callback", 2, b"{}\n")) is None


def test_a_follower_that_another_overtook_takes_nothing_in_twice(log):
    append(log, 10)
    store, first = log.tree, LogTree(log)
    overtaken = []

    class Overtaken(type(store)):
        def extend(self, before, tiles):
            if not overtaken:
                overtaken.append(first)
                first._store = store
                first.follow()
            return store.extend(before, tiles)

        def last(self, level):
            return store.last(level)

        def tile(self, level, number):
            return store.tile(level, number)

    late = LogTree(log)
    late._store = Overtaken()

    assert late.follow() == head_of([leaf_of(record) for record in log.scan()])
    assert overtaken
