"""What sync and async orders share: everything that does not wait for a commit."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Final, TypeVar, Unpack

from lifecycle.core.change import Change
from lifecycle.core.definition import Definition
from lifecycle.core.event import Entry, Event, Redriven, Reviewed, Unreadable, stream_of
from lifecycle.core.fold import Folding
from lifecycle.core.instant import format_instant
from lifecycle.core.provider import Provider
from lifecycle.core.recognizer import Recognizer, recognizer_of, recognizers_of
from lifecycle.core.view import OrderView
from lifecycle.errors import (
    InvalidArgumentError,
    StoredFormatError,
    UnknownOrderError,
)
from lifecycle.log.codec import decode_events
from lifecycle.log.contract import ORDERS, Append, Log, Outcome, Record
from lifecycle.log.item_record import ERASED
from lifecycle.log.log_time import LogTime, LookOptions, first_stored, last_position
from lifecycle.log.view_store import Conditions
from lifecycle.projections.feeds import Feeds
from lifecycle.projections.fold_cache import FoldCache, why_unfoldable
from lifecycle.projections.stats import Tally
from lifecycle.projections.stored_views import StoredViews
from lifecycle.projections.view_query import searched
from lifecycle.service.arrival_reader import (
    ArrivalReader,
    Body,
    Context,
    Kept,
    checked_order_id,
    checked_time,
)
from lifecycle.service.attention import (
    OVERDUE_AFTER,
    Attention,
    AttentionItem,
    AttentionRule,
    checked_review,
    checked_span,
)
from lifecycle.service.begun_request import (
    BegunRequest,
    as_request,
    check_is_object,
    is_unanswered,
    newest_request,
    next_number,
)
from lifecycle.service.chosen_rules import chosen_definition
from lifecycle.service.erasure import Erasure
from lifecycle.service.figures import Figures, figures_of
from lifecycle.service.order_links import OrderLinks
from lifecycle.service.quarantine import pass_over, quarantine_items, stored_items
from lifecycle.service.receipt import QuarantineItem, is_before

LOG: Final = logging.getLogger("lifecycle.orders")


_PAGE: Final = 200

T = TypeVar("T")

ReadAgain = tuple[list[Event], list[Entry]]
"""The events of an item that can now be read, and what to append: these and the item's mark."""


