"""One order as every picture tells it, moment by moment, before anything is laid out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final, NamedTuple

from lifecycle.core.verdict import MOVES
from lifecycle.core.view import Anomaly, HistoryEntry, OrderError, OrderView, Verdict
from lifecycle.diagram.clock import lasting
from lifecycle.projections.rates import heard, late_events

LOOKS: Final[Mapping[Verdict, str]] = {
    Verdict.APPLIED: "taken",
    Verdict.SKIPPED_AHEAD: "taken",
    Verdict.REVERTED: "odd",
    Verdict.REPEATED: "faint",
    Verdict.NOTED: "faint",
    Verdict.STALE: "odd",
    Verdict.REFUSED: "wrong",
    Verdict.UNRECOGNIZED: "odd",
    Verdict.DIVERGENT: "wrong",
}
"""How each verdict is shown, whatever is drawn with."""

_SECOND: Final = timedelta(seconds=1)
_QUIET: Final = frozenset({Verdict.NOTED, Verdict.REPEATED})

# What the verdict of the event that shows it says already, with its reason.
_TOLD_BY_VERDICT: Final = frozenset({"refused", "divergent"})


class Moment(NamedTuple):
    """One event of an order, or several alike in a row.

    `number` is its place in canonical order, from 1, and `state` where the order stood. `at`
    is when it occurred; where it tells no time (`ours`), when it came. `dwell` is how long the
    order stayed, None where nobody can know; `about` where two machines' clocks were compared
    for it. `lag` is how long the event was under way. `arrived` holds places in order of
    arrival, counted from 1; a `late` event came after one that it precedes. `after_end` means
    that the order had ended before.
    """

    number: int
    entry: HistoryEntry
    state: str | None
    at: datetime
    ours: bool
    arrived: tuple[int, ...]
    lag: timedelta | None
    late: bool
    after_end: bool
    remarks: tuple[str, ...]
    dwell: timedelta | None = None
    about: bool = False
    until: datetime | None = None

    @property
    def verdict(self) -> Verdict:
        """What the event meant."""
        return self.entry.verdict

    @property
    def moves(self) -> bool:
        """Whether the order entered a state."""
        return self.verdict in MOVES

    @property
    def look(self) -> str:
        """How it is shown: as `taken`, `faint`, `odd` or `wrong`."""
        return LOOKS[self.verdict]

    @property
    def stay(self) -> str:
        """How long the order stayed, empty where it did not move or nobody knows yet."""
        if not self.moves or self.dwell is None:
            return ""
        told = "<1s" if timedelta() < self.dwell < _SECOND else lasting(self.dwell)
        return ("~" if self.about else "") + told

    @property
    def misplaced(self) -> bool:
        """Whether it surely occurred at another time: it tells none, and came late."""
        return self.ours and self.late

    @property
    def name(self) -> str:
        """The state that was entered, else the event's name; how we know in parentheses."""
        name = (self.entry.to if self.moves else None) or self.entry.name
        if self.entry.name != name:
            return f"{name} ({self.entry.name})"
        return f"{name} (poll)" if self.entry.kind == "poll" else name


class Order(NamedTuple):
    """One order: its view, and its events in canonical order, the divergent ones last."""

    view: OrderView
    moments: tuple[Moment, ...]

    @property
    def moves(self) -> tuple[Moment, ...]:
        """The events that entered a state."""
        return tuple(moment for moment in self.moments if moment.moves)


def order_of(view: OrderView, history: Sequence[HistoryEntry]) -> Order:
    """Return an order with every event by itself."""
    return Order(view, moments(view, history, full=True))


def moments(
    view: OrderView, history: Sequence[HistoryEntry], *, full: bool = False
) -> tuple[Moment, ...]:
    """Return an order's moments in canonical order, divergent evidence last.

    Args:
        view: of the order; its anomalies become remarks.
        history: of the same order.
        full: every event by itself, with its reason; else alike ones in a row are one moment.
    """
    told = [*_with_dwell([*_told(view, history, full=full)])]
    return tuple(told if full else _gathered(told))


