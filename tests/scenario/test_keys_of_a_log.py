"""Keys that do not fit a log: none for an encrypted one, some for a plain one, those of another.

Each is told as what it is, when the log is opened and when it is first written to; so no log is
ever half encrypted, and nothing is stored under the key of another log.
"""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from lifecycle import KeyStoreError, Outcome, UnknownKeyError, connect
from lifecycle.audit.verify import verify
from lifecycle.log.encryption_check import EncryptionCheck, is_encrypted
from lifecycle.log.key_store import key_id_of
from tests import without_rules
from tests.contract.keys import OwnKeys

STORES = ("sqlite", "postgres")


def body(order_id: str, number: int = 1) -> bytes:
    name = b'{"event_id":"%d","event_name":"brand_new","event_metadata":{"order_id":"%s"}}'
    return name % (number, order_id.encode())


@pytest.fixture(params=STORES)
def new_url(request, tmp_path):
    """Return what makes the URL of a new log."""
    if request.param == "postgres":
        return request.getfixturevalue("postgres").new_url
    urls = (f"sqlite:///{tmp_path}/{number}.db" for number in range(9))
    return lambda: next(urls)


def forms(orders):
    """Return how the bodies of a log are stored: encrypted or not."""
    return {b'"key_id":' in r.state for r in orders.log.scan() if r.stream != "control"}


def test_a_plain_log_takes_no_keys(new_url, tmp_path):
    url = new_url()
    with connect(url) as orders:
        orders.record_callback(body("a"))
    for keys in (OwnKeys(), f"file:{tmp_path}/new.keys"):
        with pytest.raises(KeyStoreError, match=r"it is plain and has none.*copy --encrypt"):
            connect(url, keys=keys)
    assert list(tmp_path.glob("*.keys*")) == []
    with connect(url) as orders:
        orders.record_callback(body("b"))
        assert forms(orders) == {False}


def test_an_encrypted_log_needs_its_keys(new_url, tmp_path):
    url, keys = new_url(), f"file:{tmp_path}/elsewhere.keys"
    with connect(url, keys=keys) as orders:
        orders.record_callback(body("a"))
    with pytest.raises(KeyStoreError, match=r"none are given.*LIFECYCLE_KEYS"):
        connect(url)
    with pytest.raises(KeyStoreError, match="restore it"):
        connect(url, keys=f"file:{tmp_path}/lost.keys")
    with connect(url, keys=keys) as orders:
        assert orders.get("a").status == "brand_new"


@pytest.mark.parametrize("first", ["encrypted", "plain"])
def test_of_two_who_opened_an_empty_log_the_first_to_write_decides_for_both(new_url, first):
    url, keys = new_url(), OwnKeys()
    with connect(url, keys=keys) as encrypted, connect(url) as plain:
        writes, refused = (encrypted, plain) if first == "encrypted" else (plain, encrypted)
        found = "it is encrypted, and none" if first == "encrypted" else "it is plain"
        assert writes.record_callback(body("a")).outcome is Outcome.APPENDED
        for order_id in ("a", "b"):
            with pytest.raises(KeyStoreError, match=found):
                refused.record_callback(body(order_id, 2))
        with pytest.raises(KeyStoreError, match=found):
            refused.record_callback(b"no JSON")
        writes.record_callback(body("a", 3))
        assert forms(writes) == {first == "encrypted"}
        assert verify(writes.log).ok
        with pytest.raises(KeyStoreError, match="copy --encrypt"):
            plain.erase("a", reason="asked")
        if first == "plain":
            with pytest.raises(KeyStoreError, match="copy --encrypt"):
                encrypted.erase("a", reason="asked")
            assert not plain.get("a").erased


def race(url, keys, connect=without_rules.connect):
    """Have each of two processes look before the other writes; return the log as it is then.

    Without rules: they would be written by both, and their place tell of the other.
    """
    with ExitStack() as opened:
        ours, others = (opened.enter_context(connect(url, keys=each)) for each in (keys, None))
        begin = ours.log._recorder.writing

        def late(**how):
            ours.log._recorder.writing = begin
            others.record_callback(body("b"))
            return begin(**how)

        ours.log._recorder.writing = late
        try:
            ours.record_callback(body("a"))
        except KeyStoreError as refused:
            return forms(others), refused.found
        return forms(others), ""


