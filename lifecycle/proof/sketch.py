"""What somebody wrote, read without refusing anything: the sound part, and what is beside it.

    Written ─→ sketch ─→ sound rows ─→ a definition to ask, and the graph of its moves
                      └→ stray rows, malformed rows, unknown and repeated names

`Definition.of` stops at what does not hold together. The lint must not: it looks at all
that is there, so the rest is set aside here, and told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

from pydantic import BaseModel

from lifecycle.core.definition import Awaits, Definition, Move, NoDetails, Written
from lifecycle.core.malformed import is_name, wildcards

EVERYWHERE: Final = "*"
_PARTS: Final = frozenset({"trigger", "source", "dest"})
_ROLES: Final = ("terminal", "aborts", "birth", "side", "main_line", "awaits")


class Row(NamedTuple):
    """One written move, of one source; `number` counts the moves as written, from 1."""

    number: int
    source: str
    trigger: str
    dest: str


@dataclass(frozen=True)
class Sketch:
    """A written lifecycle, sorted into what can be used and what cannot.

    `malformed` says of each part that is no move and no name at all what was found.
    """

    name: str
    states: tuple[str, ...]
    rows: tuple[Row, ...]
    stray: tuple[Row, ...]
    malformed: tuple[str, ...]
    repeated: tuple[str, ...]
    roles: Mapping[str, tuple[str, ...]]
    informational: frozenset[str]
    awaits: Mapping[str, Awaits]
    details: type[BaseModel]

    @cached_property
    def answers(self) -> Mapping[tuple[str, str], Row]:
        """(state, trigger) → the row that answers: `transitions` takes the first."""
        found: dict[tuple[str, str], Row] = {}
        for row in self.rows:
            found.setdefault((row.source, row.trigger), row)
        return found

    @cached_property
    def terminal(self) -> frozenset[str]:
        """The terminal states that have a rank."""
        return frozenset(self.roles["terminal"]) & frozenset(self.states)

    @cached_property
    def definition(self) -> Definition:
        """The sound part, compiled without a check: to be asked, never to be used."""
        roles = {
            name: [state for state in self.roles[name] if state in self.states] for name in _ROLES
        }
        return Definition(
            name=self.name,
            states=self.states,
            moves=tuple(Move(row.source, row.trigger, row.dest) for row in self.answers.values()),
            terminal=frozenset(roles["terminal"]),
            aborts=frozenset(roles["aborts"]),
            birth=frozenset(roles["birth"]),
            side=frozenset(roles["side"]),
            main_line=tuple(roles["main_line"]),
            informational=self.informational,
            awaits={state: self.awaits[state] for state in roles["awaits"]},
            details=self.details,
        )


def sketch(written: Written) -> Sketch:
    """Return a written lifecycle, sorted into what can be used and what cannot."""
    malformed: list[str] = []
    named = list(_texts("states", written.states, malformed))
    malformed += wildcards(named)
    states = tuple(dict.fromkeys(named))
    rows = tuple(_rows(written.moves, states, malformed))
    sound = tuple(row for row in rows if row.source in states and row.dest in states)
    roles = {role: tuple(_texts(role, _role(written, role), malformed)) for role in _ROLES}
    informational = _texts("informational", written.informational, malformed)
    return Sketch(
        name=str(written.name),
        states=states,
        rows=sound,
        stray=tuple(row for row in rows if row not in sound),
        informational=frozenset(informational),
        roles=roles,
        repeated=tuple(state for state in states if named.count(state) > 1),
        awaits=written.awaits or {},
        details=_details(written.details, malformed),
        malformed=tuple(malformed),
    )


def _details(model: Any, malformed: list[str]) -> type[BaseModel]:
    if not isinstance(model, type) or not issubclass(model, BaseModel):
        found = f"{_kind(model)}, expected a pydantic model"
    elif model.model_rebuild(raise_errors=False) is False:
        found = f"the model {model.__name__!a}, expected one whose types are all there"
    else:
        return model
    malformed.append(f"details is {found}")
    return NoDetails


def _role(written: Written, role: str) -> object:
    names = getattr(written, role)
    if role != "awaits" or names is None:
        return () if names is None else names
    return names if isinstance(names, Mapping) else None


def _texts(where: str, names: object, malformed: list[str]) -> Iterator[str]:
    """Yield the names that are texts; a lone text is no list of them."""
    if isinstance(names, str) or not isinstance(names, Iterable):
        malformed.append(f"{where} is {_kind(names)}, expected a list of names")
        return
    for name in names:
        # An enum member that is a text as well draws a phantom state beside the plain one.
        if _is_plain(name):
            yield name
        else:
            malformed.append(f"{where} holds {_kind(name)}, expected plain text")


def _rows(moves: object, states: tuple[str, ...], malformed: list[str]) -> Iterator[Row]:
    if isinstance(moves, str) or not isinstance(moves, Iterable):
        malformed.append(f"moves is {_kind(moves)}, expected a list of moves")
        return
    for number, move in enumerate(moves, 1):
        why = _why_malformed(move)
        if why is not None:
            malformed.append(f"move {number} {why}")
            continue
        for source in _sources(move["source"], states):
            yield Row(number, source, move["trigger"], move["dest"])


def _why_malformed(move: Any) -> str | None:
    if not isinstance(move, Mapping):
        return f"is {_kind(move)}, expected trigger, source and dest"
    if set(move) != _PARTS:
        found = ", ".join(sorted(map(str, move))) or "nothing"
        return f"has {found}, expected trigger, source and dest, and nothing else"
    for part in ("trigger", "dest"):
        if not _is_plain(move[part]):
            return f"has {_kind(move[part])} as its {part}, expected plain text"
    source = move["source"]
    listed = source if isinstance(source, list | tuple) else [source]
    if not listed:
        return "has no source, expected a state, a list of states or '*'"
    if not all(map(_is_plain, listed)):
        return "has a source that is no text, expected a state, a list of states or '*'"
    return None


def _sources(source: Any, states: tuple[str, ...]) -> Collection[str]:
    if source == EVERYWHERE:
        return states
    return source if isinstance(source, list | tuple) else (source,)


def _is_plain(name: object) -> bool:
    return type(name) is str and is_name(name)


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a value of type {type(value).__name__}"
