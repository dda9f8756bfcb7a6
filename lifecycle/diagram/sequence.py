"""One order as a Mermaid sequence diagram: who told whom, in the order in which we heard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from lifecycle.core.view import HistoryEntry, OrderView, Verdict
from lifecycle.diagram.clock import clock, date
from lifecycle.diagram.harmless import spoken
from lifecycle.diagram.mermaid import escaped, without_markup
from lifecycle.diagram.moments import Moment, order_of
from lifecycle.diagram.wording import meaning, shown_time, title_of

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
    arrived = sorted(order.moments, key=lambda moment: moment.arrived)
    lines = [
        f"accTitle: {without_markup(title_of(order))}",
        "participant C as client",
        f"participant P as provider {escaped(view.provider)}",
        "participant S as service",
        *(line for moment in arrived for line in _told(moment)),
        *(f"Note over S: never seen: {_said(state)}" for state in view.missing),
    ]
    return "".join(["sequenceDiagram\n", *(f"{_INDENT}{line}\n" for line in lines)])


def _told(moment: Moment) -> Iterator[str]:
    entry = moment.entry
    arrow = _ARROWS[entry.kind]
    if moment.verdict in _NOT_COUNTED:
        arrow = arrow.replace("->>", "-x")
    at = date(moment.at) + " " if moment.number == 1 else ""
    late = f", heard late at {clock(entry.received_at)}" if moment.late else ""
    kind = " (poll)" if entry.kind == "poll" else ""
    yield f"{arrow}: {moment.number}. {_said(entry.name)}{kind} {at}{shown_time(moment)}{late}"
    yield f"Note over S: {without_markup(meaning(moment))}"


def _said(name: str) -> str:
    return without_markup(spoken(name))
