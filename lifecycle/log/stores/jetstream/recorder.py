"""The records of a log in one stream: the sequence of a message is the position of its record.

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
from typing import Any, Final, TypeVar

from lifecycle.errors import StoreUnavailableError
from lifecycle.log.contract import MAX_POSITION, ORDERS, Record, Setting
from lifecycle.log.link_store import OrderLink
from lifecycle.log.partitioned import partition_of
from lifecycle.log.recorder import Head, Row, TryAgainError
from lifecycle.log.stores.jetstream.connection import Connection, Message
from lifecycle.log.stores.jetstream.fault import NO_MESSAGE_FOUND, ApiError, translated_errors
from lifecycle.log.stores.jetstream.known_heads import NOWHERE, KnownHeads
from lifecycle.log.stores.jetstream.message import (
    filter_of,
    parts_of,
    payload_of,
    record_of,
    stream_of,
    subject_of,
)
from lifecycle.log.stores.jetstream.stream import info_of, prepare, settings_of
from lifecycle.log.stores.jetstream.url import Target

PAGE: Final = 500
PAGE_BYTES: Final = 4 * 1024 * 1024
_LONG_STREAM: Final = 64
_HEADER_BYTES: Final = 512
_ELSEWHERE: Final = "its stream holds less than was acknowledged; it was replaced, or lost records"

T = TypeVar("T")


class JetStreamRecorder:
    """What one stream offers; see `lifecycle.log.recorder.Recorder`."""

    gapless = False
    has_races = True
    most_rows = 500

    def __init__(self, target: Target, connection: Connection) -> None:
        self.url = target.url
        self._target = target
        self._name = target.name
        self._connection = connection
        self._created = ""
        self._last = 0
        self._known = KnownHeads()
        self._listed: tuple[tuple[str, int], list[str]] = (("", 0), [])

    def prepare(self, *, create: bool) -> None:
        """Make the stream if there is none and `create` is true, and check that it is safe."""
        with translated_errors(self.url):
            info = self._connection.run(prepare(self._connection, self._target, create=create))
        self._created = info["created"]

    @contextmanager
    def writing(self, *, exclusive: bool = False) -> Iterator[_Transaction]:
        """Yield a transaction; nobody can be kept out, so whoever loses a race tries again."""
        del exclusive
        yield _Transaction(self)

    def insert(self, rows: Sequence[Row]) -> Sequence[int]:
        """Publish records as one, whole or not at all, and return their positions."""
        try:
            with translated_errors(self.url, writes=True):
                last = self._connection.run(self._published(rows))
        except BaseException:
            self._known.doubt(row.stream for row in rows)
            raise
        if last - len(rows) < self._last:
            raise StoreUnavailableError(self.url, _ELSEWHERE)
        self._last = last
        positions = range(last - len(rows) + 1, last + 1)
        for row, position in zip(rows, positions, strict=True):
            header = row.state.partition(b"\n")[0]
            self._known.add(Head(row.stream, row.version, position, header))
        return positions

    def confirm(self) -> None:
        """Return if the stream is still the one that was opened, and holds what it held."""
        info = self._run(info_of(self._connection, self._target))
        if info["created"] != self._created or info["state"]["last_seq"] < self._last:
            raise StoreUnavailableError(self.url, _ELSEWHERE)

    def heads(self, streams: Sequence[str]) -> Iterable[Head]:
        """Return all heads of some streams, by stream and version."""
        wanted = sorted(set(streams))
        found = zip(wanted, self._run(self._new_records(wanted)), strict=True)
        heads = [self._known.extend(stream, map(_head, records)) for stream, records in found]
        return sorted(chain.from_iterable(heads), key=lambda head: head[:2])

    def last_head(self, stream: str) -> Head | None:
        """Return the head with the highest version of a stream."""
        last = self._run(self._last_of(stream))
        if last is None:
            return None
        self._known.end_at(_head(last))
        return _head(last)

    def read(self, stream: str, after: int, until: int) -> list[Record]:
        """Return a stream's records with versions above `after`, up to `until`."""
        records = self._run(self._between(stream, after, until))
        return [record for record in records if after < record.version <= until]

    def read_many(self, streams: Sequence[str]) -> list[Record]:
        """Return all records of some streams, by stream and version."""
        wanted = sorted(set(streams))
        found = self._run(self._streams(wanted))
        return sorted(chain.from_iterable(found), key=lambda record: record[:2])

    def page(self, after: int, until: int) -> list[Record]:
        """Return some of the records with positions above `after`; none if there are none."""
        if until <= after:
            return []
        return self._run(self._next(after, until))

    def page_of_stream(self, stream: str, version: int, position: int) -> list[Record]:
        """Return some of a stream's records that come after these, by version and position."""
        after = position if version else 0
        while page := self._run(self._page_of(stream, after)):
            if found := [record for record in page if record.version > 0]:
                return found
            after = page[-1].position
        return []

    def odd_ones(self, stream: str) -> list[Record]:
        """Return a stream's records whose versions are no numbers from 1 on."""
        found, after = [], 0
        while page := self._run(self._page_of(stream, after)):
            found += [record for record in page if record.version < 1]
            after = page[-1].position
        return sorted(found, key=lambda record: (record.version, record.position))

    def strays(self) -> list[Record]:
        """Return none: a sequence is always a position."""
        return []

    def page_of_streams(self, after: str, prefix: str) -> list[str]:
        """Return some of the names above `after` with a prefix, sorted; none if there are none.

        The server lists all at once: the list is kept while the stream has no further subjects.
        A prefix that is itself a name is found without it.
        """
        if after < prefix and prefix.startswith(ORDERS) and self._run(self._last_of(prefix)):
            return [prefix]
        names = self._run(self._names(filter_of(self._name, prefix)))
        start = max(bisect_right(names, after), bisect_left(names, prefix))
        return list(takewhile(lambda name: name.startswith(prefix), names[start : start + PAGE]))

    def last_position(self) -> int:
        """Return the highest position, 0 for an empty log."""
        return self._run(self._last_sequence())

    def settings(self) -> Sequence[Setting]:
        """Return what durability rests on, read back."""
        info = self._run(info_of(self._connection, self._target))
        return list(settings_of(self._connection, self._target, info))

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        with translated_errors(self.url):
            return self._connection.run(coroutine)

    async def _published(self, rows: Sequence[Row]) -> int:
        ends = await self._ends_of(rows)
        messages = []
        most = self._connection.client.max_payload - _HEADER_BYTES
        for row in rows:
            subject = subject_of(self._name, row.stream)
            payload = payload_of(row.version, row.topic, row.state)
            if len(payload) > most:
                found = f"a record of {len(payload)} bytes is above max_payload of its servers"
                raise StoreUnavailableError(self.url, f"{found}; set it to 17 MiB")
            if not self._holds(row.stream):
                raise StoreUnavailableError(self.url, "an order of another partition")
            if subject is None or stream_of(self._name, subject) != row.stream:
                raise StoreUnavailableError(self.url, "a stream of this name cannot be in a log")
            messages.append(Message(subject, payload, ends.pop(row.stream, None)))
        return await self._connection.publish(messages)

    def _holds(self, stream: str) -> bool:
        partitions, own = self._target.options.partitions, self._target.options.partition
        return not stream.startswith(ORDERS) or partition_of(stream, partitions) == (own or 0)

    async def _ends_of(self, rows: Sequence[Row]) -> dict[str, int]:
        """Return the positions that the records of each stream come after.

        Raises:
            TryAgainError: somebody else was first.
        """
        firsts = _first_versions(rows)
        unknown = [
            stream
            for stream, version in firsts.items()
            if version != 1 and self._known.end(stream)[0] != version - 1
        ]
        ends = {stream: self._known.end(stream) for stream in firsts}
        for stream, last in zip(
            unknown, await asyncio.gather(*map(self._last_of, unknown)), strict=True
        ):
            ends[stream] = version, _ = (last.version, last.position) if last else NOWHERE
            # What is copied may have gaps; whatever else does not follow was decided too early.
            is_next = version == firsts[stream] - 1
            if version >= firsts[stream] or not (is_next or isinstance(rows[0], Record)):
                raise TryAgainError("other writers were always first")
        return {stream: 0 if firsts[stream] == 1 else ends[stream][1] for stream in firsts}

    async def _last_of(self, stream: str) -> Record | None:
        """Return the last record of a stream, as its leader has it."""
        subject = subject_of(self._name, stream)
        if subject is None:
            return None
        return await self._found({"last_by_subj": subject})

    async def _found(self, question: Mapping[str, object]) -> Record | None:
        try:
            answer = await self._connection.ask(f"STREAM.MSG.GET.{self._name}", question)
        except ApiError as refused:
            if refused.code == NO_MESSAGE_FOUND:
                return None
            raise
        message = answer["message"]
        payload = b64decode(message.get("data", ""))
        return record_of(self._name, message["subject"], message["seq"], payload)

    async def _streams(self, streams: Sequence[str]) -> Sequence[list[Record]]:
        return await asyncio.gather(*(self._after(each, 0) for each in streams))

    async def _new_records(self, streams: Sequence[str]) -> Sequence[list[Record]]:
        """Return what each stream has more than is known of it."""
        return await asyncio.gather(
            *(self._after(each, self._known.position(each)) for each in streams)
        )

    async def _between(self, stream: str, after: int, until: int) -> list[Record]:
        """Return the records of a stream, but for most of those up to `after` or above `until`."""
        position = await self._position_before(stream, after) if after > _LONG_STREAM else 0
        return await self._after(stream, position, until)

    async def _after(self, stream: str, position: int, until: int = MAX_POSITION) -> list[Record]:
        """Return the records of a stream after a position, at least up to a version.

        Raises:
            StoreUnavailableError: there are fewer than there were.
        """
        last = await self._last_of(stream)
        if position > (0 if last is None else last.position):
            raise StoreUnavailableError(self.url, _ELSEWHERE)
        found: list[Record] = []
        while last and position < last.position and (not found or found[-1].version < until):
            found += await self._next(position, last.position, subject_of(self._name, stream))
            position = found[-1].position
        return found

    async def _position_before(self, stream: str, version: int) -> int:
        """Return a position after which all records of a stream above a version come."""
        low, high = 0, await self._last_sequence()
        while high - low > PAGE:
            middle = (low + high) // 2
            subject = subject_of(self._name, stream)
            found = await self._found({"seq": middle + 1, "next_by_subj": subject})
            if found is None or found.version > version:
                high = middle
            else:
                low = middle
        return low

    async def _page_of(self, stream: str, after: int) -> list[Record]:
        last = await self._last_of(stream)
        if last is None or last.position <= after:
            return []
        return await self._next(after, last.position, subject_of(self._name, stream))

    async def _next(self, after: int, until: int, subject: str | None = None) -> list[Record]:
        """Return the next records that one of the replicas has, of one subject or of all.

        Raises:
            TryAgainError: it has none yet, but the leader has some up to `until`.
        """
        asked: dict[str, object] = {"seq": after + 1, "batch": min(PAGE, until - after)}
        asked["max_bytes"] = PAGE_BYTES
        if subject is not None:
            asked["next_by_subj"] = subject
        found = await self._connection.collect(f"DIRECT.GET.{self._name}", asked)
        if not found and (subject or min(until, await self._last_sequence()) > after):
            raise TryAgainError("a replica of its stream lags")
        page = (record_of(self._name, *parts_of(message)) for message in found)
        return [record for record in page if record.position <= until]

    async def _last_sequence(self) -> int:
        return int((await info_of(self._connection, self._target))["state"]["last_seq"])

    async def _names(self, subjects: str) -> list[str]:
        """Return the names of all streams of some subjects, sorted."""
        state = (await info_of(self._connection, self._target))["state"]
        listed = subjects, state.get("num_subjects", 0)
        if self._listed[0] != listed:
            self._listed = listed, sorted({name async for name in self._found_names(subjects)})
        return self._listed[1]

    async def _found_names(self, subjects: str) -> AsyncIterator[str]:
        offset, total = 0, 1
        while offset < total:
            asked = {"subjects_filter": subjects, "offset": offset}
            info = await info_of(self._connection, self._target, **asked)
            found = info["state"].get("subjects") or {}
            for subject in found:
                yield stream_of(self._name, subject)
            offset, total = offset + len(found), info.get("total", 0) if found else 0


class _Transaction:
    """One commit to the stream; see `lifecycle.log.recorder.Transaction`."""

    tip = None

    def __init__(self, recorder: JetStreamRecorder) -> None:
        self._recorder = recorder

    def insert(self, rows: Sequence[Row], links: Sequence[OrderLink] = ()) -> Sequence[int]:
        del links  # a follower finds them in the records
        return self._recorder.insert(rows) if rows else ()


def _head(record: Record) -> Head:
    header = record.state.partition(b"\n")[0]
    return Head(record.stream, record.version, record.position, header)


def _first_versions(rows: Sequence[Row]) -> dict[str, int]:
    """Return the version with which the rows of each stream begin.

    Raises:
        TryAgainError: two of them have the same version, or come in another order.
    """
    firsts: dict[str, int] = {}
    lasts: dict[str, int] = {}
    for row in rows:
        if row.version <= lasts.get(row.stream, row.version - 1):
            raise TryAgainError("a record does not come after the one before it in its stream")
        firsts.setdefault(row.stream, row.version)
        lasts[row.stream] = row.version
    return firsts
