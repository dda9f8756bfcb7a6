"""The story of one order in plain sentences, with both clocks: as text, Markdown and HTML.

    view, history, what was delivered ─→ Story ─→ text / markdown / html

It says what happened, when it was known, what each event changed or why it changed nothing, what
subscribers were told, what is missing and what is suspicious. Text from outside is shown harmless.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from lifecycle.audit.sentence import (
    about_deliveries,
    about_event,
    about_missing,
    about_suspicions,
)
from lifecycle.core.view import HistoryEntry, OrderView
from lifecycle.diagram.harmless import harmless, spoken
from lifecycle.diagram.moments import order_of
from lifecycle.diagram.wording import counted, reasons_of, title_of
from lifecycle.log.feed_store import Delivery, DeliveryRecord

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