class OrderService:
    """Reads the log and folds; never appends."""

    def __init__(
        self,
        log: Log,
        providers: Mapping[str, Provider],
        provider: Provider,
        clock: Callable[[], datetime],
        overdue_after: timedelta = OVERDUE_AFTER,
    ) -> None:
        self.log = log
        self.provider: Recognizer = recognizer_of(provider)
        self._providers = recognizers_of({**providers, self.provider.name: self.provider})
        self.arrival_reader: ArrivalReader = ArrivalReader(self._providers, self.provider, clock)
        self.links: OrderLinks = OrderLinks(log, self._providers)
        self._order_streams = stream_of(self.provider.name, "")
        self._fold_cache = FoldCache(log, self._providers)
        self.feeds: Feeds = Feeds(log, self._providers, self.provider, clock)
        self.views: StoredViews = StoredViews(log, self._fold_cache, self.provider)
        self.clock = clock
        self.erasure: Erasure = Erasure(log, self.provider, self._fold_cache, clock)
        self._overdue_after = checked_span(overdue_after)
        self._attention = Attention(log, self._fold_cache, self.provider, self.links)

    def next_request(
        self,
        order_id: str | int,
        body: Body,
        received_at: datetime | None,
        context: Context = None,
    ) -> tuple[Event, int | None]:
        """Return the request to append, and the version that it expects; None if it is stored.

        Raises:
            InvalidArgumentError: the order id or the body cannot be a request.
        """
        first = self._request(order_id, body, 1, received_at, context)
        records = self.log.read(first.stream)
        # The provider does not read the bodies here, so its faults do not matter.
        events = decode_events(records, self.log.cipher)
        newest = max((event.attempt or 0 for event in events), default=0)
        if newest and is_unanswered(events, newest, first.digest):
            return self._request(order_id, body, newest, received_at, context), None
        version = records[-1].version if records else 0
        return self._request(order_id, body, newest + 1, received_at, context), version

    def next_operation(
        self, order_id: str | int, operation: str, body: Body, **kept: Unpack[Kept]
    ) -> tuple[Event, int]:
        """Return the request of an operation to append, and the version that it expects.

        Raises:
            InvalidArgumentError: an argument cannot be part of a request.
        """
        records = self.log.read(stream_of(self.provider.name, checked_order_id(order_id)))
        events = decode_events(records, self.log.cipher)
        number = next_number(events, operation)
        (entry,) = self.arrival_reader.arrival(
            "request", order_id, body, operation=operation, number=number, **kept
        )
        return as_request(entry), records[-1].version if records else 0

    def holds(self, event: Event, appended: Append, body: Body) -> bool:
        """Tell whether a begun request is still the one to send.

        One that was stored before may have been answered in the meantime.
        """
        if appended.outcome is not Outcome.DUPLICATE:
            return True
        return self.next_request(event.order_id, body, event.received_at)[0].key == event.key

    def last_request(self, order_id: str | int) -> BegunRequest | None:
        """Return the newest create request of an order; None if none is stored."""
        stream = stream_of(self.provider.name, checked_order_id(order_id))
        self._fold_cache.catch_up()
        return newest_request(decode_events(self.log.read(stream), self.log.cipher))

    def look(
        self, order_id: str | int, look: Callable[[Folding], T], **how: Unpack[LookOptions]
    ) -> T:
        """Return what `look` returns for an order, now or as `how` says.

        Raises:
            UnknownOrderError: nothing is stored about it, or nothing before that time.
        """
        wanted = order_id if isinstance(order_id, str) else checked_order_id(order_id)
        if not how or all(each is None for each in how.values()):
            seen = self._fold_cache.now(self.provider, self._order_streams + wanted, look)
            if seen is None:
                raise UnknownOrderError(self.provider.name, wanted)
            return seen
        return self._look_back(wanted, look, **how)

    def _look_back(
        self,
        wanted: str,
        look: Callable[[Folding], T],
        *,
        as_at: datetime | None = None,
        as_of: datetime | None = None,
        log_at: LogTime | None = None,
        rules: str | Definition | None = None,
    ) -> T:
        as_at = _checked_or_none("as_at", as_at)
        as_of = _checked_or_none("as_of", as_of)
        stream = stream_of(self.provider.name, wanted)
        log = self.log.holding(stream)
        until = last_position(log, log_at)
        definition = chosen_definition(log, self.provider, rules, until)

        def look_back(folding: Folding) -> T | None:
            chosen = [
                e for e in folding.events if is_before(e, as_at=as_at, as_of=as_of, until=until)
            ]
            return look(Folding.of(definition, chosen)) if chosen else None

        seen = self._fold_cache.now(self.provider, stream, look_back)
        if seen is None:
            asked = (as_at, as_of, log_at)
            times = [format_instant(time) for time in asked if isinstance(time, datetime)]
            end = None if until is None else f"position {until}, that one included"
            before, first = min(times, default=end), first_stored(log, stream)
            raise UnknownOrderError(self.provider.name, wanted, before=before, first_stored=first)
        return seen

    def find(
        self,
        status: str | None,
        waiting_longer_than: timedelta | None,
        *,
        anomalies: bool,
        received_since: datetime | None,
        received_before: datetime | None,
        now: datetime | None,
        log_at: LogTime | None,
    ) -> Iterator[list[OrderView]]:
        """Yield the views for which every condition holds, a page at a time, by order id.

        `anomalies` leaves out orders whose anomalies were reviewed.

        Raises:
            InvalidArgumentError: the status is unknown, a span is not a timedelta, or a time
                has no zone.
        """
        states = self.provider.definition.states
        if status is not None and status not in states:
            raise InvalidArgumentError("status", "one of " + ", ".join(states), found=status)
        if waiting_longer_than is not None and not isinstance(waiting_longer_than, timedelta):
            raise InvalidArgumentError("waiting_longer_than", "a timedelta")
        if now is None and isinstance(log_at, datetime):
            now = log_at
        wanted = Conditions.of(
            status=status,
            waiting_longer_than=waiting_longer_than,
            now=self.clock() if now is None else checked_time("now", now),
            anomalies=anomalies,
            received_since=_checked_or_none("received_since", received_since),
            received_before=_checked_or_none("received_before", received_before),
        )
        pages = searched(self.log, self._fold_cache, self.provider, wanted, log_at)
        return self._attention.unreviewed(pages, log_at) if anomalies else pages

    def attention(
        self, overdue_after: timedelta | None, now: datetime | None, *, include_reviewed: bool
    ) -> list[AttentionItem]:
        """Return what needs a person's attention, worst first.

        Raises:
            InvalidArgumentError: a span is not a timedelta, or a time has no zone.
        """
        span = self._overdue_after if overdue_after is None else checked_span(overdue_after)
        at = self.clock() if now is None else checked_time("now", now)
        rule = AttentionRule(span, at)
        return self._attention.items(rule, include_reviewed=include_reviewed)

    def figures(self) -> Figures:
        """Return the figures for a monitor."""
        rule = AttentionRule(self._overdue_after, self.clock())
        return figures_of(self.log, self._attention, self.views, rule)

    def review(self, subject: AttentionItem | str, by: str, why: str) -> Reviewed:
        """Return the review to append.

        Raises:
            InvalidArgumentError: no item of this name needs attention now, or `by` or `why` is
                empty or too long.
        """
        name = subject.subject if isinstance(subject, AttentionItem) else subject
        review = checked_review(name, by, why, self.clock())
        if not isinstance(subject, AttentionItem):
            listed = self.attention(timedelta(0), None, include_reviewed=True)
            if name not in [item.subject for item in listed]:  # it may be unhashable
                raise InvalidArgumentError("subject", "one that attention lists now")
        return review

    def tally(self) -> Tally:
        """Return an empty tally for the orders of this provider."""
        return Tally(self.provider.name, self.provider.definition)

    def counted(self, tally: Tally) -> Iterator[int]:
        """Add all orders to a tally, and yield the number of events of each page of orders."""
        streams = self.log.streams(prefix=f"{ORDERS}{self.provider.name}:")
        while page := list(islice(streams, _PAGE)):
            self._fold_cache.catch_up(page)
            events = 0
            for records in self.log.read_many(page).values():
                folding = self._folded(records)
                if folding is None:
                    tally.skip()
                else:
                    tally.add(folding)
                events += len(records)
            yield events

    def quarantine(self, *, include_redriven: bool) -> Iterator[QuarantineItem]:
        """Yield the items of the quarantine in the order of arrival, damaged ones included."""
        return quarantine_items(
            self.log, self.links.with_current_reason, include_redriven=include_redriven
        )

    def readable_again(self) -> Iterator[ReadAgain]:
        """Yield each waiting item that today's rules can read.

        An item is marked as re-driven once all of it can be read. Items whose provider is not
        installed stay, and are logged in one line.
        """
        unknown = Counter[str]()
        for record, item, redriven in stored_items(self.log):
            if redriven is not None:
                continue
            if isinstance(item, StoredFormatError):
                pass_over(item)
                continue
            if item.reason == ERASED:
                continue
            if not self.arrival_reader.knows(item):
                unknown[item.provider] += 1
                continue
            yield from self._read_again(record, item)
        for provider, count in unknown.items():
            LOG.warning(
                "provider %a is not known here: quarantined items left: %d", provider, count
            )

    def linked_by(self, entries: Iterable[Event | Unreadable]) -> Iterator[ReadAgain]:
        """Yield, as `readable_again`, the items that waited for a link in these stored entries."""
        for record, item in self.links.unblocked_by(entries):
            yield from self._read_again(record, item)

    def linked(self) -> Iterator[ReadAgain]:
        """Yield, as `readable_again`, the items that waited for a link that is stored by now."""
        for record, item in self.links.resolvable():
            yield from self._read_again(record, item)

    def _read_again(self, record: Record, item: Unreadable) -> Iterator[ReadAgain]:
        """Yield an item's events and what to append, if today's rules can read it."""
        read = self.links.resolve(self.arrival_reader.again(item))
        events = [e._replace(redriven_from=record.version) for e in read if isinstance(e, Event)]
        if events and len(events) == len(read):
            first = events[0]
            mark = Redriven(record.version, first.stream, first.key, first.received_at)
            yield events, [*events, mark]
        elif events:
            yield events, [*events]

    def _folded(self, records: Sequence[Record]) -> Folding | None:
        """Return the folding of one order, None if it cannot be folded."""
        try:
            events = self._fold_cache.events(records)
            return Folding.of(self.provider.definition, events)
        except Exception as trouble:  # noqa: BLE001 - one order's trouble is no other's
            why_unfoldable(trouble)
            LOG.error("an order cannot be folded at position %d: not counted", records[-1].position)  # noqa: TRY400 - `find` says why
            return None

    def change(self, event: Event, appended: Append) -> Change | None:
        """Return what an event changed, by folding its order."""
        if appended.outcome is Outcome.DUPLICATE:
            return None
        provider = self._providers[event.provider]
        return self._fold_cache.change(provider, appended.stream, event, appended.version, appended)

    def view(self, event: Event, appended: Append) -> OrderView | None:
        """Return the view as of an event, or as it is now for a duplicate, by folding its order."""
        provider = self._providers[event.provider]
        if appended.outcome is Outcome.DUPLICATE:
            return self._fold_cache.now(provider, appended.stream, Folding.view)
        return self._fold_cache.view(provider, appended.stream, event, appended.version, appended)

    def _request(
        self,
        order_id: str | int,
        body: Body,
        attempt: int,
        received_at: datetime | None,
        context: Context,
    ) -> Event:
        (entry,) = self.arrival_reader.arrival(
            "request", order_id, body, attempt=attempt, received_at=received_at, context=context
        )
        event = as_request(entry)
        check_is_object(event.body)
        return event


def is_first(appended: Sequence[Append]) -> bool:
    """Tell whether this append re-drove an item, and not an earlier one."""
    return appended[-1].outcome is not Outcome.DUPLICATE


def _checked_or_none(argument: str, time: datetime | None) -> datetime | None:
    return None if time is None else checked_time(argument, time)
