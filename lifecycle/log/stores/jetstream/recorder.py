"""The records of a log in one JetStream stream: the sequence of a message is its position.

    insert ─→ one atomic batch; the first message of each subject expects the last one before it
    read   ─→ the leader names the last message; the messages come from any replica, up to that

A replica may lag, but never tells what is not so: where it has less than the leader, it is asked
again. Message ids would only be known for a while, so none are given: what stands between a
record and its double is the expected sequence, and that a write in doubt is read back.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, takewhile
from typing import Any, Final, Self, TypeVar

from lifecycle.errors import StoreUnavailableError
from lifecycle.log.contract import MAX_POSITION, ORDERS, Record, Setting
from lifecycle.log.link_store import OrderLink
from lifecycle.log.store_port import Head, Row, TryAgainError
from lifecycle.log.stores.jetstream import message as messages
from lifecycle.log.stores.jetstream.connection import Connection, Message
from lifecycle.log.stores.jetstream.fault import NO_MESSAGE_FOUND, ApiError, translated_errors
from lifecycle.log.stores.jetstream.stream import info_of, prepare, settings_of
from lifecycle.log.stores.jetstream.url import Target

PAGE: Final = 500
PAGE_BYTES: Final = 4 * 1024 * 1024
KEPT_ENDS: Final = 100_000
"""How many streams are remembered with their ends, 200 bytes each; the latest used ones."""

_LONG_STREAM: Final = 64
_HEADER_BYTES: Final = 512
_LOST_RACE: Final = "other writers were always first"
_OTHER_PARTITION: Final = (
    "what belongs to another partition cannot be recorded here; leave partition out of the URL"
)
_ELSEWHERE: Final = "its stream holds less than was acknowledged; it was replaced, or lost records"

T = TypeVar("T")


class JetStreamRecorder:
    """A `lifecycle.log.store_port.Recorder` on one JetStream stream; it is its own transaction."""

    gapless = False
    has_races = True
    most_rows = 500
    tip = None

    def __init__(self, target: Target, connection: Connection) -> None:
        self.url = target.url
        self.target = target
        self._name = target.name
        self._connection = connection
        self.created = ""
        self._last = 0
        self._ends: dict[str, tuple[int, int]] = {}
        self._listed: tuple[tuple[str, int], list[str]] = (("", 0), [])

    def prepare(self, *, create: bool) -> None:
        """Make the JetStream stream if there is none and `create` is true; check its settings."""
        made = self._run(prepare(self._connection, self.target, create=create))
        self.created = self.created or made["created"]
        self._check_end(made)

    @contextmanager
    def writing(self, *, exclusive: bool = False) -> Iterator[Self]:
        """Yield itself; nobody can be kept out, so whoever loses a race tries again."""
        del exclusive
        yield self

    def insert(self, rows: Sequence[Row], links: Sequence[OrderLink] = ()) -> Sequence[int]:
        """Publish records as one, whole or not at all, and return their positions.

        Links are not stored here: whoever reads on finds them in the records.
        """
        del links
        if not rows:
            return ()
        try:
            positions = self._run(self._published(rows), writes=True)
        except BaseException:
            for row in rows:  # somebody else may have gone on, or nobody knows
                self._ends.pop(row.stream, None)
            raise
        for row, position in zip(rows, positions, strict=True):
            self._remember(row, position)
        return positions

    def confirm(self) -> None:
        """Return if the JetStream stream is the one that was opened, and holds what it held."""
        self._run(self._last_sequence())

    def heads(self, streams: Sequence[str]) -> Iterable[Head]:
        """Return all heads of some streams, by stream and version."""
        records = self.read_many(streams)
        for record in {record.stream: record for record in records}.values():
            self._remember(record, record.position)
        return map(_head, records)

    def last_head(self, stream: str) -> Head | None:
        """Return the head with the highest version of a stream."""
        last = self._run(self._last_of(stream))
        if last is None:
            return None
        self._remember(last, last.position)
        return _head(last)

    def read(self, stream: str, after: int, until: int) -> list[Record]:
        """Return a stream's records with versions above `after`, up to `until`."""
        records = self._run(self._between(stream, after, until))
        return [record for record in records if after < record.version <= until]

    def read_many(self, streams: Sequence[str]) -> list[Record]:
        """Return all records of some streams, by stream and version."""
        found = self._run(_all(self._after(each, 0) for each in set(streams)))
        return sorted(chain.from_iterable(found), key=lambda record: record[:2])

    def page(self, after: int, until: int) -> list[Record]:
        """Return some of the records with positions above `after`; none if there are none."""
        return self._run(self._next(after, until)) if after < until else []

    def page_of_stream(self, stream: str, version: int, position: int) -> list[Record]:
        """Return some of a stream's records that come after these, by version and position."""
        return self._run(self._numbered(stream, position if version else 0))

    def odd_ones(self, stream: str) -> list[Record]:
        """Return a stream's records whose versions are no numbers from 1 on."""
        return sorted(self._run(self._odd(stream)), key=lambda record: record[1:4:2])

    def strays(self) -> list[Record]:
        """Return none: a sequence is always a position."""
        return []

    def page_of_streams(self, after: str, prefix: str) -> list[str]:
        """Return some of the names above `after` with a prefix, sorted; none if there are none.

        The server lists all at once: the list is kept while no further subjects come. A prefix
        that is itself a name is found without it.
        """
        if after < prefix and prefix.startswith(ORDERS) and self._run(self._last_of(prefix)):
            return [prefix]
        names = self._run(self._names(messages.filter_of(self._name, prefix)))
        start = max(bisect_right(names, after), bisect_left(names, prefix))
        return list(takewhile(lambda name: name.startswith(prefix), names[start : start + PAGE]))

    def last_position(self) -> int:
        """Return the highest position, 0 for an empty log."""
        return self._run(self._last_sequence())

    def settings(self) -> Sequence[Setting]:
        """Return what durability rests on, read back."""
        return list(settings_of(self._connection, self.target, self._run(self._info())))

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _run(self, coroutine: Coroutine[Any, Any, T], *, writes: bool = False) -> T:
        with translated_errors(self.url, writes=writes):
            return self._connection.run(coroutine)

    def _remember(self, row: Row, position: int) -> None:
        """Remember where a stream ends, with this record."""
        self._ends.pop(row.stream, None)
        self._ends[row.stream] = row.version, position
        if len(self._ends) > KEPT_ENDS:
            del self._ends[next(iter(self._ends))]

    # Writing

    async def _published(self, rows: Sequence[Row]) -> range:
        firsts: dict[str, Row] = {}
        lasts: dict[str, int] = {}
        for row in rows:
            if row.version <= lasts.get(row.stream, row.version - 1):
                raise TryAgainError("a record does not come after the one before it in its stream")
            firsts.setdefault(row.stream, row)
            lasts[row.stream] = row.version
        ends = await _all(map(self._end_before, firsts.values()))
        expected = dict(zip(firsts, ends, strict=True))
        before = self._last
        last = await self._connection.publish(
            [self._message(row, expected.pop(row.stream, None)) for row in rows]
        )
        positions = range(last - len(rows) + 1, last + 1)
        if positions[0] <= before:
            raise StoreUnavailableError(self.url, _ELSEWHERE)
        self._last = max(self._last, last)
        return positions

    async def _end_before(self, first: Row) -> int:
        """Return the position that the first new record of a stream has to come after.

        Raises:
            TryAgainError: somebody else was first.
        """
        if first.version == 1:
            return 0
        version, position = self._ends.get(first.stream, (0, 0))
        if version != first.version - 1:
            last = await self._last_of(first.stream)
            version, position = (last.version, last.position) if last else (0, 0)
            # What is copied may have gaps; whatever else does not follow was decided too early.
            is_next = version == first.version - 1
            if version >= first.version or not (is_next or isinstance(first, Record)):
                raise TryAgainError(_LOST_RACE)
        return position

    def _message(self, row: Row, expected: int | None) -> Message:
        subject = messages.subject_of(self._name, row.stream)
        payload = messages.payload_of(row.version, row.topic, row.state)
        if len(payload) > self._connection.client.max_payload - _HEADER_BYTES:
            found = f"a record of {len(payload)} bytes is above max_payload of its servers"
            raise StoreUnavailableError(self.url, f"{found}; set it to 17 MiB")
        if not self.target.holds(row.stream):
            raise StoreUnavailableError(self.url, _OTHER_PARTITION)
        if subject is None or messages.stream_of(self._name, subject) != row.stream:
            raise StoreUnavailableError(self.url, "a stream of this name cannot be in a log")
        return Message(subject, payload, expected)

    # Reading

    async def _info(self, **asked: object) -> Mapping[str, Any]:
        return await info_of(self._connection, self.target, **asked)

    async def _last_sequence(self) -> int:
        """Return the last sequence, which is never below one that was seen before."""
        return self._check_end(await self._info())

    def _check_end(self, info: Mapping[str, Any]) -> int:
        """Return the last sequence that is told, unless an old or another JetStream stream tells.

        Raises:
            StoreUnavailableError: the JetStream stream was replaced.
            TryAgainError: it ends before what was seen; one that led before may have answered.
        """
        last = int(info["state"]["last_seq"])
        if info["created"] != self.created:
            raise StoreUnavailableError(self.url, _ELSEWHERE)
        if last < self._last:
            raise TryAgainError(_ELSEWHERE)
        self._last = last
        return last

    async def _last_of(self, stream: str) -> Record | None:
        """Return the last record of a stream, as its leader has it."""
        subject = messages.subject_of(self._name, stream)
        return None if subject is None else await self._found({"last_by_subj": subject})

    async def _found(self, question: Mapping[str, object]) -> Record | None:
        try:
            answer = await self._connection.ask(f"STREAM.MSG.GET.{self._name}", question)
        except ApiError as refused:
            if refused.code == NO_MESSAGE_FOUND:
                return None
            raise
        found = answer["message"]
        payload = b64decode(found.get("data", ""))
        return messages.record_of(self._name, found["subject"], found["seq"], payload)

    async def _next(self, after: int, until: int, subject: str | None = None) -> list[Record]:
        """Return the next records that one of the replicas has, of one subject or of all.

        Raises:
            TryAgainError: it has none yet, but the leader has some up to `until`.
        """
        asked = {"seq": after + 1, "batch": min(PAGE, until - after), "max_bytes": PAGE_BYTES}
        of_one = {} if subject is None else {"next_by_subj": subject}
        found = await self._connection.collect(f"DIRECT.GET.{self._name}", asked | of_one)
        if not found and (subject or min(until, await self._last_sequence()) > after):
            raise TryAgainError("a replica of its stream lags")
        page = [messages.record_of(self._name, *messages.parts_of(each)) for each in found]
        self._last = max([self._last, *(record.position for record in page)])
        return [record for record in page if record.position <= until]

    async def _pages(self, stream: str, after: int) -> AsyncIterator[list[Record]]:
        """Yield the records of a stream after a position."""
        last = await self._last_of(stream)
        while last and after < last.position:
            page = await self._next(after, last.position, messages.subject_of(self._name, stream))
            yield page
            after = page[-1].position

    async def _after(self, stream: str, after: int, until: int = MAX_POSITION) -> list[Record]:
        """Return the records of a stream after a position, at least up to a version."""
        found: list[Record] = []
        async for page in self._pages(stream, after):
            found += page
            if found[-1].version >= until:
                break
        return found

    async def _numbered(self, stream: str, after: int) -> list[Record]:
        async for page in self._pages(stream, after):
            if found := [record for record in page if record.version > 0]:
                return found
        return []

    async def _odd(self, stream: str) -> list[Record]:
        return [
            record async for page in self._pages(stream, 0) for record in page if record.version < 1
        ]

    async def _between(self, stream: str, after: int, until: int) -> list[Record]:
        """Return the records of a stream, but for most of those up to `after` or above `until`."""
        low, high = 0, await self._last_sequence() if after > _LONG_STREAM else 0
        subject = messages.subject_of(self._name, stream)
        while high - low > PAGE:
            middle = (low + high) // 2
            found = await self._found({"seq": middle + 1, "next_by_subj": subject})
            if found is None or found.version > after:
                high = middle
            else:
                low = middle
        return await self._after(stream, low, until)

    async def _names(self, subjects: str) -> list[str]:
        """Return the names of all streams of some subjects, sorted."""
        listed = subjects, (await self._info())["state"].get("num_subjects", 0)
        if self._listed[0] != listed:
            self._listed = listed, sorted({name async for name in self._found_names(subjects)})
        return self._listed[1]

    async def _found_names(self, subjects: str) -> AsyncIterator[str]:
        offset, total = 0, 1
        while offset < total:
            info = await self._info(subjects_filter=subjects, offset=offset)
            found = info["state"].get("subjects") or {}
            for subject in found:
                yield messages.stream_of(self._name, subject)
            offset, total = offset + len(found), info.get("total", 0) if found else 0


async def _all(asked: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    return await asyncio.gather(*asked)


def _head(record: Record) -> Head:
    header = record.state.partition(b"\n")[0]
    return Head(record.stream, record.version, record.position, header)
