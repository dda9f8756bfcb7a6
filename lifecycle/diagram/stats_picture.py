"""The picture of a whole log: how many orders took each move, and how long they stayed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Final

from lifecycle.core.argument import check_type
from lifecycle.core.definition import Definition
from lifecycle.diagram.blueprint import BACK
from lifecycle.diagram.chart import Look, Rails, Wire, Words, chart
from lifecycle.diagram.clock import lasting
from lifecycle.diagram.frame import Sign, box_sign, framed, line_sign
from lifecycle.diagram.harmless import harmless, spoken
from lifecycle.diagram.outline import Arrow, Ends, Outline, outline
from lifecycle.diagram.scene import Scene, centered
from lifecycle.diagram.wording import counted
from lifecycle.errors import InvalidArgumentError
from lifecycle.projections.stats import RELATIVE_ERROR, LogStats, StateStats

_MOST_SKIPS: Final = 8
"""How many moves that the definition does not have get an arrow."""


def fleet(definition: Definition, stats: LogStats, *, narrow: bool = False) -> Scene:
    """Return the figures of a log on the definition's states and moves.

    Raises:
        InvalidArgumentError: they were counted under another definition.
    """
    check_type("definition", definition, Definition)
    check_type("stats", stats, LogStats)
    if stats.definition != definition.fingerprint:
        raise InvalidArgumentError("stats", "some that were counted under the definition to draw")
    counts: dict[Ends, int] = {(move.from_, move.to): move.count for move in stats.moves}
    drawn = outline(definition, also=_skips(stats))
    wires = [_wire(arrow, counts) for arrow in drawn.arrows]
    looks = {
        state.state: _look(
            state,
            ended=state.state in definition.terminal,
            back=state.state in drawn.retreat.states,
        )
        for state in stats.states
    }
    whole = chart(definition, drawn, looks, wires, rails=_rails(drawn, counts), narrow=narrow)
    facts = [*_facts(stats, drawn)]
    title = f"{counted(stats.orders, 'order')} of {harmless(stats.provider)}"
    summary = "\n".join([*facts, *_told(stats)])
    return framed(title, facts, [whole], [*_signs()], summary)


def short(seconds: float | None) -> str:
    """Return a span of seconds in a few characters, a dash for none."""
    if seconds is None:
        return "-"
    if seconds < 10:
        return f"{seconds:.1f}s"
    return lasting(timedelta(seconds=seconds))


def _skips(stats: LogStats) -> list[Ends]:
    """Return the most frequent moves that the definition does not have."""
    skips = sorted((move for move in stats.moves if not move.declared), key=lambda m: -m.count)
    return [(move.from_, move.to) for move in skips[:_MOST_SKIPS]]


def _wire(arrow: Arrow, counts: Mapping[Ends, int]) -> Wire:
    """Return an arrow with how often what it stands for was taken."""
    count = sum(counts.get(ends, 0) for ends in arrow.moves)
    look = ("taken" if arrow.declared else "skipped") if count else "unused"
    return Wire(arrow.source, arrow.target, look, f"{count:,}" if count else "")


def _rails(drawn: Outline, counts: Mapping[Ends, int]) -> Rails:
    """Return what the lines for many moves say: how often one of these was taken."""
    ended = sum(counts.get((state, end.state), 0) for state in drawn.active for end in drawn.ends)
    back = sum(counts.get(pair, 0) for pair in drawn.retreat.pairs)
    look = "strong-rail" if back or ended else "rail"
    return Rails(look, f"{back:,} steps back", f"{ended:,} from all open states")


def _look(state: StateStats, *, ended: bool, back: bool) -> Look:
    if not state.entered:
        return Look("apart", (Words("never entered"), *([BACK] if back else [])))
    lines = [Words(f"{state.entered:,} times", look="ink")]
    if state.now:
        lines.append(
            Words(f"{state.now:,} {'ended' if ended else 'there now'}", look="now", bold=True)
        )
    if state.stays:
        lines += [
            Words(f"p50 {short(state.p50)}", look="ink"),
            Words(f"p95 {short(state.p95)}", look="ink"),
        ]
    return Look("entered", (*lines, *([BACK] if back else [])))


def _facts(stats: LogStats, drawn: Outline) -> Iterator[str]:
    steps = sum(move.count for move in stats.moves)
    counts = (counted(stats.events, "event"), counted(steps, "step"))
    yield " \u00b7 ".join([*counts, f"definition {stats.definition[:8]}"])
    shown = {ends for arrow in drawn.arrows for ends in arrow.moves}
    rare = [m.count for m in stats.moves if not m.declared and (m.from_, m.to) not in shown]
    if rare:
        yield f"without an arrow: {sum(rare):,} more that skipped ahead, elsewhere and rarer"


def _told(stats: LogStats) -> Iterator[str]:
    for state in stats.states:
        yield (
            f"{spoken(state.state)}: entered {state.entered} times, {state.now} there now, "
            f"stayed {short(state.p50)} at the median, {short(state.p95)} at the 95th percentile."
        )
    for move in stats.moves:
        yield f"{spoken(move.from_ or 'the start')} to {spoken(move.to)}: {move.count}."


def _signs() -> Iterator[Sign]:
    yield box_sign("entered", "entered so many times")
    yield line_sign("taken", "taken so many times")
    yield line_sign("skipped", "skipped ahead")
    yield line_sign("unused", "never taken")
    swatch = centered(0, 0, "p95", 10, bold=True)
    yield Sign((swatch,), f"95 % of the stays were no longer, within {RELATIVE_ERROR:.0%}")