def said_of(error: OrderError) -> str:
    """Return what an error says, as far as it was told."""
    told = (
        f"HTTP {error.http_status}" if error.http_status is not None else "",
        f"code {error.code}" if error.code is not None else "",
        f"key {error.key}" if error.key is not None else "",
    )
    about = ", ".join(part for part in told if part)
    return f"({about or 'no answer'}): {error.message or 'no message'}"


def _told(view: OrderView, history: Sequence[HistoryEntry], *, full: bool) -> Iterator[Moment]:
    by_arrival = sorted(range(len(history)), key=lambda index: heard(history[index]))
    arrived = {index: place for place, index in enumerate(by_arrival, 1)}
    late = late_events(history)
    problems = _problems(view)
    counted = {e.key: e.to for e in history if e.verdict is not Verdict.DIVERGENT}
    last_move = max((i for i, e in enumerate(history) if e.verdict in MOVES), default=-1)
    for index, entry in enumerate(history):
        yield Moment(
            number=index + 1,
            entry=entry,
            state=entry.to or counted.get(entry.key),
            at=entry.occurred_at or entry.received_at,
            ours=entry.occurred_at is None,
            arrived=(arrived[index],),
            lag=entry.received_at - entry.occurred_at if entry.occurred_at else None,
            late=index in late,
            after_end=view.terminal and index > last_move,
            remarks=tuple(_remarks(entry, problems, full=full)),
        )


def _problems(view: OrderView) -> dict[str, list[Anomaly]]:
    """Return what is wrong with events beside their verdicts, such as an unreadable time."""
    problems: dict[str, list[Anomaly]] = {}
    for anomaly in view.anomalies:
        if anomaly.code not in _TOLD_BY_VERDICT:
            for key in anomaly.events:
                problems.setdefault(key, []).append(anomaly)
    return problems


def _remarks(
    entry: HistoryEntry, problems: Mapping[str, Sequence[Anomaly]], *, full: bool
) -> Iterator[str]:
    match entry.verdict:
        case Verdict.REVERTED if not full:
            yield f"step back from {entry.from_}"
        case Verdict.SKIPPED_AHEAD if not full:
            yield f"skipped ahead from {entry.from_ or 'the start'}"
        case verdict if full or verdict not in {*_QUIET, Verdict.APPLIED}:
            yield entry.reason
    if entry.recording == "delayed" and entry.recorded_at is not None:
        delay = lasting(entry.recorded_at - entry.received_at)
        yield f"delayed: recorded {delay} after the time at which it claims to be received"
    if entry.verdict is Verdict.DIVERGENT:
        return
    for anomaly in problems.get(entry.key, ()):
        if anomaly.code != entry.verdict.value:
            yield f"{anomaly.code}: {anomaly.detail}"


def _with_dwell(told: Sequence[Moment]) -> Iterator[Moment]:
    moves = [moment for moment in told if moment.moves]
    following = dict(zip((moment.arrived for moment in moves), moves[1:], strict=False))
    for moment in told:
        after = following.get(moment.arrived)
        if after is None or after.at < moment.at or moment.misplaced or after.misplaced:
            yield moment
        else:
            yield moment._replace(dwell=after.at - moment.at, about=moment.ours != after.ours)


def _gathered(told: Iterable[Moment]) -> Iterator[Moment]:
    """Yield moments with runs of quiet ones of one name made one, which spans them."""
    for kind, alike in groupby(told, key=_kind):
        run = [*alike]
        if kind is None or len(run) == 1:
            yield from run
            continue
        yield run[0]._replace(
            arrived=tuple(sorted(place for moment in run for place in moment.arrived)),
            lag=None,
            late=any(moment.late for moment in run),
            until=run[-1].at,
        )


def _kind(moment: Moment) -> tuple[str, bool] | None:
    quiet = moment.verdict in _QUIET and not moment.remarks
    return (moment.name, moment.after_end) if quiet else None
