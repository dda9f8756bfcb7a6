"""`lifecycle erase`, `copy --encrypt` and `keys rotate`, as they are typed."""

from __future__ import annotations

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from lifecycle import KeyStoreError, OtherRecordsError, StoredFormatError, connect
from lifecycle.audit.log_encryption import encrypt
from lifecycle.composition import open_log, rotate_master_key
from lifecycle.log.contract import CONTROL
from lifecycle.log.key_store import key_id_of
from tests.contract.keys import OwnKeys
from tests.scenario import command_line
from tests.scenario.test_erasure import CANARIES, callback, found, tell


def run(*arguments):
    """Run a command in the folder of the test."""
    return command_line.run(*arguments, cwd=Path.cwd())


@pytest.fixture
def plain(tmp_path, monkeypatch):
    """The URL of a plain log, in the folder that commands run in."""
    monkeypatch.chdir(tmp_path)
    with connect("sqlite:///plain.db") as orders:
        tell(orders)
        orders.record_callback(callback("ended", "7", "delivered", locale="en_US"))
    return "sqlite:///plain.db"


@pytest.fixture
def db(plain):
    """The URL of the same log, encrypted."""
    assert run("copy", "--encrypt", "--from", plain, "--to", "sqlite:///orders.db").code == 0
    return "sqlite:///orders.db"


def test_a_plain_log_is_moved_into_an_encrypted_one_that_tells_the_same(plain, tmp_path):
    done = run("copy", "--encrypt", "--from", plain, "--to", "sqlite:///orders.db", "--json")
    assert done.code == 0
    assert "orders.db.keys.master: back them up" in done.err
    again = run("copy", "--encrypt", "--from", plain, "--to", "sqlite:///orders.db", "--json")
    assert (again.value["written"], again.value["present"]) == (0, done.value["written"])
    with connect(plain) as before, connect("sqlite:///orders.db") as after:
        assert [view.digest for view in before.find()] == [view.digest for view in after.find()]
        assert before.history("xyz")[0].sha256 == after.history("xyz")[0].sha256
        linked = json.loads(after.log.read(CONTROL)[-1].state)
    assert linked["checkpoint"] == run("verify", "--json", "--db", plain).value["checkpoint"]
    assert run("replay", "--db", "sqlite:///orders.db").code == 0
    for path in tmp_path.glob("plain.db*"):
        path.unlink()
    assert found(tmp_path) == set()


def test_encrypting_goes_on_where_it_stopped_and_refuses_what_is_not_the_same(plain):
    keys = OwnKeys()
    with closing(open_log(plain)) as source, connect("memory:", keys=keys) as target:
        records = list(source.scan())

        class Stopped:
            """The source, which ends in the middle."""

            def __getattr__(self, name):
                return getattr(source, name)

            def last_position(self):
                return 3

        encrypt(Stopped(), target.log)
        # Whole by its own word, so it does not go on.
        with pytest.raises(OtherRecordsError):
            encrypt(source, target.log)
    with closing(open_log(plain)) as source, connect("memory:", keys=keys) as whole:
        encrypt(source, whole.log)
        sealed = list(whole.log.scan())
        with connect("memory:", keys=keys) as target:
            target.log.restore(sealed[:4])
            done = encrypt(source, target.log)
            assert (done.written, done.present) == (len(records) - 4, 4)
            assert done.verification.ok
        with connect("memory:", keys=keys) as other:
            other.record_callback(callback("else", "1", "brand_new"))
            with pytest.raises(OtherRecordsError):
                encrypt(source, other.log)


def test_a_damaged_record_is_not_moved(plain):
    with closing(open_log(plain)) as source, connect("memory:") as damaged:
        first, *rest = source.scan()
        damaged.log.restore([first._replace(state=b"{" + first.state), *rest])
        with connect("memory:", keys=OwnKeys()) as target, pytest.raises(StoredFormatError):
            encrypt(damaged.log, target.log)


def test_an_order_is_erased_once_and_everything_printed_goes_on(db):
    assert run("erase", "xyz", "--reason", "asked", "--by", "me", "--db", db).out == (
        "order xyz is erased\n"
    )
    again = run("erase", "xyz", "--reason", "asked", "--db", db)
    assert (again.code, again.out) == (0, "order xyz was erased before, and that stays\n")
    printed = ""
    for command in ("show", "history", "explain"):
        answer = run(command, "xyz", "--db", db)
        assert answer.code == 0
        printed += answer.out + answer.err
    assert run("show", "xyz", "--json", "--db", db).value["erased"] is True
    for command in ("list", "verify", "replay", "stats", "export", "doctor"):
        answer = run(command, "--db", db)
        assert answer.code in {0, 1 if command == "doctor" else 0}, answer.err
        printed += answer.out + answer.err
    assert not [canary for canary in CANARIES.values() if canary in printed]
    assert "en_US" in printed  # of an order that was not erased


