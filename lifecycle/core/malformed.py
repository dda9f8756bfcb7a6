"""What of a written lifecycle is no name, no move or no list at all: found before it is read.

`transitions` takes more forms than `Definition.write` does: enumerations as states, lists as
moves, mappings that describe a state. None of them is a stored word, so each is refused here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum
from typing import Any, Final

from pydantic import BaseModel
from transitions import Machine

MAX_NAME_BYTES: Final = 255
ANOMALY_CODE: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
PARTS: Final = frozenset({"trigger", "source", "dest"})

# A machine is its own model: a trigger of such a name would hide a part of it, or be hidden.
_TAKEN: Final = frozenset(dir(Machine()))
# What this library says of events itself: no provider's word.
_OUR_ANOMALIES: Final = frozenset(
    {"refused", "unrecognized", "divergent", "bad_time", "unreadable_body"}
)
_ORDERED: Final = ("states", "main_line")
_UNORDERED: Final = ("terminal", "aborts", "birth", "side", "informational")
# `transitions` reads them as every state, and as the state that a move starts from.
_WILDCARDS: Final = frozenset({"*", "="})


def listed(value: object) -> Any:
    """Return an iterable as a tuple, to be read twice, and no mapping in it changed by others.

    What is no list comes back as it is, to be refused.
    """
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping | AbstractSet):
        return tuple(dict(each) if isinstance(each, Mapping) else each for each in value)
    return value


def malformed(parts: Mapping[str, object]) -> list[str]:
    """Return a sentence for each part of a lifecycle that is of no use, once each."""
    return list(dict.fromkeys(_malformed(parts)))


def wrong_anomalies(anomalies: object) -> Iterator[str]:
    """Yield what is wrong with a provider's own anomalies: codes, each with its sentence."""
    if anomalies is None:
        return
    if not isinstance(anomalies, Mapping):
        yield "anomalies is no mapping, expected one from codes to sentences"
        return
    for code, sentence in anomalies.items():
        if type(code) is not str or ANOMALY_CODE.fullmatch(code) is None:
            yield "anomalies has a code that is no short name in lower case"
        elif code in _OUR_ANOMALIES:
            yield f"anomalies has the code {code!a}, which is one of this library"
        elif type(sentence) is not str or not sentence.strip() or not is_name(sentence):
            yield f"anomaly {code!a} has no sentence of up to {MAX_NAME_BYTES} bytes"


def wrong_awaits(awaits: object, kind: type[tuple[Any, ...]]) -> Iterator[str]:
    """Yield what is wrong with what is expected next; for each state it must be of a `kind`."""
    if awaits is not None and not isinstance(awaits, Mapping):
        yield "awaits is no mapping, expected one from states to Awaits"
        return
    for state, expected in (awaits or {}).items():
        told = isinstance(expected, kind) and all(isinstance(names, tuple) for names in expected)
        if not is_name(state):
            yield "awaits is for something that is no name, expected states"
        elif not told or not all(is_name(name) for names in expected for name in names):
            yield f"awaits of {state!a} is no Awaits, expected one of tuples of names"


def wrong_facts(parts: Mapping[str, object]) -> Iterator[str]:
    """Yield what is wrong with the facts of a lifecycle that are no lists."""
    if parts["confirmed"] is not None and not is_name(parts["confirmed"]):
        yield f"confirmed is {_kind(parts['confirmed'])}, expected a state"
    if not isinstance(parts["numbered"], bool):
        yield f"numbered is {_kind(parts['numbered'])}, expected True or False"


def unfit_details(model: object) -> Iterator[str]:
    """Yield what keeps a value from being the model of a provider's details."""
    if not isinstance(model, type) or not issubclass(model, BaseModel):
        yield "details is no pydantic model"
    elif model.model_rebuild(raise_errors=False) is False:
        yield f"details is the model {model.__name__!a}, which names a type that is not there"


