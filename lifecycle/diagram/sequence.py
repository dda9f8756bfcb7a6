"""One order as a Mermaid sequence diagram: who told whom, in the order in which we heard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from lifecycle.core.view import HistoryEntry, OrderView, Verdict
from lifecycle.diagram.chart import spoken
from lifecycle.diagram.clock import clock, date
from lifecycle.diagram.episode import Episode, meaning, order_of, shown_time
from lifecycle.diagram.mermaid import escaped, without_markup

_INDENT: Final = "    "
_ARROWS: Final = {
    "request": "C->>P",
    "response": "P-->>C",
    "poll": "P-->>C",
    "callback": "P->>S",
}
_NOT_COUNTED: Final = (Verdict.REFUSED, Verdict.DIVERGENT)


def sequence(view: OrderView, history: Sequence[HistoryEntry]) -> str:
    """Return a `sequenceDiagram` of an order's events between client, provider and service.

    Events stand in the order in which they arrived; each has its number in canonical
    order. A cross instead of an arrow's head means that the event does not count.
    """
    order = order_of(view, history)
    arrived = sorted(order.episodes, key=lambda episode: episode.moment.arrived)
    lines = [
        f"accTitle: {without_markup(order.title)}",
        "participant C as client",
        f"participant P as provider {escaped(view.provider)}",
        "participant S as service",
        *(line for episode in arrived for line in _told(episode)),
        *(f"Note over S: never seen: {_said(state)}" for state in view.missing),
    ]
    return "".join(["sequenceDiagram\n", *(f"{_INDENT}{line}\n" for line in lines)])


def _told(episode: Episode) -> Iterator[str]:
    entry = episode.moment.entry
    arrow = _ARROWS[entry.kind]
    if episode.verdict in _NOT_COUNTED:
        arrow = arrow.replace("->>", "-x")
    at = date(episode.moment.at) + " " if episode.number == 1 else ""
    late = f", heard late at {clock(entry.received_at)}" if episode.moment.late else ""
    kind = " (poll)" if entry.kind == "poll" else ""
    yield f"{arrow}: {episode.number}. {_said(entry.name)}{kind} {at}{shown_time(episode)}{late}"
    yield f"Note over S: {without_markup(meaning(episode))}"


def _said(name: str) -> str:
    return without_markup(spoken(name))
