"""One list of what needs a person's attention: worst first, each item with advice.

    orders that cannot be folded ┐
    dead letters                 │
    handlers that hang           │
    the quarantine               ┼─→ AttentionItem ─→ review: by whom, and why
    anomalies                    │       ↑                │
    overdue orders               ┘       └── control ←────┘

The `subject` of an item names what the review covers; that of an order holds its version. So
with the next event the order needs attention again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final, Literal, NamedTuple, get_args

from lifecycle.core.event import Reviewed
from lifecycle.core.provider import Provider
from lifecycle.core.view import FrozenValue, Instant, OrderView
from lifecycle.errors import InvalidArgumentError, PoisonedOrdersError
from lifecycle.log.contract import Log
from lifecycle.log.feed_store import Delivery, SubscriptionPosition
from lifecycle.log.log_time import LogTime, last_position
from lifecycle.log.view_store import Conditions
from lifecycle.projections.dead_letters import undelivered
from lifecycle.projections.fold_cache import FoldCache
from lifecycle.projections.view_query import ViewQuery
from lifecycle.service.order_links import OrderLinks
from lifecycle.service.quarantine import control_entries, quarantine_items

AttentionKind = Literal[
    "unreadable", "dead_letter", "hung_handler", "quarantined", "linked_twice", "anomaly", "overdue"
]
"""Why something needs attention, worst first."""

OVERDUE_AFTER: Final = timedelta(days=1)
NOT_CREATED_AFTER: Final = timedelta(minutes=15)
"""How long it may be unknown whether the provider has an order."""

MAX_BY: Final = 255
MAX_WHY: Final = 1000

KINDS: Final[tuple[AttentionKind, ...]] = get_args(AttentionKind)

_WORST: Final = {kind: place for place, kind in enumerate(KINDS)}
_PAGE: Final = 500
_OURS: Final = {"correction"}

_ADVICE: Final[Mapping[str, str]] = {
    "unreadable": "run: lifecycle verify",
    "dead_letter": "see: lifecycle letters list, mend the handler, then: lifecycle letters redrive",
    "hung_handler": "see what the handler waits for, and restart the process that follows",
    "quarantined": "run: lifecycle quarantine, and after a fix: lifecycle quarantine --redrive",
    "linked_twice": "ask the provider whose id it is",
    "anomaly": "run: lifecycle history ORDER",
    "overdue": "run: lifecycle reconcile",
}
_NOT_CREATED: Final = "run: lifecycle resume"
_RESEND: Final = "see why it was refused, then run: lifecycle resume"


class Review(FrozenValue):
    """Who looked at something, why it is dealt with, and when."""

    by: str
    why: str
    at: Instant


class AttentionItem(FrozenValue):
    """One thing that a person should look at.

    `subject` names it to `review`. `since` is when it began, None if that is unknown. `found`
    says what it is, and `advice` what to do. `review` is None until a person reviewed it.
    """

    subject: str
    kind: AttentionKind
    provider: str | None
    order_id: str | None
    found: str
    advice: str
    since: Instant | None
    review: Review | None = None


class AttentionRule(NamedTuple):
    """When an order is overdue: it waits for the provider longer than `overdue_after`, at `now`."""

    overdue_after: timedelta
    now: datetime

    def is_overdue(self, view: OrderView, provider: Provider) -> bool:
        """Tell whether an order has waited too long for the provider."""
        limit = self.overdue_after
        if _is_not_created(view, provider):
            limit = min(limit, NOT_CREATED_AFTER)
        return waits_for_others(view) and self.now - view.arrival.waiting_since > limit


class Attention:
    """Finds what needs attention in one log, among the orders of one provider."""

    def __init__(
        self, log: Log, fold_cache: FoldCache, provider: Provider, links: OrderLinks
    ) -> None:
        self._log = log
        self._fold_cache = fold_cache
        self._provider = provider
        self._links = links

    def items(
        self, rule: AttentionRule, *, include_reviewed: bool, limit: int | None = None
    ) -> list[AttentionItem]:
        """Return what needs attention, worst first, with the reviewed items if wanted.

        `limit` bounds each kind: dead letters, hanging handlers, quarantined items, anomalies and
        overdue orders.
        """
        reviews = reviews_in(self._log)
        wanted: list[AttentionItem] = []
        for part in (
            self._dead_letters(),
            self._hung_handlers(rule.now),
            self._quarantine(),
            self._odd(),
            self._overdue(rule),
        ):
            found = (_reviewed(item, reviews) for item in part)
            unseen = (item for item in found if include_reviewed or item.review is None)
            wanted += islice(unseen, limit)
        return sorted(wanted, key=worst_first)

    def of_order(self, view: OrderView, rule: AttentionRule) -> list[AttentionItem]:
        """Return what needs attention about one order, reviewed items included."""
        reviews = reviews_in(self._log)
        found = [_anomaly(view)] if view.anomalies else []
        if rule.is_overdue(view, self._provider):
            found.append(_overdue(view, self._provider))
        return [_reviewed(item, reviews) for item in found]

    def unreviewed(
        self, pages: Iterable[list[OrderView]], log_at: LogTime | None
    ) -> Iterator[list[OrderView]]:
        """Yield the views of the orders whose anomalies were not reviewed up to a log time."""
        parts = self._log.partitions
        reviews = {each for part in parts for each in reviews_in(part, last_position(part, log_at))}
        for page in pages:
            yield [view for view in page if anomaly_of(view) not in reviews]

    def _dead_letters(self) -> Iterator[AttentionItem]:
        for each in undelivered(self._log.feeds):
            if each.state != "dead":
                continue  # a dead letter blocks it, and is listed itself
            name, position = each.subscription, each.position
            found = f"{name} did not deal with the change at position {position}"
            yield _item(
                "dead_letter",
                dead_letter_of(each),
                f"{found}: {each.reason}",
                order_id=each.order_id,
            )

    def _hung_handlers(self, now: datetime) -> Iterator[AttentionItem]:
        for each in hung_deliveries(self._log, now):
            found = f"{each.subscription} has not returned from the change at {each.position}"
            subject = hung_handler_of(each)
            yield _item("hung_handler", subject, found, order_id=each.order_id, since=each.due_at)

    def _quarantine(self) -> Iterator[AttentionItem]:
        for item in quarantine_items(
            self._log, self._links.with_current_reason, include_redriven=False
        ):
            yield _item(
                "linked_twice" if item.reason == "linked_twice" else "quarantined",
                quarantined_of(item.item),
                f"item {item.item}: {item.reason}: {item.detail}",
                provider=item.provider,
                order_id=item.order_id,
                since=item.recorded_at,
            )

    def _odd(self) -> Iterator[AttentionItem]:
        query = self._query(Conditions(anomalies=True))
        # The worst comes first, so that `limit` does not hide it.
        known = query.known_poisoned()
        if known is not None:
            yield _unreadable(known)
        try:
            for page in query.pages():
                yield from map(_anomaly, page)
        except PoisonedOrdersError as found:
            if known is None:
                yield _unreadable(found)

    def _overdue(self, rule: AttentionRule) -> Iterator[AttentionItem]:
        for view in self.views(self._waiting(rule)):
            if rule.is_overdue(view, self._provider):
                yield _overdue(view, self._provider)

    def views(self, wanted: Conditions) -> Iterator[OrderView]:
        """Yield the views of the orders that can be folded and for which the conditions hold."""
        with suppress(PoisonedOrdersError):
            for page in self._query(wanted).pages():
                yield from page

    def _query(self, wanted: Conditions) -> ViewQuery:
        return ViewQuery(self._log, self._fold_cache, self._provider, wanted)

    def _waiting(self, rule: AttentionRule) -> Conditions:
        return Conditions.of(
            status=None,
            waiting_longer_than=min(rule.overdue_after, NOT_CREATED_AFTER),
            now=rule.now,
            anomalies=False,
            received_since=None,
            received_before=None,
        )


def waits_for_others(view: OrderView) -> bool:
    """Tell whether an order waits for the provider, and not only for a correction of ours."""
    return not _OURS.issuperset(view.awaiting)


def reviews_in(log: Log, until: int | None = None) -> dict[str, Reviewed]:
    """Return the reviews in a log, up to a position, by subject."""
    entries = control_entries(log, until)
    return {each.subject: each for each in entries if isinstance(each, Reviewed)}


def unreviewed_feeds(log: Log, reviews: Container[str]) -> list[SubscriptionPosition]:
    """Return the subscriptions, without reviewed dead letters and what these block."""
    counts, reviewed = Counter[str](), set[tuple[str, str]]()
    for each in undelivered(log.feeds):
        order = each.subscription, each.order_id
        if each.state == "dead" and dead_letter_of(each) in reviews:
            reviewed.add(order)
        elif order not in reviewed:
            counts[each.subscription] += 1
    return [feed._replace(dead_letters=counts[feed.name]) for feed in log.feeds.positions()]


def hung_deliveries(log: Log, now: datetime) -> Iterator[Delivery]:
    """Yield the deliveries in progress for at least twice the handler's timeout."""
    for feed in log.feeds.positions():
        after = 0
        while page := log.feeds.due(feed.name, now, after, _PAGE):
            after = page[-1].position
            yield from (each for each in page if each.reader and (each.due_at or now) <= now)


