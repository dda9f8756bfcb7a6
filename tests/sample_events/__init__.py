"""Sample events about one order: whole scenarios, and a wide range of single events.

Everything is a recording, the dict of one JSON line, and depends on a seeded `random.Random`
at most, so that a failing set can be repeated.

    scenario(rng, order_id)    one of SCENARIOS, in the order in which it happens
    alphabet(order_id)         distinct readable events of every kind, plausible and not
    unreadable(order_id)       (reason, recording), for the quarantine
    doubtful(order_id)         (doubt, recording), which the rules do not clearly decide
    random_set(rng, size)      distinct, unrelated events
    deliver(rng, recordings)   the same, shuffled, repeated and spelled differently
"""

from __future__ import annotations

from .event_sets import deliver, random_set, respelled
from .recordings import (
    ORDER,
    Recording,
    accepted,
    at,
    callback,
    error,
    everything,
    flat,
    http_date,
    order,
    poll,
    recorded,
    request,
    response,
    window,
)
from .scenarios import SCENARIOS, scenario
from .single_events import alphabet
from .unreadable_events import doubtful, unreadable

__all__ = [
    "ORDER",
    "SCENARIOS",
    "Recording",
    "accepted",
    "alphabet",
    "at",
    "callback",
    "deliver",
    "doubtful",
    "error",
    "everything",
    "flat",
    "http_date",
    "order",
    "poll",
    "random_set",
    "recorded",
    "request",
    "respelled",
    "response",
    "scenario",
    "unreadable",
    "window",
]
