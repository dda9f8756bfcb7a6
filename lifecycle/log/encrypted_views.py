"""Stored views of an encrypted log: the body of each is encrypted with the key of its order.

So an erasure makes them unreadable too, even those being written at that moment. A view that
cannot be decrypted has an empty body, and its readers fold the order again. The view of an erased
order holds no personal data and is stored plain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lifecycle.core.event import stream_of
from lifecycle.core.strict_json import parse_again
from lifecycle.errors import JsonError
from lifecycle.log.cipher import CannotDecryptError, Cipher
from lifecycle.log.header import storable
from lifecycle.log.key_store import key_id_of
from lifecycle.log.view_store import (
    Batch,
    Conditions,
    Generation,
    Heard,
    Phase,
    Poisoned,
    StoredView,
    ViewStore,
)

_PLAIN: Final = b"{"
_ENCRYPTED: Final = b"\x01"


class EncryptedViews(ViewStore):
    """A `ViewStore` that takes and returns plain views, and keeps encrypted ones in `store`."""

    def __init__(self, store: ViewStore, cipher: Cipher) -> None:
        self._store = store
        self._cipher = cipher

    def create(self) -> None:
        """Make the tables, unless they are there."""
        self._store.create()

    def generations(self, provider: str) -> list[Generation]:
        """Return the generations of a provider, oldest first."""
        return self._store.generations(provider)

    def begin(self, new: Generation) -> bool:
        """Begin a generation that walks."""
        return self._store.begin(new)

    def write(self, generation: Generation, batch: Batch) -> bool:
        """Write a batch, its views encrypted."""
        views = [self._encrypted(generation, view) for view in batch.views]
        return self._store.write(generation, batch._replace(views=views))

    def promote(self, generation: Generation, to: Phase) -> bool:
        """Give a generation its next phase."""
        return self._store.promote(generation, to)

    def sweep(self, generation: Generation, at_most: int) -> bool:
        """Delete some views of a retired generation."""
        return self._store.sweep(generation, at_most)

    def find(
        self, generation: Generation, wanted: Conditions, after: str, at_most: int
    ) -> list[StoredView] | None:
        """Return the next views for which the conditions hold, decrypted."""
        found = self._store.find(generation, wanted, after, at_most)
        return None if found is None else self._decrypted(generation, found)

    def recent(self, generation: Generation, before: Heard, at_most: int) -> list[StoredView]:
        """Return the next views before a place, decrypted."""
        return self._decrypted(generation, self._store.recent(generation, before, at_most))

    def count_by_status(self, generation: Generation) -> dict[str, int]:
        """Return how many views there are of each status."""
        return self._store.count_by_status(generation)

    def between(self, generation: Generation, after: str, until: str | None) -> list[StoredView]:
        """Return the views of all orders above `after`, up to `until`, decrypted."""
        return self._decrypted(generation, self._store.between(generation, after, until))

    def poisoned(self, generation: Generation, after: str, at_most: int) -> list[Poisoned]:
        """Return the next orders that could not be folded."""
        return self._store.poisoned(generation, after, at_most)

    def _encrypted(self, generation: Generation, view: StoredView) -> StoredView:
        key_id, about = _key_of(generation, view)
        try:
            body = self._cipher.encrypt(key_id, view.body, about)
        except LookupError:  # this is not the key store that the order was written with
            body = None
        if body is not None:
            return view._replace(body=_ENCRYPTED + body)
        # A view folded just before its order was erased is stored empty.
        return view if _is_erased(view.body) else view._replace(body=b"")

    def _decrypted(self, generation: Generation, found: Sequence[StoredView]) -> list[StoredView]:
        self._cipher.catch_up()
        return [view._replace(body=self._plain(generation, view)) for view in found]

    def _plain(self, generation: Generation, view: StoredView) -> bytes:
        if view.body[:1] != _ENCRYPTED:
            return view.body
        key_id, about = _key_of(generation, view)
        try:
            return self._cipher.decrypt(key_id, view.body[1:], about) or b""
        except (LookupError, CannotDecryptError):
            return b""


def _key_of(generation: Generation, view: StoredView) -> tuple[str, bytes]:
    stream = storable(stream_of(generation.provider, view.order_id))
    return key_id_of(stream), b"view\n" + stream.encode()


def _is_erased(body: bytes) -> bool:
    try:
        fields = parse_again(body)
    except JsonError:
        return False
    return isinstance(fields, dict) and fields.get("erased") is True
