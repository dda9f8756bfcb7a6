"""The port to the keys of an encrypted log: one for each order and each quarantined item.

A destroyed key stays destroyed: its id is kept, so that no other key is made for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from secrets import token_hex
from typing import Final, Protocol, runtime_checkable

KEY_BYTES: Final = 32
"""The size of a key for AES-256."""

_ID_BYTES: Final = 16

Keys = Mapping[str, bytes | None]
"""Keys by their ids: None for a destroyed key; unknown ids are left out."""


@runtime_checkable
class KeyStore(Protocol):
    """Keeps keys, outside of the log; must be safe to call from any thread.

    Ids are 32 hexadecimal digits, keys 32 bytes. Raise `KeyStoreError` if the store fails; after
    any exception the log stores nothing under the key.
    """

    def find(self, key_ids: Sequence[str]) -> Keys:
        """Return the keys of these ids; unknown ids are left out."""

    def make(self, key_ids: Sequence[str]) -> Keys:
        """Return the keys of these ids, and make a random key for each unknown id.

        New keys are durable at return. Callers that make the same key at once all get one key.
        """

    def destroy(self, key_ids: Sequence[str]) -> None:
        """Destroy the keys of these ids, unknown ids included; durable at return."""


def key_id_of(stream: str) -> str:
    """Return the id of the key for the stream of an order."""
    return sha256(stream.encode("utf-8", "backslashreplace")).hexdigest()[: 2 * _ID_BYTES]


def new_key_id() -> str:
    """Return a random id, for a new key."""
    return token_hex(_ID_BYTES)
