"""Checks what `verify` reads beside the chains: re-drive marks, subscriptions, links of orders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

from lifecycle.audit.difference import Finding
from lifecycle.core.event import Entry, Event, Unreadable, stream_of
from lifecycle.core.provider import Provider
from lifecycle.core.recognizer import Recognizer, recognizers_of
from lifecycle.errors import StoredFormatError
from lifecycle.log.cipher import NO_KEYS, Cipher
from lifecycle.log.codec import decode
from lifecycle.log.contract import QUARANTINE, Log, Record
from lifecycle.log.header import ControlHeader
from lifecycle.log.item_record import ERASED
from lifecycle.log.jsonl import read_line
from lifecycle.log.link_store import OrderLink
from lifecycle.log.stored_links import links_in

_DELIVERIES_AT_ONCE: Final = 500
_LINKS_AT_ONCE: Final = 500

_LACKS_LINK: Final = "the index of links lacks one that it tells of; to add it: lifecycle db init"
_UNTOLD_LINK: Final = (
    "the index of links gives it an id that no event of it tells of; "
    "to make the index anew, drop its table order_links, then run: lifecycle db init"
)


def check_marks(
    log: Log, marks: Iterable[tuple[Record, ControlHeader]], providers: Mapping[str, Provider]
) -> Iterator[Finding]:
    """Yield a finding for each mark whose item cannot have become the event that it names."""
    known = recognizers_of(providers)
    for record, mark in marks:
        odd = _why_forged(log, mark, known)
        if odd is not None:
            yield Finding(record.stream, record.version, record.position, odd)


def check_feeds(log: Log, seen: Mapping[str, int]) -> Iterator[Finding]:
    """Yield a finding for each subscription whose position is impossible.

    `seen` holds the positions that a checkpoint saw.
    """
    feeds = log.feeds.positions()
    end = log.last_position()
    for feed in feeds:
        least = seen.get(feed.name, 0)
        if not least <= feed.position <= end:
            told = f"subscription {feed.name!a} says it is at {feed.position}"
            bounds = f"expected one from {least} to {end}"
            yield Finding(None, None, feed.position, f"{told}; {bounds}")
        yield from _odd_deliveries(log, feed.name, feed.position)
    for name in seen.keys() - {feed.name for feed in feeds}:
        yield Finding(None, None, None, f"subscription {name!a} is gone; a checkpoint saw it")


def check_links(log: Log, told: Mapping[OrderLink, Record]) -> Iterator[Finding]:
    """Yield a finding for each difference between the index of links and the records.

    `told` holds the links of the records that were read; newer ones are looked up.
    """
    lacking, after = dict(told), None
    while page := log.links.page(after, _LINKS_AT_ONCE):
        for link in page:
            after = link
            if lacking.pop(link, None) is None:
                stream = stream_of(link.provider, link.order_id)
                if link not in links_in(log.read(stream)):
                    yield Finding(stream, None, None, _UNTOLD_LINK)
    for record in lacking.values():
        yield Finding(record.stream, record.version, record.position, _LACKS_LINK)


def _why_forged(log: Log, mark: ControlHeader, known: Mapping[str, Recognizer]) -> str | None:
    """Return why an item cannot have been re-driven as its mark says; None if it can."""
    items = log.read(QUARANTINE, after=mark.item - 1, until=mark.item) if mark.item > 0 else []
    item = _decoded(items[0], log.cipher) if items else None
    if not isinstance(item, Unreadable):
        return f"it says that item {mark.item} was re-driven, which the quarantine does not hold"
    entries = [_decoded(record, log.cipher) for record in log.read(mark.stream)]
    found = [each for each in entries if isinstance(each, Event) and each.key == mark.key]
    if not found:
        return f"it says that item {mark.item} was re-driven into an event that is not there"
    came = any(event.body == item.body for event in found)
    if came or item.reason == ERASED or _reads_as(item, mark, found, known):
        return None
    return f"it says that item {mark.item} was re-driven into an event that did not come from it"


def _decoded(record: Record, cipher: Cipher | None) -> Entry | None:
    """Return the entry of a record; without its body if that cannot be decrypted."""
    for each in (cipher, NO_KEYS):
        with suppress(StoredFormatError):
            return decode(record, each)
    return None  # the record has a finding already


def _reads_as(
    item: Unreadable,
    mark: ControlHeader,
    found: Sequence[Event],
    known: Mapping[str, Recognizer],
) -> bool:
    """Tell whether an item can be read as the event of its mark; True without its provider."""
    if item.provider not in known:
        return True
    arrival = item.arrival
    name = item.provider
    if arrival is None:
        read = read_line(
            item.body, received_at=item.received_at, providers=known, provider=name, line_number=1
        )
        if read is None or isinstance(read, Unreadable):
            return False
        name, arrival = read
        if any(event.body == arrival.body for event in found):
            return True
    orders = [event.order_id for event in found]  # where a link may lead: links are checked apart
    return any(
        isinstance(event, Event) and (event.stream, event.key) == (mark.stream, mark.key)
        for event in known[name].recognize_all(arrival, lambda _: orders[:1])
    )


def _odd_deliveries(log: Log, feed: str, position: int) -> Iterator[Finding]:
    """Yield the deliveries of a subscription that are about no event of the log."""
    after = -1
    while page := log.feeds.undelivered(feed, after, _DELIVERIES_AT_ONCE, all=True):
        for delivery in page:
            after = delivery.position
            records = list(log.scan(after=after - 1, until=after))
            events = [_decoded(record, log.cipher) for record in records]
            if after > position or not any(
                isinstance(event, Event) and event.order_id == delivery.order_id for event in events
            ):
                told = f"subscription {feed!a} holds a delivery of no event at {after}"
                yield Finding(None, None, after, told)
