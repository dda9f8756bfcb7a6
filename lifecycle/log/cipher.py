"""Encrypts bodies with AES-256-GCM, each order with its own key, which can be destroyed.

    body + context ─→ nonce + ciphertext      bound to the stream, the key and the digest of its
                                              record, so that it cannot be moved to another

Before the log shows or writes anything, it reads the erasures that any process recorded, and
drops the keys that they destroyed from the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from os import urandom
from threading import Lock
from typing import Any, Final

from lifecycle.errors import KeyStoreError, LifecycleError, MissingExtraError
from lifecycle.log.key_store import KEY_BYTES, Keys, KeyStore

NONCE_BYTES: Final = 12
_MAX_CACHED_KEYS: Final = 10_000

Erasures = Callable[[int], tuple[list[str], int]]
"""Returns the ids of the keys that were erased after a version of the control stream, and its
last version."""


class CannotDecryptError(Exception):
    """A ciphertext was made with another key or for another place; never leaves `log`."""


class Cipher:
    """Encrypts and decrypts with the keys of a store; thread-safe."""

    def __init__(self, store: KeyStore, erasures: Erasures) -> None:
        self._aes = _aes_gcm()
        self._store = store
        self._erasures = erasures
        self._seen = 0
        self._erased: set[str] = set()
        self._keys: dict[str, Any] = {}
        self._lock = Lock()

    def catch_up(self) -> None:
        """Forget the keys that any process erased since the last call."""
        key_ids, seen = self._erasures(self._seen)
        if key_ids or seen > self._seen:
            with self._lock:
                self._seen = max(seen, self._seen)
                self._forget(key_ids)

    def make(self, key_ids: Iterable[str]) -> None:
        """Make the keys of these ids that are neither in the store nor erased; durable at return.

        Raises:
            KeyStoreError: the store failed.
        """
        self.catch_up()
        if missing := self._uncached(key_ids):
            self._cache(self._keys_from(self._store.make, missing))

    def load(self, key_ids: Iterable[str]) -> None:
        """Cache the keys of these ids: the store is asked once, not for each.

        Raises:
            KeyStoreError: the store failed.
        """
        if missing := self._uncached(key_ids):
            self._cache(self._keys_from(self._store.find, missing))

    def is_erased(self, key_id: str) -> bool:
        """Tell whether a key is known to be erased, as of the last `catch_up`."""
        return key_id in self._erased

    def encrypt(self, key_id: str, plain: bytes, about: bytes) -> bytes | None:
        """Return the nonce and the ciphertext of a plaintext; None if its key was destroyed.

        Raises:
            LookupError: the store does not know the key.
        """
        key = self._key(key_id)
        if key is None:
            return None
        nonce = urandom(NONCE_BYTES)
        return nonce + bytes(key.encrypt(nonce, plain, about))

    def decrypt(self, key_id: str, stored: bytes, about: bytes) -> bytes | None:
        """Return the plaintext of what `encrypt` returned; None if its key was destroyed.

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
            self.catch_up()  # another process may have erased the key, and stored a header alone
            if self.is_erased(key_id):
                return None
            raise CannotDecryptError from failed

    def erase(self, key_ids: Iterable[str]) -> None:
        """Destroy keys in the store, and forget them here; idempotent.

        Raises:
            KeyStoreError: the store failed.
        """
        erased = list(key_ids)
        with self._lock:
            self._forget(erased)
        self._call(self._store.destroy, erased)

    def finish(self) -> None:
        """Destroy the keys of recorded erasures that were interrupted.

        Raises:
            KeyStoreError: the store failed.
        """
        self.catch_up()
        if unfinished := self.unfinished():
            self.erase(unfinished)

    def unfinished(self) -> list[str]:
        """Return the ids of erased keys that the store still has, as of the last `catch_up`."""
        kept = self._keys_from(self._store.find, sorted(self._erased))
        return [key_id for key_id, key in kept.items() if key is not None]

    def missing(self, key_ids: Iterable[str]) -> list[str]:
        """Return which of these ids the store does not know, not even as destroyed."""
        wanted = list(key_ids)
        known = self._keys_from(self._store.find, wanted)
        return [key_id for key_id in wanted if key_id not in known]

    @property
    def erasures(self) -> int:
        """How many keys are known to be erased, as of the last `catch_up`."""
        return len(self._erased)

    def _key(self, key_id: str) -> Any | None:
        if key_id in self._erased:
            return None
        key = self._keys.get(key_id)
        return key or self._cache(self._keys_from(self._store.find, [key_id]))[key_id]

    def _uncached(self, key_ids: Iterable[str]) -> list[str]:
        with self._lock:
            keys, erased = self._keys, self._erased
            return [each for each in key_ids if each not in keys and each not in erased]

    def _cache(self, found: Keys) -> dict[str, Any | None]:
        keys = {
            key_id: None if key is None else self._aes(_checked(key))
            for key_id, key in found.items()
        }
        with self._lock:
            self._forget(key_id for key_id, key in keys.items() if key is None)
            keys |= dict.fromkeys(self._erased & keys.keys())
            self._keys |= {key_id: key for key_id, key in keys.items() if key is not None}
            while len(self._keys) > _MAX_CACHED_KEYS:
                self._keys.pop(next(iter(self._keys)))
        return keys

    def _forget(self, key_ids: Iterable[str]) -> None:
        for key_id in key_ids:
            self._erased.add(key_id)
            self._keys.pop(key_id, None)

    def _keys_from(self, method: Callable[[list[str]], Any], key_ids: list[str]) -> Keys:
        """Return the keys that a method of the store returns."""
        found = self._call(method, key_ids)
        if isinstance(found, Mapping):
            return found
        raise KeyStoreError(type(self._store).__name__, "it answered with no mapping of keys")

    def _call(self, method: Callable[[list[str]], Any], key_ids: list[str]) -> Any:
        """Call a method of the store; its error messages may hold secrets and are left out."""
        try:
            return method(key_ids)
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
