"""Encrypts bodies with AES-256-GCM, each order with its own key, which can be destroyed.

    body + context ─→ nonce + ciphertext      bound to the stream, the key and the digest of its
                                              record, so that it fits in no other place

Before anything is shown or written, the erasures in the log are read, and the keys that they
destroyed are dropped from this cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from os import urandom
from threading import Lock
from typing import Any, Final

from lifecycle.errors import KeyStoreError, LifecycleError, MissingExtraError
from lifecycle.log.key_store import KEY_BYTES, Keys, KeyStore

NONCE_BYTES: Final = 12
_KEPT_KEYS: Final = 10_000

Erasures = Callable[[int], tuple[list[str], int]]
"""Returns the ids of the keys that were erased after a version of the control stream, and its
last version."""


class CannotDecryptError(Exception):
    """A ciphertext is not of this key or not of this place; never leaves `log`."""


class Cipher:
    """Encrypts and decrypts with the keys of a store; safe for threads."""

    def __init__(self, store: KeyStore, erasures: Erasures) -> None:
        self._aes = _aes_gcm()
        self._store = store
        self._erasures = erasures
        self._seen = 0
        self._erased: set[str] = set()
        self._keys: dict[str, Any] = {}
        self._lock = Lock()

    def catch_up(self) -> None:
        """Forget the keys that any process erased since the last look."""
        key_ids, seen = self._erasures(self._seen)
        with self._lock:
            self._seen = max(seen, self._seen)
            self._forget(key_ids)

    def make(self, key_ids: Iterable[str]) -> None:
        """Make sure that the store holds the keys of these ids, before they encrypt anything.

        Raises:
            KeyStoreError: the store failed.
        """
        self.catch_up()
        with self._lock:
            missing = [each for each in key_ids if each not in self._keys]
            missing = [each for each in missing if each not in self._erased]
        if missing:
            self._take_in(self._found(self._store.make, missing))

    def is_erased(self, key_id: str) -> bool:
        """Tell whether a key was destroyed by the last `catch_up`."""
        return key_id in self._erased

    def encrypt(self, key_id: str, plain: bytes, about: bytes) -> bytes | None:
        """Return a plain text encrypted; None if its key was destroyed.

        Raises:
            LookupError: the store does not know the key.
        """
        key = self._key(key_id)
        if key is None:
            return None
        nonce = urandom(NONCE_BYTES)
        return nonce + bytes(key.encrypt(nonce, plain, about))

    def decrypt(self, key_id: str, stored: bytes, about: bytes) -> bytes | None:
        """Return the plain text of a ciphertext; None if its key was destroyed.

        Raises:
            LookupError: the store does not know the key.
            CannotDecryptError: it was not encrypted with this key and for this place.
        """
        key = self._key(key_id)
        if key is None:
            return None
        try:
            return bytes(key.decrypt(stored[:NONCE_BYTES], stored[NONCE_BYTES:], about))
        except Exception as failed:
            self.catch_up()  # another process may have erased it, and stored a header alone since
            if self.is_erased(key_id):
                return None
            raise CannotDecryptError from failed

    def erase(self, key_ids: Iterable[str]) -> None:
        """Destroy keys in the store, and forget them here; may be repeated.

        Raises:
            KeyStoreError: the store failed.
        """
        erased = list(key_ids)
        with self._lock:
            self._forget(erased)
        self._asked(self._store.destroy, erased)

    def finish(self) -> None:
        """Destroy the keys of recorded erasures that were interrupted.

        Raises:
            KeyStoreError: the store failed.
        """
        self.catch_up()
        if left := self.unfinished():
            self.erase(left)

    def unfinished(self) -> list[str]:
        """Return the keys that were erased, as far as was looked, and that the store still has."""
        kept = self._found(self._store.find, sorted(self._erased))
        return [key_id for key_id, key in kept.items() if key is not None]

    def missing(self, key_ids: Iterable[str]) -> list[str]:
        """Return which of these keys the store knows nothing of, nor of their destruction."""
        wanted = list(key_ids)
        known = self._found(self._store.find, wanted)
        return [key_id for key_id in wanted if key_id not in known]

    @property
    def erasures(self) -> int:
        """How many keys were destroyed, as far as was looked."""
        return len(self._erased)

    def _key(self, key_id: str) -> Any | None:
        if key_id in self._erased:
            return None
        key = self._keys.get(key_id)
        return key or self._take_in(self._found(self._store.find, [key_id]))[key_id]

    def _take_in(self, found: Keys) -> dict[str, Any | None]:
        if not isinstance(found, Mapping):
            raise KeyStoreError("of the log", "it answered with no mapping of ids to keys")
        keys = {
            key_id: None if key is None else self._aes(_checked(key))
            for key_id, key in found.items()
        }
        with self._lock:
            self._forget(key_id for key_id, key in keys.items() if key is None)
            keys |= dict.fromkeys(self._erased & keys.keys())
            self._keys |= {key_id: key for key_id, key in keys.items() if key is not None}
            while len(self._keys) > _KEPT_KEYS:
                self._keys.pop(next(iter(self._keys)))
        return keys

    def _forget(self, key_ids: Iterable[str]) -> None:
        for key_id in key_ids:
            self._erased.add(key_id)
            self._keys.pop(key_id, None)

    def _found(self, ask: Callable[[list[str]], Any], key_ids: list[str]) -> Keys:
        """Return the keys that the store answers with."""
        found = self._asked(ask, key_ids)
        if isinstance(found, Mapping):
            return found
        raise KeyStoreError(type(self._store).__name__, "it answered with no mapping of keys")

    def _asked(self, ask: Callable[[list[str]], Any], key_ids: list[str]) -> Any:
        """Return the answer of the store; its own messages may hold secrets and are dropped."""
        try:
            return ask(key_ids)
        except LifecycleError:
            raise
        except Exception as failed:
            name = type(self._store).__name__
            raise KeyStoreError(name, f"it raised {type(failed).__name__}") from failed

    def __repr__(self) -> str:
        return "<Cipher>"


class _NoKeys(Cipher):
    """Treats everything encrypted as erased: for readers that need only headers."""

    def __init__(self) -> None:
        """Use no key store."""

    def decrypt(self, key_id: str, stored: bytes, about: bytes) -> bytes | None:
        """Return None."""
        del key_id, stored, about
        return None


NO_KEYS: Final = _NoKeys()


class _Decrypted(_NoKeys):
    """Passes through what is already decrypted, as in a file of evidence."""

    def decrypt(self, key_id: str, stored: bytes, about: bytes) -> bytes | None:
        """Return it unchanged."""
        del key_id, about
        return stored


DECRYPTED: Final = _Decrypted()


def _checked(key: object) -> bytes:
    if isinstance(key, bytes) and len(key) == KEY_BYTES:
        return key
    raise KeyStoreError("of the log", f"it gave a key that is not of {KEY_BYTES} bytes")


def _aes_gcm() -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingExtraError("crypto", "cryptography") from None
    return AESGCM
