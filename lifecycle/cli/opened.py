"""Opening the log that a command works on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lifecycle.composition import connect
from lifecycle.service.orders import Orders


@contextmanager
def opened(url: str, provider: str, *, create: bool = False) -> Iterator[Orders]:
    """Open the orders at a URL; only a command that records may create the log.

    Raises:
        StoreMissingError: there is no log, and it must not be created.
    """
    with connect(url, provider=provider, create=create) as orders:
        yield orders
