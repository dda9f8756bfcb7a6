"""A lifecycle by hand: what its states are, what comes after what, and what its orders show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from . import words


@dataclass(frozen=True)
class Lifecycle:
    """The states of one provider's orders, in rank order, and everything that is said of them.

    `heard` are the callbacks by which an order shows whose request went unanswered, `awaited`
    is what else is expected in a state than the next one of the main line. `fields` are the
    details at the top of a view, `grouped` those that it shows together.
    """

    states: tuple[str, ...]
    moves: frozenset[tuple[str, str]]
    terminal: tuple[str, ...]
    aborts: tuple[str, ...]
    birth: tuple[str, ...]
    main_line: tuple[str, ...]
    informational: tuple[str, ...]
    heard: tuple[str, ...] = ()
    awaited: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    side: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    grouped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    goal: str = "delivered"
    numbered: bool = False
    perhaps_created: tuple[int | None, ...] = (None, 408)

    @cached_property
    def rank(self) -> dict[str, int]:
        """The place of each state."""
        return {state: place for place, state in enumerate(self.states)}

    @cached_property
    def own_words(self) -> frozenset[str]:
        """The names that are ours, and mean nothing in a provider's mouth."""
        before = self.states[: min(map(self.states.index, self.birth))]
        exchanges = ("requested", "resubmitted", "accepted", "rejected", "failed", "poll_failed")
        return frozenset((*before, *exchanges))

    def named(self, word: str | None) -> str | None:
        """Return the state that a provider's word names; our own words name none."""
        return word if word in self.rank and word not in self.own_words else None


TEXTS = ("order_url", "created_at", "cancellation_reason", "locale")
FLAGS = ("is_express", "is_instacartplus", "is_fallback_window")
WINDOW = ("store_location", "window_starts_at", "window_ends_at")

LAST_MILE = Lifecycle(
    words.STATES,
    words.MOVES,
    terminal=words.TERMINAL,
    aborts=("canceled",),
    birth=words.BIRTH,
    side=words.SIDE,
    main_line=words.MAIN_LINE,
    informational=words.INFORMATIONAL,
    heard=("brand_new", "canceled"),
    awaited={"created": ("brand_new", "canceled")},
    fields=TEXTS + FLAGS,
    grouped={"fulfillment_details": WINDOW},
)
