"""The stored form of a view, form 1: columns for queries, and all of it as JSON.

The JSON is what `show --json` prints, but with the provider's details under a name of their
own: nothing that a provider calls its fields can hide one of ours.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from pydantic import ValidationError

from lifecycle.definition import Definition
from lifecycle.errors import JsonError
from lifecycle.strict_json import compact, parse_again
from lifecycle.view import OrderView
from lifecycle.view_store import StoredView, microseconds

FORM: Final = 1
"""Views of another form are built anew, never converted."""

DISTRIBUTION: Final = "order-lifecycle"


def to_stored(order_id: str, view: OrderView, position: int) -> StoredView:
    """Return a view as it is stored; `position` is that of the last record about it."""
    arrival = view.arrival
    return StoredView(
        order_id,
        view.status,
        view.terminal,
        " ".join(view.awaiting),
        microseconds(arrival.waiting_since),
        len(view.anomalies),
        microseconds(arrival.first_received_at),
        microseconds(arrival.last_received_at),
        arrival.version,
        position,
        view.digest,
        body_of(view),
    )


def body_of(view: OrderView) -> bytes:
    """Return all of a view as compact JSON."""
    dumped = view.model_dump(mode="json", exclude={"details"})
    return compact({**dumped, "details": view.details.model_dump(mode="json")})


def to_view(definition: Definition, stored: StoredView) -> OrderView | None:
    """Return a view as it was stored; None if it is not of this definition and form."""
    try:
        fields: dict[str, Any] = parse_again(stored.body)
        fields["details"] = definition.details.model_validate(fields["details"])
        view = OrderView.model_validate(fields)
    except (JsonError, ValidationError, KeyError, TypeError):
        return None
    return view if view.definition == definition.fingerprint else None


def release() -> str:
    """Return which release of the library this is."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"
