"""Sets of unrelated events, and deliveries of any set."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from random import Random
from typing import Any

from .recordings import ORDER, Recording, at, request
from .scenarios import many_attempts, scenario
from .single_events import alphabet, exchanges, polls, refusals, snapshots, timed, untimed


def random_set(rng: Random, size: int, order_id: str = ORDER) -> list[Recording]:
    """Return so many distinct recordings: a scenario or events of one kind, perhaps with others."""
    letters = alphabet(order_id)
    theme = rng.choice(THEMES)(rng, order_id)
    share = rng.choice((0.5, 0.8, 1.0))
    chosen: dict[str, Recording] = {}
    while len(chosen) < size:
        found = rng.choice(theme) if rng.random() < share else rng.choice(letters)
        share *= 0.99  # a short scenario has few events; the alphabet has many
        chosen[json.dumps(found, sort_keys=True)] = found
    return list(chosen.values())


def _before_creation(rng: Random, order_id: str) -> list[Recording]:
    requests = [request(order_id, attempt) for attempt in (1, 2, 3)]
    return requests + rng.sample(refusals(order_id), 4) + many_attempts(rng, order_id)


def _creation(rng: Random, order_id: str) -> list[Recording]:
    return rng.sample(exchanges(order_id), 5) + rng.sample(refusals(order_id), 5)


def _clock(_rng: Random, order_id: str) -> list[Recording]:
    return timed(order_id) + polls(order_id)


def _no_clock(_rng: Random, order_id: str) -> list[Recording]:
    return snapshots(order_id) + untimed(order_id)


def _anything(_rng: Random, order_id: str) -> list[Recording]:
    return alphabet(order_id)


THEMES = (scenario, scenario, _before_creation, _creation, _clock, _no_clock, _anything)


def deliver(rng: Random, recordings: Iterable[Recording], most: int = 3) -> list[Recording]:
    """Return each recording one to `most` times, shuffled, respelled, received as they come."""
    copies = [copy for copy in recordings for _ in range(rng.randint(1, most))]
    rng.shuffle(copies)
    return [{**respelled(rng, copy), "received_at": at(place)} for place, copy in enumerate(copies)]


def respelled(rng: Random, recording: Recording) -> Recording:
    """Return the recording with the same content, its object perhaps in other bytes."""
    body = recording.get("body")
    if not isinstance(body, dict) or rng.random() < 0.5:
        return recording
    text = json.dumps(
        shuffled(rng, body),
        indent=rng.choice((None, 1)),
        ensure_ascii=rng.random() < 0.5,
    )
    text = text.replace(": 15.0", ": 1.50E+1")  # the weight in every request
    rest = {name: value for name, value in recording.items() if name != "body"}
    if rng.random() < 0.5:
        return {**rest, "body_text": text}
    return {**rest, "body_base64": base64.b64encode(text.encode()).decode("ascii")}


def shuffled(rng: Random, value: Any) -> Any:
    """Return a JSON value with the members of its objects in another order."""
    if isinstance(value, list):
        return [shuffled(rng, item) for item in value]
    if not isinstance(value, dict):
        return value
    members = [(name, shuffled(rng, item)) for name, item in value.items()]
    rng.shuffle(members)
    return dict(members)
