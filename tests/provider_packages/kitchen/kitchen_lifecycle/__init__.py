"""The provider `kitchen`: meals that are ordered, cooked and served."""

from __future__ import annotations

from typing import Any, Final

from lifecycle import Arrival, Definition, NoReading, Reading
from lifecycle.core.identity import id_text, spoken_word

MEAL: Final = Definition.write(
    "kitchen.meal",
    states=("wanted", "noted", "cooking", "served", "spoiled"),
    moves=[
        {"trigger": "noted", "source": "wanted", "dest": "noted"},
        {"trigger": "cooking", "source": "noted", "dest": "cooking"},
        {"trigger": "served", "source": "cooking", "dest": "served"},
        {"trigger": "spoiled", "source": ["noted", "cooking"], "dest": "spoiled"},
    ],
    terminal=("served", "spoiled"),
    aborts=("spoiled",),
    birth=("noted",),
    main_line=("noted", "cooking"),
    informational=("failed", "poll_failed"),
)
PREREQUISITES: Final = ("the stove is connected",)


class Kitchen:
    """Reads callbacks such as `{"meal": "m-1", "state": "cooking"}`."""

    name = "kitchen"
    definition = MEAL
    kept_headers: frozenset[str] = frozenset()

    def read(self, _arrival: Arrival, body: dict[str, Any] | None) -> Reading | NoReading:
        """Return what a body says."""
        word = spoken_word((body or {}).get("state"))
        if body is None or word is None:
            return NoReading("no_name", "the body says no state")
        return Reading(word, order_id=id_text(body.get("meal")), status=word)


PROVIDER: Final = Kitchen()
