"""The port to where the keys of an encrypted log lie: one key an order, one a quarantined item.

A key that was destroyed stays destroyed: its id is kept, so that nobody makes another one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from secrets import token_hex
from typing import Final, Protocol, runtime_checkable

KEY_BYTES: Final = 32
"""A key is for AES-256."""

_ID_BYTES: Final = 16

Keys = Mapping[str, bytes | None]
"""Keys by their ids, None for one that was destroyed; what is not known is left out."""


@runtime_checkable
class KeyStore(Protocol):
    """Where keys are kept, outside of the log; may be called from any thread.

    Ids are 32 hexadecimal digits, keys 32 bytes. Errors are best a `KeyStoreError`: whatever is
    raised, nothing is stored under a key that was not kept.
    """

    def find(self, key_ids: Sequence[str]) -> Keys:
        """Return the keys of these ids, as far as they are known."""
        ...

    def make(self, key_ids: Sequence[str]) -> Keys:
        """Return the keys of these ids, made at random where an id is not known.

        What was made is durable when it returns; of several who make one, all get the same.
        """
        ...

    def destroy(self, key_ids: Sequence[str]) -> None:
        """Destroy the keys of these ids, also of those that are not known; durable at return."""
        ...


def key_id_of(stream: str) -> str:
    """Return the id of the key of an order's stream."""
    return sha256(stream.encode("utf-8", "backslashreplace")).hexdigest()[: 2 * _ID_BYTES]


def new_key_id() -> str:
    """Return the id of a key that there was none of."""
    return token_hex(_ID_BYTES)
