"""What the writer remembers of recently used streams, so that it need not read them back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Self

from lifecycle.errors import StoredFormatError
from lifecycle.log.codec import hash_of, identity_of, parse_header, place_of, why_out_of_bounds
from lifecycle.log.contract import MAX_POSITION, QUARANTINE
from lifecycle.log.recorder import STREAMS_AT_ONCE, Head, Recorder

_LAST_VERSION: Final = 2**63 - 1
_NO_IDENTITY: Final = "its header has no key or no digest"

KEPT_CONTENTS: Final = 100_000
"""How many distinct contents are remembered, about half a kilobyte each."""


Place = tuple[int, int]
"""The version and the position of a content. A negative position is not known yet: it is
the place among the records that are being written, from -1 on."""


class StreamEnd:
    """Where a stream stands: its last version, that header's hash, what it holds already."""

    __slots__ = ("_contents", "_further", "previous", "version")

    def __init__(self) -> None:
        self.version = 0
        self.previous: str | None = None
        self._contents: dict[str, tuple[str, Place]] = {}
        self._further: dict[tuple[str, str], Place] = {}

    def __len__(self) -> int:
        return len(self._contents) + len(self._further)

    def __contains__(self, key: str) -> bool:
        return key in self._contents

    def place(self, key: str, digest: str) -> Place | None:
        """Return where a content stands, None if it is new."""
        first = self._contents.get(key)
        if first is None:
            return None
        return first[1] if first[0] == digest else self._further.get((key, digest))

    def put(self, key: str, digest: str, place: Place) -> None:
        """Remember where a content stands."""
        first = self._contents.get(key)
        if first is None or first[0] == digest:
            self._contents[key] = (digest, place)
        else:
            self._further[key, digest] = place

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
        try:
            key, digest = identity_of(fields)
        except (KeyError, TypeError):
            raise StoredFormatError(stream, version, _NO_IDENTITY) from None
        if not _is_for(fields, stream, version):
            raise StoredFormatError(stream, version, "its header was written for another place")
        self.version = version
        self.previous = hash_of(header)
        if self.place(key, digest) is None:
            self.put(key, digest, (version, position))

    @classmethod
    def after(cls, last: Head) -> Self:
        """Return the end of a stream of which only the last record counts.

        Raises:
            StoredFormatError: no version can follow.
        """
        if last.version >= _LAST_VERSION:
            raise StoredFormatError(last.stream, last.version, "no version can follow its own")
        end = cls()
        end.version, end.previous = last.version, hash_of(last.header)
        return end


Ends = dict[str, StreamEnd | StoredFormatError]
"""By stream; an error where a stored record cannot be read, which is that stream's trouble."""


class StreamEnds:
    """A bounded cache of stream ends, the least recently used dropped first.

    What is taken is no longer in the cache until it is kept: whatever goes wrong in
    between, a stale end is never used again. Not safe for threads: one writer at a time.
    """

    def __init__(self, recorder: Recorder, kept: int = KEPT_CONTENTS) -> None:
        self._recorder = recorder
        self._kept = kept
        self._contents = 0
        self._ends: dict[str, StreamEnd] = {}

    def take(self, streams: Iterable[str], expected: Mapping[str, int]) -> Ends:
        """Return the ends of some streams, read back where they are not remembered.

        `expected` are versions that callers count on; an end that disagrees is read back
        too, since only the store can tell who is right.
        """
        ends: Ends = {}
        missing: list[str] = []
        for stream in streams:
            end = self._ends.pop(stream, None)
            if end is not None:
                self._contents -= len(end)
            if end is None or expected.get(stream, end.version) != end.version:
                missing.append(stream)
            else:
                ends[stream] = end
        if missing:
            self._read_back(missing, ends)
        return ends

    def keep(self, ends: Ends) -> None:
        """Remember ends again, now that all they say is stored."""
        for stream, end in ends.items():
            if isinstance(end, StreamEnd):
                self._ends[stream] = end
                self._contents += len(end)
        while self._contents > self._kept and len(self._ends) > 1:
            self._contents -= len(self._ends.pop(next(iter(self._ends))))

    def _read_back(self, missing: Sequence[str], ends: Ends) -> None:
        for stream in missing:
            ends[stream] = StreamEnd()
        orders = [stream for stream in missing if stream != QUARANTINE]
        for start in range(0, len(orders), STREAMS_AT_ONCE):
            for head in self._recorder.heads(orders[start : start + STREAMS_AT_ONCE]):
                _add(head, ends)
        if QUARANTINE in missing:
            last = self._recorder.last_head(QUARANTINE)
            if last is not None:
                ends[QUARANTINE] = _after(last)


def _is_for(fields: Mapping[str, Any], stream: str, version: int) -> bool:
    """Tell whether a header was written for this place."""
    try:
        return (place_of(fields)[0], fields["version"]) == (stream, version)
    except KeyError:
        return False


def _after(last: Head) -> StreamEnd | StoredFormatError:
    try:
        return StreamEnd.after(last)
    except StoredFormatError as damaged:
        return damaged


def _add(head: Head, ends: Ends) -> None:
    end = ends[head.stream]
    if isinstance(end, StreamEnd):
        try:
            end.add(head)
        except StoredFormatError as damaged:
            ends[head.stream] = damaged