def anomaly_of(view: OrderView) -> str:
    """Return the subject of an order's anomalies, as they are now."""
    return _subject("anomaly", view)


def dead_letter_of(delivery: Delivery) -> str:
    """Return the subject of a dead letter."""
    return f"dead_letter:{delivery.subscription}@{delivery.position}"


def hung_handler_of(delivery: Delivery) -> str:
    """Return the subject of a call that did not return; another attempt has another one."""
    return f"hung_handler:{delivery.subscription}@{delivery.position}.{delivery.attempts}"


def quarantined_of(item: int) -> str:
    """Return the subject of an item of the quarantine."""
    return f"quarantined:{item}"


def checked_span(overdue_after: object) -> timedelta:
    """Return how long an order may wait.

    Raises:
        InvalidArgumentError: it is not a timedelta.
    """
    if isinstance(overdue_after, timedelta):
        return overdue_after
    raise InvalidArgumentError("overdue_after", "a timedelta")


def checked_review(subject: str, by: object, why: object, at: datetime) -> Reviewed:
    """Return the review to append.

    Raises:
        InvalidArgumentError: `by` or `why` is empty or too long.
    """
    return Reviewed(subject, _text("by", by, MAX_BY), _text("why", why, MAX_WHY), at)


def _text(argument: str, text: object, most: int) -> str:
    if isinstance(text, str) and text.strip() and len(text) <= most:
        return text
    raise InvalidArgumentError(argument, f"text of 1 to {most} characters")


