"""Replays one range of streams, in any process: constant memory, nothing written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, NamedTuple

from lifecycle.audit.difference import Difference, Listed
from lifecycle.audit.stream_check import Chain, Links, check, folded, rederived
from lifecycle.audit.view_comparison import differing
from lifecycle.core.event import Event
from lifecycle.core.provider import Provider
from lifecycle.core.recognizer import recognizers_of
from lifecycle.log.contract import CONTROL, ORDERS, QUARANTINE, Log, Record
from lifecycle.log.order_stream import provider_in
from lifecycle.log.view_store import Generation, Phase, StoredView, ViewStore
from lifecycle.projections.stored_form import FORM

_RECORDS_AT_ONCE: Final = 500


class Range(NamedTuple):
    """Neighboring streams: all above `after`, up to the last one, or to the end if `is_last`."""

    after: str
    streams: Sequence[str]
    is_last: bool


class ChangedDefinition(NamedTuple):
    """The fingerprints of two definitions: that of the stored views and that of today."""

    provider: str
    stored: str
    found: str


@dataclass
class Part:
    """The result of some ranges; the parts of a log add up to the whole."""

    links: Links
    orders: int = 0
    compared: int = 0
    behind: int = 0
    differences: Listed[Difference] = field(default_factory=Listed)
    changed: dict[str, ChangedDefinition] = field(default_factory=dict)

    def take(self, other: Part) -> None:
        """Add another part."""
        self.orders += other.orders
        self.compared += other.compared
        self.behind += other.behind
        self.links.take(other.links)
        self.changed |= other.changed
        self.differences.take(other.differences)


class StoredRange(NamedTuple):
    """The stored views of one provider in a range, by stream."""

    generation: Generation
    views: dict[str, StoredView]


class Replayer:
    """Replays ranges of one log up to position `last`, where the log ended when it began."""

    def __init__(self, log: Log, providers: Mapping[str, Provider], last: int) -> None:
        self._log = log
        self._providers = recognizers_of(providers)
        self._last = last

    def replay(self, chosen: Range) -> Part:
        """Return the result of a range."""
        part = Part(Links(self._last))
        if self._log.cipher is not None:
            self._log.cipher.catch_up()
        # The views are read first: so all records that they cover are among those read after.
        stored_ranges = self._stored(chosen)
        part.changed |= self._changed(stored_ranges)
        long = [stream for stream in chosen.streams if stream in (QUARANTINE, CONTROL)]
        others = [stream for stream in chosen.streams if stream not in long]
        for stream, records in self._log.read_many(others).items():
            self._order(stream, records, stored_ranges, part)
        for stream in long:
            self._walk(stream, part)
        for stored_range in stored_ranges.values():
            for stream, view in stored_range.views.items():
                part.differences.add(Difference(stream, "order", view.status, None))
        return part

    def _order(
        self,
        stream: str,
        records: Sequence[Record],
        stored_ranges: Mapping[str, StoredRange],
        part: Part,
    ) -> None:
        part.orders += stream.startswith(ORDERS)
        chain = Chain(stream, part.links, part.differences.add, self._log.cipher)
        records = _numbered(records, chain)
        name = provider_in(stream)
        provider = self._providers.get(name)
        if provider is None:
            check(records, chain)
            part.differences.add(Difference(stream, "provider", name, "it is not known here"))
            return
        events = rederived(provider, records, chain)
        if name in stored_ranges and records:
            compare_view(provider, stored_ranges[name], records, events, part)
        elif isinstance(outcome := folded(provider, events), str):
            part.differences.add(Difference(stream, "view", None, outcome))

    def _walk(self, stream: str, part: Part) -> None:
        """Check a stream that may not fit in memory."""
        chain = Chain(stream, part.links, part.differences.add)
        records = self._log.walk(stream)
        while page := list(islice(records, _RECORDS_AT_ONCE)):
            check(_numbered(page, chain), chain)

    def _changed(self, stored_ranges: Mapping[str, StoredRange]) -> dict[str, ChangedDefinition]:
        """Return the providers whose stored views were made under another definition."""
        changed = {}
        for name, stored_range in stored_ranges.items():
            was = stored_range.generation.definition
            is_now = self._providers[name].definition.fingerprint
            if was != is_now:
                changed[name] = ChangedDefinition(name, was, is_now)
        return changed

    def _stored(self, chosen: Range) -> dict[str, StoredRange]:
        """Return the stored views of a range, by provider."""
        found = {name: live_range(self._log.views, name, chosen) for name in self._providers}
        return {
            name: stored_range for name, stored_range in found.items() if stored_range is not None
        }


def _numbered(records: Sequence[Record], chain: Chain) -> Sequence[Record]:
    """Return the records whose version is a number, and report all others."""
    for record in records:
        if not isinstance(record.version, int):
            chain.tell(record, "version", None, record.version)
    return [record for record in records if isinstance(record.version, int)]


def compare_view(
    provider: Provider,
    stored_range: StoredRange,
    records: Sequence[Record],
    events: Sequence[Event],
    part: Part,
) -> None:
    """Compare the stored view of an order with the view that its records fold to."""
    stream, tell = records[0].stream, part.differences.add
    stored = stored_range.views.pop(stream, None)
    known = [] if stored is None else [one for one in records if one.version <= stored.version]
    if len(known) < len(records):
        if records[len(known)].position <= stored_range.generation.position:
            tell(
                Difference(stream, "view", None if stored is None else stored.version, len(records))
            )
        part.behind += 1
        events = [event for event in events if (event.version or 0) <= len(known)]
    if stored is None or not known:
        return
    if not stored.body and any(event.erased for event in events):
        part.behind += len(known) == len(records)  # emptied by the erasure, not folded since
        return
    outcome = folded(provider, events)
    if isinstance(outcome, str):
        tell(Difference(stream, "view", stored.status, outcome))
        return
    part.compared += 1
    of_another = stored_range.generation.definition != provider.definition.fingerprint
    for name, was, is_now in differing(
        provider.definition, stored, outcome, known[-1].position, of_another=of_another
    ):
        tell(Difference(stream, name, was, is_now))


def live_range(store: ViewStore | None, provider: str, chosen: Range) -> StoredRange | None:
    """Return the stored views of a provider in a range; None if none are live."""
    if store is None:
        return None
    live = _live(store, provider)
    while live is not None:
        views = _between(store, live, f"{ORDERS}{provider}:", chosen)
        again = _live(store, provider)
        # A generation that was retired meanwhile may have been swept and look empty.
        if again is not None and again.number == live.number:
            return StoredRange(live, views)
        live = again
    return None


def _live(store: ViewStore, provider: str) -> Generation | None:
    for generation in store.generations(provider):
        if (generation.phase, generation.form) == (Phase.LIVE, FORM):
            return generation
    return None


def _between(
    store: ViewStore, live: Generation, prefix: str, chosen: Range
) -> dict[str, StoredView]:
    """Return the stored views whose streams lie in a range."""
    after, last = chosen.after, None if chosen.is_last else chosen.streams[-1]
    if (last is not None and last < prefix) or (after > prefix and not after.startswith(prefix)):
        return {}
    above = after.removeprefix(prefix) if after.startswith(prefix) else ""
    until = last.removeprefix(prefix) if last is not None and last.startswith(prefix) else None
    return {prefix + view.order_id: view for view in store.between(live, above, until)}