def test_an_item_of_the_quarantine_is_erased_by_its_number(db):
    assert run("erase", "--item", "1", "--reason", "asked", "--db", db).out == "item 1 is erased\n"
    assert run("quarantine", "--json", "--db", db).value == []
    missing = run("erase", "--item", "9", "--reason", "asked", "--db", db)
    assert (missing.code, missing.out) == (2, "")


def test_orders_that_ended_long_ago_are_listed_then_erased(db):
    rule = ("erase", "--older-than", "0s", "--db", db)
    assert run("erase", "--older-than", "1d", "--dry-run", "--db", db).out == (
        "0 orders would be erased\n"
    )
    listed = run(*rule, "--dry-run", "--json").value
    assert [row["order_id"] for row in listed] == ["ended"]
    refused = run(*rule, "--reason", "too old")
    assert (refused.code, refused.out) == (2, "")
    assert "--yes" in refused.err
    assert run(*rule, "--reason", "too old", "--yes").code == 0
    assert run(*rule, "--dry-run", "--json").value == []
    with connect(db) as orders:
        assert [view.erased for view in orders.find()] == [True, False, False]


def test_an_order_that_cannot_be_folded_keeps_no_other_from_being_erased(db, tmp_path):
    with closing(sqlite3.connect(tmp_path / "orders.db.keys")) as keys, keys:
        keys.execute("DELETE FROM data_keys WHERE key_id = ?", (key_id_of("order:instacart:xyz2"),))
    rule = ("erase", "--older-than", "0s", "--reason", "too old", "--yes", "--db", db)
    told = run(*rule)
    assert told.code == 3
    assert "1 order erased" in told.out
    assert "restore the key store" in told.err
    with connect(db) as orders:
        assert orders.get("ended").erased


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("xyz",),
        ("xyz", "--item", "1", "--reason", "x"),
        ("xyz", "--dry-run", "--reason", "x"),
        ("xyz", "--reason", ""),
        ("xyz", "--reason", "two\nlines"),
    ],
)
def test_an_erasure_that_is_not_said_in_full_is_refused(db, arguments):
    refused = run("erase", *arguments, "--db", db)
    assert (refused.code, refused.out) == (2, "")
    with connect(db) as orders:
        assert not orders.get("xyz").erased


def test_a_new_master_key_opens_everything_and_the_old_one_nothing(db, tmp_path):
    master = tmp_path / "orders.db.keys.master"
    old = master.read_text()
    assert "wrapped with a new master key" in run("keys", "rotate", "--db", db).out
    assert master.read_text() != old
    with connect(db) as orders:
        assert orders.get("xyz").details.locale
        orders.record_callback(callback("new", "1", "brand_new"))
        assert orders.get("new")
    master.write_text(old)
    lost = run("show", "xyz", "--db", db)
    assert (lost.code, lost.out) == (3, "")
    assert "another master key" in lost.err


def test_a_rotation_that_stopped_half_way_leaves_everything_readable(db, tmp_path):
    master = tmp_path / "orders.db.keys.master"
    master.write_text(master.read_text() + "ab" * 32 + "\n")
    with connect(db) as orders:
        assert orders.get("xyz").details.locale
        orders.record_callback(callback("new", "1", "brand_new"))
    assert run("keys", "rotate", "--db", db).code == 0
    assert len(master.read_text().splitlines()) == 1
    with connect(db) as orders:
        assert orders.get("xyz").details.locale
        assert orders.get("new")


def test_of_two_rotations_at_once_neither_drops_what_the_other_wraps_with(db):
    with ThreadPoolExecutor(3) as threads:
        rotations = [threads.submit(rotate_master_key, db, None) for _ in range(12)]
        assert {rotation.result() for rotation in rotations} == {4}
    with connect(db) as orders:
        assert orders.get("xyz").details.locale
        assert orders.get("ended").details.locale


def test_a_lost_master_key_is_not_replaced_by_another(db, tmp_path):
    master = tmp_path / "orders.db.keys.master"
    lost = master.read_text()
    master.unlink()
    with connect(db) as orders:
        with pytest.raises(KeyStoreError, match="No such file"):
            orders.record_callback(callback("new", "1", "brand_new"))
        assert orders.erase("ended", reason="asked")  # that takes no master key
    assert not master.exists()
    master.write_text(lost)
    with connect(db) as orders:
        assert orders.get("xyz").details.locale
        assert orders.get("ended").erased


def test_a_plain_log_has_no_master_key_to_rotate(plain):
    refused = run("keys", "rotate", "--db", plain)
    assert (refused.code, refused.out) == (3, "")
    assert "it is not encrypted" in refused.err


def test_an_export_of_an_erased_order_is_read_and_passed_over(db):
    run("erase", "xyz", "--reason", "asked", "--db", db)
    run("export", "--output", "all.jsonl", "--whole", "--db", db)
    counts = run("ingest", "all.jsonl", "--json", "--db", "sqlite:///other.db").value
    assert (counts["appended"], counts["orders"]) == (2, 2)
    assert counts["control"] > 5
