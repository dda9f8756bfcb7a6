"""One order as a timeline for a terminal: what happened, when we heard, what it meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from lifecycle.diagram.harmless import cells, harmless, shortened
from lifecycle.diagram.moments import Moment, moments
from lifecycle.diagram.paint import Ink, Line, Span, padded, printed, sentence, wrapped
from lifecycle.view import HistoryEntry, OrderError, OrderView, Verdict

NARROWEST: Final = 40
"""In a narrower terminal a timeline is laid out for this many columns."""

_ONE_LINE_EACH: Final = 72
_TIME: Final = len("~10:00:00 ")
_DWELL: Final = len("~12m04s")
_FEWEST_BAR: Final = 6
_WIDEST_NAME: Final = 36


class _Mark(NamedTuple):
    unicode: str
    ascii: str
    ink: Ink


_STEP: Final = _Mark("●", "o", Ink.STEP)
_NOW: Final = _Mark("◆", "@", Ink.NOW)
_ENDED: Final = _Mark("■", "#", Ink.NOW)
_MARKS: Final = {
    Verdict.APPLIED: _STEP,
    Verdict.SKIPPED_AHEAD: _Mark("»", ">", Ink.STEP),
    Verdict.REVERTED: _Mark("↑", "^", Ink.ODD),
    Verdict.NOTED: _Mark("·", "-", Ink.FAINT),
    Verdict.REPEATED: _Mark("=", "=", Ink.FAINT),
    Verdict.STALE: _Mark("◌", "~", Ink.ODD),
    Verdict.REFUSED: _Mark("×", "x", Ink.WRONG),
    Verdict.UNRECOGNIZED: _Mark("?", "?", Ink.ODD),
    Verdict.DIVERGENT: _Mark("≠", "!", Ink.WRONG),
}


def timeline(
    view: OrderView,
    history: Sequence[HistoryEntry],
    *,
    width: int = 80,
    ascii_only: bool = False,
    colour: bool = False,
    full: bool = False,
) -> str:
    """Return one order's timeline as lines of at most `width` cells, in canonical order.

    Args:
        view: of the order.
        history: of the same order, as `fold.history` gives it.
        width: of the terminal; from 72 on each event takes one line.
        ascii_only: draw with ASCII alone.
        colour: add ANSI colours; the text stays the same.
        full: show every event by itself with its reason, instead of gathering quiet ones.
    """
    told = moments(view, history, full=full)
    page = _Page(max(width, NARROWEST), ascii_only, view, told)
    lines = [*page.head(), (), *page.rows(), (), *page.foot()]
    return printed(lines, colour=colour)


class _Page:
    """One timeline being laid out: knows the columns, and draws each part into lines."""

    def __init__(
        self, width: int, ascii_only: bool, view: OrderView, told: Sequence[Moment]
    ) -> None:
        self.width, self.ascii_only, self.view, self.told = width, ascii_only, view, told
        self.now = next((moment for moment in reversed(told) if moment.moves), None)
        self.wide = width >= _ONE_LINE_EACH
        self.rule, self.rail, self.after, self.branch, self.arm, self.bar = (
            "-|:+-=" if ascii_only else "─│┊├─━"
        )
        self.joint = " | " if ascii_only else " · "
        self.times = "x" if ascii_only else "×"
        self.arrivals = max((cells(self.arrival(moment).text) for moment in told), default=0)
        self.names = self._width_of_names()
        self.middle = width - _TIME - self.names - self.arrivals - 4

    def _width_of_names(self) -> int:
        longest = max((2 * (2 - m.moves) + cells(self.text(m.name)) for m in self.told), default=0)
        return min(longest, _WIDEST_NAME, self.width - _TIME - self.arrivals - _DWELL - 4)

    def text(self, foreign: str) -> str:
        return harmless(foreign, ascii_only=self.ascii_only)

    def head(self) -> Iterator[Line]:
        view = self.view
        title = f"Order {self.text(view.order_id)} is {self.text(view.status)}"
        yield from wrapped(sentence(title, Ink.STRONG), self.width)
        facts = [
            self.text(view.provider),
            _counted(view.events, "event"),
            _counted(len(view.path), "step"),
            *([f"attempt {view.attempt}"] if view.attempt > 1 else []),
            *([f"{view.arrival.late} late"] if view.arrival.late else []),
            *([_counted(len(view.anomalies), "anomaly", "anomalies")] if view.anomalies else []),
            f"definition {view.definition[:8]}",
        ]
        yield from wrapped((Span(fact, Ink.FAINT) for fact in facts), self.width, gap=self.joint)

    def rows(self) -> Iterator[Line]:
        if self.wide and self.told:
            yield self._titles()
        day, evidence = None, False
        for index, moment in enumerate(self.told):
            if moment.entry.verdict is Verdict.DIVERGENT and not evidence:
                evidence = True
                yield self._ruled("other contents under a key above: they do not count")
            if moment.at.astimezone(UTC).date() != day:
                day = moment.at.astimezone(UTC).date()
                yield self._ruled(f"{day.isoformat()} UTC")
            yield from self._row(moment, last=index == len(self.told) - 1)

    def foot(self) -> Iterator[Line]:
        for title, states in (("waiting for", self.view.awaiting), ("never seen", self.view.missing)):
            if states:
                words = sentence(f"{title}: {', '.join(self.text(state) for state in states)}", Ink.PLAIN)
                yield from wrapped(words, self.width)
        for error in self.view.errors:
            yield from wrapped(sentence(self.text(_sentence_of(error)), Ink.WRONG), self.width)
        legend = ["~ by our clock: the event tells no time"] if any(m.ours for m in self.told) else []
        legend += ["#2 +9s: the second to arrive, 9 s after it occurred"] if self.told else []
        for line in legend:
            yield from wrapped(sentence(line, Ink.FAINT), self.width)

    def _titles(self) -> Line:
        titles = padded(" occurred", _TIME) + padded("state", self.names) + "  " + padded("  stayed", self.middle)
        return (Span(f"{titles}  arrived", Ink.FAINT),)

    def _ruled(self, title: str) -> Line:
        start = f"{self.rule * 2} {shortened(title, self.width - 6, ascii_only=self.ascii_only)} "
        return (Span(start + self.rule * (self.width - cells(start)), Ink.FAINT),)

    def _row(self, moment: Moment, *, last: bool) -> Iterator[Line]:
        time = f"{'~' if moment.ours else ' '}{_clock(moment.at)}"
        tree = self._tree(moment)
        indent = sum(cells(span.text) for span in tree)
        room = (self.names if self.wide else self.width - _TIME) - indent
        name = shortened(self.text(moment.name), room, ascii_only=self.ascii_only)
        start = (Span(padded(time, _TIME), Ink.FAINT), *tree)
        ink = self._mark(moment).ink
        rail = Span(" " * _TIME + padded(self._rail(moment, last=last), indent), Ink.FAINT)
        if self.wide:
            yield (*start, Span(padded(name, room), ink), *self._columns(moment))
        else:
            yield (*start, Span(name, ink))
            facts = (fact for fact in self._facts(moment) if fact.text)
            for line in wrapped(facts, self.width - _TIME - indent, gap=self.joint):
                yield (rail, *line)
        for remark in moment.remarks:
            for line in wrapped(sentence(self.text(remark), ink), self.width - _TIME - indent):
                yield (rail, *line)

    def _tree(self, moment: Moment) -> Line:
        mark = self._mark(moment)
        glyph = Span((mark.ascii if self.ascii_only else mark.unicode) + " ", mark.ink)
        if moment.moves:
            return (glyph,)
        return (Span((self.after if moment.after_end else self.branch) + self.arm, Ink.FAINT), glyph)

    def _mark(self, moment: Moment) -> _Mark:
        if moment is self.now and moment.entry.verdict is Verdict.APPLIED:
            return _ENDED if self.view.terminal else _NOW
        return _MARKS[moment.entry.verdict]

    def _rail(self, moment: Moment, *, last: bool) -> str:
        if last:
            return " "
        ended = moment.after_end or (self.view.terminal and moment is self.now)
        return self.after if ended else self.rail

    def _columns(self, moment: Moment) -> Line:
        stay = padded(self._stay(moment).rjust(_DWELL), _DWELL + 2) if moment.moves else ""
        room = self.middle - len(stay)
        drawn = self._bar(moment, room) if moment.moves else self._verdict(moment)
        ink = Ink.BAR if moment.moves else self._mark(moment).ink
        body = padded(shortened(drawn, max(room, 0), ascii_only=self.ascii_only), room)
        return (Span("  "), Span(stay), Span(body, ink), Span("  "), self.arrival(moment))

    def _facts(self, moment: Moment) -> Line:
        if moment.moves:
            return (Span(self._stay(moment)), self.arrival(moment))
        return (Span(self._verdict(moment), self._mark(moment).ink), self.arrival(moment))

    def _stay(self, moment: Moment) -> str:
        if moment is self.now:
            return "" if self.view.terminal else "now"
        if moment.dwell is None:
            return "?"
        return ("~" if moment.about else "") + _lasting(moment.dwell)

    def _verdict(self, moment: Moment) -> str:
        verdict = moment.entry.verdict.value
        if moment.until is None:
            return verdict
        return f"{verdict} {self.times}{len(moment.arrived)} to {_clock(moment.until)}"

    def arrival(self, moment: Moment) -> Span:
        first, last = moment.arrived[0], moment.arrived[-1]
        words = [
            f"#{first}" if first == last else f"#{first}-{last}",
            *([] if moment.lag is None else [("" if moment.lag < timedelta() else "+") + _lasting(moment.lag)]),
            *(["late"] if moment.late else []),
        ]
        return Span(" ".join(words), Ink.ODD if moment.late else Ink.FAINT)

    def _bar(self, moment: Moment, room: int) -> str:
        """Return the stay of a state as a bar, on a scale from the first step to the last event."""
        start = next(told.at for told in self.told if told.moves)
        end = max(told.until or told.at for told in self.told)
        if room < _FEWEST_BAR or end <= start:
            return ""
        until = end if moment is self.now and not self.view.terminal else moment.at + (moment.dwell or timedelta())
        first, last = (
            min(max((at - start) / (end - start), 0), 1) * room for at in (moment.at, until)
        )
        offset = min(int(first), room - 1)
        return " " * offset + self.bar * max(round(last) - offset, 1)


def _clock(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%H:%M:%S")


def _lasting(span: timedelta) -> str:
    """Return a span in its two largest units, such as `12m04s`."""
    seconds = int(abs(span).total_seconds())
    sign = "-" if span < timedelta() else ""
    days, hours, minutes = seconds // 86_400, seconds // 3_600 % 24, seconds // 60 % 60
    if days:
        return f"{sign}{days}d{hours:02}h"
    if hours:
        return f"{sign}{hours}h{minutes:02}m"
    return f"{sign}{minutes}m{seconds % 60:02}s" if minutes else f"{sign}{seconds}s"


def _counted(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _sentence_of(error: OrderError) -> str:
    """Return what an error says, as far as it was told."""
    told = (
        f"HTTP {error.http_status}" if error.http_status is not None else None,
        f"code {error.code}" if error.code is not None else None,
        error.key,
    )
    about = ", ".join(part for part in told if part)
    return f"error ({about}): {error.message or 'no message'}"
