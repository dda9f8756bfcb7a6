"""One order in words: what each event meant, and what is to be said of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from lifecycle.core.reason import INFORMS
from lifecycle.core.view import OrderView, Verdict
from lifecycle.diagram.clock import clock, date, signed
from lifecycle.diagram.harmless import harmless, spoken
from lifecycle.diagram.moments import Moment, Order, said_of

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


def title_of(order: Order) -> str:
    """Return which order it is and where it stands."""
    return f"Order {harmless(order.view.order_id)} is {spoken(order.view.status)}"


def facts_of(order: Order, asked: str = "") -> tuple[str, ...]:
    """Return what is to be said of an order above its picture, a line each."""
    view = order.view
    first, last = view.arrival.first_received_at, view.arrival.last_received_at
    until = clock(last) if date(first) == date(last) else f"{date(last)} {clock(last)}"
    late = sum(moment.late for moment in order.moments)
    counts = (
        harmless(view.provider),
        counted(view.events, "event"),
        counted(len(view.path), "step"),
        counted(view.attempt, "attempt") if view.attempt > 1 else "",
        f"{late} late" if late else "",
        *_odd(order.moments),
        f"heard {date(first)} {clock(first)} to {until} UTC" if first != last else "",
        f"definition {view.definition[:8]}",
    )
    lines = [
        asked,
        " \u00b7 ".join(fact for fact in counts if fact),
        "erased: only what headers say is known" if view.erased else "",
        *(f"error {harmless(said_of(error))}" for error in view.errors),
        *reasons_of(view),
        f"never seen: {_listed(view.missing)}" if view.missing else "",
        f"waiting for: {_listed(view.awaiting)}" if view.awaiting else "",
    ]
    return tuple(line for line in lines if line)


def meaning(moment: Moment) -> str:
    """Return what an event meant, in a few words; names of others are harmless."""
    entry = moment.entry
    to, before = spoken(entry.to or ""), spoken(entry.from_ or "the start")
    match moment.verdict:
        case Verdict.APPLIED:
            return f"entered {to}"
        case Verdict.SKIPPED_AHEAD:
            return f"skipped ahead to {to}, from {before}"
        case Verdict.REVERTED:
            return f"stepped back to {to}, from {before}"
        case Verdict.REPEATED:
            return f"repeated: still {to}"
        case Verdict.NOTED if is_known(moment):
            return "noted"
        case verdict:
            return f"{verdict.value}: {_sentence(entry.reason)}"


def is_known(moment: Moment) -> bool:
    """Tell whether an event only informs, as its name says: it failed at nothing."""
    return moment.verdict is not Verdict.NOTED or moment.entry.reason.endswith(INFORMS)


def remarks(moment: Moment) -> tuple[str, ...]:
    """Return what is wrong with an event beside what it meant."""
    return tuple(map(_sentence, moment.remarks[1:]))


def arrival(moment: Moment) -> str:
    """Return its place in order of arrival, how long it was under way, and whether late."""
    lag = "" if moment.lag is None else f" {signed(moment.lag)}"
    return f"#{moment.arrived[0]}{lag}{' late' if moment.late else ''}"


def recorded(moment: Moment) -> str:
    """Return where the log has it, and when it took it by its own clock; empty if none did."""
    entry = moment.entry
    if entry.position is None or entry.recorded_at is None:
        return ""
    day = (
        "" if date(entry.recorded_at) == date(entry.received_at) else f"{date(entry.recorded_at)} "
    )
    how = f" {entry.recording}" if entry.recording else ""
    return f"{entry.position} at {day}{clock(entry.recorded_at)}{how}"


def shown_time(moment: Moment) -> str:
    """Return when it occurred; by our clock, marked `~`, where it tells no time."""
    return f"{'~' if moment.ours else ''}{clock(moment.at)}"


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


def counted(number: int, one: str, many: str = "") -> str:
    """Return how many there are: `1 step`, `2 steps`."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def summary_of(order: Order, facts: Iterable[str]) -> str:
    """Return the whole order in words, for whoever cannot see the picture."""
    lines = [*facts]
    for moment in order.moments:
        name = spoken(moment.entry.name)
        told = f"{moment.number}. {shown_time(moment)} {name}: {meaning(moment)}"
        stayed = f", stayed {moment.stay}" if moment.stay else ""
        lines.append(f"{told}{stayed}; arrived {arrival(moment)}.")
    return "\n".join(lines)


def reasons_of(view: OrderView) -> Iterator[str]:
    """Yield the reasons that the provider gave, such as why an order was canceled."""
    for name in type(view.details).model_fields:
        said = getattr(view.details, name)
        if name.endswith("reason") and isinstance(said, str):
            yield f"{spoken(name)}: {harmless(said)}"


def _odd(moments: Iterable[Moment]) -> Iterator[str]:
    verdicts = [moment.verdict for moment in moments]
    for verdict in (Verdict.REFUSED, Verdict.DIVERGENT, Verdict.UNRECOGNIZED, Verdict.STALE):
        if count := verdicts.count(verdict):
            yield f"{count} {verdict.value}"


def _sentence(text: str) -> str:
    """Return a sentence of ours as it may be shown; names that it quotes are written out."""
    return text if text.isascii() and text.isprintable() else harmless(text)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(spoken, names))
