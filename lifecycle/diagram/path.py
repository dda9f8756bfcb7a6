"""The picture of an order's path: the definition's states, and what happened at each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Final

from lifecycle.core.definition import Definition
from lifecycle.core.view import HistoryEntry, OrderView, Verdict
from lifecycle.diagram.blueprint import BACK
from lifecycle.diagram.chart import SMALL, Look, Rails, Wire, Words, chart, named, solid
from lifecycle.diagram.clock import clock, lasting
from lifecycle.diagram.frame import Sign, box_sign, framed, line_sign
from lifecycle.diagram.harmless import spoken
from lifecycle.diagram.ledger import ledger
from lifecycle.diagram.metrics import fitted, text_width
from lifecycle.diagram.moments import Moment, Order, order_of
from lifecycle.diagram.outline import Outline, outline
from lifecycle.diagram.scene import Area, Box, Scene, centered
from lifecycle.diagram.wording import MARKS, facts_of, is_known, ranges, summary_of, title_of

_MOST_VISITS: Final = 3
_MOST_NAMED: Final = 2
_MOST_STEPS: Final = 3
_ROOM: Final = 104.0
_QUIET: Final = (Verdict.NOTED, Verdict.REPEATED, Verdict.STALE)
_LOUD: Final = (Verdict.REFUSED, Verdict.UNRECOGNIZED, Verdict.DIVERGENT)


def path(
    definition: Definition,
    view: OrderView,
    history: Sequence[HistoryEntry],
    *,
    asked: str = "",
    narrow: bool = False,
    bare: bool = False,
) -> Scene:
    """Return the path of an order on its definition, with every event in a list below it.

    A `bare` one has neither title nor list.

    Raises:
        InvalidArgumentError: the view was folded under another definition.
    """
    drawn = outline(definition, view, history)
    order = order_of(view, history)
    whole = chart(
        definition,
        drawn,
        _looks(definition, drawn, order),
        [*_wires(drawn, order)],
        rails=Rails("rail"),
        narrow=narrow,
    )
    facts = facts_of(order, asked)
    parts = [whole] if bare else [whole, ledger(order, whole.width)]
    summary = summary_of(order, facts)
    return framed(title_of(order), facts, parts, [*_signs(order, drawn)], summary, bare=bare)


def _wires(drawn: Outline, order: Order) -> Iterator[Wire]:
    """Yield the arrows of the outline, last those that the order took, with its events' numbers."""
    back = {e.number for e in order.moves if e.verdict is Verdict.REVERTED}
    for arrow in sorted(drawn.arrows, key=lambda arrow: bool(arrow.steps)):
        more = len(arrow.steps) - _MOST_STEPS
        shown = ranges(arrow.steps[:_MOST_STEPS]) + (f" +{more}" if more > 0 else "")
        look = "unused"
        if arrow.steps:
            taken = "taken" if arrow.declared else "skipped"
            look = "back" if arrow.steps[0] in back else taken
        yield Wire(arrow.source, arrow.target, look, shown, named(arrow.names))


def _looks(definition: Definition, drawn: Outline, order: Order) -> Mapping[str, Look]:
    at: defaultdict[str, list[Moment]] = defaultdict(list)
    for moment in order.moments:
        at[moment.state or definition.initial].append(moment)
    looks = {}
    for state in definition.states:
        lines = [*_visits(at[state], order), *_beside(at[state])]
        if state in order.view.missing:
            lines.append(Words("? never seen", look="odd", bold=True))
        if state in drawn.retreat.states:
            lines.append(BACK)
        looks[state] = Look(_look(state, drawn, order), tuple(lines))
    return looks


def _look(state: str, drawn: Outline, order: Order) -> str:
    if state == drawn.now:
        return "now"
    if state in drawn.entered:
        return "entered"
    return "missing" if state in order.view.missing else "apart"


def _visits(moments: Sequence[Moment], order: Order) -> Iterator[Words]:
    """Yield when the order entered a state and how long it stayed, the first few times."""
    visits = [moment for moment in moments if moment.moves]
    for moment in visits[:_MOST_VISITS]:
        last = moment is order.moves[-1]
        time = ("~" if moment.ours else "") + clock(moment.at)
        yield Words(f"{moment.number}: {time}", look="ink", bold=last)
        if not last:
            yield Words(f"stayed {moment.stay or '?'}", look="ink")
        if moment.late:
            yield Words("heard late", look="odd", bold=True)
            if moment.lag is not None and moment.lag > timedelta():  # else its clock is ahead
                yield Words(f"by {lasting(moment.lag)}", look="odd", bold=True)
    if visits and visits[-1] is order.moves[-1]:
        yield Words("the end" if order.view.terminal else "there now", look="ink", bold=True)
    if len(visits) > _MOST_VISITS:
        yield Words(f"{len(visits)} times in all", look="ink")


def _beside(moments: Sequence[Moment]) -> Iterator[Words]:
    """Yield what else was heard while the order stood at a state."""
    for verdict in _LOUD:
        found = [moment for moment in moments if moment.verdict is verdict]
        for moment in found[:_MOST_NAMED]:
            yield _bold(f"{MARKS[verdict]} {moment.number}: {verdict.value}", moment.look)
            yield _bold(spoken(moment.entry.name), moment.look)
        if more := [moment.number for moment in found[_MOST_NAMED:]]:
            yield _bold(f"{MARKS[verdict]} {ranges(more)}: {verdict.value}", found[0].look)
    for verdict in _QUIET:
        found = [moment for moment in moments if moment.verdict is verdict]
        if found:
            yield _counted(verdict, found)


def _counted(verdict: Verdict, found: Sequence[Moment]) -> Words:
    """Return quiet events by their numbers, as far as there is room for them, else how many."""
    late = sum(moment.late for moment in found)
    named = {moment.entry.name for moment in found if not is_known(moment)}
    what = spoken(min(named)) if len(named) == len(found) == 1 else verdict.value
    listed = f"{ranges(e.number for e in found)}: {what}{' late' if late else ''}"
    if text_width(f"{MARKS[verdict]} {listed}", SMALL) > _ROOM and len(found) > 1:
        listed = f"{len(found)} {what}{f', {late} late' if late else ''}"
    said = fitted(f"{MARKS[verdict]} {listed}", _ROOM, SMALL)
    return Words(said, look="odd" if late else "faint")


def _bold(text: str, ink: str) -> Words:
    return Words(fitted(text, _ROOM, SMALL, bold=True), look=ink, bold=True)


def _signs(order: Order, drawn: Outline) -> Iterator[Sign]:
    """Yield what the shapes of this path mean."""
    yield box_sign("entered", "was there")
    yield box_sign("now", "ended here" if order.view.terminal else "is there now")
    yield box_sign("apart", "not entered")
    if order.view.missing:
        yield box_sign("missing", "never seen, though it must have been passed")
    yield line_sign("taken", "step, with the event's number")
    if any(not arrow.declared for arrow in drawn.arrows):
        yield line_sign("skipped", "skipped ahead")
    if any(moment.verdict is Verdict.REVERTED for moment in order.moments):
        yield line_sign("back", "step back")
    yield line_sign("unused", "move not taken")
    if any(moment.ours for moment in order.moments):
        yield Sign((centered(0, 0, "~", 13, bold=True),), "by our clock: the event tells no time")
    for ink, says in (("odd", "unusual"), ("wrong", "does not count")):
        if any(moment.look == ink for moment in order.moments):
            yield Sign((Box(Area(-10, -8, 10, 8), solid("pill", ink), 8),), says)
