"""Words: how the provider spells what happened, and what that means to us.

Callback names and statuses go the same way. Of the callbacks' names only one is
documented first hand, so the set stays open: unknown names are kept as they are.
"""

from __future__ import annotations

from typing import Final

from lifecycle.core.identity import spoken_word
from lifecycle.providers.instacart.definition import LAST_MILE

PREFIX: Final = "fulfillment."
"""Callbacks carry it, the sandbox and statuses do not."""

ALIASES: Final = {
    "order_created": "brand_new",
    "staging": "staged",
    "staged_for_delivery": "staged",
    "customer_mia": "customer_missing",
    "cancelled": "canceled",
}


def read_word(word: object) -> str | None:
    """Return our name for a provider's word; None where it says nothing."""
    if type(word) is not str:
        return None
    return SPELLED.get(word) or _worked_out(word)


def _worked_out(word: str) -> str | None:
    said = spoken_word(word)
    if said is None:
        return None
    plain = said.removeprefix(PREFIX)
    return ALIASES.get(plain, plain) or None


SPELLED: Final = {
    spelling: _worked_out(spelling)
    for word in (*LAST_MILE.names, *LAST_MILE.informational, *ALIASES)
    for spelling in (word, PREFIX + word)
}
"""The spellings that nearly everything comes in: looked up instead of worked out."""
