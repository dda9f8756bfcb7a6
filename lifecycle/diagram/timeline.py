"""One order as a timeline for a terminal: what happened, when we heard, what it meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from lifecycle.core.view import HistoryEntry, OrderView, Verdict
from lifecycle.diagram.clock import clock, date, signed
from lifecycle.diagram.harmless import cells
from lifecycle.diagram.moments import Moment, moments, said_of
from lifecycle.diagram.paint import (
    ASCII,
    INKS,
    UNICODE,
    Ink,
    Line,
    Span,
    Strokes,
    padded,
    printed,
    sentence,
    wrapped,
)
from lifecycle.diagram.wording import counted
from lifecycle.projections.rates import late_events

NARROWEST: Final = 40
"""In a narrower terminal a timeline is laid out for this many columns."""

_ONE_LINE_EACH: Final = 72
_TIME: Final = len("~10:00:00 ")
_STAY: Final = len("~12m04s")
_NARROWEST_MIDDLE: Final = max(len(verdict) for verdict in Verdict)
_GAP: Final = "  "
_FEWEST_BAR: Final = 6
_WIDEST_NAME: Final = 36


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
        full: show every event by itself with its reason; else several quiet ones share a line.
    """
    strokes = ASCII if ascii_only else UNICODE
    width = max(width, NARROWEST)
    told = moments(view, history, full=full)
    rows = _Rows(told, width, strokes, terminal=view.terminal)
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
        counted(view.events, "event"),
        counted(len(view.path), "step"),
        f"attempt {view.attempt}" if view.attempt > 1 else "",
        f"{late} late" if late else "",
        counted(len(view.anomalies), "anomaly", "anomalies") if view.anomalies else "",
        f"definition {view.definition[:8]}",
    )
    spans = (Span(fact, Ink.FAINT) for fact in facts if fact)
    yield from wrapped(spans, width, gap=strokes.joint)


def _foot(view: OrderView, width: int, strokes: Strokes) -> Iterator[Line]:
    """Yield what is awaited, what never came, and what went wrong."""
    said = [("erased: only what headers say is known", Ink.ODD)] if view.erased else []
    said += [(f"error {strokes.text(said_of(error))}", Ink.WRONG) for error in view.errors]
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


