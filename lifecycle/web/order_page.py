"""The page of one order, now or at an earlier version: status, path, events, story."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final, NamedTuple

from lifecycle.audit.explain import Story, explain_order
from lifecycle.core.event import Event
from lifecycle.core.view import HistoryEntry, OrderView
from lifecycle.diagram.harmless import spoken
from lifecycle.diagram.moments import Moment, order_of, said_of
from lifecycle.diagram.picture import seen_at_once
from lifecycle.diagram.wording import meaning, reasons_of, remarks
from lifecycle.errors import UnknownOrderError
from lifecycle.log.feed_store import DELIVERED, Delivery, DeliveryRecord
from lifecycle.service.orders import Orders
from lifecycle.web.answers import TEMPLATES, Page, Table
from lifecycle.web.attention_page import CODE_LABELS
from lifecycle.web.log_source import LogSource, OrderName, StoredEvent
from lifecycle.web.personal_fields import ShownBody, harmless_fields, masked_headers, shown_body

_HEADINGS: Final = (
    *("number", "name", "kind", "verdict", "reason", "from", "to", "occurred_at"),
    *("received_at", "recorded_at", "position", "key", "sha256"),
)
LATE: Final = timedelta(minutes=5)
"""From which delay on the page says how late an order was heard of."""

KINDS: Final[Mapping[str, str]] = {
    "request": "sent by us",
    "response": "the provider's answer",
    "callback": "told by the provider",
    "poll": "asked by us",
}
"""What each kind of event is, for readers to whom a callback is a telephone call."""

TEMPLATES.globals["kinds"] = KINDS

_NAMED: Final = {
    "status": "state",
    "terminal": "ended",
    "awaiting": "waits for",
    "missing": "no word came of",
}
_NOT_COMPARED: Final = frozenset({"digest", "arrival", "definition", "order_id", "provider"})


class Shown(NamedTuple):
    """One event as the page shows it; `stored` is None if its record cannot be read."""

    moment: Moment
    stored: Event | None
    body: ShownBody | None
    headers: dict[str, str]

    @property
    def entry(self) -> HistoryEntry:
        """The row of the history for this event."""
        return self.moment.entry

    @property
    def means(self) -> str:
        """The verdict in a few words."""
        verdict, colon, reason = meaning(self.moment).partition(":")
        return CODE_LABELS.get(verdict, verdict).lower() + colon + reason

    @property
    def remarks(self) -> tuple[str, ...]:
        """Remarks on the event, beside its verdict."""
        return remarks(self.moment)

    def told(self) -> dict[str, Any]:
        """Return the event as JSON values."""
        body = self.body
        return {
            "number": self.moment.number,
            **self.entry.model_dump(mode="json"),
            "late": self.moment.late,
            "headers": self.headers,
            "body": None if body is None else body.text,
            "masked": body is not None and body.is_masked,
            "cut": body is not None and body.is_cut,
            "size": None if body is None else body.size,
        }


class Change(NamedTuple):
    """One field of the view that has changed since the version shown."""

    what: str
    then: str
    now: str


class OrderAt:
    """One order, now or as the log held it after its first `version` events.

    Raises:
        UnknownOrderError: nothing is stored about the order.
    """

    def __init__(self, source: LogSource, name: OrderName, version: int | None) -> None:
        self.name = name
        self.orders: Orders = source.orders_of(name.provider)
        self.stored: list[StoredEvent] = list(source.events(name))
        if not self.stored:
            raise UnknownOrderError(*name)
        self.last: int = len(self.stored)
        self.version: int = self.last if version is None else min(max(version, 1), self.last)
        self.is_back: bool = self.version < self.last
        self.position: int = self.stored[self.version - 1].position
        until = self.position if self.is_back else None
        self.view, self.history = seen_at_once(self.orders, name.order_id, log_at=until)

    @property
    def at(self) -> datetime | None:
        """When the last event of this version was recorded, by the log's clock."""
        event = self.stored[self.version - 1].event
        return None if event is None else event.recorded_at

    @cached_property
    def now(self) -> OrderView:
        """The order as it is now."""
        return self.orders.get(self.name.order_id) if self.is_back else self.view

    @cached_property
    def delivered(self) -> tuple[DeliveryRecord, ...]:
        """The deliveries of its changes to subscriptions."""
        return tuple(self.orders.letters.delivered(self.name.order_id))

    @cached_property
    def undelivered(self) -> tuple[Delivery, ...]:
        """Its changes that are not delivered yet."""
        return tuple(self.orders.letters.of_order(self.name.order_id))

    @cached_property
    def story(self) -> Story:
        """The story of the order in sentences."""
        until = self.at if self.is_back else None
        return explain_order(self.view, self.history, self.delivered, self.undelivered, until=until)

    def shown(self, *, masked: bool) -> list[Shown]:
        """Return the events in canonical order."""
        fields = harmless_fields(self.orders.provider.definition.details)
        by_position = {each.position: each.event for each in self.stored}
        return [
            _shown(moment, by_position.get(moment.entry.position or 0), fields, masked=masked)
            for moment in order_of(self.view, self.history).moments
        ]

    def changes(self) -> list[Change]:
        """Return the fields that have changed since this version."""
        then, now = (view.model_dump(mode="json") for view in (self.view, self.now))
        return [
            Change(_NAMED.get(name, spoken(name)), _said(then[name]), _said(now[name]))
            for name in then
            if name not in _NOT_COMPARED and then[name] != now[name]
        ]


