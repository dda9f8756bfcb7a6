"""What a cipher does with a key store that fails, lies or forgets: nothing is stored unreadable."""

from __future__ import annotations

import threading

import pytest

from lifecycle import KeyStoreError, StoreError, connect
from lifecycle.log.cipher import CannotDecryptError, Cipher
from lifecycle.log.key_store import KeyStore, key_id_of
from tests.contract.keys import OwnKeys

BODY = b'{"id": "xyz", "status": "brand_new", "locale": "canary"}'
KEY = key_id_of("order:instacart:xyz")


def cipher(keys):
    return Cipher(keys, lambda after: ([], after))


def test_a_store_of_ones_own_needs_three_methods():
    assert isinstance(OwnKeys(), KeyStore)
    assert not isinstance(object(), KeyStore)


def test_what_is_encrypted_is_decrypted_and_never_twice_alike():
    mine = cipher(OwnKeys())
    mine.make([KEY])
    one, other = (mine.encrypt(KEY, BODY, b"about") for _ in range(2))
    assert one != other
    assert BODY not in one
    assert mine.decrypt(KEY, one, b"about") == mine.decrypt(KEY, other, b"about") == BODY


@pytest.mark.parametrize("change", ["about", "stored", "cut", "empty"])
def test_what_was_changed_or_moved_is_not_decrypted(change):
    mine = cipher(OwnKeys())
    mine.make([KEY])
    stored, about = mine.encrypt(KEY, BODY, b"about"), b"about"
    if change == "about":
        about = b"another"
    else:
        wrong = {"stored": stored[:-1] + bytes([stored[-1] ^ 1]), "cut": stored[:9], "empty": b""}
        stored = wrong[change]
    with pytest.raises(CannotDecryptError):
        mine.decrypt(KEY, stored, about)


class Failing(OwnKeys):
    """A store that answers badly, each time in one way."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def make(self, key_ids):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    "answer",
    [RuntimeError("secret"), OSError(5, "secret"), None, [], {KEY: b""}, {KEY: b"short"}, {KEY: 7}],
)
def test_a_store_that_fails_or_answers_nonsense_lets_nothing_be_stored(answer):
    keys = Failing(answer)
    with connect("memory:", keys=keys) as orders:
        with pytest.raises(StoreError) as failed:
            orders.record_callback(BODY)
        assert "secret" not in str(failed.value)
        assert [each for each in orders.log.scan() if each.stream != "control"] == []
        keys.make = lambda key_ids: OwnKeys.make(keys, key_ids)
        assert orders.record_callback(BODY).outcome == "appended"
        assert orders.get("xyz").details.locale == "canary"


def test_a_store_that_fails_to_destroy_is_told_and_nothing_is_shown_any_more():
    keys = OwnKeys()
    with connect("memory:", keys=keys) as orders:
        orders.record_callback(BODY)
        destroy = keys.destroy
        keys.destroy = lambda key_ids: 1 / 0
        with pytest.raises(KeyStoreError, match="ZeroDivisionError"):
            orders.erase("xyz", reason="asked")
        assert orders.get("xyz").erased
        assert keys.keys[KEY] is not None
        keys.destroy = destroy
        assert not orders.erase("xyz", reason="asked")
        assert keys.keys[KEY] is None


def test_a_duplicate_and_a_known_order_ask_the_store_for_nothing_new():
    keys = OwnKeys()
    with connect("memory:", keys=keys) as orders:
        orders.record_callback(BODY)
        keys.make = lambda key_ids: pytest.fail("it was asked")
        assert orders.record_callback(BODY).outcome == "duplicate"
        assert orders.record_callback(BODY.replace(b"brand_new", b"at_store")).outcome == "appended"


def test_keys_of_a_commit_are_made_at_once():
    keys, asked = OwnKeys(), []
    make = keys.make
    keys.make = lambda key_ids: asked.append(len(key_ids)) or make(key_ids)
    with connect("memory:", keys=keys) as orders:
        orders.record_many(
            [{"kind": "callback", "body": {"id": f"o{n}", "status": "at_store"}} for n in range(50)]
        )
    assert asked == [50]


def test_threads_that_read_while_keys_are_erased_see_a_whole_body_or_none():
    keys, seen = OwnKeys(), set()
    mine = cipher(keys)
    mine.make([KEY])
    stored = mine.encrypt(KEY, BODY, b"")

    def read():
        for _ in range(300):
            seen.add(mine.decrypt(KEY, stored, b""))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    mine.erase([KEY])
    for thread in threads:
        thread.join()
    assert seen <= {BODY, None}
    assert mine.decrypt(KEY, stored, b"") is None