def is_name(value: object) -> bool:
    """Tell whether this can be the name of a state or an event: plain text that can be stored."""
    if not isinstance(value, str) or isinstance(value, Enum):
        return False
    try:
        return len(value.encode()) <= MAX_NAME_BYTES
    except UnicodeEncodeError:  # a lone surrogate
        return False


def unnamed(name: object) -> Iterator[str]:
    """Yield what is wrong with the name of a lifecycle."""
    if not is_name(name):
        yield f"name is {_kind(name)}, expected {_NAME}"


def described(name: object) -> str:
    """Return the name of a lifecycle, or what stands in its place."""
    return str.__str__(name) if isinstance(name, str) else _kind(name)


def _malformed(parts: Mapping[str, object]) -> Iterator[str]:
    for part in _ORDERED:
        if isinstance(parts[part], AbstractSet):
            yield f"{part} is a set, expected a list: the order counts"
        else:
            yield from _not_names(part, parts[part])
    for part in _UNORDERED:
        yield from _not_names(part, parts[part])
    yield from _not_moves(parts["moves"])


_NAME: Final = f"plain text of up to {MAX_NAME_BYTES} bytes of UTF-8"


def _not_names(part: str, names: Any) -> Iterator[str]:
    if not _is_list(names):
        yield f"{part} is {_kind(names)}, expected a list of names"
        return
    for name in names:
        if not is_name(name):
            yield f"{part} holds {_kind(name)}, expected {_NAME}"
    if part == "states":
        yield from wildcards(name for name in names if is_name(name))


def wildcards(states: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for each state that a machine would take for all of them."""
    for state in states:
        if state in _WILDCARDS:
            yield f"states holds {state!a}, which `transitions` reads as a wildcard"


def _not_moves(moves: Any) -> Iterator[str]:
    if not _is_list(moves):
        yield f"moves is {_kind(moves)}, expected a list of moves"
        return
    for number, move in enumerate(moves, 1):
        if not isinstance(move, Mapping):
            yield f"move {number} is {_kind(move)}, expected a mapping of trigger, source and dest"
        elif set(move) == PARTS:
            yield from _not_parts(number, move)
        elif not all(is_name(each) for pair in move.items() for each in pair):
            yield f"move {number} needs trigger, source and dest, and nothing else"


def _not_parts(number: int, move: Mapping[str, object]) -> Iterator[str]:
    source = move["source"]
    sources = source if isinstance(source, list | tuple) else [source]
    for part, names in (
        ("trigger", [move["trigger"]]),
        ("source", sources),
        ("dest", [move["dest"]]),
    ):
        for name in names:
            if not is_name(name):
                yield f"the {part} of move {number} is {_kind(name)}, expected {_NAME}"


def _is_list(value: object) -> bool:
    return isinstance(value, Collection) and not isinstance(value, str | bytes | Mapping)


def _kind(value: object) -> str:
    """Return what a value is, by its type alone."""
    if type(value) is str:
        return "a text"
    return "nothing" if value is None else f"a value of type {type(value).__name__}"


def problems_of_moves(states: tuple[str, ...], moves: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what `transitions` would accept in silence or refuse with a traceback."""
    if not states:
        return ["it has no states"]
    problems = [f"state {state!a} is listed twice" for state in _repeated(states)]
    for move in moves:
        if set(move) != PARTS:
            problems.append(f"move {dict(move)!a} needs trigger, source and dest, and nothing else")
            continue
        if move["trigger"] in _TAKEN:
            problems.append(f"{move['trigger']!a} is a name that `transitions` uses itself")
        source, dest = move["source"], move["dest"]
        sources = source if isinstance(source, list | tuple) else [source]
        if not sources:
            problems.append(f"{move['trigger']!a} starts from no state")
        problems += [
            f"{move['trigger']!a} starts from unknown state {s!a}"
            for s in sources
            if s not in {*states, "*"}
        ]
        if dest not in states:
            problems.append(f"{move['trigger']!a} leads to unknown state {dest!a}")
    return problems


def _repeated(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
