"""What may be sent and may arrive about one order: told stories, and a wide list of single events.

Everything is a recording, the dict of one JSON line, and comes from a seeded `random.Random`
or from nothing at all, so that a failing set can be told again.

    story(rng, order_id)       one of STORIES: what happened, in the order in which it happened
    alphabet(order_id)         distinct events of every kind, sense and nonsense, all readable
    unreadable(order_id)       (reason, recording): what quarantine is for
    doubtful(order_id)         (doubt, recording): what the rules do not clearly decide
    random_set(rng, size)      distinct events that do not belong together
    deliver(rng, recordings)   the same, shuffled, repeated and spelled differently
"""

from __future__ import annotations

from .deliveries import deliver, random_set, respelled
from .letters import alphabet
from .oddities import doubtful, unreadable
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
from .told import STORIES, story

__all__ = [
    "ORDER",
    "STORIES",
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
    "story",
    "unreadable",
    "window",
]
