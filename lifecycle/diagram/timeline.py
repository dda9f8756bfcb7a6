"""One order as a timeline for a terminal: what happened, when we heard, what it meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from lifecycle.core.view import HistoryEntry, OrderView
from lifecycle.diagram.moments import Moment, late_events, moments, said_of
from lifecycle.diagram.paint import Ink, Line, Span, printed, sentence, wrapped
from lifecycle.diagram.rows import Rows
from lifecycle.diagram.strokes import ASCII, UNICODE, Strokes

NARROWEST: Final = 40
"""In a narrower terminal a timeline is laid out for this many columns."""


def timeline(
    view: OrderView,
    history: Sequence[HistoryEntry],
    *,
    width: int = 80,
    ascii_only: bool = False,
    color: bool = False,
    full: bool = False,
) -> str:
    """Return one order's timeline as lines of at most `width` cells, in canonical order.

    Whatever the order's id and names hold shows as harmless text.

    Args:
        view: of the order.
        history: of the same order, as `fold.history` gives it.
        width: of the terminal; from 72 on each event takes one line.
        ascii_only: draw with ASCII alone.
        color: add ANSI colors; the text stays the same.
        full: show every event by itself with its reason, instead of gathering quiet ones.
    """
    strokes = ASCII if ascii_only else UNICODE
    width = max(width, NARROWEST)
    told = moments(view, history, full=full)
    rows = Rows(told, width, strokes, terminal=view.terminal)
    lines = [
        *_head(view, len(late_events(history)), width, strokes),
        (),
        *rows.lines(),
        (),
        *_foot(view, width, strokes),
        *_legend(told, width),
    ]
    return printed(lines, color=color)


def _head(view: OrderView, late: int, width: int, strokes: Strokes) -> Iterator[Line]:
    title = ("Order", strokes.text(view.order_id), "is", strokes.text(view.status))
    yield from wrapped((Span(word, Ink.STRONG) for word in title), width)
    facts = (
        strokes.text(view.provider),
        _counted(view.events, "event", "events"),
        _counted(len(view.path), "step", "steps"),
        f"attempt {view.attempt}" if view.attempt > 1 else "",
        f"{late} late" if late else "",
        _counted(len(view.anomalies), "anomaly", "anomalies") if view.anomalies else "",
        f"definition {view.definition[:8]}",
    )
    spans = (Span(fact, Ink.FAINT) for fact in facts if fact)
    yield from wrapped(spans, width, gap=strokes.joint)


def _foot(view: OrderView, width: int, strokes: Strokes) -> Iterator[Line]:
    """Yield what is awaited, what never came, and what went wrong."""
    said = [(f"error {strokes.text(said_of(error))}", Ink.WRONG) for error in view.errors]
    if view.missing:
        said.append((f"never seen: {strokes.text(', '.join(view.missing))}", Ink.ODD))
    if view.awaiting:
        said.append((f"waiting for: {strokes.text(', '.join(view.awaiting))}", Ink.PLAIN))
    for text, ink in said:
        yield from wrapped(sentence(text, ink), width)


def _legend(told: Sequence[Moment], width: int) -> Iterator[Line]:
    if any(moment.ours for moment in told):
        words = sentence("~ by our clock: the event tells no time", Ink.FAINT)
        yield from wrapped(words, width)
    if any(moment.lag is not None for moment in told):
        words = sentence("e.g. #2 +9s: the second to arrive, 9 s after it occurred", Ink.FAINT)
        yield from wrapped(words, width)


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