class _Rows:
    """Lays out moments for one width.

    In a wide terminal each takes one line of four columns: time, state or event, how long
    the order stayed or what the event meant, and when we heard. In a narrow one the last
    two stand on a line of their own. Remarks follow on further lines.
    """

    def __init__(
        self, told: Sequence[Moment], width: int, strokes: Strokes, *, terminal: bool
    ) -> None:
        self._told, self._width, self._strokes = told, width, strokes
        self._terminal = terminal
        self._now = next((moment for moment in reversed(told) if moment.moves), None)
        self._wide = width >= _ONE_LINE_EACH
        arrivals = (self._arrival(moment).text for moment in told)
        self._heard = max(map(cells, ("arrived", *arrivals)))
        self._names = self._width_of_names()
        self._middle = width - _TIME - self._names - self._heard - 2 * len(_GAP)
        self._start, self._end = self._span()

    def lines(self) -> Iterator[Line]:
        """Yield every row, with a rule before each day and before the divergent evidence."""
        if self._wide and self._told:
            yield self._titles()
        day, evidence = None, False
        for moment in self._told:
            if moment.verdict is Verdict.DIVERGENT and not evidence:
                evidence = True
                yield self._rule("further contents, not counted")
            if date(moment.at) != day:
                day = date(moment.at)
                yield self._rule(f"{day} UTC")
            yield from self._row(moment)

    def _width_of_names(self) -> int:
        if not self._wide:
            return self._width - _TIME
        named = ((cells(self._strokes.text(m.name)), 2 if m.moves else 4) for m in self._told)
        longest = max((sum(widths) for widths in named), default=0)
        room = self._width - _TIME - self._heard - _NARROWEST_MIDDLE - 2 * len(_GAP)
        return max(min(longest, _WIDEST_NAME, room), len("state"))

    def _span(self) -> tuple[datetime, datetime]:
        """Return what the bars span: from the first step to the end, or to the last event."""
        steps = [moment.at for moment in self._told if moment.moves]
        if not steps:
            return datetime.min.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)
        others = [] if self._terminal else [moment.until or moment.at for moment in self._told]
        return steps[0], max(*steps, *others, steps[0])

    def _titles(self) -> Line:
        titles = (
            padded(" time", _TIME),
            padded("state", self._names),
            _GAP,
            padded("stayed".rjust(_STAY), self._middle),
            _GAP,
            "arrived",
        )
        return (Span("".join(titles), Ink.FAINT),)

    def _rule(self, title: str) -> Line:
        rule = self._strokes.rule
        start = f"{rule * 2} {self._strokes.cut(title, self._width - 6)} "
        return (Span(start + rule * (self._width - cells(start)), Ink.FAINT),)

    def _row(self, moment: Moment) -> Iterator[Line]:
        tree = self._tree(moment)
        indent = sum(len(span.text) for span in tree)
        name = self._strokes.cut(self._strokes.text(moment.name), self._names - indent)
        time = f"{'~' if moment.ours else ' '}{clock(moment.at)}"
        start = (Span(padded(time, _TIME), Ink.FAINT), *tree)
        room = self._width - _TIME - indent
        below = Span(" " * _TIME + padded(self._rail(moment), indent), Ink.FAINT)
        if self._wide:
            filled = Span(padded(name, self._names - indent), self._ink(moment))
            yield (*start, filled, *self._columns(moment))
        else:
            yield (*start, Span(name, self._ink(moment)))
            facts = (fact for fact in self._facts(moment) if fact.text)
            yield from ((below, *line) for line in wrapped(facts, room, gap=self._strokes.joint))
        for remark in moment.remarks:
            words = sentence(self._strokes.remark(remark), INKS[moment.verdict])
            yield from ((below, *line) for line in wrapped(words, room))

    def _tree(self, moment: Moment) -> Line:
        """Return what leads to a name: the mark of a state, or a branch to the mark of another."""
        strokes = self._strokes
        mark = Span(f"{self._mark(moment)} ", self._ink(moment))
        if moment.moves:
            return (mark,)
        start = strokes.beyond if moment.after_end else strokes.branch
        return (Span(start + strokes.arm, Ink.FAINT), mark)

    def _mark(self, moment: Moment) -> str:
        if moment is self._now:
            return self._strokes.ended if self._terminal else self._strokes.now
        return self._strokes.marks[moment.verdict]

    def _ink(self, moment: Moment) -> Ink:
        return Ink.NOW if moment is self._now else INKS[moment.verdict]

    def _rail(self, moment: Moment) -> str:
        if moment is self._told[-1]:
            return " "
        ended = moment.after_end or (self._terminal and moment is self._now)
        return self._strokes.beyond if ended else self._strokes.rail

    def _columns(self, moment: Moment) -> Line:
        body = self._body(moment)
        filled = sum(cells(span.text) for span in body)
        blank = Span(" " * (self._middle - filled) + _GAP)
        return (Span(_GAP), *body, blank, self._arrival(moment))

    def _body(self, moment: Moment) -> Line:
        if moment.moves:
            stay = Span(self._stay(moment).rjust(_STAY))
            return (stay, *self._bar(moment, self._middle - _STAY - len(_GAP)))
        verdict = self._strokes.cut(self._verdict(moment), self._middle)
        return (Span(verdict, self._ink(moment)),)

    def _facts(self, moment: Moment) -> Line:
        meant = self._stay(moment) if moment.moves else self._verdict(moment)
        return (Span(meant, self._ink(moment)), self._arrival(moment))

    def _stay(self, moment: Moment) -> str:
        if moment is self._now:
            return "" if self._terminal else "now"
        return moment.stay or "?"

    def _verdict(self, moment: Moment) -> str:
        verdict = moment.verdict.value
        if moment.until is None:
            return verdict
        return f"{verdict} {self._strokes.times}{len(moment.arrived)} to {clock(moment.until)}"

    def _arrival(self, moment: Moment) -> Span:
        first, last = moment.arrived[0], moment.arrived[-1]
        place = f"#{first}" if first == last else f"#{first}-{last}"
        lag = "" if moment.lag is None else f" {signed(moment.lag)}"
        late = " late" if moment.late else ""
        return Span(f"{place}{lag}{late}", Ink.ODD if moment.late else Ink.FAINT)

    def _bar(self, moment: Moment, room: int) -> Line:
        """Return the stay in a state as a bar, and the way of its event to us if it was late."""
        if room < _FEWEST_BAR or self._end <= self._start:
            return ()
        until = moment.at + (moment.dwell or timedelta())
        if moment is self._now and not self._terminal:
            until = self._end
        first, last = self._cell(moment.at, room), self._cell(until, room)
        bar = (Span(_GAP + " " * first), Span(self._strokes.bar * max(last - first, 1), Ink.BAR))
        heard = self._cell(moment.entry.received_at, room)
        if not moment.late or heard <= max(last, first + 1):
            return bar
        way = self._strokes.way * (heard - max(last, first + 1))
        return (*bar, Span(way + self._strokes.heard, Ink.ODD))

    def _cell(self, at: datetime, room: int) -> int:
        share = (at - self._start) / (self._end - self._start)
        return int(min(max(share, 0.0), 1.0) * (room - 1))
