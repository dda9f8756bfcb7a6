"""The story of one order in plain sentences, with both clocks: as text, Markdown and HTML.

    view, history, what was delivered ─→ Story ─→ text / markdown / html

It says what happened, when it was known, what each event changed or why it changed nothing, what
subscribers were told, what is missing and what is suspicious. Text from outside is shown harmless.
Times are UTC, to the second; a history has them exactly.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from lifecycle.core.event import ACCEPTED, FAILED, POLL_FAILED, REJECTED, REQUESTED, RESUBMITTED
from lifecycle.core.view import HistoryEntry, OrderError, OrderView, Verdict
from lifecycle.diagram.clock import clock, date, lasting
from lifecycle.diagram.harmless import harmless, spoken
from lifecycle.diagram.moments import Moment, Order, order_of
from lifecycle.diagram.wording import counted, ranges, reasons_of, title_of
from lifecycle.log.feed_store import DELIVERED, Delivery, DeliveryRecord

_AT_ONCE: Final = timedelta(seconds=1)
_WHY_NOT: Final[Mapping[str, str]] = {
    "dead": "the message failed",
    "blocked": "the message waits behind one that failed",
    "retrying": "the message is sent again by itself",
    "in progress": "the message is being sent",
}
"""What became of a change that was not delivered, by the state of its delivery."""
_OURS: Final[Mapping[str, str]] = {
    REQUESTED: "we sent the create request",
    RESUBMITTED: "we sent the create request again, as a further attempt",
    ACCEPTED: "the provider accepted the create request",
    REJECTED: "the provider rejected the create request",
    FAILED: "the create request failed",
    POLL_FAILED: "we asked the provider for the order, and learned nothing",
}
_ASKED: Final = "_requested"
_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]()<>#+!|~&-])")
_NOTHING_ODD: Final = "The reports do not contradict each other."
_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
body{{font:16px/1.5 sans-serif;max-width:50em;margin:2em auto;padding:0 1em}}
li{{margin:.4em 0}}
</style>
{body}
</html>
"""


class Chapter(NamedTuple):
    """Sentences under a heading; in the order of time if `numbered`."""

    heading: str
    sentences: tuple[str, ...]
    numbered: bool = False


class Story(NamedTuple):
    """The story of one order, the same in every form."""

    title: str
    chapters: tuple[Chapter, ...]

    def text(self) -> str:
        """Return the story as plain text."""
        return "\n".join(self._lines("{}", "\n{}", str)) + "\n"

    def markdown(self) -> str:
        """Return the story as Markdown; text from outside is escaped."""
        return "\n".join(self._lines("# {}", "\n## {}\n", _in_markdown)) + "\n"

    def html(self) -> str:
        """Return the story as one HTML page that loads nothing else."""
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
        view: that of the order.
        history: that of the same order at the same time.
        delivered: the deliveries of its changes to subscriptions.
        undelivered: its changes that are not delivered yet.
        until: leaves out later deliveries.
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
            Chapter("What happened", tuple(map(about_event, order.moments)), numbered=True),
            Chapter("What subscribers were told", tuple(about_deliveries(order, told, waiting))),
            Chapter("What is missing", tuple(about_missing(view)) or ("No step is missing.",)),
            Chapter("What is suspicious", tuple(about_suspicions(order)) or (_NOTHING_ODD,)),
        ),
    )


def _in_markdown(text: str) -> str:
    """Return text with its markup escaped."""
    return _MARKDOWN.sub(r"\\\1", text)


def _in_short(view: OrderView) -> Iterator[str]:
    ended = "and has ended" if view.terminal else "and goes on"
    yield (
        f"Order {harmless(view.order_id)} of {harmless(view.provider)} stands at "
        f'"{spoken(view.status)}" {ended}, after {counted(view.events, "event")}.'
    )
    yield from (f"The provider gave a {reason}." for reason in reasons_of(view))
    yield (
        "All times are UTC. An event has the time that the provider gives it, or else the time "
        "when it came. The service that recorded it said when it came; the log's own clock says "
        "when it was recorded. Events stand in the order in which they count, whenever they came."
    )


def at(time: datetime, beside: datetime | None = None) -> str:
    """Return a time for a story, without the day if that is the day of `beside`."""
    is_same = beside is not None and date(time) == date(beside)
    return clock(time) if is_same else f"{date(time)} {clock(time)}"


def about_event(moment: Moment) -> str:
    """Return sentences on one event: what it was, what it changed, and when it was known."""
    sentences = [f"{at(moment.at)}: {_came(moment)}.", _changed(moment), *_known(moment)]
    return " ".join(sentences)


def about_deliveries(
    order: Order, delivered: Sequence[DeliveryRecord], undelivered: Sequence[Delivery]
) -> Iterator[str]:
    """Yield a sentence for each change that a subscription was told of, or was not."""
    events = {moment.entry.position: _named(moment) for moment in order.moments}
    for each in delivered:
        name, about = harmless(each.subscription), events[each.position]
        if each.outcome == DELIVERED:
            attempts = f", at attempt {each.attempts}" if each.attempts > 1 else ""
            yield f"{name} was told of {about} at {at(each.at)}{attempts}."
        else:
            why = f": {harmless(each.reason)}" if each.reason else ""
            yield f"{name} was never told of {about}: a person dropped it at {at(each.at)}{why}."
    for waiting in undelivered:
        name, about = harmless(waiting.subscription), events[waiting.position]
        tried = f" after {counted(waiting.attempts, 'attempt')}" if waiting.attempts else ""
        yield f"{name} was not told of {about}: {_WHY_NOT[waiting.state]}{tried}."
    if not delivered and not undelivered:
        yield "There is no record that a subscriber was told of this order."