def order_page(
    source: LogSource, order: OrderAt, *, masked: bool = True, signs: bool = False
) -> Page:
    """Return the page of an order; `signs`: evidence of it can be had."""
    events, view = order.shown(masked=masked), order.view
    attention = source.attention_of(order.now)
    changes = order.changes() if order.is_back else []
    shown = {
        "order": order,
        "view": view,
        "events": events,
        "details": [*_details(view.details.model_dump(mode="json"))],
        "errors": [said_of(error) for error in view.errors],
        "changes": changes,
        "story": order.story,
        "attention": attention,
        "numbers": _numbers(events),
        "told_of": told_of(order),
        "reasons": [*reasons_of(view)],
        "delay": _delay(events),
        "erasure": source.erasure_of(order.name) if view.erased else None,
        "is_masked": masked,
        "signs": signs,
    }
    told = {
        "view": view.model_dump(mode="json"),
        "version": order.version,
        "versions": order.last,
        "position": order.position,
        "changes_since": [change._asdict() for change in changes],
        "attention": attention,
        "events": [event.told() for event in events],
        "delivered": [each.as_json() for each in order.delivered],
        "undelivered": [each.as_json() for each in order.undelivered],
        "story": [chapter._asdict() for chapter in order.story.chapters],
    }
    rows = ([event.told()[name] for name in _HEADINGS] for event in events)
    provider, order_id = order.name
    live = f"{provider}/{order_id}" if masked and not order.is_back else ""
    return Page("order.html", order_id, shown, told, Table(_HEADINGS, rows), live=live)


def _delay(events: Iterable[Shown]) -> timedelta | None:
    lags = (event.moment.lag for event in events)
    return max((lag for lag in lags if lag is not None and lag >= LATE), default=None)


def _numbers(events: Iterable[Shown]) -> dict[str, list[int]]:
    numbers: dict[str, list[int]] = {}
    for event in events:
        numbers.setdefault(event.entry.key, []).append(event.moment.number)
    return numbers


def told_of(order: OrderAt) -> list[tuple[str, int, int]]:
    """Return of each subscription how many changes it was told of, and how many it was not."""
    told = Counter(each.subscription for each in order.delivered if each.outcome == DELIVERED)
    untold = Counter(each.subscription for each in order.undelivered)
    return [(name, told[name], untold[name]) for name in sorted({*told, *untold})]


def _shown(moment: Moment, event: Event | None, fields: frozenset[str], *, masked: bool) -> Shown:
    if event is None or event.erased:
        return Shown(moment, event, None, {})
    headers = masked_headers(event.headers) if masked else dict(event.headers)
    return Shown(moment, event, shown_body(event.body, fields, masked=masked), headers)


def _details(details: dict[str, Any], of: str = "") -> Iterator[tuple[str, str]]:
    """Yield what the provider told, by names as people read them; what nobody said is left out."""
    for name, value in details.items():
        if isinstance(value, dict):
            yield from _details(value, f"{of}{spoken(name)}: ")
        elif value is not None:
            yield f"{of}{spoken(name)}", _said(value)


def _said(value: Any) -> str:
    """Return a value of a view in a few words."""
    match value:
        case None | [] | ():
            return "\N{EN DASH}"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(_part(each) for each in value)
        case dict():
            return ", ".join(f"{name}: {_said(inner)}" for name, inner in value.items())
    return spoken(value) if isinstance(value, str) else str(value)


def _part(value: Any) -> str:
    if not isinstance(value, dict):
        return spoken(str(value))
    named: Iterable[str] = ("status", "name", "code", "message")
    return next((spoken(str(value[name])) for name in named if value.get(name)), "1")