def test_of_two_who_write_the_first_body_at_once_one_is_refused(new_url):
    found, refused = race(new_url(), OwnKeys())
    assert (found, refused[:11]) == ({False}, "it is plain")


def test_where_no_lock_keeps_others_out_the_place_of_the_rules_tells(nats):
    found, refused = race(nats.new_url(), OwnKeys(), connect)
    assert (found, refused[:11]) == ({False}, "it is plain")


def test_without_the_look_under_the_lock_a_race_would_mix_a_log(new_url, monkeypatch):
    """The positive control."""
    monkeypatch.setattr(EncryptionCheck, "confirm_first", lambda self: None)
    assert race(new_url(), OwnKeys()) == ({True, False}, "")


def two_logs(new_url, tmp_path, own):
    """Return two logs about an order of the same id, and their key stores."""
    told = []
    for name in ("one", "two"):
        keys = OwnKeys() if own else f"file:{tmp_path}/{name}.keys"
        told.append((new_url(), keys))
        with connect(told[-1][0], keys=keys) as orders:
            orders.record_callback(body("a"))
            orders.record_callback(body(name))
            orders.record_callback(body("a", 2))
    return told


@pytest.mark.parametrize("own", [True, False])
def test_the_key_store_of_another_log_is_told_as_that(new_url, tmp_path, own):
    (one, keys), (two, others) = two_logs(new_url, tmp_path, own)
    with connect(two, keys=others) as orders:
        orders.erase("two", reason="asked")
        orders.erase("a", reason="asked")
        orders.record_callback(body("c"))
    with connect(one, keys=keys) as orders:
        orders.record_callback(body("c"))
    for create in (True, False):
        with pytest.raises(KeyStoreError, match="belongs to another log"):
            connect(two, keys=keys, create=create)
    # What the other log erased is not destroyed in this one's key store.
    with connect(one, keys=keys) as orders:
        assert not orders.get("a").erased
        assert orders.get("a").status == "brand_new"


def test_records_that_somebody_forged_keep_nobody_from_opening_a_log(new_url, tmp_path):
    (one, keys), (two, others) = two_logs(new_url, tmp_path, own=True)
    with connect(two, keys=others) as orders:
        for number in range(3, 30):
            orders.record_callback(body("a", number))
        forged = orders.log.read("order:instacart:a", after=2)
    with connect(one, keys=keys) as orders:
        orders.log.restore(forged)
    with connect(one, keys=keys) as orders:
        assert orders.get("one").status == "brand_new"
        with pytest.raises(UnknownKeyError, match="that of another log"):
            orders.get("a")


def test_where_opening_cannot_tell_it_the_record_does(new_url):
    url, keys = new_url(), OwnKeys()
    with connect(url, keys=keys) as orders:
        for number in range(41):  # the key of the one in the midst alone is in the other store
            orders.record_callback(body("a" if number == 20 else f"b{number}"))
    others = OwnKeys()
    others.make([key_id_of("order:instacart:a")])
    with connect(url, keys=others) as orders:
        with pytest.raises(UnknownKeyError, match="that of another log; use its own") as told:
            orders.get("a")
        assert told.value.foreign
        with pytest.raises(UnknownKeyError, match="does not know its key"):
            orders.get("b7")


def test_two_who_opened_an_empty_log_cannot_write_with_two_key_stores(new_url):
    url = new_url()
    with connect(url, keys=OwnKeys()) as orders, connect(url, keys=OwnKeys()) as second:
        orders.record_callback(body("a"))
        with pytest.raises(KeyStoreError, match="began it with another key store"):
            second.record_callback(body("b"))
        assert [view.order_id for view in orders.find()] == ["a"]


def test_a_log_of_control_records_alone_is_still_free_to_be_either(new_url):
    url = new_url()
    with connect(url) as orders:
        orders.log.declare_rules({})
        assert is_encrypted(orders.log._recorder) is None
    with connect(url, keys=OwnKeys()) as orders:
        orders.record_callback(body("a"))
        assert forms(orders) == {True}
