"""A stored event with what its provider reads again in its body."""

from __future__ import annotations

from lifecycle import Event
from lifecycle.core.recognizer import Recognizer


def recalled(recognizer: Recognizer, event: Event) -> Event:
    """Return an event whose details, faults and fate were read from its body, as if stored."""
    return event._replace(**recognizer.recall(event, event.body)._asdict())
