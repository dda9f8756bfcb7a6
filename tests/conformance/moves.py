"""What every word means in every state: the table of moves, tried from each state to each.

One case for each state and each way of telling, with an order for each word that is told there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.oracle.words import MOVES, STATES

from .case import Case, Recording, case, event, flat, of, poll

TOLD = STATES[STATES.index("created") :]

RULE = "A state moves as the table of the definition says: its moves, and no others."


def dated(word: str, order_id: str) -> Recording:
    return event(word, 60, "then", order_id=order_id)


def asked(word: str, order_id: str) -> Recording:
    return {**poll(word, 60, id=order_id), "order_id": order_id}


WAYS: dict[str, Callable[[str, str], Recording]] = {
    "a dated callback": dated,
    "a dated poll": asked,
    "an undated callback": flat,
}


def from_each_state() -> Iterator[Case]:
    for way, told in WAYS.items():
        for state in TOLD:
            recordings = [
                recording
                for word in TOLD
                for recording in (event(state, 1, "first", order_id=word), told(word, word))
            ]
            yield case(
                f"moves_from_{state}_by_{way.replace(' ', '_')}",
                f"An order stands at `{state}`, and {way} tells each state in turn.",
                *recordings,
                orders=[*TOLD],
            )


def moves_of(found: Case) -> set[tuple[str, str]]:
    """Return the moves of the definition that a case tries."""
    state = found.recordings[0]["body"]["event_name"]  # type: ignore[index]
    return {(state, word) for word in TOLD} & MOVES


CASES = of(RULE, *from_each_state())
