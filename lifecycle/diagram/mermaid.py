"""A definition, the path of one order through it, and who told whom of it, in Mermaid."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from lifecycle.core.definition import Definition
from lifecycle.core.view import HistoryEntry, OrderView, Verdict
from lifecycle.diagram.clock import clock, date
from lifecycle.diagram.harmless import harmless, spoken
from lifecycle.diagram.moments import Moment, order_of
from lifecycle.diagram.outline import START, Arrow, Key, Outline, is_hub, outline, safe_ids
from lifecycle.diagram.wording import meaning, shown_time, title_of

_INDENT: Final = "    "

# Words that Mermaid reads as its own wherever a state may stand, or trips over.
_RESERVED: Final = frozenset(
    {
        *("as", "choice", "class", "classdef", "click", "constructor", "default", "direction"),
        *("end", "fork", "hide", "href", "join", "note", "prototype", "root", "root_end"),
        *("root_start", "scale", "start", "state", "style"),
    }
)

# Everything but letters, digits, spaces within, and what joins two words: the rest may be
# an end of the text, a comment, an entity, or Markdown.
_SPECIAL: Final = re.compile(r"[^\w .-]|(?<![^\W_])[_.-]|[_.-](?![^\W_])|^ | $")

# Dark text on light boxes reads on a light and on a dark page alike.
_CLASSES: Final[Mapping[str, str]] = {
    "entered": "fill:#dbeafe,stroke:#2563eb,color:#1e3a5f",
    "now": "fill:#ede9fe,stroke:#6d28d9,color:#2e1065,stroke-width:3px",
    "apart": "fill:#f6f8fa,stroke:#c4ccd4,color:#7b8794",
}

_ARROWS: Final = {
    "request": "C->>P",
    "response": "P-->>C",
    "poll": "P-->>C",
    "callback": "P->>S",
}
_NOT_COUNTED: Final = (Verdict.REFUSED, Verdict.DIVERGENT)


def mermaid(
    definition: Definition,
    view: OrderView | None = None,
    history: Sequence[HistoryEntry] = (),
) -> str:
    """Return a `stateDiagram-v2` of a definition, or of the path that the order of `view` took.

    A path's states are highlighted and its steps numbered: with the numbers that their events
    have in `history`, as in every other picture; without one they are counted. Where many
    states lead to the same ones, a frame or a diamond stands for all those arrows; none is
    left out.

    Raises:
        InvalidArgumentError: the view was folded under another definition, or the history is
            of another order or time.
    """
    drawn = outline(definition, view, history)
    ids = safe_ids(definition.states, _RESERVED)
    ended = [state for state in definition.states if state in definition.terminal]
    lines = [
        f"accTitle: {_title(definition, view)}",
        *_frames(drawn, ids),
        *(_label(state, ids) for state in ended),
        *(_arrow(arrow, ids) for arrow in drawn.arrows if not _is_inside(drawn, arrow)),
        *(f"Retreat --> {ids[state]}" for state in drawn.retreat.further),
        *(f"Open --> {_labeled(ids[state], names)}" for state, names in drawn.ends),
        *(f"{ids[state]} --> [*]" for state in ended),
        *(_classes(definition, drawn, ids) if drawn.now is not None else ()),
    ]
    return "".join(["stateDiagram-v2\n", *(f"{_INDENT}{line}\n" for line in lines)])


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


def _title(definition: Definition, view: OrderView | None) -> str:
    if view is None:
        return f"The lifecycle {escaped(definition.name)}"
    return f"Order {escaped(view.order_id)} is {escaped(view.status)}"


def escaped(text: str) -> str:
    """Return a text that Mermaid shows as it is, whatever markup it holds."""
    return without_markup(harmless(text))


def without_markup(shown: str) -> str:
    """Return a harmless text with what Mermaid would read as markup written as entities."""
    return _SPECIAL.sub(lambda found: f"#{ord(found[0])};", shown) or "#160;"


def _label(state: str, ids: Mapping[str, str]) -> str:
    return state if ids[state] == state else f'state "{escaped(state)}" as {ids[state]}'


def _is_inside(drawn: Outline, arrow: Arrow) -> bool:
    """Tell whether an arrow is told of with the frames: those of a diamond, and the start's.

    The start's dot lies in the outer frame, where no title is in its way.
    """
    starts = arrow.source == START and bool(drawn.ends) and arrow.target in drawn.active
    return starts or is_hub(arrow.source) or is_hub(arrow.target)


def _frames(drawn: Outline, ids: Mapping[str, str]) -> Iterator[str]:
    """Yield the states that are not terminal, within the frames that stand for their families."""
    retreating = drawn.retreat.states
    inside = [
        *(_label(state, ids) for state in drawn.active if state not in retreating),
        *_hubs(drawn, ids),
        # Last, because the frame that names a state last is the one it is drawn in.
        *(_retreat(retreating, ids) if retreating else ()),
    ]
    if not drawn.ends:
        yield from inside
        return
    ends = " or ".join(escaped(end.state) for end in drawn.ends)
    starts = [
        _arrow(arrow, ids)
        for arrow in drawn.arrows
        if arrow.source == START and arrow.target in drawn.active
    ]
    yield from _framed("Open", f"every state in this frame can become {ends}", starts + inside)


def _retreat(states: Sequence[str], ids: Mapping[str, str]) -> Iterator[str]:
    note = [
        f"note right of {ids[states[-1]]}",
        f"{_INDENT}Steps back: every state in the inner frame",
        f"{_INDENT}may return to every earlier one in it",
        "end note",
    ]
    # No title: arrows into the frame would run through it.
    yield from _framed("Retreat", " ", [*(_label(state, ids) for state in states), *note])


def _framed(name: str, title: str, inside: Iterable[str]) -> Iterator[str]:
    yield f'state "{title}" as {name} {{'
    yield from (f"{_INDENT}{line}" for line in inside)
    yield "}"


def _hubs(drawn: Outline, ids: Mapping[str, str]) -> Iterator[str]:
    """Yield the diamonds: whatever leads in may go on by every way out."""
    for number, _ in enumerate(drawn.hubs, 1):
        yield f"state Hub{number} <<choice>>"
        for arrow in drawn.arrows:
            if number in {arrow.source, arrow.target}:
                yield _arrow(arrow, ids)


def _arrow(arrow: Arrow, ids: Mapping[str, str]) -> str:
    source = "[*]" if arrow.source == START else _id(arrow.source, ids)
    return f"{source} --> {_labeled(_id(arrow.target, ids), arrow.names, arrow.caption)}"


def _id(key: Key, ids: Mapping[str, str]) -> str:
    return ids[key] if isinstance(key, str) else f"Hub{key}"


def _labeled(target: str, names: Iterable[str], caption: str = "") -> str:
    label = f"{caption} {' / '.join(map(escaped, names))}".strip()
    return f"{target} : {label}" if label else target


def _classes(definition: Definition, drawn: Outline, ids: Mapping[str, str]) -> Iterator[str]:
    """Yield the looks of an order's path: where it was, where it stands, where it never was."""
    entered = drawn.entered - {drawn.now}
    members = {
        "entered": [ids[state] for state in definition.states if state in entered],
        "now": [ids[drawn.now]] if drawn.now is not None else [],
        "apart": [ids[state] for state in definition.states if state not in drawn.entered],
    }
    for name, states in members.items():
        if states:
            yield f"classDef {name} {_CLASSES[name]}"
            yield f"class {','.join(states)} {name}"


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
