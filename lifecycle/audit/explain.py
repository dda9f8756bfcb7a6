"""The story of one order in plain sentences, with both clocks: as text, Markdown and HTML.

    view, history, what was delivered ─→ Story ─→ text / markdown / html

It says what happened, when it was known, what each event changed or why not, what subscribers
were told, what is missing and what is suspicious. Whatever others wrote shows as harmless text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from lifecycle.core.instant import format_instant
from lifecycle.core.view import HistoryEntry, OrderView
from lifecycle.diagram.clock import lasting
from lifecycle.diagram.harmless import harmless, spoken
from lifecycle.diagram.moments import MOVES, Moment, Order, order_of, said_of
from lifecycle.diagram.wording import counted, reasons_of, title_of
from lifecycle.log.feed_store import DELIVERED, Delivery, DeliveryRecord

_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]()<>#+!|~&-])")
_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>body{{font:16px/1.5 sans-serif;max-width:50em;margin:2em auto;padding:0 1em}}</style>
{body}
</html>
"""


class Chapter(NamedTuple):
    """Some sentences under a heading; in the order of time where they are `numbered`."""

    heading: str
    sentences: tuple[str, ...]
    numbered: bool = False


class Story(NamedTuple):
    """What is to be told of an order, the same in every form."""

    title: str
    chapters: tuple[Chapter, ...]

    def text(self) -> str:
        """Return it as plain text."""
        return "\n".join(self._lines("{}", "\n{}", str)) + "\n"

    def markdown(self) -> str:
        """Return it as Markdown; nothing that others wrote is taken for markup."""
        return "\n".join(self._lines("# {}", "\n## {}\n", _in_markdown)) + "\n"

    def html(self) -> str:
        """Return it as a page of its own that loads nothing."""
        parts = [f"<h1>{html.escape(self.title)}</h1>"]
        for chapter in self.chapters:
            kind = "ol" if chapter.numbered else "ul"
            items = "\n".join(f"<li>{html.escape(each)}</li>" for each in chapter.sentences)
            parts.append(f"<h2>{html.escape(chapter.heading)}</h2>\n<{kind}>\n{items}\n</{kind}>")
        return _PAGE.format(title=html.escape(self.title), body="\n".join(parts))

    def _lines(self, title: str, heading: str, write: Callable[[str], str]) -> Iterator[str]:
        yield title.format(write(self.title))
        for chapter in self.chapters:
            yield heading.format(write(chapter.heading))
            for number, sentence in enumerate(chapter.sentences, 1):
                mark = f"{number}." if chapter.numbered else "-"
                yield f"{mark} {write(sentence)}"


def explain_order(
    view: OrderView,
    history: Sequence[HistoryEntry],
    delivered: Iterable[DeliveryRecord] = (),
    undelivered: Iterable[Delivery] = (),
    *,
    until: datetime | None = None,
) -> Story:
    """Return the story of an order.

    Args:
        view: of the order.
        history: of the same order and the same time.
        delivered: what was delivered of it, and to whom.
        undelivered: what was not.
        until: leaves out what was delivered later.
    """
    order = order_of(view, history)
    positions = {entry.position for entry in history}
    told = [each for each in delivered if each.position in positions]
    told = [each for each in told if until is None or each.at <= until]
    waiting = [each for each in undelivered if each.position in positions]
    return Story(
        title_of(order),
        (
            Chapter("In short", tuple(_in_short(view))),
            Chapter("What happened", tuple(map(_happened, order.moments)), numbered=True),
            Chapter("What subscribers were told", tuple(_told(told, waiting))),
            Chapter("What is missing", tuple(_missing(view)) or ("Nothing is missing.",)),
            Chapter("What is suspicious", tuple(_suspicious(order)) or ("Nothing is suspicious.",)),
        ),
    )


def _in_markdown(text: str) -> str:
    """Return text in which nothing is markup."""
    return _MARKDOWN.sub(r"\\\1", text)


