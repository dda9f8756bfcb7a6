"""The links that stored records tell of: what the index of links is filled from."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from lifecycle.errors import StoredFormatError
from lifecycle.log.codec import header_and_body
from lifecycle.log.contract import Record
from lifecycle.log.header import EventHeader
from lifecycle.log.link_store import OrderLink, links_of

_TELLS_LINKS: Final = b'"links":['


def links_in(records: Iterable[Record]) -> list[OrderLink]:
    """Return the links that records tell of; what cannot be read tells of none."""
    found: list[OrderLink] = []
    for record in records:
        state = record.state
        if state.find(_TELLS_LINKS, 0, state.find(b"\n")) < 0:
            continue
        with suppress(StoredFormatError):
            fields, _ = header_and_body(record)
            if isinstance(fields, EventHeader):
                found += links_of(fields)
    return found
