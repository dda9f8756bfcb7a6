"""What the writer remembers of recently used streams, so that it need not read them back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from lifecycle.errors import StoredFormatError
from lifecycle.log.codec import hash_of, parse_header
from lifecycle.log.contract import CONTROL, MAX_POSITION, QUARANTINE, Outcome, StreamPosition
from lifecycle.log.header import RULES, why_out_of_bounds
from lifecycle.log.store_port import STREAMS_AT_ONCE, Head, Recorder

_LAST_VERSION: Final = 2**63 - 1

KEPT_CONTENTS: Final = 100_000
"""How many distinct contents are remembered, about half a kilobyte each."""

# Every entry comes past these: looking a member up by its name costs as much as a hash.
_APPENDED: Final = Outcome.APPENDED
_DUPLICATE: Final = Outcome.DUPLICATE
_DIVERGENT: Final = Outcome.DIVERGENT
_QUARANTINED: Final = Outcome.QUARANTINED


class StreamTail:
    """Where a stream stands: its last version, that header's hash, what it holds already."""

    __slots__ = ("_contents", "_further", "previous", "size", "version")

    def __init__(self) -> None:
        self.version: int = 0
        self.previous: str | None = None
        self._contents: dict[str, tuple[str, StreamPosition]] = {}
        self._further: dict[tuple[str, str], StreamPosition] = {}
        self.size: int = 0

    def find(self, key: str, digest: str) -> StreamPosition | None:
        """Return where a content stands, None if it is new."""
        first = self._contents.get(key)
        if first is None:
            return None
        return first[1] if first[0] == digest else self._further.get((key, digest))

    def put(self, key: str, digest: str, place: StreamPosition) -> None:
        """Remember where a content stands, unless it stands somewhere already."""
        if self.find(key, digest) is not None:
            return
        self.size += 1
        if key in self._contents:
            self._further[key, digest] = place
        else:
            self._contents[key] = (digest, place)

    def place(self, key: str, digest: str) -> tuple[Outcome, StreamPosition]:
        """Return what a content is to this stream, and its place: the next one if it is new."""
        is_known = key in self._contents
        stored = self.find(key, digest) if is_known else None
        if stored is not None:
            return _DUPLICATE, stored
        self.version += 1
        self.size += 1
        place = StreamPosition(self.version)
        if is_known:
            self._further[key, digest] = place
            return _DIVERGENT, place
        self._contents[key] = (digest, place)
        return _APPENDED, place

    def add(self, head: Head) -> None:
        """Take in the next stored record.

        Raises:
            StoredFormatError: it is not the next of its stream, or its header cannot be read.
        """
        stream, version, position, header = head
        if version != self.version + 1 or not 0 < position <= MAX_POSITION:
            out_of_bounds = why_out_of_bounds(version, position)
            expected = f"its version is {version}; expected {self.version + 1}"
            raise StoredFormatError(stream, version, out_of_bounds or expected)
        fields = parse_header(header, stream, version)
        if (fields.stored_in, fields.version) != (stream, version):
            raise StoredFormatError(stream, version, "its header was written for another place")
        self.version = version
        self.previous = hash_of(header)
        self.put(*fields.identity, StreamPosition(version, position))


class QuarantineTail(StreamTail):
    """Where the quarantine stands. Only its last record counts: every item is a new one."""

    __slots__ = ()

    def place(self, key: str, digest: str) -> tuple[Outcome, StreamPosition]:
        """Return the next place."""
        del key, digest
        self.version += 1
        return _QUARANTINED, StreamPosition(self.version)

    def add(self, head: Head) -> None:
        """Take in the last stored record.

        Raises:
            StoredFormatError: no version can follow.
        """
        if head.version >= _LAST_VERSION:
            raise StoredFormatError(head.stream, head.version, "no version can follow its own")
        self.version, self.previous = head.version, hash_of(head.header)


class ControlTail(StreamTail):
    """Where the control stream stands: a damaged record, one item's matter, is passed over.

    Of the rules of a provider the last count: the same again after others are new.
    """

    __slots__ = ()

    def place(self, key: str, digest: str) -> tuple[Outcome, StreamPosition]:
        """Return what an entry is to this stream, and its place: the next one if it is new."""
        if key.startswith(RULES) and self.find(key, digest) is None:
            self._forget(key)
        return super().place(key, digest)

    def put(self, key: str, digest: str, place: StreamPosition) -> None:
        """Remember where an entry stands."""
        if key.startswith(RULES):
            self._forget(key)
        super().put(key, digest, place)

    def _forget(self, key: str) -> None:
        self.size -= self._contents.pop(key, None) is not None

    def add(self, head: Head) -> None:
        """Take in the next stored record.

        Raises:
            StoredFormatError: no version can follow.
        """
        try:
            super().add(head)
        except StoredFormatError:
            if type(head.version) is not int or head.version >= _LAST_VERSION:
                raise
            self.version, self.previous = head.version, hash_of(head.header)


_KINDS: Final = {QUARANTINE: QuarantineTail, CONTROL: ControlTail}

Tails = dict[str, StreamTail | StoredFormatError]
"""By stream; an error where a stored record cannot be read, which is that stream's trouble."""


class StreamTails:
    """A bounded cache of stream tails, the least recently used dropped first.

    What is taken is no longer in the cache until it is kept: whatever goes wrong in
    between, a stale tail is never used again. Not safe for threads: one writer at a time.
    """

    def __init__(self, recorder: Recorder, kept: int = KEPT_CONTENTS) -> None:
        self._recorder = recorder
        self._kept = kept
        self._contents = 0
        self._tails: dict[str, StreamTail] = {}

    def take(self, streams: Iterable[str], expected: Mapping[str, int]) -> Tails:
        """Return the tails of some streams, read back where they are not remembered.

        `expected` are versions that callers count on; a tail that disagrees is read back
        too, since only the store can tell who is right.
        """
        tails: Tails = {}
        missing: list[str] = []
        for stream in streams:
            tail = self._tails.pop(stream, None)
            if tail is not None:
                self._contents -= tail.size
            if tail is None or expected.get(stream, tail.version) != tail.version:
                missing.append(stream)
            else:
                tails[stream] = tail
        if missing:
            self._read_back(missing, tails)
        return tails

    def keep(self, tails: Tails) -> None:
        """Remember tails again, now that all they say is stored."""
        for stream, tail in tails.items():
            if isinstance(tail, StreamTail):
                self._tails[stream] = tail
                self._contents += tail.size
        while self._contents > self._kept and len(self._tails) > 1:
            self._contents -= self._tails.pop(next(iter(self._tails))).size

    def _read_back(self, missing: Sequence[str], tails: Tails) -> None:
        for stream in missing:
            tails[stream] = _KINDS.get(stream, StreamTail)()
        orders = [stream for stream in missing if stream != QUARANTINE]
        for start in range(0, len(orders), STREAMS_AT_ONCE):
            for head in self._recorder.heads(orders[start : start + STREAMS_AT_ONCE]):
                _add(head, tails)
        if QUARANTINE in missing:
            last = self._recorder.last_head(QUARANTINE)
            if last is not None:
                _add(last, tails)


def _add(head: Head, tails: Tails) -> None:
    tail = tails[head.stream]
    if isinstance(tail, StreamTail):
        try:
            tail.add(head)
        except StoredFormatError as damaged:
            tails[head.stream] = damaged
