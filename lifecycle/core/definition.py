"""A lifecycle: written with `transitions`, compiled once to an immutable table.

States are listed in rank order, moves in the form that `transitions.Machine` takes
(`{"trigger": ..., "source": ..., "dest": ...}`; `source` may be a list or `"*"`).
The machine is built to check and to draw; the fold asks the table, thousands of times
faster. `Definition.machine()` gives a live machine of the same moves back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar, Final, NamedTuple, Self

from pydantic import BaseModel, ConfigDict
from transitions import Machine

from lifecycle.core.definition_json import NOT_WRITTEN, canonical_form, parts_in
from lifecycle.core.event import EXCHANGE_NAMES
from lifecycle.core.malformed import (
    described,
    listed,
    malformed,
    problems_of_moves,
    unfit_details,
    unnamed,
    wrong_anomalies,
    wrong_awaits,
    wrong_facts,
)
from lifecycle.core.strict_json import canonical
from lifecycle.errors import DefinitionError, InvalidArgumentError

NO_RANK: Final = 1_000_000
"""Sorts names without a rank behind all that have one."""


class NoDetails(BaseModel):
    """The details of a provider that tells none."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)


class Move(NamedTuple):
    """One declared move: in state `source`, `trigger` leads to `dest`."""

    source: str
    trigger: str
    dest: str


class Awaits(NamedTuple):
    """What is expected next in one state of the creation dialogue.

    `usual` holds unless the newest attempt failed: then `not_reached` stands for an
    exchange that never reached validation and `unknown` for one whose fate nobody knows.
    `unanswered_before` is added where an earlier attempt went unanswered.
    """

    usual: tuple[str, ...]
    not_reached: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    unanswered_before: tuple[str, ...] = ()


@dataclass(frozen=True)
class Written:
    """A lifecycle as somebody wrote it: not compiled, and possibly all wrong.

    `Definition.of` refuses one that does not hold together; `lifecycle check` tells all
    that is wrong with it.

    Attributes:
        name: of the lifecycle, for people.
        states: in rank order, lowest first; the first is the initial state. The provider's own
            words, in lower case.
        moves: as `transitions.Machine` takes them; one to a lower rank is a legal step back.
        terminal: states that an order never leaves.
        aborts: terminal states that are no progress, such as `canceled`.
        birth: all states that the answer to an accepted create request may show. It has no time:
            in another state its step sorts last, and goes once a callback shows a later one.
        side: states of which a late one is a milestone, no step back.
        main_line: states that every order that got further must have passed: one that no event
            named is `missing`. `lifecycle check` lists those that no moves lead around.
        informational: names that never change the state; `failed` and `poll_failed` belong here.
        awaits: what is expected next, where that is not the next main-line state.
        details: the model of what the provider tells about an order.
        confirmed: the state that a callback of that name confirms, once the provider accepted
            the order; None where no callback does.
        anomalies: codes of the provider's own for what may be odd about an event, each with
            its sentence for people.
        numbered: whether the provider numbers the states of an order: then the number sorts
            events, not the time.
    """

    name: str
    states: Sequence[str]
    moves: Sequence[Mapping[str, Any]]
    terminal: Collection[str]
    aborts: Collection[str] = ()
    birth: Collection[str] = ()
    side: Collection[str] = ()
    main_line: Collection[str] = ()
    informational: Collection[str] = ()
    awaits: Mapping[str, Awaits] | None = None
    details: type[BaseModel] = NoDetails
    confirmed: str | None = None
    anomalies: Mapping[str, str] | None = None
    numbered: bool = False


