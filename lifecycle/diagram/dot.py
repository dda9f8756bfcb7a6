"""A definition, or the path that one order took through it, in Graphviz's DOT language."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from lifecycle.core.definition import Definition
from lifecycle.core.view import HistoryEntry, OrderView
from lifecycle.diagram.harmless import harmless
from lifecycle.diagram.outline import START, Arrow, Key, Outline, is_hub, outline, safe_ids

_INDENT: Final = "    "
_BLUE: Final = "#2563eb"
_GREY: Final = "#94a3b8"
_INK: Final = "#334155"

_FONT: Final = f'fontname="Helvetica,Arial,sans-serif", fontcolor="{_INK}"'
_FRAME: Final = f'labeljust=l, fontsize=11, color="{_GREY}", {_FONT}'
_BOX: Final = f'shape=box, style="rounded,filled", fillcolor=white, height=0.4, color="{_INK}"'
_SETTINGS: Final = (
    f"graph [compound=true, newrank=true, nodesep=0.45, ranksep=0.45, pad=0.2, {_FRAME}];",
    f"node [{_BOX}, fontsize=12, {_FONT}];",
    f'edge [arrowsize=0.7, color="{_INK}", fontsize=11, {_FONT}];',
)
_START: Final = 'shape=circle, label="", width=0.16, height=0.16, fillcolor=black, color=black'
_DIAMOND: Final = f'shape=diamond, style=filled, label="", width=0.2, height=0.2, color="{_GREY}"'
_NOTE: Final = (
    'shape=note, style=filled, fillcolor="#fef9c3", color="#ca8a04", fontcolor="#713f12", '
    r'fontsize=11, label="Steps back: each of these\nmay return to every\nearlier one of them"'
)

_LOOKS: Final[Mapping[str, str]] = {
    "entered": f'fillcolor="#dbeafe", color="{_BLUE}", fontcolor="#1e3a5f"',
    "now": 'fillcolor="#ede9fe", color="#6d28d9", fontcolor="#2e1065", penwidth=2.5',
    "apart": f'fillcolor="#f6f8fa", color="{_GREY}", fontcolor="#64748b"',
}
_TAKEN: Final = f'color="{_BLUE}", fontcolor="{_BLUE}", penwidth=2'
_NOT_TAKEN: Final = f'color="{_GREY}", fontcolor="#64748b"'

_RESERVED: Final = frozenset({"digraph", "edge", "graph", "node", "strict", "subgraph"})


def dot(
    definition: Definition,
    view: OrderView | None = None,
    history: Sequence[HistoryEntry] = (),
) -> str:
    """Return a DOT graph of a definition, or of the path that the order of `view` took.

    A dot marks the start, a doubled border an end. A path's states are filled and its steps
    numbered: with the numbers that their events have in `history`, as in every other picture;
    without one they are counted. Dashed steps skipped ahead. Where many states lead to the
    same ones, a frame or a diamond stands for all those arrows; none is left out.

    Raises:
        InvalidArgumentError: the view was folded under another definition, or the history is
            of another order or time.
    """
    drawn = outline(definition, view, history)
    ids = safe_ids(definition.states, _RESERVED)
    title = definition.name if view is None else f"Order {view.order_id} is {view.status}"
    terminal = [state for state in definition.states if state in definition.terminal]
    lines = [
        *_SETTINGS,
        *_frames(drawn, ids),
        *(_node(state, ids, drawn, "peripheries=2") for state in terminal),
        *_arrows(drawn, ids),
        # Last, so that the frames do not inherit it.
        f"label={_quoted(title)}; labelloc=t; fontsize=15;",
    ]
    body = "".join(f"{_INDENT}{line}\n" for line in lines)
    return f"digraph {_quoted(title)} {{\n{body}}}\n"


def _quoted(text: str) -> str:
    """Return a DOT string that shows `text` as it is, whatever escapes or entities it holds."""
    shown = harmless(text).replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{shown}"'


def _attributes(*attributes: str) -> str:
    given = ", ".join(attribute for attribute in attributes if attribute)
    return f" [{given}];" if given else ";"


def _node(state: str, ids: Mapping[str, str], drawn: Outline, *attributes: str) -> str:
    label = "" if ids[state] == state else f"label={_quoted(state)}"
    return ids[state] + _attributes(label, *attributes, _look(state, drawn))


def _look(state: str, drawn: Outline) -> str:
    if drawn.now is None:
        return ""
    if state == drawn.now:
        return _LOOKS["now"]
    return _LOOKS["entered" if state in drawn.entered else "apart"]


def _frames(drawn: Outline, ids: Mapping[str, str]) -> Iterator[str]:
    """Yield the states that are not terminal, within the frames that stand for their families."""
    retreat = drawn.retreat.states
    inside = [
        f"Start [{_START}];",
        *(f"Hub{number} [{_DIAMOND}];" for number, _ in enumerate(drawn.hubs, 1)),
        *(_node(state, ids, drawn) for state in drawn.active if state not in retreat),
        *(_retreat(retreat, ids, drawn) if retreat else ()),
    ]
    if not drawn.ends:
        yield from inside
        return
    ends = " or ".join(end.state for end in drawn.ends)
    yield from _framed("open", f"every state in this frame can become {ends}", inside)


def _retreat(states: Sequence[str], ids: Mapping[str, str], drawn: Outline) -> Iterator[str]:
    # No title, but a note beside the frame's middle: arrows into it would run through a title.
    nodes = [_node(state, ids, drawn) for state in states]
    middle = ids[states[len(states) // 2]]
    beside = f"{{ rank=same; {middle} -> Note [style=invis]; }}"
    yield from _framed("retreat", "", [*nodes, f"Note [{_NOTE}];", beside])


def _framed(name: str, title: str, inside: Iterable[str]) -> Iterator[str]:
    yield f"subgraph cluster_{name} {{"
    yield f"{_INDENT}label={_quoted(title)}; style=rounded;"
    yield from (f"{_INDENT}{line}" for line in inside)
    yield "}"


def _arrows(drawn: Outline, ids: Mapping[str, str]) -> Iterator[str]:
    """Yield the arrows drawn one by one, then those that stand for a family of moves."""
    yield from (_arrow(arrow, ids, drawn) for arrow in drawn.arrows)
    look = "" if drawn.now is None else _NOT_TAKEN
    if drawn.retreat:
        first = ids[drawn.retreat.states[0]]
        # Back against the flow: it must not push the earlier state below.
        attributes = _attributes("ltail=cluster_retreat, constraint=false", look)
        yield from (f"{first} -> {ids[state]}{attributes}" for state in drawn.retreat.further)
    for state, names in drawn.ends:
        attributes = _attributes("ltail=cluster_open", _label(names), look)
        yield f"{ids[drawn.active[-1]]} -> {ids[state]}{attributes}"


def _arrow(arrow: Arrow, ids: Mapping[str, str], drawn: Outline) -> str:
    look = _TAKEN if arrow.steps else _NOT_TAKEN if drawn.now is not None else ""
    attributes = _attributes(
        "arrowhead=none" if is_hub(arrow.target) else "",
        _label(arrow.names, arrow.caption),
        look,
        "" if arrow.declared else "style=dashed",
    )
    return f"{_id(arrow.source, ids)} -> {_id(arrow.target, ids)}{attributes}"


def _id(key: Key, ids: Mapping[str, str]) -> str:
    if isinstance(key, str):
        return ids[key]
    return "Start" if key == START else f"Hub{key}"


def _label(names: Iterable[str], caption: str = "") -> str:
    label = f"{caption} {' / '.join(names)}".strip()
    return f"label={_quoted(f' {label} ')}" if label else ""