def _subject(kind: str, view: OrderView) -> str:
    return f"{kind}:{view.provider}:{view.order_id}@{view.arrival.version}"


def _item(kind: AttentionKind, subject: str, found: str, **more: Any) -> AttentionItem:
    told = {"provider": None, "order_id": None, "since": None, "advice": _ADVICE[kind]} | more
    return AttentionItem(kind=kind, subject=subject, found=found, **told)


def _anomaly(view: OrderView) -> AttentionItem:
    codes = ", ".join(dict.fromkeys(anomaly.code for anomaly in view.anomalies))
    since = view.arrival.last_received_at
    return _of_order("anomaly", view, f"{view.status}, with {codes}", since=since)


def _overdue(view: OrderView, provider: Provider) -> AttentionItem:
    found = f"{view.status}, waits for {', '.join(view.awaiting)}"
    advice = _ADVICE["overdue"]
    if _is_not_created(view, provider):
        advice = _RESEND if view.awaiting == ("resend",) else _NOT_CREATED
    return _of_order("overdue", view, found, since=view.arrival.waiting_since, advice=advice)


def _of_order(kind: AttentionKind, view: OrderView, found: str, **more: Any) -> AttentionItem:
    whose = {"provider": view.provider, "order_id": view.order_id}
    return _item(kind, _subject(kind, view), found, **whose, **more)


def _unreadable(poisoned: PoisonedOrdersError) -> AttentionItem:
    found = f"{poisoned.count} orders cannot be folded, as this one: {poisoned.found}"
    subject = f"unreadable:{poisoned.provider}:{poisoned.order_id}@{poisoned.count}"
    whose = {"provider": poisoned.provider, "order_id": poisoned.order_id}
    return _item("unreadable", subject, found, **whose)


def _is_not_created(view: OrderView, provider: Provider) -> bool:
    definition = provider.definition
    return definition.rank(view.status) < definition.birth_rank


def _reviewed(item: AttentionItem, reviews: Mapping[str, Reviewed]) -> AttentionItem:
    review = reviews.get(item.subject)
    if review is None:
        return item
    dealt_with = Review(by=review.by, why=review.why, at=review.reviewed_at)
    return item.model_copy(update={"review": dealt_with})


def worst_first(item: AttentionItem) -> tuple[int, bool, float]:
    """Return the sort key of an item: worst kind first, then oldest first, then as found."""
    since = 0.0 if item.since is None else item.since.timestamp()
    return _WORST[item.kind], item.since is None, since
