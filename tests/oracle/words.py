"""The words of a last mile order by hand: states in rank order, moves, and all the rest."""

from __future__ import annotations

from itertools import pairwise

STATES = (
    "requested",
    "validation_failed",
    "resubmitted",
    "created",
    "brand_new",
    "rescheduled",
    "staged",
    "waiting_for_delivery",
    "acknowledged",
    "acknowledged_for_delivery",
    "at_store",
    "bags_verified",
    "delivering",
    "delivered",
    "canceled",
)
RANK = {state: place for place, state in enumerate(STATES)}

MAX_WORD = 255

TERMINAL = ("delivered", "canceled")
BIRTH = ("created", "brand_new")
SIDE = ("staged",)
MAIN_LINE = (
    "requested",
    "brand_new",
    "acknowledged_for_delivery",
    "at_store",
    "bags_verified",
    "delivering",
)
SHOPPER = (
    "waiting_for_delivery",
    "acknowledged",
    "acknowledged_for_delivery",
    "at_store",
    "bags_verified",
    "delivering",
)

# What may be said at any time, a provider's word or ours, and moves nothing.
FAILED_EXCHANGES = ("failed", "poll_failed")
INFORMATIONAL = (
    "order_location",
    "late_delivery",
    "customer_missing",
    "arrival_at_customer",
    "at_store_eta",
    "tip_adjustment",
    "rating_updated",
    "rating_reminder",
)
OWN_WORDS = (
    "requested",
    "resubmitted",
    "accepted",
    "rejected",
    "failed",
    "poll_failed",
    "validation_failed",
)
ALIASES = {
    "order_created": "brand_new",
    "staging": "staged",
    "staged_for_delivery": "staged",
    "customer_mia": "customer_missing",
    "cancelled": "canceled",
}

_LISTED = {
    "requested": ("created", "validation_failed", "resubmitted", "brand_new"),
    "validation_failed": ("resubmitted", "brand_new"),
    "resubmitted": ("created", "validation_failed", "brand_new"),
    "created": ("brand_new",),
    "brand_new": (
        "rescheduled",
        "staged",
        "waiting_for_delivery",
        "acknowledged",
        "acknowledged_for_delivery",
    ),
    "rescheduled": (
        "brand_new",
        "staged",
        "waiting_for_delivery",
        "acknowledged",
        "acknowledged_for_delivery",
    ),
    "staged": (
        "rescheduled",
        "waiting_for_delivery",
        "acknowledged",
        "acknowledged_for_delivery",
    ),
    "waiting_for_delivery": ("acknowledged", "acknowledged_for_delivery"),
    "acknowledged": ("acknowledged_for_delivery", "at_store"),
}
_CHAIN = ("acknowledged_for_delivery", "at_store", "bags_verified", "delivering", "delivered")

MOVES = frozenset(
    [(source, target) for source, targets in _LISTED.items() for target in targets]
    + list(pairwise(_CHAIN))
    + [(later, earlier) for later in SHOPPER for earlier in SHOPPER[: SHOPPER.index(later)]]
    + [(shopper, "rescheduled") for shopper in SHOPPER]
    + [(state, "canceled") for state in STATES if state not in TERMINAL]
)


def as_said(word: object) -> str:
    """Return a provider's word trimmed and in lower case; empty where it says nothing."""
    if not isinstance(word, str):
        return ""
    said = word.strip().lower()
    return said if len(said.encode("utf-8")) <= MAX_WORD else ""


def normalized(word: object) -> str | None:
    """Return a provider's word in our spelling; none where it says nothing."""
    plain = as_said(word).removeprefix("fulfillment.")
    return ALIASES.get(plain, plain) or None


def in_a_key(word: object) -> str:
    """Return a provider's word as it stands in a callback's key."""
    escapes = {"%": "%25", ":": "%3A"}
    return "".join(escapes.get(letter, letter) for letter in as_said(word))


def state_named(word: str | None) -> str | None:
    """Return the state that a provider's normalized word names; our own words name none."""
    return word if word in RANK and word not in OWN_WORDS else None
