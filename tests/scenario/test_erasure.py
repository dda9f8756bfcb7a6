"""Erasing an order: its bodies are gone from every file, and all that is proved of it stays."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime

import pytest

from lifecycle import (
    InvalidArgumentError,
    KeyStoreError,
    UnknownKeyError,
    UnknownOrderError,
)
from lifecycle.audit.checkpoint import take
from lifecycle.audit.evidence import make_evidence
from lifecycle.audit.export import export, export_whole
from lifecycle.audit.replay import replay
from lifecycle.audit.signed_note import PrivateKey
from lifecycle.audit.verify import verify
from lifecycle.log.append_queue import ThreadBatch
from lifecycle.log.codec import decode, prepare_for_encryption
from lifecycle.log.key_store import key_id_of
from lifecycle.log.view_store import Batch
from lifecycle.projections.change_feed import EVERY_SECONDS
from tests.contract.entries import event
from tests.contract.keys import OwnKeys
from tests.without_rules import connect, connect_async

CANARIES = {
    "request": "Canary-Name-Ada",
    "context": "canary-user-4711",
    "response": "canary message about a phone",
    "locale": "canary_LOCALE",
    "item": "canary in the quarantine",
    "divergent": "canary_DIVERGENT",
    "late": "canary_LATE",
}


def callback(order_id, event_id, status, **said):
    told = {"order_id": order_id, **said}
    name = {"event_id": event_id, "event_name": status, "event_metadata": told}
    return json.dumps(name).encode()


def tell(orders, order_id="xyz", said=CANARIES):
    """Record something of an order in every way, each with a canary."""
    sent = orders.begin_request(
        order_id, {"order_id": order_id, "name": said["request"]}, context=said["context"]
    )
    sent.answered(422, {"error": {"message": said["response"], "code": 4001}})
    orders.record_callback(callback(order_id, "1", "brand_new", locale=said["locale"]))
    orders.record_callback(callback(order_id, "1", "brand_new", locale=said["divergent"]))
    orders.record_callback(callback("other", "2", said["item"]), order_id=order_id)
    orders.record_callback(callback(f"{order_id}2", "1", "brand_new", locale="en_US"))


def found(folder):
    """Return the canaries that stand in any file of a folder."""
    held = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    return {name for name, canary in CANARIES.items() if canary.encode() in held}


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/orders.db"


def keys_in(folder):
    return f"file:{folder}/orders.db.keys"


def test_before_it_is_erased_an_order_is_read_whole_and_no_file_tells_it(tmp_path, url):
    with connect(url, keys=keys_in(tmp_path)) as orders:
        tell(orders)
        orders.views.rebuild()
        assert orders.get("xyz").details.locale in {CANARIES["locale"], CANARIES["divergent"]}
        assert CANARIES["request"].encode() in orders.last_request("xyz").body
        assert found(tmp_path) == set()
    with connect(url) as again:  # the key file lies beside it
        assert again.get("xyz").details.locale
        assert [view.details.locale for view in again.find()][1] == "en_US"


def test_the_view_of_an_erased_order_is_the_fold_of_its_headers(tmp_path, url):
    with connect(url, keys=keys_in(tmp_path)) as orders:
        sent = orders.begin_request("xyz", {"order_id": "xyz"})
        sent.answered(422, {"error": {"message": "no such street", "code": 4001}})
        before = orders.get("xyz")
        orders.erase("xyz", reason="asked")
        after = orders.get("xyz")

        assert before.errors[0].message == "no such street"
        assert [error.model_dump() for error in after.errors] == [
            {"message": None, "code": None, "key": None, "http_status": 422, "correctable": True}
        ]
        assert (after.status, after.path, after.awaiting) == (
            before.status,
            before.path,
            before.awaiting,
        )
        assert after.model_dump(mode="json")["erased"] is True
        assert "erased" not in before.model_dump(mode="json")
        assert after.digest != before.digest
        assert orders.last_request("xyz") is None


def test_everybody_who_has_the_log_open_sees_the_erasure_at_once(tmp_path, url):
    keys = OwnKeys()
    with connect(url, keys=keys) as orders, connect(url, keys=keys) as others:
        tell(orders)
        assert others.get("xyz").details.locale
        feed = others.subscribe()
        next(feed)
        orders.erase("xyz", reason="asked")

        assert others.get("xyz").erased
        assert others.get("xyz").details.locale is None
        late = others.record_callback(callback("xyz", "9", "delivered", locale=CANARIES["late"]))
        assert late.view.erased
        assert late.view.details.locale is None
        assert all(change.view.erased for change in others.changes() if change.order_id == "xyz")
        assert [view.erased for view in others.find()] == [True, False]


def test_a_header_alone_is_no_damage_to_a_reader_who_does_not_know_of_the_erasure_yet(url):
    keys = OwnKeys()
    with connect(url, keys=keys) as orders, connect(url, keys=keys) as others:
        tell(orders)
        assert others.get("xyz").details.locale
        orders.erase("xyz", reason="asked")
        orders.record_callback(callback("xyz", "9", "delivered", locale=CANARIES["late"]))
        *_, late = others.log.read("order:instacart:xyz")
        assert decode(late, others.log.cipher).erased


def test_what_comes_later_is_stored_without_its_body_and_duplicates_are_still_found(tmp_path, url):
    with connect(url, keys=keys_in(tmp_path)) as orders:
        tell(orders)
        orders.erase("xyz", reason="asked")
        body = callback("xyz", "3", "delivered", locale=CANARIES["late"])
        assert orders.record_callback(body).outcome == "appended"
        assert orders.record_callback(body).outcome == "duplicate"
        known = callback("xyz", "1", "brand_new", locale=CANARIES["locale"])
        assert orders.record_callback(known).outcome == "duplicate"
        assert orders.get("xyz").status == "delivered"
        record = orders.log.read("order:instacart:xyz")[-1]
        assert record.state.endswith(b"}\n")
        assert decode(record, orders.log.cipher).erased


def test_proofs_and_views_of_all_orders_go_on(tmp_path, url):
    with connect(url, keys=keys_in(tmp_path)) as orders:
        tell(orders)
        orders.views.rebuild()
        orders.erase("xyz", reason="asked")
        assert verify(orders.log, providers={"instacart": orders.provider}).ok
        replayed = replay(orders.log, {"instacart": orders.provider})
        assert (replayed.ok, replayed.differences) == (True, ())
        lines = [json.loads(line) for line in export(orders.log, quarantine=True)]
        erased = [line for line in lines if line.get("erased")]
        assert len(erased) == 5
        assert not any(CANARIES["locale"] in json.dumps(line) for line in lines)
        with connect("memory:") as others:
            receipts = others.record_many(map(json.dumps, lines))
            assert [receipt.event.order_id for receipt in receipts] == ["xyz2"]


def test_a_record_that_was_changed_still_shows_after_the_erasure(tmp_path, url):
    with connect(url, keys=keys_in(tmp_path)) as orders:
        tell(orders)
        orders.erase("xyz", reason="asked")
        records = list(orders.log.scan())
    with connect("memory:") as forged:
        state = records[0].state
        forged.log.restore([records[0]._replace(state=state[:-1] + b"?"), *records[1:]])
        assert [finding.version for finding in verify(forged.log).findings] == [1]


def test_an_erasure_is_recorded_once_with_who_why_and_when(tmp_path, url):
    with connect(url, keys=keys_in(tmp_path)) as orders:
        tell(orders)
        assert orders.erase("xyz", reason="the customer asked", by="privacy office")
        assert not orders.erase("xyz", reason="again")
        (said, item) = [decode(record) for record in orders.log.read("control")]
        assert (said.stream, said.by, said.why) == (
            "order:instacart:xyz",
            "privacy office",
            "the customer asked",
        )
        assert item.item == 1
        assert list(orders.quarantine()) == []
        assert [each.reason for each in orders.quarantine(all=True)] == ["erased"]


def test_an_item_of_the_quarantine_is_erased_alone(tmp_path, url):
    with connect(url, keys=keys_in(tmp_path)) as orders:
        tell(orders)
        assert orders.erase_item(1, reason="asked")
        assert not orders.erase_item(1, reason="asked")
        assert list(orders.redrive()) == []
        assert not orders.get("xyz").erased


async def erase_async(url, keys):
    async with connect_async(url, keys=keys) as orders:
        await orders.record_callback(callback("xyz", "1", "brand_new", locale="x"))
        assert await orders.erase("xyz", reason="asked")
        return await orders.get("xyz")


def test_orders_are_erased_from_coroutines_too(url, tmp_path):
    assert asyncio.run(erase_async(url, keys_in(tmp_path))).erased


def test_a_plain_log_and_an_unknown_order_are_refused(url, tmp_path):
    with connect("memory:") as orders:
        tell(orders)
        with pytest.raises(KeyStoreError, match="lifecycle copy --encrypt"):
            orders.erase("xyz", reason="asked")
    with connect(url, keys=keys_in(tmp_path)) as orders, pytest.raises(UnknownOrderError):
        orders.erase("nobody", reason="asked")


@pytest.mark.parametrize(
    "named",
    ["database:", "database:?master=", "database:x?master=y", "file:", "file:a\0b", "nobody"],
)
def test_a_name_of_no_key_store_is_refused_and_nothing_is_made(named, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for url in ("memory:", "sqlite:///orders.db"):
        with pytest.raises(InvalidArgumentError, match="keys cannot be used"):
            connect(url, keys=named)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("answer", [None, [1], 5])
def test_a_key_store_that_answers_with_no_keys_is_told_as_that(answer):
    keys = OwnKeys()
    keys.make = lambda key_ids: answer
    with connect("memory:", keys=keys) as orders:
        with pytest.raises(KeyStoreError, match="no mapping of keys"):
            orders.record_callback(callback("xyz", "1", "brand_new"))
        assert list(orders.log.scan()) == []


def test_a_key_store_is_asked_for_the_keys_of_many_orders_at_once(url):
    keys, asked = OwnKeys(), []
    with connect(url, keys=keys) as orders:
        for number in range(250):
            orders.record_callback(callback(f"o{number}", "1", "brand_new"))
    find = keys.find
    keys.find = lambda key_ids: asked.append(len(key_ids)) or find(key_ids)
    for look in (
        lambda orders: len(list(orders.find())),
        lambda orders: orders.views.rebuild() or len(list(orders.find())),
        lambda orders: orders.stats().orders,
    ):
        with connect(url, keys=keys) as orders:
            asked.clear()
            assert look(orders) == 250
            assert sum(asked) == 249  # that of the newest was asked for at the opening
            assert len(asked) <= 3


def test_a_lost_key_is_told_as_lost_and_not_as_erased(url):
    keys = OwnKeys()
    with connect(url, keys=keys) as orders:
        tell(orders)
    with (
        connect(url, keys=OwnKeys()) as orders,
        pytest.raises(UnknownKeyError, match="the key store does not know its key"),
    ):
        orders.get("xyz")
    with connect(url, keys=keys) as orders:
        assert not orders.get("xyz").erased


def test_of_an_order_whose_key_is_lost_nothing_is_stored_under_another_key(url):
    keys, others = OwnKeys(), OwnKeys()
    with connect(url, keys=keys) as orders:
        tell(orders)
    with connect(url, keys=others) as orders:
        with pytest.raises(UnknownKeyError, match="restore the key store"):
            orders.record_callback(callback("xyz", "9", "delivered"))
        assert orders.record_callback(callback("new", "1", "brand_new")).view
    assert len(others.keys) == 1
    keys.keys |= others.keys
    with connect(url, keys=keys) as orders:
        orders.record_callback(callback("xyz", "9", "delivered"))
        assert [view.status for view in orders.find()] == ["brand_new", "delivered", "brand_new"]


def test_a_lost_key_of_one_order_holds_up_no_other_in_the_same_commit(url):
    keys = OwnKeys()
    with connect(url, keys=keys) as orders:
        tell(orders)
    keys.keys.pop(key_id_of("order:instacart:xyz"))
    told = [
        ThreadBatch([prepare_for_encryption(event(order_id))])
        for order_id in ("xyz", "xyz2", "new")
    ]
    with connect(url, keys=keys) as orders:
        orders.log._writer.commit(told)
    assert [type(batch.error) for batch in told] == [UnknownKeyError, type(None), type(None)]


def test_what_a_reader_exports_after_another_erased_it_holds_no_body(tmp_path, url):
    with connect(url, keys=keys_in(tmp_path)) as orders, connect(url) as others:
        tell(orders)
        signer = PrivateKey("log", b"1" * 32)
        assert CANARIES["request"] in canaries_told(others, signer)
        orders.erase("xyz", reason="asked")
        assert canaries_told(others, signer) == set()


def canaries_told(orders, signer):
    """Return the canaries in an export, in a whole one, and in evidence."""
    note = take(orders.log, signer, lambda: datetime.now(UTC))
    told = [*export(orders.log, quarantine=True), *export_whole(orders.log)]
    told.append(
        json.dumps(make_evidence(orders.log, orders.provider, "xyz", signer, note)).encode()
    )
    return {each for each in CANARIES.values() if each.encode() in b"".join(told)}


def test_a_reader_who_takes_long_over_the_feed_is_shown_no_body_after_an_erasure(tmp_path, url):
    with connect(url, keys=keys_in(tmp_path)) as orders, connect(url) as others:
        tell(orders)
        changes = others.changes()
        assert not next(changes).view.erased
        orders.erase("xyz", reason="asked")
        time.sleep(1.1 * EVERY_SECONDS)
        assert {change.view.erased for change in changes if change.order_id == "xyz"} == {True}


def test_what_nobody_can_read_about_an_erased_order_is_stored_without_its_body(tmp_path, url):
    late = f"no JSON, {CANARIES['late']}".encode()
    with connect(url, keys=keys_in(tmp_path)) as orders:
        tell(orders)
        orders.erase("xyz", reason="asked")
        assert orders.record_callback(late, order_id="xyz").outcome == "quarantined"
        assert orders.record_callback(late, order_id="xyz2").outcome == "quarantined"
        assert [item.body for item in orders.quarantine(all=True)] == [b"", b"", late]
        assert verify(orders.log).ok


def test_a_view_that_was_folded_before_the_erasure_and_written_after_it_shows_nothing(
    url, tmp_path
):
    with connect(url, keys=keys_in(tmp_path)) as orders:
        tell(orders)
        orders.views.rebuild()
        live = orders.views.status().live
        stale = orders.log.views.between(live, "", None)
        assert b"canary" in stale[0].body
        orders.erase("xyz", reason="asked")
        assert orders.log.views.write(live, Batch(stale))
        assert [view.erased for view in orders.find()] == [True, False]
        assert orders.log.views.between(live, "", "xyz")[0].body == b""
        replayed = replay(orders.log, {"instacart": orders.provider})
        assert (replayed.ok, replayed.behind) == (True, 1)
        orders.views.catch_up()
        assert replay(orders.log, {"instacart": orders.provider}).behind == 0
    assert found(tmp_path) == set()


def test_a_body_of_another_order_cannot_be_put_in_its_place(url):
    keys = OwnKeys()
    with connect(url, keys=keys) as orders:
        orders.record_callback(callback("a", "1", "brand_new", locale="x"))
        orders.record_callback(callback("b", "1", "brand_new", locale="y"))
        (first, second) = orders.log.scan()
        keys.keys[second_id(second)] = keys.keys[second_id(first)]
    with connect("memory:", keys=keys) as forged:
        header = second.state.partition(b"\n")[0]
        swapped = second._replace(state=header + b"\n" + first.state.partition(b"\n")[2])
        forged.log.restore([first, swapped])
        with pytest.raises(Exception, match="not what was encrypted for this place"):
            forged.get("b")


def second_id(record):
    return json.loads(record.state.partition(b"\n")[0])["key_id"]


def test_keys_in_a_table_of_the_database_do_as_well(postgres, tmp_path):
    url, keys = postgres.new_url(), f"database:?master={tmp_path}/master"
    with connect(url, keys=keys) as orders:
        tell(orders)
        assert orders.get("xyz").details.locale
        orders.erase("xyz", reason="asked")
        with connect(url, keys=keys) as others:
            assert [view.erased for view in others.find()] == [True, False]
