"""Variants of the library that are broken on purpose: the campaigns must catch each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from lifecycle.core.event import Event
from lifecycle.core.fold import Folding
from lifecycle.log.append_queue import Batch
from lifecycle.log.codec import seal
from lifecycle.log.contract import Append


def acknowledge_despite_errors() -> None:
    """Have the store tell as appended what it could not write."""
    settle = Batch.settle

    def settle_as_appended(batch: Batch, _: Exception | None = None) -> None:
        settle(batch)

    Batch.settle = settle_as_appended  # type: ignore[method-assign]


@contextmanager
def without_refolding() -> Iterator[None]:
    """Have the incremental path take one step for each newcomer, wherever it sorts."""

    def only_step(folding: Folding, event: Event) -> None:
        if folding._count(event) and folding._counted[event.key] is event:  # noqa: SLF001
            folding._insert(event, (2, len(folding._places)))  # noqa: SLF001

    with patch.object(Folding, "add", only_step):
        yield


@contextmanager
def storing_text() -> Iterator[None]:
    """Have every store keep a body as text, as a column for text or JSON does."""

    def seal_text(append: Append, *place: Any) -> str:
        append.body = append.body.decode("utf-8", "replace").replace("\x00", "").encode()
        return seal(append, *place)

    with patch("lifecycle.log.writer.seal", seal_text):
        yield
