"""The orders of one log, for a service to embed: record requests and callbacks, read views.

begin_request ─→ Sent ─→ answered / unanswered ─┐
record_callback, record_poll, record_many ──────┴─→ Receipt ─→ change, view
get, history, find ─→ OrderView
changes, subscribe, subscription ─→ OrderChange
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import chain, islice
from threading import Event as Signal
from typing import Final, Self, Unpack

from lifecycle.core.argument import check_callable
from lifecycle.core.definition import Definition
from lifecycle.core.event import Unreadable
from lifecycle.core.fold import Folding
from lifecycle.core.provider import Provider
from lifecycle.core.view import HistoryEntry, OrderView
from lifecycle.errors import StoredFormatError, StoreError, VersionConflictError
from lifecycle.log.contract import Log, Outcome
from lifecycle.log.log_time import LogTime, LookOptions
from lifecycle.projections.change_feed import EVERY_SECONDS, After, OrderChange, changes, followed
from lifecycle.projections.dead_letters import DeadLetters
from lifecycle.projections.dispatcher import ATTEMPTS, PAUSE, TIMEOUT, DeliveryPolicy
from lifecycle.projections.stats import LogStats
from lifecycle.projections.stored_views import StoredViews
from lifecycle.projections.subscription import Handler, Subscription
from lifecycle.service.arrival_reader import Body, Context, Entries, Kept, Line, checked_lines
from lifecycle.service.attention import OVERDUE_AFTER, AttentionItem
from lifecycle.service.begun_request import BegunRequest, Resumed, ResumeOptions
from lifecycle.service.chosen_rules import chosen_definition
from lifecycle.service.erasure import Erases
from lifecycle.service.figures import Figures
from lifecycle.service.order_service import OrderService, ReadAgain, is_first
from lifecycle.service.quarantine import pass_over, wait_on
from lifecycle.service.receipt import QuarantineItem, Receipt, receipts_of
from lifecycle.service.recording_calls import Sent, SentOperation, Writes

_BATCH: Final = 500


class Orders(Writes[Receipt], Erases):
    """Every order of one log; safe to share between threads.

    Made by `lifecycle.connect`. Recording refuses no fact: what cannot be read is `quarantined`.
    """

    def __init__(
        self,
        log: Log,
        providers: Mapping[str, Provider],
        provider: Provider,
        clock: Callable[[], datetime],
        resume: Callable[..., Resumed],
        *,
        redrives: bool = False,
        overdue_after: timedelta = OVERDUE_AFTER,
    ) -> None:
        self.log = log
        self.provider = provider
        self._service = OrderService(log, providers, provider, clock, overdue_after)
        self._erasure = self._service.erasure
        self._resume = resume
        if redrives:
            self._append_linked(self._service.linked())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failed: object) -> None:
        self.close()

    @property
    def views(self) -> StoredViews:
        """The stored views, which make `find` fast: build them once, then keep them up to date."""
        return self._service.views

    @property
    def letters(self) -> DeadLetters:
        """What subscriptions have not delivered, and what they have; no handler is needed."""
        return DeadLetters(self.log, self._service.clock)

    def close(self) -> None:
        """Close the log; what was acknowledged stays."""
        self.log.close()

    def begin_request(
        self,
        order_id: str | int,
        body: Body,
        *,
        received_at: datetime | None = None,
        context: Context = None,
    ) -> Sent[Receipt]:
        """Return a create request that is stored durably; send it only now.

        It takes the next attempt, or the same one again while the same body has no answer, as
        when a service crashed and starts again. `context` is stored with it and never sent: what
        you need to go on after a crash, such as a customer's `user_id`.

        Raises:
            InvalidArgumentError: the order id is unusable, or the body is not a JSON object.
        """
        while True:
            event, version = self._service.next_request(order_id, body, received_at, context)
            try:
                appended = self.log.append(event, expected_version=version)
            except VersionConflictError:
                continue
            if self._service.holds(event, appended, body):
                return Sent(self, Receipt(event, appended, self._service), event)

    def begin_operation(
        self, order_id: str | int, operation: str, body: Body = None, **kept: Unpack[Kept]
    ) -> SentOperation[Receipt]:
        """Return the request of an operation, such as `cancel`, stored durably; send it only now.

        It takes the next number of this operation. It changes no status: its answer may.

        Raises:
            InvalidArgumentError: an argument cannot be part of a request.
        """
        while True:
            event, version = self._service.next_operation(order_id, operation, body, **kept)
            with suppress(VersionConflictError):
                appended = self.log.append(event, expected_version=version)
                if appended.outcome is Outcome.APPENDED:  # else somebody took the number
                    return SentOperation(self, Receipt(event, appended, self._service), event)

    def last_request(self, order_id: str | int) -> BegunRequest | None:
        """Return the newest create request of an order with its context; None if none is stored.

        Any process may have begun it.
        """
        return self._service.last_request(order_id)

    def resume(self, client: object, **how: Unpack[ResumeOptions]) -> Resumed:
        """Finish, or look up, each create request whose outcome is not known.

        It does not matter which process began the request, and how that process ended. The
        provider is asked for the order. Only if it has none, and the request can no longer be on
        its way, exactly one caller sends it again. Needs the extra `http`.

        Args:
            client: how the provider is reached, as for `create_order`.
            how: see `ResumeOptions`.

        Raises:
            InvalidArgumentError: an argument is of no use.
            StoreError: the log failed; what was recorded stays.
        """
        return self._resume(self, client, **how)

    def record_many(self, recordings: Iterable[Line], *, first_line: int = 1) -> list[Receipt]:
        """Record many recordings, a few hundred in each commit; blank lines are skipped.

        `first_line` is the number that the first line gets in the quarantine.

        Raises:
            InvalidArgumentError: `recordings` is a single recording, or cannot be iterated.
        """
        receipts: list[Receipt] = []
        lines = checked_lines(recordings, first_line)
        while batch := list(islice(lines, _BATCH)):
            entries = self._service.arrival_reader.lines(batch, first_line=first_line)
            first_line += len(batch)
            receipts += self._append(entries)
        return receipts

    def get(self, order_id: str | int, **how: Unpack[LookOptions]) -> OrderView:
        """Return the view of an order, proved current against the log.

        Args:
            order_id: the order's id.
            how: as at, as of and log at a time, and by which rules: see `LookOptions`.

        Raises:
            UnknownOrderError: nothing is stored about it, or nothing before that time.
            InvalidArgumentError: a time has no zone, or `rules` name no known rules.
        """
        return self._service.look(order_id, Folding.view, **how)

    def history(self, order_id: str | int, **how: Unpack[LookOptions]) -> tuple[HistoryEntry, ...]:
        """Return every event of an order in canonical order, with verdict and reason.

        Arguments and errors are those of `get`.
        """
        return self._service.look(order_id, Folding.history, **how)

    def definition(
        self, rules: str | Definition | None = None, *, log_at: LogTime | None = None
    ) -> Definition:
        """Return the definition that `rules` name, as in `LookOptions`; today's by default.

        Raises:
            InvalidArgumentError: no recorded rules have that name.
        """
        return chosen_definition(self.log, self.provider, rules, log_at)

    def find(
        self,
        *,
        status: str | None = None,
        waiting_longer_than: timedelta | None = None,
        anomalies: bool = False,
        received_since: datetime | None = None,
        received_before: datetime | None = None,
        now: datetime | None = None,
        log_at: LogTime | None = None,
    ) -> Iterator[OrderView]:
        """Yield the views of the orders for which every condition given holds, by order id.

        Reads the stored views if there are any (see `views`), and folds what they lack; without
        them it folds the whole log. Memory is constant, and the answer is never older than the log.

        Args:
            status: only orders with this status.
            waiting_longer_than: only open orders that entered their present state longer ago.
            anomalies: only orders with anomalies that nobody has reviewed; see `review`.
            received_since: only orders about which something was received then or later.
            received_before: only orders about which nothing was received then or later.
            now: the time up to which waiting is counted; by default that of the clock, or
                `log_at` if that is a time.
            log_at: what the log held then by its own clock, or up to a position; folds all.

        Raises:
            InvalidArgumentError: the status is unknown, or a time has no zone.
            PoisonedOrdersError: some orders cannot be folded; raised after all others.
        """
        for page in self._service.find(
            status,
            waiting_longer_than,
            anomalies=anomalies,
            received_since=received_since,
            received_before=received_before,
            now=now,
            log_at=log_at,
        ):
            yield from page

    def stats(self, *, on_progress: Callable[[int], object] | None = None) -> LogStats:
        """Return figures of the whole log: counts of moves, and how long orders stayed in states.

        Folds the whole log in constant memory; `on_progress` is called with the number of events
        counted since its last call.
        """
        if on_progress is not None:
            check_callable("on_progress", on_progress)
        tally = self._service.tally()
        for events in self._service.counted(tally):
            if on_progress is not None:
                on_progress(events)
        return tally.stats()

    def changes(self, *, after: After = 0) -> Iterator[OrderChange]:
        """Yield what each event changed after a position, up to the end of the log.

        They come in the order of recording, without events that changed neither status nor path.
        Store the `position` of the last change that you handled and go on `after` it: so you see
        every change at least once. With several partitions, `after` is a list of positions.

        Raises:
            InvalidArgumentError: `after` is not a position, or not one for each partition.
        """
        return changes(self._service.feeds.open(after))

    def subscribe(
        self, *, after: After = 0, stop: Signal | None = None, every: float = EVERY_SECONDS
    ) -> Iterator[OrderChange]:
        """Yield the changes after a position, then those to come, until `stop` is set.

        `every` is the number of seconds between looks for new changes.
        """
        return followed(self._service.feeds.open(after), Signal() if stop is None else stop, every)

    def subscription(
        self,
        name: str,
        handler: Handler,
        *,
        after: After = 0,
        exactly_once: bool = False,
        attempts: int = ATTEMPTS,
        pause: float = PAUSE,
        timeout: float = TIMEOUT,
    ) -> Subscription:
        """Return a named reader of the changes, whose position is stored beside the log.

        Args:
            name: identifies the subscription, for ever.
            handler: is called with each `OrderChange`, in order; what it returns is ignored.
            after: the position where a new subscription begins; a list as for `changes`.
            exactly_once: also pass the handler the database connection, within the transaction
                that settles the delivery: what it writes there is written exactly once.
            attempts: calls before a change becomes a dead letter; 40 take about four hours.
            pause: seconds before the second attempt; doubles before each further one, up to ten
                minutes, less a random part of up to half.
            timeout: seconds after which a call counts as hanging: other orders then go on.

        Raises:
            InvalidArgumentError: an argument is of no use.
        """
        policy = DeliveryPolicy(exactly_once, attempts, pause, timeout)
        feeds = self._service.feeds.dispatcher(name, policy, after)
        return Subscription(name, handler, feeds, self.letters)

    def attention(
        self,
        *,
        all: bool = False,
        overdue_after: timedelta | None = None,
        now: datetime | None = None,
    ) -> list[AttentionItem]:
        """Return what needs a person's attention, worst first; `all` includes reviewed items.

        An order is overdue after `overdue_after`, by default the value given to `connect`, or
        after 15 minutes while it is not known whether the provider has it. Dead letters, hanging
        handlers and the quarantine are those of the whole log.

        Raises:
            InvalidArgumentError: an argument is of no use.
        """
        return self._service.attention(overdue_after, now, include_reviewed=all)

    def figures(self) -> Figures:
        """Return the figures for a monitor: lags, dead letters, what is late, missing or waits."""
        return self._service.figures()

    def review(self, subject: AttentionItem | str, *, by: str, why: str) -> bool:
        """Record that a person has dealt with an item of `attention`, given as item or `subject`.

        `attention` and `find(anomalies=True)` leave it out until something new is recorded about
        it. Returns False if it was reviewed before; that review stays.

        Raises:
            InvalidArgumentError: no item of this name needs attention now, or `by` or `why` is
                empty or too long.
        """
        return self.log.append(self._service.review(subject, by, why)).outcome is Outcome.APPENDED

    def quarantine(self, *, all: bool = False) -> Iterator[QuarantineItem]:
        """Yield what could not be read and still waits; `all` includes re-driven items."""
        return self._service.quarantine(include_redriven=all)

    def redrive(self) -> Iterator[Receipt]:
        """Read every waiting item again, and yield a receipt for each that became an event.

        Each item is read by its own provider. It stays in the quarantine if it still cannot be
        read, if that provider is not installed, or if the stream of its order is damaged, which
        is logged. The item keeps its time; the event is received now and names its item. If
        several callers re-drive at once, exactly one of them gets the receipt.
        """
        yield from self._append_again(self._service.readable_again())
        yield from self._append_again(self._service.linked())

    def _record(self, entries: Entries, expected_version: int | None = None) -> Receipt:
        if len(entries) > 1 or isinstance(entries[0], Unreadable):
            entries = self._service.links.resolve(entries)
        if len(entries) > 1:
            return self._append([entries])[0]
        entry = entries[0]
        appended = self.log.append(entry, expected_version=expected_version)
        receipt = Receipt(entry, appended, self._service)
        if isinstance(entry, Unreadable) or entry.links:
            receipt.linked = self._append_linked(self._service.linked_by(entries))
        return receipt

    def _append(self, several: list[Entries]) -> list[Receipt]:
        """Append what some bodies say in one commit, and return a receipt for each body."""
        several = list(map(self._service.links.resolve, several))
        entries = list(chain.from_iterable(several))
        appended = self.log.append_many(entries)
        linked = self._append_linked(self._service.linked_by(entries))
        return receipts_of(several, appended, Receipt, self._service, linked)

    def _append_linked(self, found: Iterator[ReadAgain]) -> tuple[Receipt, ...]:
        """Append the items that waited for a link; if the store fails, the next opening does it."""
        linked: list[Receipt] = []
        try:
            linked += self._append_again(found)
        except StoreError as failed:
            wait_on(failed)
        return tuple(linked)

    def _append_again(self, found: Iterator[ReadAgain]) -> Iterator[Receipt]:
        for events, entries in found:
            try:
                appended = self.log.append_many(entries)
            except StoredFormatError as damaged:
                pass_over(damaged)
                continue
            if is_first(appended):
                yield receipts_of([events], appended, Receipt, self._service)[0]
