"""Six folds over arrivals that are wrong, as the positive control of every proof.

Each is a way in which services really do keep a status. A prover that does not refute all
six proves nothing, so `lifecycle check` runs them beside what it is asked to prove.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from lifecycle.proof.quotient import FunctionFold


class Said(NamedTuple):
    """A callback of the controls: a name, and the second in which it occurred."""

    name: str
    at: int

    def __str__(self) -> str:
        return f"{self.name}@{self.at}"


_FITTING: Final = {
    ("nothing", "confirmed"): "confirmed",
    ("confirmed", "arrived"): "arrived",
    ("arrived", "delivered"): "delivered",
}
_WAY: Final = (Said("confirmed", 1), Said("arrived", 2), Said("delivered", 3))
_TIE: Final = (Said("confirmed", 1), Said("boxed", 2), Said("moving", 2))
_MINUTE: Final = 60


def _last_in_time(state: Said, event: Said) -> Said:
    return event if event.at >= state.at else state


def _first(state: str, event: Said) -> str:
    return event.name if state == "nothing" else state


def _fitting(state: str, event: Said) -> str:
    return _FITTING.get((state, event.name), state)


def _counted(state: int, event: str) -> int:
    return state + 1 if event == "request" else state


def _sorted_by_minute(state: tuple[Said, ...], event: Said) -> tuple[Said, ...]:
    if event in state:
        return state
    return tuple(sorted((*state, event), key=lambda said: said.at // _MINUTE))


def _name(state: Said) -> str:
    return state.name


def _last_name(state: tuple[Said, ...]) -> str:
    return state[-1].name if state else "nothing"


KNOWN_BAD: Final = (
    FunctionFold("last arrival wins", _WAY, "nothing", lambda _, event: event.name),
    FunctionFold("first arrival wins", _WAY, "nothing", _first),
    FunctionFold("reject what does not fit", _WAY, "nothing", _fitting),
    FunctionFold("timestamp without tie-break", _TIE, Said("nothing", 0), _last_in_time, _name),
    FunctionFold("attempt counter without ids", ("request", "rejected"), 0, _counted),
    FunctionFold("stable sort on a coarse clock", _TIE, (), _sorted_by_minute, _last_name),
)
