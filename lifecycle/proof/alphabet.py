"""The finite alphabet of a definition: the events that a proof ranges over.

Each name comes untimed and at two instants, requests and responses in two attempts, and
one event has a divergent copy; one name is unknown. The wide alphabet adds what multiplies
the sets without a new name: every state as a dated poll, a divergent copy of every state,
and some rarities.

| letter | is |
|---|---|
| `request 1` | our create request, attempt 1 |
| `accepted 1`, `rejected 1 to refused`, `failed 1` | what came of it |
| `arrived`, `arrived@1`, `arrived@2` | a callback: untimed, at one of two instants |
| `poll arrived@1` | the same said by a dated poll |
| `arrived@1 ≠` | another content under the key of `arrived@1` |

Where a definition says that its provider numbers the states of an order, what comes at an instant
has a number too, and the number is what counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final, NamedTuple, get_args

from pydantic import BaseModel, ValidationError

from lifecycle.core.definition import Definition
from lifecycle.core.event import (
    ACCEPTED,
    EXCHANGE_NAMES,
    FAILED,
    POLL_FAILED,
    REJECTED,
    REQUESTED,
    RESUBMITTED,
    Event,
    Fault,
    Kind,
)

RECEIVED_AT: Final = datetime(2022, 6, 4, 12, tzinfo=UTC)
INSTANTS: Final = (
    datetime(2022, 6, 4, 10, tzinfo=UTC),
    datetime(2022, 6, 4, 10, 0, 1, tzinfo=UTC),
)
UNHEARD_OF: Final = "unheard_of"
"""A name that no definition knows."""

_TIMES: Final[tuple[tuple[str, datetime | None], ...]] = (
    ("", None),
    ("@1", INSTANTS[0]),
    ("@2", INSTANTS[1]),
)


class Letter(NamedTuple):
    """One event of the alphabet, and how a certificate calls it."""

    label: str
    event: Event


class Alphabet(NamedTuple):
    """The letters that a proof ranges over.

    `twins` groups letters, by index, that no definition can tell apart: informational
    callbacks and polls of one instant, in canonical order. `sooner` gives, for a letter at the
    second instant, the same at the first.
    """

    letters: tuple[Letter, ...]
    wide: tuple[Letter, ...]
    twins: tuple[tuple[int, ...], ...]
    sooner: Mapping[int, int]


def alphabet(definition: Definition) -> Alphabet:
    """Return every event that a proof about a definition ranges over."""
    writer = _Writer(definition)
    letters = [*writer.requests(), *writer.responses(), *writer.callbacks()]
    letters += writer.failed_polls()
    unknown = list(writer.unknown())  # written behind all twins: its keys sort behind theirs
    letters.append(unknown.pop(1))
    states = [letter for letter in letters if _is_timed_state(definition, letter)]
    middle = len(states) // 2  # there is none where names clash so that nobody says a state
    letters += map(writer.divergent, states[middle : middle + 1])
    copied = map(writer.divergent, states[:middle] + states[middle + 1 :])
    wide = [*letters, *unknown, *writer.rarities(), *writer.polls(), *copied]
    return Alphabet(tuple(letters), tuple(wide), _twins(definition, letters), _sooner(wide))


def spoken_names(definition: Definition) -> tuple[str, ...]:
    """Return the names of states that a provider may say: not those before the first birth."""
    return tuple(name for name, state in definition.names.items() if _is_theirs(definition, state))


class _Writer:
    """Writes letters; numbers them, so that keys sort in the order of writing."""

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        self._numbers = count()
        self._places = _places_for_text(definition.details)

    def requests(self) -> Iterator[Letter]:
        for attempt in (1, 2):
            yield self.request(attempt, f"request {attempt}")

    def request(self, attempt: int, label: str, content: str = "") -> Letter:
        name = REQUESTED if attempt == 1 else RESUBMITTED
        key = f"request:{attempt}"
        return self._letter(label, "request", name, key=key, attempt=attempt, content=content)

    def responses(self) -> Iterator[Letter]:
        definition = self._definition
        born = min(definition.birth, key=definition.rank, default=definition.initial)
        fates = {1: "unknown", 2: "not_reached"}
        for attempt in (1, 2):
            yield self._response(
                ACCEPTED, born, attempt, details=self._told(f"accepted {attempt}", nested=True)
            )
            for state in self._corrections():
                label = f"{REJECTED} {attempt} to {state}"
                yield self._response(REJECTED, state, attempt, label=label, http_status=400)
            yield self._response(FAILED, FAILED, attempt, fate=fates[attempt])

    def callbacks(self) -> Iterator[Letter]:
        for name in spoken_names(self._definition):
            yield from self._said(name)
        for name in sorted(self._definition.informational - EXCHANGE_NAMES):
            yield from self._said(name)

    def unknown(self) -> Iterator[Letter]:
        yield from self._said(UNHEARD_OF)

    def rarities(self) -> Iterator[Letter]:
        """Yield a word of our own in their mouth, an answer that is ahead, a rival request."""
        own = f"{REQUESTED} by them"
        yield self._letter(own, "callback", REQUESTED, trigger=None, problems=("bad_time",))
        for state in self._underway():
            yield self._response(ACCEPTED, state, 2, label=f"accepted 2 at {state}")
        yield self.request(1, "request 1 ≠", "another body")

    def failed_polls(self) -> Iterator[Letter]:
        for mark, at in _TIMES:
            yield self._letter(f"{POLL_FAILED}{mark}", "poll", POLL_FAILED, occurred_at=at)

    def polls(self) -> Iterator[Letter]:
        for name in spoken_names(self._definition):
            for mark, at in _TIMES[1:]:
                label = f"poll {name}{mark}"
                details = self._told(label, nested=True)
                yield self._letter(label, "poll", name, occurred_at=at, details=details)

    def divergent(self, letter: Letter) -> Letter:
        """Return another content under a letter's key; of a birth the same, but undated.

        Of an end it has the same instant, else the later one. So what takes a key over
        sorts before or behind what had it.
        """
        definition, event, label = self._definition, letter.event, f"{letter.label} ≠"
        others = [name for name in spoken_names(definition) if name != event.name]
        name = (others or [event.name])[-1]
        at: datetime | None = INSTANTS[1]
        if definition.names[event.name] in definition.birth:
            name, at = event.name, None
        elif definition.names[event.name] in definition.terminal:
            at = event.occurred_at
        number = numbered_like(at) if definition.numbered else None
        changed = event._replace(
            name=name, trigger=name, occurred_at=at, sequence=number, digest=_digest(label)
        )
        return Letter(label, changed._replace(details=self._told(label, nested=True)))

    def _corrections(self) -> Iterable[str]:
        """Return what a rejection may name: a state before birth that no request names."""
        definition = self._definition
        own = [s for s in definition.states if not _is_theirs(definition, s)]
        return [s for s in own if s not in (REQUESTED, RESUBMITTED)] or [REJECTED]

    def _underway(self) -> Iterable[str]:
        definition = self._definition
        beyond = definition.states[definition.last_birth_rank + 1 :]
        return [state for state in beyond if state not in definition.terminal][:1]

    def _response(
        self, name: str, trigger: str, attempt: int, *, label: str | None = None, **also: Any
    ) -> Letter:
        also = {"http_status": 200 if name == ACCEPTED else 503} | also
        faults = () if name == ACCEPTED else (Fault(name, attempt),)
        label = label or f"{name} {attempt}"
        return self._letter(
            label, "response", name, trigger=trigger, attempt=attempt, faults=faults, **also
        )

    def _said(self, name: str) -> Iterator[Letter]:
        for mark, at in _TIMES:
            label = f"{name}{mark}"
            details = self._told(label)
            yield self._letter(label, "callback", name, occurred_at=at, details=details)

    def _letter(
        self, label: str, kind: Kind, name: str, *, content: str = "", **also: Any
    ) -> Letter:
        digest = _digest(label + content)
        fields = {"trigger": name, "key": f"{next(self._numbers):03}:{kind}"} | also
        if self._definition.numbered:
            fields["sequence"] = numbered_like(also.get("occurred_at"))
        event = Event(
            provider="proof",
            order_id="order",
            kind=kind,
            name=name,
            digest=digest,
            received_at=RECEIVED_AT,
            body=label.encode(),
            sha256=digest,
            **fields,
        )
        return Letter(label, event)

    def _told(self, label: str, *, nested: bool = False) -> Mapping[str, Any]:
        """Return details that only this event tells, in places that the model has."""
        told: dict[str, Any] = {name: label for (name,) in self._places.flat}
        if nested:
            told |= {outer: {inner: label} for outer, inner in self._places.nested}
        return told


class _Places(NamedTuple):
    """Where a model of details takes any text: by field, and by field within a field."""

    flat: list[tuple[str]]
    nested: list[tuple[str, str]]


def numbered_like(at: datetime | None) -> int | None:
    """Return the number that stands for an instant, where the provider numbers states."""
    return None if at is None else INSTANTS.index(at) + 1


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _is_theirs(definition: Definition, state: str) -> bool:
    return definition.ranks[state] >= definition.birth_rank


def _is_timed_state(definition: Definition, letter: Letter) -> bool:
    event = letter.event
    return event.occurred_at == INSTANTS[0] and event.trigger in definition.names


def _twins(definition: Definition, letters: list[Letter]) -> tuple[tuple[int, ...], ...]:
    groups: dict[datetime | None, list[int]] = {}
    for index, letter in enumerate(letters):
        event = letter.event
        if event.kind in ("callback", "poll") and event.trigger in definition.informational:
            groups.setdefault(event.occurred_at, []).append(index)
    return tuple(map(tuple, groups.values()))


def _sooner(letters: list[Letter]) -> Mapping[int, int]:
    """Return what is said at the second instant: all but other contents is at the first too."""
    _, first, second = (mark for mark, _ in _TIMES)
    places = {letter.label: index for index, letter in enumerate(letters)}
    return {
        index: places[label.removesuffix(second) + first]
        for index, (label, event) in enumerate(letters)
        if event.occurred_at == INSTANTS[1] and label.endswith(second)
    }


def _places_for_text(model: type[BaseModel]) -> _Places:
    """Return a flat and a nested place where the details take any text, as far as there are.

    A model that has none, but ignores what it does not know, takes it anywhere: the fold
    merges it all the same.
    """
    flat = [(name,) for name in model.model_fields if _takes(model, {name: "text"})]
    nested = [
        (name, inner)
        for name, field in model.model_fields.items()
        for part in (field.annotation, *get_args(field.annotation))
        if isinstance(part, type) and issubclass(part, BaseModel)
        for inner in part.model_fields
        if _takes(model, {name: {inner: "text"}})
    ]
    if not flat and _takes(model, {"told": "text"}):
        return _Places([("told",)], [("within", "told")])
    return _Places(flat[:1], nested[:1])


def _takes(model: type[BaseModel], details: Mapping[str, Any]) -> bool:
    try:
        model.model_validate(details)
    except ValidationError:
        return False
    return True
