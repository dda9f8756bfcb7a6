"""Hypothesis strategies: lifecycles as recordings, hostile bodies, and hostile deliveries.

A strategy imports Hypothesis when it is made; this module does not.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from lifecycle.composition import DEFAULT_PROVIDER
from lifecycle.core.definition import Definition
from lifecycle.core.event import Event
from lifecycle.core.strict_json import MAX_DEPTH, compact
from lifecycle.errors import MissingExtraError
from lifecycle.registry import part_of
from lifecycle.service.arrival_reader import Line
from lifecycle.testing.handmade import ORDER, Recording, event, provider_named
from lifecycle.testing.recordings import flattened, received_in_order
from lifecycle.testing.walk import walkable, walks_to_states

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject, DrawFn, SearchStrategy

_MALFORMED: Final = (
    b"",
    b"null",
    b"[]",
    b"{}",
    b'"text"',
    b"NaN",
    b'{"id":1e400}',
    b'{"id":"x","id":"y"}',
    b"\xef\xbb\xbf{}",
    b'{"id":"\xff"}',
    b'{"id":"\\ud800","status":"packed"}',
    b"<html>502 Bad Gateway</html>",
    b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
    b'{"id":' + b"9" * 401 + b"}",
)
_VALUES: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 2**63, 1.5, 1e300, "", " ", "\x00", "x" * 256),
    *("canceled", "FULFILLMENT.CANCELED", "requested", "\u202edelivered", [], [[]], {}, {"id": 1}),
)


def lifecycles(
    provider: str = DEFAULT_PROVIDER, *, order_id: str = ORDER, most: int = 6
) -> SearchStrategy[list[Recording]]:
    """Return a strategy for lifecycles: the recordings of one order, in the order they happened.

    A shortest walk to some state, then up to `most` declared moves with informational events.
    """
    _need_hypothesis()
    from hypothesis import strategies as st

    definition = provider_named(provider).definition
    informational = sorted(definition.informational)

    @st.composite
    def recordings(draw: DrawFn) -> list[Recording]:
        walk = draw(st.sampled_from(walks_to_states(definition)))
        names, state = list(walk.triggers), walk.status
        for _ in range(draw(st.integers(0, most))):
            onward = [move for move in walkable(definition) if move.source == state]
            if informational and draw(st.integers(0, 3)) == 0:
                names.append(draw(st.sampled_from(informational)))
            elif onward:
                move = draw(st.sampled_from(onward))
                names.append(move.trigger)
                state = move.dest
        found: list[Recording] = part_of(provider, "recordings")(names, order_id=order_id)
        return found

    return recordings()


def deliveries(
    events: Iterable[Any], *, lossy: bool = True, copies: int = 3
) -> SearchStrategy[list[Any]]:
    """Return a strategy for deliveries of these: shuffled, repeated, partly lost.

    Recordings arrive a second apart, up to `copies` of each; `lossy`: none of some, but at
    least one in all.
    """
    _need_hypothesis()
    from hypothesis import strategies as st

    given = flattened(events)

    @st.composite
    def arriving(draw: DrawFn) -> list[Any]:
        least = 0 if lossy else 1
        counts = [draw(st.integers(least, copies)) for _ in given]
        if given and not any(counts):
            counts[draw(st.integers(0, len(given) - 1))] = 1
        pairs = zip(given, counts, strict=True)
        some = [entry for entry, count in pairs for _ in range(count)]
        return _received(draw(st.permutations(some)))

    return arriving()


def hostile_bodies(like: Iterable[Any] = ()) -> SearchStrategy[bytes]:
    """Return a strategy for hostile bodies.

    Random bytes, JSON of any shape and known traps; and the bodies of the recordings in `like`
    cut short, with flipped bits, or with another value in them, so that they may be readable.
    """
    _need_hypothesis()
    from hypothesis import strategies as st

    kinds = [st.binary(max_size=200), st.sampled_from(_MALFORMED), _any_json().map(compact)]
    models = [body for recording in flattened(like) if isinstance(body := _body(recording), dict)]
    if models:
        texts = [json.dumps(model).encode() for model in models]
        kinds += [
            st.builds(_cut, st.sampled_from(texts), st.integers(0, 2**16)),
            st.builds(_flipped, st.sampled_from(texts), st.integers(0, 2**16), st.integers(1, 255)),
            st.builds(_replaced, st.sampled_from(models), st.data()).map(compact),
        ]
    return st.one_of(kinds)


def hostile_deliveries(events: Iterable[Any], *, most: int = 5) -> SearchStrategy[list[Line]]:
    """Return a strategy for deliveries of these recordings with hostile callbacks among them."""
    _need_hypothesis()
    from hypothesis import strategies as st

    given = flattened(events)

    @st.composite
    def arriving(draw: DrawFn) -> list[Line]:
        bodies = draw(st.lists(hostile_bodies(given), max_size=most))
        junk = [
            {"kind": "callback", "body_base64": base64.b64encode(body).decode()} for body in bodies
        ]
        whole = [*draw(deliveries(given)), *junk]
        return received_in_order(draw(st.permutations(whole)))

    return arriving()


def definitions() -> SearchStrategy[Definition]:
    """Return a strategy for sound definitions of two to eight states, some of them odd."""
    _need_hypothesis()
    from hypothesis import strategies as st

    @st.composite
    def written(draw: DrawFn) -> Definition:
        states = [f"s{rank}" for rank in range(draw(st.integers(2, 8)))]
        some = st.sets(st.sampled_from(states[1:]))
        terminal = draw(some)
        sources = st.sampled_from([state for state in states if state not in terminal])
        moves = draw(st.sets(st.tuples(sources, st.sampled_from(states)), max_size=20))
        return Definition.write(
            "drawn",
            states=states,
            moves=[
                {"trigger": dest, "source": source, "dest": dest} for source, dest in sorted(moves)
            ],
            terminal=terminal,
            aborts=draw(st.sets(st.sampled_from(sorted(terminal)))) if terminal else (),
            birth=draw(some),
            side=draw(some),
            main_line=[state for state in states if draw(st.booleans())],
            informational=("by_the_way",),
        )

    return written()


def events_of(definition: Definition, *, most: int = 8) -> SearchStrategy[list[Event]]:
    """Return a strategy for hand-made events of one order: known names and unknown, any time."""
    _need_hypothesis()
    from hypothesis import strategies as st

    names = st.sampled_from([*definition.states, *sorted(definition.informational), "unheard_of"])
    kinds = st.sampled_from(["callback", "callback", "poll"])
    times = st.none() | st.integers(0, 3)
    one = st.builds(
        lambda name, kind, at, key: event(name, at, kind=kind, key=f"callback:{key}"),
        names,
        kinds,
        times,
        st.integers(0, most),
    )
    return st.lists(one, min_size=1, max_size=most)


def _need_hypothesis() -> None:
    if find_spec("hypothesis") is None:
        raise MissingExtraError("test", "hypothesis")


def _received(entries: Sequence[Any]) -> list[Any]:
    """Return entries with times of arrival; hand-made events keep their own."""
    if any(isinstance(entry, Event) for entry in entries):
        return list(entries)
    return received_in_order(entries)


def _any_json() -> SearchStrategy[Any]:
    _need_hypothesis()
    from hypothesis import strategies as st

    letters = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    leaves = st.none() | st.booleans() | numbers | letters
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(letters, inner, max_size=4),
        max_leaves=12,
    )


def _body(recording: Any) -> Any:
    return recording.get("body") if isinstance(recording, Mapping) else None


def _cut(text: bytes, at: int) -> bytes:
    return text[: at % len(text)]


def _flipped(text: bytes, at: int, by: int) -> bytes:
    place = at % len(text)
    return text[:place] + bytes([text[place] ^ by]) + text[place + 1 :]


def _replaced(model: Mapping[str, Any], data: DataObject) -> dict[str, Any]:
    """Return the object with another value for one of its members, at any depth."""
    _need_hypothesis()
    from hypothesis import strategies as st

    name = data.draw(st.sampled_from(sorted(model)))
    inner = model[name]
    deeper = isinstance(inner, Mapping) and inner and data.draw(st.booleans())
    value = _replaced(inner, data) if deeper else data.draw(st.sampled_from(_VALUES))
    return {**model, name: value}
