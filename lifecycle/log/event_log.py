"""The contract, implemented once: a log on any recorder, which is all that stores differ in."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, NoReturn, ParamSpec, Protocol, Self, TypeVar

from lifecycle.core.event import Entry
from lifecycle.errors import OpenedElsewhereError, StoreClosedError, StoreUnavailableError
from lifecycle.log.append_queue import GROUP_BYTES, AppendQueue, AsyncAppendQueue, ThreadBatch
from lifecycle.log.cipher import Cipher
from lifecycle.log.codec import prepare, prepare_for_encryption
from lifecycle.log.contract import (
    CONTROL,
    MAX_POSITION,
    ORDERS,
    Append,
    DeclaredRules,
    Record,
    Setting,
)
from lifecycle.log.encrypted_views import EncryptedViews
from lifecycle.log.encryption_check import check_keys
from lifecycle.log.feed_store import FeedStore
from lifecycle.log.header import storable
from lifecycle.log.key_store import KeyStore
from lifecycle.log.link_store import LinkStore, OrderLink
from lifecycle.log.retry_policy import retrying
from lifecycle.log.store_port import STREAMS_AT_ONCE, Recorder, TryAgainError
from lifecycle.log.stored_erasures import key_ids_erased
from lifecycle.log.stored_links import links_in
from lifecycle.log.tree_store import TreeStore
from lifecycle.log.view_store import ViewStore
from lifecycle.log.writer import Writer

_LAST: Final = 2**63 - 1

Clock = Callable[[], datetime]
"""Tells the time, with a zone."""

P = ParamSpec("P")
T = TypeVar("T")


def now() -> datetime:
    """Return the system's time."""
    return datetime.now(UTC)


class Watched(Protocol):
    """A block in which something is appended; it is told what became of that."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self,
        failed: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End, with the error if there was one."""

    def answered(self, appended: list[Append]) -> list[Append]:
        """Take what became of the entries, and return it."""