def about_missing(view: OrderView) -> Iterator[str]:
    """Yield a sentence for each step that was not reported, and for what the order waits for."""
    for state in view.missing:
        yield f'No event about "{spoken(state)}" is known, though the order got further.'
    if view.awaiting:
        expected = " or ".join(f'"{spoken(each)}"' for each in view.awaiting)
        yield f"Next we wait for {expected}, since {at(view.arrival.waiting_since)}."


def about_suspicions(order: Order) -> Iterator[str]:
    """Yield a sentence for each error, each anomaly, and each event that was known late."""
    yield from map(_said_by, order.view.errors)
    for anomaly in order.view.anomalies:
        numbers = [each.number for each in order.moments if each.entry.key in anomaly.events]
        events = f"{'Event' if len(numbers) == 1 else 'Events'} {ranges(numbers)}"
        yield f"{events}, {spoken(anomaly.code)}: {harmless(anomaly.detail)}."
    for moment in order.moments:
        entry, event = moment.entry, _named(moment)
        if entry.recording == "delayed" and entry.recorded_at is not None:
            delay = lasting(entry.recorded_at - entry.received_at)
            yield f"{_capitalized(event)} was recorded {delay} after it is said to have come."
        if moment.late:
            known = f"before {at(entry.received_at)} nobody here knew it"
            yield f"{_capitalized(event)} came after later ones: {known}."


def _named(moment: Moment) -> str:
    return f"event {moment.number} ({spoken(moment.entry.name)})"


def _came(moment: Moment) -> str:
    """Return who did what."""
    entry, said = moment.entry, f'"{spoken(moment.entry.name)}"'
    if entry.name in _OURS and entry.kind != "callback":
        return _OURS[entry.name]
    if entry.kind == "request":
        return f"we sent a request to {spoken(entry.name.removesuffix(_ASKED))}"
    if entry.kind == "poll":
        return f"we asked the provider for the order, and it said {said}"
    undated = ", in a message that tells no time" if moment.ours else ""
    return f"the provider reported {said}{undated}"


def _changed(moment: Moment) -> str:
    entry = moment.entry
    to, before = spoken(entry.to or ""), spoken(entry.from_ or "")
    match entry.verdict:
        case Verdict.APPLIED if entry.from_ is None:
            return f'The order began at "{to}".{_stayed(moment)}'
        case Verdict.APPLIED:
            return f'The order went from "{before}" to "{to}".{_stayed(moment)}'
        case Verdict.SKIPPED_AHEAD if entry.from_ is None:
            return f'The order is first seen at "{to}".{_stayed(moment)}'
        case Verdict.SKIPPED_AHEAD:
            told = f'The order went ahead from "{before}" to "{to}".{_stayed(moment)}'
            return f"{told} What lies between was not reported, or not in this order."
        case Verdict.REVERTED:
            return f'The order went back from "{before}" to "{to}", as it may.{_stayed(moment)}'
        case Verdict.REFUSED:
            return f"It was refused. {_capitalized(harmless(entry.reason))}."
    return f"It did not move the order. {_capitalized(harmless(entry.reason))}."


def _stayed(moment: Moment) -> str:
    if not moment.stay:
        return ""
    return f" It stayed there for {'about ' if moment.about else ''}{moment.stay.lstrip('~')}."


def _capitalized(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _known(moment: Moment) -> Iterator[str]:
    """Yield when the event reached us, and when the log recorded it."""
    entry = moment.entry
    if moment.lag is not None:
        yield f"It reached us {_apart(moment.lag, moment.at, entry.received_at)}."
    if entry.recorded_at is not None:
        yield f"The log recorded it {_recorded(entry, entry.recorded_at)}."


def _apart(lag: timedelta, occurred_at: datetime, received_at: datetime) -> str:
    came = f"at {at(received_at, occurred_at)}"
    if abs(lag) < _AT_ONCE:
        return "at once"
    if lag < timedelta():
        return f"{came} by our clock, {lasting(-lag)} before it occurred by the provider's"
    return f"{came}, {lasting(lag)} later"


def _recorded(entry: HistoryEntry, recorded_at: datetime) -> str:
    place = f"as position {entry.position}"
    if entry.recording == "replayed":
        return f"from a recording at {at(recorded_at, entry.received_at)}, {place}"
    if abs(recorded_at - entry.received_at) < _AT_ONCE:
        return f"at once, {place}"
    delayed = " (delayed)" if entry.recording == "delayed" else ""
    return f"at {at(recorded_at, entry.received_at)}{delayed}, {place}"


def _said_by(error: OrderError) -> str:
    """Return a sentence on an error of the newest failed attempt."""
    told = [
        f"HTTP {error.http_status}" if error.http_status is not None else "no answer came",
        f"code {error.code}" if error.code is not None else "",
        f"about {error.key}" if error.key is not None else "",
    ]
    why = harmless(", ".join(part for part in told if part))
    todo = ", which can be corrected" if error.correctable else ""
    said = f' The provider said: "{harmless(error.message)}".' if error.message else ""
    return f"An error of the last attempt that failed{todo}: {why}.{said}"
