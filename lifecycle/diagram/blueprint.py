"""The picture of a definition: every state and every move, before any order took one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lifecycle.core.definition import Definition
from lifecycle.diagram.chart import Look, Wire, Words, chart, named
from lifecycle.diagram.frame import Sign, framed, line_sign
from lifecycle.diagram.harmless import harmless, spoken
from lifecycle.diagram.outline import Outline, outline
from lifecycle.diagram.scene import Area, Box, Disc, Scene, diamond

BACK: Final = Words("\N{BLACK LEFT-POINTING POINTER} may step back")


def blueprint(definition: Definition, *, narrow: bool = False) -> Scene:
    """Return the states and moves of a definition as a picture."""
    drawn = outline(definition)
    wires = [Wire(arrow.source, arrow.target, words=named(arrow.names)) for arrow in drawn.arrows]
    whole = chart(definition, drawn, backward(drawn), wires, narrow=narrow)
    moves = len({(move.source, move.dest) for move in definition.moves})
    facts = (
        f"{len(definition.states)} states, {moves} moves, fingerprint {definition.fingerprint[:8]}",
    )
    title = f"The lifecycle {harmless(definition.name)}"
    return framed(title, facts, [whole], [*signs(drawn)], "\n".join(_told(definition)))


def backward(drawn: Outline, look: str = "box") -> dict[str, Look]:
    """Return the looks of the states that may step back."""
    return {state: Look(look, (BACK,)) for state in drawn.retreat.states}


def signs(drawn: Outline) -> Iterator[Sign]:
    """Yield what the shapes of a definition mean."""
    yield Sign((Disc(0, 0, 6, "dot"),), "start")
    frame = Box(Area(-13, -9, 13, 9), "border", 6), Box(Area(-10, -6, 10, 6), "box", 4)
    yield Sign(frame, "end: nothing follows")
    yield line_sign("line", "move")
    if drawn.hubs:
        yield Sign((diamond(0, 0, 8, "hub-strong"),), "from each way in to each way out")
    if drawn.ends or drawn.retreat:
        yield line_sign("strong-rail", "one line for many moves", head=False)


def _told(definition: Definition) -> Iterator[str]:
    """Yield the moves in words, state by state."""
    for state in definition.states:
        onward = dict.fromkeys(move.dest for move in definition.moves if move.source == state)
        said = ", ".join(spoken(dest) for dest in onward)
        yield f"{spoken(state)}: {'leads to ' + said if said else 'nothing follows'}."
