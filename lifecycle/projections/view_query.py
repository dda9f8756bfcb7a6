"""What was asked for: from the stored views, and never older than the log.

    live generation ─→ the orders that fit, page by page ─┐
    log after its position ─→ the orders that were touched ─→ folded anew ─┴─→ by order id

Reading writes nothing: what the stored views have not taken in yet is folded on the way. So
the answer is that of folding the whole log, which is also what happens where no views are
stored, where they are of another definition, or where they are too far behind to help.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Final, NamedTuple

from lifecycle.core.definition import Definition
from lifecycle.core.provider import Provider
from lifecycle.core.view import OrderView
from lifecycle.errors import PoisonedOrdersError
from lifecycle.log.contract import Log
from lifecycle.log.log_time import LogTime, last_position
from lifecycle.log.stored_erasures import stream_about
from lifecycle.log.view_store import (
    Conditions,
    Generation,
    Phase,
    Poisoned,
    StoredView,
    ViewStore,
    microseconds,
)
from lifecycle.projections.fold_cache import FoldCache
from lifecycle.projections.folded_views import from_records, prefix_of
from lifecycle.projections.stored_form import FORM, to_view

ORDERS_AT_ONCE: Final = 200
LONGEST_TAIL: Final = 100_000
"""Records that are looked through for what the stored views lack; beyond it they do not help."""


def live_generation(log: Log, provider: Provider) -> Generation | None:
    """Return the stored views that can be used, None if there are none of this definition."""
    if log.views is None:
        return None
    for generation in log.views.generations(provider.name):
        made_for = (generation.definition, generation.form)
        fits = made_for == (provider.definition.fingerprint, FORM)
        if fits and generation.phase is Phase.LIVE:
            return generation
    return None


def fits(wanted: Conditions, view: OrderView) -> bool:
    """Tell whether every condition holds for a view."""
    arrival = view.arrival
    return wanted.hold_for(
        view.status,
        waits=bool(view.awaiting),
        since=microseconds(arrival.waiting_since),
        anomalies=len(view.anomalies),
        received=microseconds(arrival.last_received_at),
    )


class ViewQuery:
    """One search: pages of views in the order of their ids, a page at a time."""

    def __init__(
        self,
        log: Log,
        fold_cache: FoldCache,
        provider: Provider,
        wanted: Conditions,
        *,
        until: int | None = None,
    ) -> None:
        self.log = log
        self._fold_cache = fold_cache
        self.provider = provider
        self._until = until
        self.definition: Definition = provider.definition
        self.wanted = wanted
        self._poisoned: dict[str, str] = {}

    def pages(self) -> Iterator[list[OrderView]]:
        """Yield the views for which every condition holds.

        Raises:
            PoisonedOrdersError: some orders cannot be folded; raised after all others came.
        """
        after: str | None = ""
        while after is not None and (stored_pages := self.stored_pages()) is not None:
            for page, last in stored_pages.pages(after):
                yield self._fitting(page)
                after = last
        if after is not None:
            yield from self._folded_pages(after)
        if (poisoned := self._noted()) is not None:
            raise poisoned

    def known_poisoned(self) -> PoisonedOrdersError | None:
        """Return which orders cannot be folded, as far as the stored views know."""
        if (stored := self.stored_pages()) is not None:
            stored.note_poisoned()
        return self._noted()

    def _noted(self) -> PoisonedOrdersError | None:
        if not self._poisoned:
            return None
        first = min(self._poisoned)
        reason = self._poisoned[first]
        return PoisonedOrdersError(self.provider.name, len(self._poisoned), first, reason)

    def _fitting(self, page: Iterable[OrderView]) -> list[OrderView]:
        return [view for view in page if fits(self.wanted, view)]

    def stored_pages(self) -> StoredPages | None:
        """Return what of the stored views can be used; None: fold the log."""
        if self._until is not None:  # they are views of the whole log
            return None
        live = live_generation(self.log, self.provider)
        if live is None or self.log.views is None:
            return None
        end = self.log.last_position()
        if end - live.position > LONGEST_TAIL:
            return None
        prefix = prefix_of(self.provider)
        tail = chain(self.log.strays(), self.log.scan(after=live.position, until=end))
        streams = map(stream_about, tail)
        touched = {name.removeprefix(prefix) for name in streams if name.startswith(prefix)}
        return StoredPages(self.log.views, live, sorted(touched - {""}), self)

    def folded(self, order_ids: Sequence[str]) -> dict[str, OrderView]:
        """Return the views of some orders, folded from the log; notes which are poisoned."""
        prefix = prefix_of(self.provider)
        found = {}
        for start in range(0, len(order_ids), ORDERS_AT_ONCE):
            streams = [prefix + order_id for order_id in order_ids[start : start + ORDERS_AT_ONCE]]
            self._fold_cache.catch_up(streams)
            records = self.log.read_many(streams)
            for stream in streams:
                held = records.get(stream, [])
                if self._until is not None:
                    held = [record for record in held if record.position <= self._until]
                    if not held:
                        continue
                outcome = from_records(self._fold_cache, self.provider, stream, held)
                if isinstance(outcome, Poisoned):
                    self.note(outcome)
                else:
                    found[outcome.order_id] = outcome.view
        return found

    def note(self, poisoned: Poisoned) -> None:
        """Remember an order that cannot be folded, to tell of it in the end."""
        self._poisoned[poisoned.order_id] = poisoned.reason

    def _folded_pages(self, after: str) -> Iterator[list[OrderView]]:
        prefix = prefix_of(self.provider)
        streams = self.log.streams(prefix=prefix, after=prefix + after)
        while page := [name.removeprefix(prefix) for name in islice(streams, ORDERS_AT_ONCE)]:
            found = self.folded(page)
            yield self._fitting(found[order_id] for order_id in page if order_id in found)


def searched(
    log: Log, fold_cache: FoldCache, provider: Provider, wanted: Conditions, log_at: LogTime | None
) -> Iterator[list[OrderView]]:
    """Yield the views of all partitions of a log for which every condition holds, by order id."""
    parts = log.partitions
    if len(parts) > 1 and isinstance(log_at, int):
        log.last_position()  # refuses: a position is that of one
    return _merged(
        [
            ViewQuery(part, fold_cache, provider, wanted, until=last_position(part, log_at)).pages()
            for part in parts
        ]
    )


def _merged(searches: Sequence[Iterator[list[OrderView]]]) -> Iterator[list[OrderView]]:
    """Yield what several searches find, each of other orders, in the order of their ids.

    Raises:
        PoisonedOrdersError: some orders cannot be folded; raised after all others came.
    """
    if len(searches) == 1:
        yield from searches[0]
        return
    poisoned: list[PoisonedOrdersError] = []

    def views(search: Iterator[list[OrderView]]) -> Iterator[OrderView]:
        try:
            yield from chain.from_iterable(search)
        except PoisonedOrdersError as error:
            poisoned.append(error)

    found = heapq.merge(*map(views, searches), key=lambda view: view.order_id)
    while page := list(islice(found, ORDERS_AT_ONCE)):
        yield page
    if poisoned:
        first = min(poisoned, key=lambda error: error.order_id)
        count = sum(error.count for error in poisoned)
        raise PoisonedOrdersError(first.provider, count, first.order_id, first.found)


class StoredPages(NamedTuple):
    """The stored views, and the orders among them that may have gone on since."""

    store: ViewStore
    live: Generation
    touched: Sequence[str]
    query: ViewQuery

    def pages(self, after: str) -> Iterator[tuple[list[OrderView], str | None]]:
        """Yield each page with the id that it reaches to, None with the last one.

        Ends early if the generation was swept meanwhile: the next one goes on from there.
        """
        begun: str | None = after
        while begun is not None:
            stored = self.store.find(self.live, self.query.wanted, begun, ORDERS_AT_ONCE)
            if stored is None:
                return
            last = stored[-1].order_id if len(stored) == ORDERS_AT_ONCE else None
            if last is None:
                self.note_poisoned()
            yield self._page(stored, begun, last), last
            begun = last

    def _page(self, stored: Sequence[StoredView], begun: str, last: str | None) -> list[OrderView]:
        """Return the stored views and those folded anew, up to `last`, by order id."""
        end = len(self.touched) if last is None else bisect_right(self.touched, last)
        anew = list(self.touched[bisect_right(self.touched, begun) : end])
        fresh = set(anew)
        found = {}
        for row in stored:
            view = None if row.order_id in fresh else to_view(self.query.definition, row)
            if view is not None:
                found[row.order_id] = view
            elif row.order_id not in fresh:
                anew.append(row.order_id)
        found |= self.query.folded(anew)
        return [found[order_id] for order_id in sorted(found)]

    def note_poisoned(self) -> None:
        """Tell the query which of the stored orders cannot be folded."""
        after, fresh = "", set(self.touched)
        while page := self.store.poisoned(self.live, after, ORDERS_AT_ONCE):
            for poisoned in page:
                if poisoned.order_id not in fresh:
                    self.query.note(poisoned)
            after = page[-1].order_id