@dataclass(frozen=True)
class Definition:
    """The states, ranks, moves and informational names of one lifecycle.

    Immutable; made by `Definition.write`, which refuses what does not hold together.
    Two definitions with the same `fingerprint` give the same views.
    """

    name: str
    states: tuple[str, ...]
    moves: tuple[Move, ...]
    terminal: frozenset[str]
    aborts: frozenset[str] = frozenset()
    birth: frozenset[str] = frozenset()
    side: frozenset[str] = frozenset()
    main_line: tuple[str, ...] = ()
    informational: frozenset[str] = frozenset()
    awaits: Mapping[str, Awaits] = field(default_factory=dict)
    details: type[BaseModel] = NoDetails
    confirmed: str | None = None
    anomalies: Mapping[str, str] = field(default_factory=dict)
    numbered: bool = False

    @classmethod
    def write(
        cls,
        name: str,
        *,
        states: Sequence[str],
        moves: Iterable[Mapping[str, Any]],
        terminal: Iterable[str],
        aborts: Iterable[str] = (),
        birth: Iterable[str] = (),
        side: Iterable[str] = (),
        main_line: Iterable[str] = (),
        informational: Iterable[str] = (),
        awaits: Mapping[str, Awaits] | None = None,
        details: type[BaseModel] = NoDetails,
        confirmed: str | None = None,
        anomalies: Mapping[str, str] | None = None,
        numbered: bool = False,
    ) -> Self:
        """Return the compiled definition; the arguments are what `Written` holds.

        Raises:
            DefinitionError: with every reason found.
        """
        lists = (states, moves, terminal, aborts, birth, side, main_line, informational)
        facts: tuple[Any, ...] = (awaits, details, confirmed, anomalies, numbered)
        parts = (name, *map(listed, lists), *facts)
        return cls.of(Written(*parts))

    @classmethod
    def of(cls, written: Written) -> Self:
        """Return the compiled definition of what somebody wrote.

        Raises:
            DefinitionError: with every reason found, and with what was written.
            InvalidArgumentError: it is no `Written`.
        """
        if not isinstance(written, Written):
            raise InvalidArgumentError("written", "a Written")
        problems = _problems_of_written(written)
        if problems:
            raise DefinitionError(described(written.name), tuple(problems), written)
        states = tuple(written.states)
        definition = cls(
            name=written.name,
            states=states,
            moves=_compile(states, written.moves),
            terminal=frozenset(written.terminal),
            aborts=frozenset(written.aborts),
            birth=frozenset(written.birth),
            side=frozenset(written.side),
            main_line=tuple(written.main_line),
            informational=frozenset(written.informational),
            awaits=MappingProxyType(dict(written.awaits or {})),
            details=written.details,
            confirmed=written.confirmed,
            anomalies=MappingProxyType(dict(written.anomalies or {})),
            numbered=written.numbered,
        )
        problems = _problems_of(definition)
        if problems:
            raise DefinitionError(written.name, tuple(problems), written)
        return definition

    @property
    def initial(self) -> str:
        """The state of the lowest rank, where every order starts."""
        return self.states[0]

    @cached_property
    def ranks(self) -> Mapping[str, int]:
        """The rank of each state, counted from 0."""
        return MappingProxyType({state: rank for rank, state in enumerate(self.states)})

    @cached_property
    def table(self) -> Mapping[tuple[str, str], str]:
        """(state, trigger) → the state that the trigger leads to."""
        return MappingProxyType({(move.source, move.trigger): move.dest for move in self.moves})

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Trigger → the state that it names; a state names itself."""
        return MappingProxyType(
            {state: state for state in self.states}
            | {move.trigger: move.dest for move in self.moves}
        )

    @cached_property
    def ranks_named(self) -> Mapping[str | None, int]:
        """Trigger → the rank of the state that it names."""
        return MappingProxyType({name: self.ranks[state] for name, state in self.names.items()})

    @cached_property
    def birth_rank(self) -> int:
        """The lowest rank of a birth state: from here on the provider has the order."""
        return min((self.ranks[state] for state in self.birth), default=0)

    @cached_property
    def last_birth_rank(self) -> int:
        """The highest rank of a birth state: beyond it the delivery itself is under way."""
        return max((self.ranks[state] for state in self.birth), default=0)

    @cached_property
    def goal(self) -> str | None:
        """The terminal state that is progress, of the lowest rank; None if all are aborts."""
        return next((s for s in self.states if s in self.terminal and s not in self.aborts), None)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the canonical JSON of everything that can change a view."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """Return everything that can change a view, as canonical JSON.

        Of the details it holds the names alone. Texts for people are not in it.
        """
        content = {
            "name": self.name,
            "states": self.states,
            "moves": sorted(self.moves),
            "terminal": sorted(self.terminal),
            "aborts": sorted(self.aborts),
            "birth": sorted(self.birth),
            "side": sorted(self.side),
            "main_line": self.main_line,
            "informational": sorted(self.informational),
            "awaits": dict(self.awaits),
            "details": sorted(self.details.model_fields),
        } | ({"numbered": True} if self.numbered else {})
        return canonical(content).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return the definition that `to_json` wrote, with the same fingerprint.

        Its details take any value under the names that were recorded.

        Raises:
            DefinitionError: it is not what `to_json` writes, or does not hold together.
            InvalidArgumentError: it is no text.
        """
        parts, details = parts_in(text)
        awaits = {state: Awaits(*expected) for state, expected in parts.pop("awaits").items()}
        definition = cls.of(Written(**parts, awaits=awaits, details=details))
        if definition.to_json() != canonical_form(text):
            raise DefinitionError(definition.name, (NOT_WRITTEN,))
        return definition

    def rank(self, trigger: str | None) -> int:
        """Return the rank of the state that `trigger` names, `NO_RANK` if it names none."""
        return self.ranks_named.get(trigger, NO_RANK)

    def state(self, trigger: str | None) -> str | None:
        """Return the state that `trigger` names, None if it names none."""
        return None if trigger is None else self.names.get(trigger)

    def side_state(self, trigger: str | None) -> str | None:
        """Return the side state that `trigger` names, None if it names none."""
        state = self.state(trigger)
        return state if state in self.side else None

    def machine(self) -> Machine:
        """Return a live `transitions` machine of the same moves, in the initial state."""
        return _machine(self.states, [move._asdict() for move in self.moves])

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __getstate__(self) -> dict[str, Any]:
        written = {field.name: getattr(self, field.name) for field in fields(self)}
        return written | {"awaits": dict(self.awaits), "anomalies": dict(self.anomalies)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        read_only = {name: MappingProxyType(state[name]) for name in ("awaits", "anomalies")}
        self.__dict__.update(state, **read_only)


def _problems_of_written(written: Written) -> list[str]:
    """Return what cannot be compiled at all, a sentence each."""
    problems = [*malformed(vars(written)), *wrong_awaits(written.awaits, Awaits)]
    problems += [*wrong_anomalies(written.anomalies), *wrong_facts(vars(written))]
    if problems:
        return problems
    return [*problems_of_moves(tuple(written.states), written.moves), *unnamed(written.name)]


def _machine(states: Sequence[str], moves: Sequence[Mapping[str, Any]]) -> Machine:
    return Machine(
        states=states, transitions=list(moves), initial=states[0], auto_transitions=False
    )


def _compile(states: tuple[str, ...], moves: Sequence[Mapping[str, Any]]) -> tuple[Move, ...]:
    """Return the moves that a `transitions` machine would make, wildcards resolved."""
    machine = _machine(states, moves)
    return tuple(
        Move(transition.source, trigger, str(transition.dest))
        for trigger, event in machine.events.items()
        for transitions in event.transitions.values()
        for transition in transitions
    )


def _problems_of(definition: Definition) -> list[str]:
    """Return what keeps a compiled definition from being sound, a sentence each."""
    return [
        *_unknown_states(definition),
        *_ambiguous_triggers(definition),
        *_clashing_names(definition),
        *(
            f"terminal state {move.source!a} has a way out to {move.dest!a}"
            for move in definition.moves
            if move.source in definition.terminal
        ),
        *unfit_details(definition.details),
    ]


def _unknown_states(definition: Definition) -> Iterable[str]:
    known = frozenset(definition.states)
    named: dict[str, Iterable[str]] = {
        "terminal": definition.terminal,
        "aborts": definition.aborts,
        "birth": definition.birth,
        "side": definition.side,
        "main_line": definition.main_line,
        "awaits": definition.awaits,
        "confirmed": () if definition.confirmed is None else (definition.confirmed,),
    }
    for where, states in named.items():
        for state in sorted(set(states) - known):
            yield f"{where} names state {state!a}, which has no rank"
    for state in sorted(definition.aborts - definition.terminal):
        yield f"state {state!a} aborts but is not terminal"


def _ambiguous_triggers(definition: Definition) -> Iterable[str]:
    answers: dict[tuple[str, str], list[str]] = {}
    leads: dict[str, set[str]] = {}
    for move in definition.moves:
        answers.setdefault((move.source, move.trigger), []).append(move.dest)
        leads.setdefault(move.trigger, set()).add(move.dest)
    for (source, trigger), dests in answers.items():
        if len(dests) > 1:
            yield f"{trigger!a} in state {source!a} has {len(dests)} answers: {', '.join(dests)}"
    for trigger, reached in leads.items():
        if len(reached) > 1:
            yield f"{trigger!a} leads to {' and '.join(sorted(reached))}; an event names one state"


def _clashing_names(definition: Definition) -> Iterable[str]:
    known = frozenset(definition.states)
    triggers = {move.trigger: move.dest for move in definition.moves}
    for trigger, dest in triggers.items():
        if trigger in known and trigger != dest:
            yield f"{trigger!a} is a state, but the move of that name leads to {dest!a}"
    for name in sorted(definition.informational & (known | set(triggers))):
        yield f"{name!a} is informational and also names a state"
    for name in sorted((known | set(triggers)) & (EXCHANGE_NAMES - known)):
        yield f"{name!a} is the name of an exchange, not of a move"
