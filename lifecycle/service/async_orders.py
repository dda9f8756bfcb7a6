"""The orders of one log for asyncio: the same names as `Orders`, awaited, on the same engine.

Concurrent tasks share one commit, and recording starts no thread of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from itertools import chain, islice
from typing import Final, NoReturn, Self, Unpack, cast

from lifecycle.core.argument import check_callable
from lifecycle.core.definition import Definition
from lifecycle.core.event import Kind, Unreadable
from lifecycle.core.fold import Folding
from lifecycle.core.provider import Provider
from lifecycle.core.view import HistoryEntry, OrderView
from lifecycle.errors import NotEnteredError, StoredFormatError, StoreError, VersionConflictError
from lifecycle.log.contract import Log, Outcome
from lifecycle.log.log_time import LogTime, LookOptions
from lifecycle.projections.change_feed import (
    EVERY_SECONDS,
    After,
    OrderChange,
    changes,
    checked_seconds,
)
from lifecycle.projections.dead_letters import DeadLetters
from lifecycle.projections.dispatcher import ATTEMPTS, PAUSE, TIMEOUT, DeliveryPolicy
from lifecycle.projections.stats import LogStats
from lifecycle.projections.stored_views import StoredViews
from lifecycle.projections.subscription import AsyncSubscription, AwaitedHandler, Subscription
from lifecycle.service.arrival_reader import (
    Admit,
    ArrivalFields,
    Body,
    Context,
    Entries,
    Kept,
    Line,
    as_bytes,
    checked_lines,
    order_ids,
)
from lifecycle.service.attention import OVERDUE_AFTER, AttentionItem, checked_span
from lifecycle.service.begun_request import BegunRequest, Resumed, ResumeOptions
from lifecycle.service.chosen_rules import chosen_definition
from lifecycle.service.costly_bodies import is_costly, uncollected
from lifecycle.service.erasure import ErasesAsync, Erasure
from lifecycle.service.figures import Figures
from lifecycle.service.order_service import OrderService, ReadAgain, is_first
from lifecycle.service.quarantine import pass_over, wait_on
from lifecycle.service.receipt import AsyncReceipt, QuarantineItem, receipts_of
from lifecycle.service.recording_calls import Sent, SentOperation, Writes

_BATCH: Final = 500


class _NotEntered:
    """Stands in for service and log until they are open, so that a missing `async with` raises."""

    def __getattr__(self, name: str) -> NoReturn:
        raise NotEnteredError


class AsyncOrders(Writes[Awaitable[AsyncReceipt]], ErasesAsync):
    """Every order of one log, for the tasks of one event loop.

    Made by `lifecycle.connect_async`. Recording folds nothing: to learn what changed, first
    `await receipt.folded()`, then read its `change` and `view`.
    """

    def __init__(
        self,
        open_log: Callable[[], Log],
        providers: Mapping[str, Provider],
        provider: Provider,
        clock: Callable[[], datetime],
        resume: Callable[..., Awaitable[Resumed]],
        *,
        redrives: bool = False,
        overdue_after: timedelta = OVERDUE_AFTER,
    ) -> None:
        self.provider = provider
        self.log = cast("Log", _NotEntered())
        self._open_log = open_log
        self._service = cast("OrderService", _NotEntered())
        self._erasure = cast("Erasure", _NotEntered())
        self._providers = providers
        self._clock = clock
        self._resume = resume
        self._redrives = redrives
        self._overdue_after = checked_span(overdue_after)

    @property
    def is_open(self) -> bool:
        """Whether `async with` was entered."""
        return isinstance(self._service, OrderService)

    async def __aenter__(self) -> Self:
        self.log: Log = await asyncio.to_thread(self._open_log)
        self._service = OrderService(
            self.log, self._providers, self.provider, self._clock, self._overdue_after
        )
        self._erasure = self._service.erasure
        # One thread: bodies that take long to read must not do so several at a time.
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="lifecycle-reader")
        if self._redrives:
            await self._append_linked(self._service.linked())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def views(self) -> StoredViews:
        """The stored views; as `Orders.views`. Its calls block: use `asyncio.to_thread`."""
        return self._service.views

    @property
    def letters(self) -> DeadLetters:
        """What is not delivered, and what is; as `Orders.letters`. Its calls block, as `views`."""
        return DeadLetters(self.log, self._clock)

    async def close(self) -> None:
        """Close the log; what was acknowledged stays."""
        await asyncio.to_thread(self.log.close)
        self._reader.shutdown(wait=False)

    async def begin_request(
        self,
        order_id: str | int,
        body: Body,
        *,
        received_at: datetime | None = None,
        context: Context = None,
    ) -> Sent[Awaitable[AsyncReceipt]]:
        """Return a durable create request, a `Sent` whose calls are awaited."""
        while True:
            event, version = await asyncio.to_thread(
                self._service.next_request, order_id, body, received_at, context
            )
            try:
                appended = await self.log.append_async(event, expected_version=version)
            except VersionConflictError:
                continue
            if await asyncio.to_thread(self._service.holds, event, appended, body):
                return Sent(self, AsyncReceipt(event, appended, self._service), event)

    async def begin_operation(
        self, order_id: str | int, operation: str, body: Body = None, **kept: Unpack[Kept]
    ) -> SentOperation[Awaitable[AsyncReceipt]]:
        """Return an operation's durable request, a `SentOperation` whose calls are awaited."""
        choose = partial(self._service.next_operation, order_id, operation, body, **kept)
        while True:
            event, version = await asyncio.to_thread(choose)
            with suppress(VersionConflictError):
                appended = await self.log.append_async(event, expected_version=version)
                if appended.outcome is Outcome.APPENDED:
                    return SentOperation(self, AsyncReceipt(event, appended, self._service), event)

    async def last_request(self, order_id: str | int) -> BegunRequest | None:
        """Return the newest create request of an order; as `Orders.last_request`."""
        return await asyncio.to_thread(self._service.last_request, order_id)

    async def resume(self, client: object, **how: Unpack[ResumeOptions]) -> Resumed:
        """Finish, or look up, each create request of unknown outcome; as `Orders.resume`."""
        return await self._resume(self, client, **how)

    async def record_many(
        self, recordings: Iterable[Line], *, first_line: int = 1
    ) -> list[AsyncReceipt]:
        """Record many recordings, a few hundred in each commit; as `Orders.record_many`."""
        receipts: list[AsyncReceipt] = []
        lines = checked_lines(recordings, first_line)
        while batch := list(islice(lines, _BATCH)):
            bodies = await asyncio.to_thread(
                self._service.arrival_reader.lines, batch, first_line=first_line
            )
            first_line += len(batch)
            receipts += await self._append(bodies)
        return receipts

    async def get(self, order_id: str | int, **how: Unpack[LookOptions]) -> OrderView:
        """Return the view of an order, proved current; as `Orders.get`."""
        return await asyncio.to_thread(partial(self._service.look, order_id, Folding.view, **how))

    async def history(
        self, order_id: str | int, **how: Unpack[LookOptions]
    ) -> tuple[HistoryEntry, ...]:
        """Return every event with verdict and reason; as `Orders.history`."""
        return await asyncio.to_thread(
            partial(self._service.look, order_id, Folding.history, **how)
        )

    async def definition(
        self, rules: str | Definition | None = None, *, log_at: LogTime | None = None
    ) -> Definition:
        """Return the definition that `rules` name; as `Orders.definition`."""
        named = partial(chosen_definition, self.log, self.provider, rules, log_at)
        return await asyncio.to_thread(named)

    async def find(
        self,
        *,
        status: str | None = None,
        waiting_longer_than: timedelta | None = None,
        anomalies: bool = False,
        received_since: datetime | None = None,
        received_before: datetime | None = None,
        now: datetime | None = None,
        log_at: LogTime | None = None,
    ) -> AsyncIterator[OrderView]:
        """Yield the views for which every condition given holds; as `Orders.find`."""
        pages = self._service.find(
            status,
            waiting_longer_than,
            anomalies=anomalies,
            received_since=received_since,
            received_before=received_before,
            now=now,
            log_at=log_at,
        )
        while (page := await asyncio.to_thread(next, pages, None)) is not None:
            for view in page:
                yield view

    async def stats(self, *, on_progress: Callable[[int], object] | None = None) -> LogStats:
        """Return figures of the whole log; as `Orders.stats`."""
        if on_progress is not None:
            check_callable("on_progress", on_progress)
        tally = self._service.tally()
        pages = self._service.counted(tally)
        while (events := await asyncio.to_thread(next, pages, None)) is not None:
            if on_progress is not None:
                on_progress(events)
        return tally.stats()

    async def changes(self, *, after: After = 0) -> AsyncIterator[OrderChange]:
        """Yield what each event changed after a position; as `Orders.changes`."""
        coming = changes(self._service.feeds.open(after))
        while (change := await asyncio.to_thread(next, coming, None)) is not None:
            yield change

    async def subscribe(
        self, *, after: After = 0, every: float = EVERY_SECONDS
    ) -> AsyncIterator[OrderChange]:
        """Yield the changes there are and those to come, without end; as `Orders.subscribe`."""
        checked_seconds("every", every)
        feeds = self._service.feeds.open(after)
        while True:
            coming = changes(feeds)
            while (change := await asyncio.to_thread(next, coming, None)) is not None:
                yield change
            await asyncio.sleep(every)

    def subscription(
        self,
        name: str,
        handler: AwaitedHandler,
        *,
        after: After = 0,
        exactly_once: bool = False,
        attempts: int = ATTEMPTS,
        pause: float = PAUSE,
        timeout: float = TIMEOUT,
    ) -> AsyncSubscription:
        """Return a named reader of the changes, its handler awaited; as `Orders.subscription`.

        With `exactly_once` the handler gets the driver's connection, whose calls block: keep to
        short statements, or run longer ones with `asyncio.to_thread`.
        """
        policy = DeliveryPolicy(exactly_once, attempts, pause, timeout)
        dispatcher = self._service.feeds.dispatcher(name, policy, after)
        return AsyncSubscription(Subscription(name, handler, dispatcher, self.letters), handler)

    async def attention(
        self,
        *,
        all: bool = False,
        overdue_after: timedelta | None = None,
        now: datetime | None = None,
    ) -> list[AttentionItem]:
        """Return what needs a person's attention; as `Orders.attention`."""
        look = partial(self._service.attention, overdue_after, now, include_reviewed=all)
        return await asyncio.to_thread(look)

    async def figures(self) -> Figures:
        """Return the figures for a monitor; as `Orders.figures`."""
        return await asyncio.to_thread(self._service.figures)

    async def review(self, subject: AttentionItem | str, *, by: str, why: str) -> bool:
        """Record that a person has dealt with an item of attention; as `Orders.review`."""
        review = await asyncio.to_thread(self._service.review, subject, by, why)
        return (await self.log.append_async(review)).outcome is Outcome.APPENDED

    async def quarantine(self, *, all: bool = False) -> AsyncIterator[QuarantineItem]:
        """Yield what could not be read and still waits; as `Orders.quarantine`."""
        items = self._service.quarantine(include_redriven=all)
        while (item := await asyncio.to_thread(next, items, None)) is not None:
            yield item

    async def redrive(self) -> AsyncIterator[AsyncReceipt]:
        """Read every waiting item again; as `Orders.redrive`."""
        for found in (self._service.readable_again(), self._service.linked()):
            async for receipt in self._append_again(found):
                yield receipt

    def _arrived(
        self,
        kind: Kind,
        order_id: str | int | None,
        body: Body,
        *,
        expected_version: int | None = None,
        admit: Admit | None = None,
        **told: Unpack[ArrivalFields],
    ) -> Awaitable[AsyncReceipt]:
        raw = as_bytes(body)
        if admit is None and not is_costly(raw):
            return super()._arrived(kind, order_id, raw, expected_version=expected_version, **told)
        if told.get("received_at") is None:
            told["received_at"] = self._clock()
        read = partial(self._read, kind, order_id, raw, told)
        return self._read_apart(read, expected_version, admit)

    async def _read_apart(
        self, read: Callable[[], Entries], expected_version: int | None, admit: Admit | None
    ) -> AsyncReceipt:
        """Record a body that is read in a thread: it is costly, or `admit` decides on it first."""
        loop = asyncio.get_running_loop()
        entries = await loop.run_in_executor(self._reader, read)
        if admit is not None:
            entries = await asyncio.to_thread(self._service.links.resolve, entries)
            admit(order_ids(entries))
        return await self._record(entries, expected_version)

    def _read(
        self, kind: Kind, order_id: str | int | None, body: bytes, told: ArrivalFields
    ) -> Entries:
        with uncollected():
            return self._service.arrival_reader.arrival(kind, order_id, body, **told)

    async def _record(self, entries: Entries, expected_version: int | None = None) -> AsyncReceipt:
        if len(entries) > 1 or isinstance(entries[0], Unreadable):
            entries = await asyncio.to_thread(self._service.links.resolve, entries)
        if len(entries) > 1:
            return (await self._append([entries]))[0]
        entry = entries[0]
        alone = await self.log.append_async(entry, expected_version=expected_version)
        receipt = AsyncReceipt(entry, alone, self._service)
        if isinstance(entry, Unreadable) or entry.links:
            receipt.linked = await self._append_linked(self._service.linked_by(entries))
        return receipt

    async def _append(self, several: list[Entries]) -> list[AsyncReceipt]:
        resolve = self._service.links.resolve
        several = await asyncio.to_thread(lambda: list(map(resolve, several)))
        entries = list(chain.from_iterable(several))
        appended = await asyncio.to_thread(self.log.append_many, entries)
        linked = await self._append_linked(self._service.linked_by(entries))
        return receipts_of(several, appended, AsyncReceipt, self._service, linked)

    async def _append_linked(self, found: Iterator[ReadAgain]) -> tuple[AsyncReceipt, ...]:
        linked: list[AsyncReceipt] = []
        try:
            async for receipt in self._append_again(found):
                linked.append(receipt)  # noqa: PERF401 - those before a failure count
        except StoreError as failed:
            wait_on(failed)
        return tuple(linked)

    async def _append_again(self, found: Iterator[ReadAgain]) -> AsyncIterator[AsyncReceipt]:
        while (read := await asyncio.to_thread(next, found, None)) is not None:
            events, entries = read
            try:
                appended = await asyncio.to_thread(self.log.append_many, entries)
            except StoredFormatError as damaged:
                pass_over(damaged)
                continue
            if is_first(appended):
                yield receipts_of([events], appended, AsyncReceipt, self._service)[0]
