"""A stored event with what its provider reads again in its body."""

from __future__ import annotations

from msgspec import structs

from lifecycle import Event
from lifecycle.core.recognizer import Recognizer


def recalled(recognizer: Recognizer, event: Event) -> Event:
    """Return an event whose details, faults and fate were read from its body, as if stored."""
    return event._replace(**structs.asdict(recognizer.recall(event, event.body)))