class EventLog:
    """A `Log` on a recorder; a call is tried again for `retry_timeout` seconds.

    `takes_keys` is false where an erased order could not be told from a key that is lost.
    """

    takes_keys = True

    def __init__(
        self,
        recorder: Recorder,
        clock: Clock,
        retry_timeout: float,
        *,
        feeds: FeedStore,
        tree: TreeStore,
        links: LinkStore,
        views: ViewStore | None = None,
    ) -> None:
        self.feeds = feeds
        self.tree = tree
        self.links = links
        self.views = views
        self.cipher: Cipher | None = None
        self.on_append: Callable[[int], Watched] | None = None
        self._prepare = prepare
        self._recorder = recorder
        self._retry_timeout = retry_timeout
        self._pid = os.getpid()
        self._closed = False
        self._writer = Writer(recorder, clock, retry_timeout)
        self._queue = AppendQueue(self._writer.commit)
        self._tasks = AsyncAppendQueue(self._queue)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a log belongs to the process that opened it; connect again in the other")

    @property
    def url(self) -> str:
        """Where the log lies, without secrets."""
        return self._recorder.url

    @property
    def partitions(self) -> Sequence[Self]:
        """Itself: it has one order of recording."""
        return (self,)

    def holds(self, stream: str) -> bool:
        """Return true: it is whole."""
        del stream
        return True

    def holding(self, stream: str) -> Self:
        """Return itself."""
        del stream
        return self

    @property
    def gapless(self) -> bool:
        """Whether positions have no gaps, and every record names the one before it."""
        return self._recorder.gapless

    def is_encrypted(self) -> bool | None:
        """Tell whether bodies are stored encrypted; None where nothing is stored yet."""
        return self._ask(self._writer.encryption.look)

    def check_keys(self) -> None:
        """Refuse the key store of another log.

        Raises:
            KeyStoreError: it is another log's.
        """
        if self.cipher is not None:
            self._ask(check_keys, self._recorder, self.cipher)

    def use_keys(self, keys: KeyStore) -> None:
        """Encrypt what is stored from now on, and decrypt what was; before anything else is done.

        Raises:
            MissingExtraError: the package that encrypts is not installed.
        """
        self.cipher = self._writer.cipher = Cipher(keys, self._erasures)
        self._prepare = prepare_for_encryption
        if self.views is not None:
            self.views = EncryptedViews(self.views, self.cipher)

    def declare_rules(self, rules: Mapping[str, DeclaredRules]) -> None:
        """Have the rules of providers recorded before their next events, where they are new."""
        self._writer.rules.declare(rules)

    def append(self, entry: Entry, *, expected_version: int | None = None) -> Append:
        """Append one entry; concurrent callers share a commit.

        What is stored already is a duplicate whatever version is expected.

        Raises:
            VersionConflictError: the stream is not at `expected_version`.
            InvalidArgumentError: the entry is not what it says.
        """
        if self.on_append is not None:
            return self._watched([entry], expected_version)[0]
        if self._closed or self._pid != os.getpid():
            self._refuse()
        batch = ThreadBatch([self._prepare(entry)], expected_version)
        return self._queue.submit(batch)[0]

    def append_many(self, entries: Sequence[Entry]) -> list[Append]:
        """Append entries in one commit, or in several where the store holds none of so many.

        Raises:
            InvalidArgumentError: an entry is not what it says; none is appended.
        """
        submit = self._submit if self.on_append is None else self._watched
        return submit(entries, None)

    async def append_async(self, entry: Entry, *, expected_version: int | None = None) -> Append:
        """Append one entry from a coroutine; concurrent tasks share a commit.

        A task that is canceled meanwhile harms nobody; its entry may still be recorded.
        Errors are those of `append`.
        """
        if self.on_append is None:
            return (await self._submitted(entry, expected_version))[0]
        with self.on_append(1) as watched:
            return watched.answered(await self._submitted(entry, expected_version))[0]

    def restore(self, records: Sequence[Record]) -> None:
        """Insert records of another log just as they are, after all that is stored, in one commit.

        Nothing is deduplicated or chained anew: see `lifecycle.audit.log_copy`. A record whose
        stream and version are stored already refuses all of them.
        """
        if self._closed or self._pid != os.getpid():
            self._refuse()
        rows = list(records)
        try:
            with self._recorder.writing() as transaction:
                transaction.insert(rows, links_in(rows))
        except TryAgainError as again:  # what is stored already stays in the way
            raise StoreUnavailableError(self.url, again.found) from again

    def index_links(self) -> None:
        """Add to the index what it lacks of the links that the log holds; reads all of the log."""
        for record in self.scan():
            if links := links_in([record]):
                self.add_links(links)

    def add_links(self, links: Sequence[OrderLink]) -> None:
        """Add links to the index; what is there already stays."""
        self._ask(self._index, links)

    def _erasures(self, after: int) -> tuple[list[str], int]:
        """Return the ids of the keys erased after a version of the control stream, and its last."""
        records = self.read(CONTROL, after=after)
        if not records:
            return [], after
        versions = [each.version for each in records if isinstance(each.version, int)]
        return key_ids_erased(records), max(versions, default=after)

    def _index(self, links: Sequence[OrderLink]) -> None:
        with self._recorder.writing(exclusive=True) as transaction:
            transaction.insert((), links)

    def read(self, stream: str, *, after: int = 0, until: int | None = None) -> list[Record]:
        """Return a stream's records with versions above `after`, up to `until`.

        Without either, all of them, whatever their versions.
        """
        name = stream if stream.isascii() and stream.isprintable() else storable(stream)
        if after <= 0 and until is None:
            return self._ask(self._recorder.read_many, [name])
        last = _LAST if until is None else _bounded(until)
        return self._ask(self._recorder.read, name, min(max(0, after), _LAST), last)

    def read_many(self, streams: Sequence[str]) -> dict[str, list[Record]]:
        """Return the records of many streams; those without any are left out."""
        found: dict[str, list[Record]] = {}
        names = list(dict.fromkeys(map(storable, streams)))
        for start in range(0, len(names), STREAMS_AT_ONCE):
            chunk = names[start : start + STREAMS_AT_ONCE]
            for record in self._ask(self._recorder.read_many, chunk):
                found.setdefault(record.stream, []).append(record)
        return found

    def walk(self, stream: str) -> Iterator[Record]:
        """Yield every record of a stream by version, whatever its version, in constant memory."""
        name = storable(stream)
        yield from self._ask(self._recorder.odd_ones, name)
        version, position = 0, _LAST
        while page := self._ask(self._recorder.page_of_stream, name, version, position):
            yield from page
            version, position = page[-1].version, page[-1].position

    def streams(self, *, prefix: str = ORDERS, after: str = "") -> Iterator[str]:
        """Yield the names above `after` with this prefix, sorted, in constant memory."""
        wanted, last = storable(prefix), storable(after)
        if not wanted and not last and self.read(""):
            yield ""  # above which all others are
        while page := self._ask(self._recorder.page_of_streams, last, wanted):
            yield from map(storable, page)
            last = page[-1]

    def scan(self, *, after: int = 0, until: int | None = None) -> Iterator[Record]:
        """Yield every record with a position above `after`, in order, in constant memory."""
        position, last = _bounded(after, MAX_POSITION), _bounded(until, MAX_POSITION)
        while page := self._ask(self._recorder.page, position, last):
            yield from page
            position = page[-1].position

    def strays(self) -> Iterator[Record]:
        """Yield the records that no scan meets, as their positions are none that a log gives."""
        yield from self._ask(self._recorder.strays)

    def last_position(self) -> int:
        """Return the highest position, 0 for an empty log."""
        return self._ask(self._recorder.last_position)

    def settings(self) -> Sequence[Setting]:
        """Return what durability rests on, read back from the store."""
        return self._ask(self._recorder.settings)

    def close(self) -> None:
        """Close every connection; what was acknowledged stays. In a fork: nothing to close."""
        if self._closed or self._pid != os.getpid():
            return
        self._closed = True
        self._tasks.close()
        self._queue.close(self._recorder.close)

    def _submit(self, entries: Sequence[Entry], expected_version: int | None) -> list[Append]:
        if self._closed or self._pid != os.getpid():
            self._refuse()
        if not entries:
            return []
        prepare = self._prepare
        appends, most = [prepare(entry) for entry in entries], self._recorder.most_rows
        if len(appends) <= most:
            return self._queue.submit(ThreadBatch(appends, expected_version))
        return [one for part in _parts(appends, most) for one in self._queue.submit(part)]

    def _watched(self, entries: Sequence[Entry], expected_version: int | None) -> list[Append]:
        if self.on_append is None:
            return self._submit(entries, expected_version)
        with self.on_append(len(entries)) as watched:
            return watched.answered(self._submit(entries, expected_version))

    def _submitted(
        self, entry: Entry, expected_version: int | None
    ) -> asyncio.Future[list[Append]]:
        if self._closed or self._pid != os.getpid():
            self._refuse()
        return self._tasks.submit([self._prepare(entry)], expected_version)

    def _refuse(self) -> NoReturn:
        if self._pid != os.getpid():
            raise OpenedElsewhereError(self._pid, os.getpid())
        raise StoreClosedError(self.url)

    def _ask(self, ask: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._closed or self._pid != os.getpid():
            self._refuse()
        try:
            return ask(*args, **kwargs)
        except TryAgainError:
            return retrying(self.url, self._retry_timeout, ask, *args, **kwargs)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url}>"


def _parts(appends: list[Append], most: int) -> Iterator[ThreadBatch]:
    """Yield entries in batches that a commit can hold."""
    part: list[Append] = []
    size = 0
    for append in appends:
        size += len(append.body)
        if part and (len(part) == most or size > GROUP_BYTES):
            yield ThreadBatch(part)
            part, size = [], len(append.body)
        part.append(append)
    yield ThreadBatch(part)


def _bounded(number: int | None, most: int = _LAST) -> int:
    """Return a version or position that every store can compare with."""
    return most if number is None else max(0, min(number, most))