def _in_short(view: OrderView) -> Iterator[str]:
    ended = "has ended" if view.terminal else "goes on"
    yield (
        f"Order {harmless(view.order_id)} of {harmless(view.provider)} stands at "
        f"{spoken(view.status)} and {ended}, by {counted(view.events, 'event')}."
    )
    yield from (f"The provider gave a {reason}." for reason in reasons_of(view))
    yield (
        "Times are UTC. An event occurred by the provider's clock and was received by ours, as "
        "whoever recorded it said; it was recorded by the log's own clock."
    )


def _happened(moment: Moment) -> str:
    entry = moment.entry
    when = f"At {format_instant(moment.at)}"
    lag = "" if moment.lag is None else f" ({_apart(moment)})"
    occurred = f"{when}, by our clock (the event names no time)" if moment.ours else f"{when}"
    changed = f"{_changed(entry)}: {harmless(entry.reason)}"
    stayed = f" It stayed there {moment.stay}." if moment.stay else ""
    return (
        f"{occurred}: {entry.kind} {spoken(entry.name)}. {changed}.{stayed} It was received at "
        f"{format_instant(entry.received_at)}{lag}{_recorded(entry)}."
    )


def _apart(moment: Moment) -> str:
    lag = moment.entry.received_at - moment.at
    return f"{lasting(-lag)} before it occurred" if lag.days < 0 else f"{lasting(lag)} later"


def _changed(entry: HistoryEntry) -> str:
    if entry.verdict in MOVES:
        before = spoken(entry.from_) if entry.from_ else "the start"
        return f"It took the order from {before} to {spoken(entry.to or '')}"
    return f"It did not move the order ({entry.verdict.value})"


def _recorded(entry: HistoryEntry) -> str:
    if entry.recorded_at is None:
        return ""
    how = f", {entry.recording}" if entry.recording else ""
    return f" and recorded at {format_instant(entry.recorded_at)}{how}, position {entry.position}"


def _told(delivered: Sequence[DeliveryRecord], undelivered: Sequence[Delivery]) -> Iterator[str]:
    for each in delivered:
        name, at = harmless(each.subscription), format_instant(each.at)
        calls = counted(each.attempts, "attempt")
        if each.outcome == DELIVERED:
            yield f"{name} was told of position {each.position} at {at}, in {calls}."
        else:
            why = harmless(each.reason)
            yield f"{name} was never told of position {each.position}: dropped at {at} ({why})."
    for waiting in undelivered:
        name, calls = harmless(waiting.subscription), counted(waiting.attempts, "attempt")
        state = f"{waiting.state}, after {calls}" if waiting.attempts else waiting.state
        yield f"{name} was not told of position {waiting.position}: its delivery is {state}."
    if not delivered and not undelivered:
        yield "No subscription noted that it was told of this order."


def _missing(view: OrderView) -> Iterator[str]:
    for state in view.missing:
        yield f"No event about {spoken(state)} ever came, though the order got further."
    if view.awaiting:
        expected = ", ".join(map(spoken, view.awaiting))
        since = format_instant(view.arrival.waiting_since)
        yield f"Awaited next, since {since}: {expected}."


def _suspicious(order: Order) -> Iterator[str]:
    view = order.view
    for error in view.errors:
        yield f"The newest attempt that failed has an error {harmless(said_of(error))}."
    for anomaly in view.anomalies:
        yield f"{anomaly.code}, {harmless(', '.join(anomaly.events))}: {harmless(anomaly.detail)}."
    for moment in order.moments:
        entry, name = moment.entry, spoken(moment.entry.name)
        if entry.recording == "delayed" and entry.recorded_at is not None:
            delay = lasting(entry.recorded_at - entry.received_at)
            claim = f"recorded {delay} after it claims to have come"
            yield f"Event {moment.number} ({name}) was {claim}."
        if moment.late:
            yield f"Event {moment.number} ({name}) came after an event that it precedes."
