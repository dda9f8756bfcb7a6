"""One order as pictures tell it: every event numbered, with what it meant in a few words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from lifecycle.core.reason import INFORMS
from lifecycle.core.view import HistoryEntry, OrderView, Verdict
from lifecycle.diagram.chart import spoken
from lifecycle.diagram.clock import clock, date, lasting, signed
from lifecycle.diagram.harmless import harmless
from lifecycle.diagram.moments import Moment, moments, said_of

_SECOND: Final = timedelta(seconds=1)

MARKS: Final[Mapping[Verdict, str]] = {
    Verdict.APPLIED: "",
    Verdict.SKIPPED_AHEAD: "\u00bb",
    Verdict.REVERTED: "\u25c4",
    Verdict.REPEATED: "=",
    Verdict.NOTED: "\u25cb",
    Verdict.STALE: "\u2013",
    Verdict.REFUSED: "\u00d7",
    Verdict.UNRECOGNIZED: "?",
    Verdict.DIVERGENT: "\u2260",
}
"""A mark for each verdict but the usual one, from characters that every font has."""

INKS: Final[Mapping[Verdict, str]] = {
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
PILLS: Final[Mapping[str, str]] = {
    "taken": "pill",
    "faint": "pill-plain",
    "odd": "pill-odd",
    "wrong": "pill-wrong",
}


class Episode(NamedTuple):
    """One event and its number in canonical order, from 1; `state` is where the order stood."""

    number: int
    moment: Moment
    state: str | None

    @property
    def verdict(self) -> Verdict:
        """What the event meant."""
        return self.moment.entry.verdict

    @property
    def ink(self) -> str:
        """The look of its text."""
        return INKS[self.verdict]

    @property
    def stay(self) -> str:
        """How long the order stayed, empty where it did not move or nobody knows yet."""
        dwell = self.moment.dwell
        if not self.moment.moves or dwell is None:
            return ""
        told = "<1s" if timedelta() < dwell < _SECOND else lasting(dwell)
        return ("~" if self.moment.about else "") + told


class Order(NamedTuple):
    """One order: its view, and its events in canonical order, the divergent ones last."""

    view: OrderView
    episodes: tuple[Episode, ...]

    @property
    def title(self) -> str:
        """The order and where it stands."""
        return f"Order {harmless(self.view.order_id)} is {spoken(self.view.status)}"

    @property
    def moves(self) -> tuple[Episode, ...]:
        """The events that entered a state."""
        return tuple(episode for episode in self.episodes if episode.moment.moves)


def order_of(view: OrderView, history: Sequence[HistoryEntry]) -> Order:
    """Return an order's events, numbered."""
    told = moments(view, history, full=True)
    counted = {m.entry.key: m.entry.to for m in told if m.entry.verdict is not Verdict.DIVERGENT}
    return Order(
        view,
        tuple(
            Episode(number, moment, moment.entry.to or counted.get(moment.entry.key))
            for number, moment in enumerate(told, 1)
        ),
    )


def facts_of(order: Order, asked: str = "") -> tuple[str, ...]:
    """Return what is to be said of an order above its picture, a line each."""
    view = order.view
    first, last = view.arrival.first_received_at, view.arrival.last_received_at
    late = sum(episode.moment.late for episode in order.episodes)
    counts = (
        harmless(view.provider),
        counted(view.events, "event"),
        counted(len(view.path), "step"),
        counted(view.attempt, "attempt") if view.attempt > 1 else "",
        f"{late} late" if late else "",
        *_odd(order.episodes),
        f"heard {date(first)} {clock(first)} to {_until(view)} UTC" if first != last else "",
        f"definition {view.definition[:8]}",
    )
    lines = [
        asked,
        " \u00b7 ".join(fact for fact in counts if fact),
        *(f"error {harmless(said_of(error))}" for error in view.errors),
        *_reasons(view),
        f"never seen: {_listed(view.missing)}" if view.missing else "",
        f"waiting for: {_listed(view.awaiting)}" if view.awaiting else "",
    ]
    return tuple(line for line in lines if line)


def meaning(episode: Episode) -> str:
    """Return what an event meant, in a few words; names of others are harmless."""
    entry = episode.moment.entry
    to, before = spoken(entry.to or ""), spoken(entry.from_ or "the start")
    match episode.verdict:
        case Verdict.APPLIED:
            return f"entered {to}"
        case Verdict.SKIPPED_AHEAD:
            return f"skipped ahead to {to}, from {before}"
        case Verdict.REVERTED:
            return f"stepped back to {to}, from {before}"
        case Verdict.REPEATED:
            return f"repeated: still {to}"
        case Verdict.NOTED if is_known(episode):
            return "noted"
        case verdict:
            return f"{verdict.value}: {_sentence(entry.reason)}"


def is_known(episode: Episode) -> bool:
    """Tell whether an event only informs, as its name says: it failed at nothing."""
    return episode.verdict is not Verdict.NOTED or episode.moment.entry.reason.endswith(INFORMS)


def remarks(episode: Episode) -> tuple[str, ...]:
    """Return what is wrong with an event beside what it meant."""
    return tuple(map(_sentence, episode.moment.remarks[1:]))


def arrival(episode: Episode) -> str:
    """Return its place in order of arrival, how long it was under way, and whether late."""
    moment = episode.moment
    lag = "" if moment.lag is None else f" {signed(moment.lag)}"
    return f"#{moment.arrived[0]}{lag}{' late' if moment.late else ''}"


def shown_time(episode: Episode) -> str:
    """Return when it occurred; by our clock, marked `~`, where it tells no time."""
    return f"{'~' if episode.moment.ours else ''}{clock(episode.moment.at)}"


def ranges(numbers: Iterable[int]) -> str:
    """Return numbers as people list them: `4, 6-9`."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(
        f"{run[0]}" if len(run) == 1 else f"{run[0]}{'-' if len(run) > 2 else ', '}{run[-1]}"
        for run in runs
    )


def counted(number: int, what: str) -> str:
    """Return how many there are: `1 step`, `2 steps`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def summary_of(order: Order, facts: Iterable[str]) -> str:
    """Return the whole order in words, for whoever cannot see the picture."""
    lines = [*facts]
    for episode in order.episodes:
        name = spoken(episode.moment.entry.name)
        told = f"{episode.number}. {shown_time(episode)} {name}: {meaning(episode)}"
        stayed = f", stayed {episode.stay}" if episode.stay else ""
        lines.append(f"{told}{stayed}; arrived {arrival(episode)}.")
    return "\n".join(lines)


def _reasons(view: OrderView) -> Iterator[str]:
    """Yield the reasons that the provider gave, such as why an order was canceled."""
    for name in type(view.details).model_fields:
        said = getattr(view.details, name)
        if name.endswith("reason") and isinstance(said, str):
            yield f"{spoken(name)}: {harmless(said)}"


def _odd(episodes: Iterable[Episode]) -> Iterator[str]:
    verdicts = [episode.verdict for episode in episodes]
    for verdict in (Verdict.REFUSED, Verdict.DIVERGENT, Verdict.UNRECOGNIZED, Verdict.STALE):
        if count := verdicts.count(verdict):
            yield f"{count} {verdict.value}"


def _until(view: OrderView) -> str:
    first, last = view.arrival.first_received_at, view.arrival.last_received_at
    return clock(last) if date(first) == date(last) else f"{date(last)} {clock(last)}"


def _sentence(text: str) -> str:
    """Return a sentence of ours as it may be shown; names that it quotes are written out."""
    return text if text.isascii() and text.isprintable() else harmless(text)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(spoken, names))
