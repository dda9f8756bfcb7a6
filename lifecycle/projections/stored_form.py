"""The stored form of a view, form 1: columns for queries, and all of it as JSON.

The JSON is what `show --json` prints, but with the provider's details under a name of their
own: nothing that a provider calls its fields can hide one of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from pydantic import ValidationError

from lifecycle.core.definition import Definition
from lifecycle.core.strict_json import compact, parse_again
from lifecycle.core.view import OrderView
from lifecycle.errors import JsonError
from lifecycle.log.view_store import StoredView, microseconds

FORM: Final = 1
"""Views of another form are built anew, never converted."""

DISTRIBUTION: Final = "order-lifecycle"


def to_stored(order_id: str, view: OrderView, position: int) -> StoredView:
    """Return a view as it is stored; `position` is that of the last record about it."""
    return StoredView._make((*columns_of(order_id, view, position), view.digest, body_of(view)))


def columns_of(order_id: str, view: OrderView, position: int) -> tuple[Any, ...]:
    """Return the columns of a view but for its digest and its body."""
    arrival = view.arrival
    return (
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
    )


def body_of(view: OrderView) -> bytes:
    """Return all of a view as compact JSON."""
    return compact(as_json(view))


def as_json(view: OrderView) -> dict[str, Any]:
    """Return all of a view as JSON, the details under a name of their own."""
    dumped = view.model_dump(mode="json", exclude={"details"})
    return {**dumped, "details": view.details.model_dump(mode="json")}


def to_view(definition: Definition, stored: StoredView) -> OrderView | None:
    """Return a view as it was stored; None if it is not of this definition and form."""
    fields = fields_of(stored)
    view = None if fields is None else from_json(definition, fields)
    return view if view is not None and view.definition == definition.fingerprint else None


def fields_of(stored: StoredView) -> dict[str, Any] | None:
    """Return the JSON object that a stored view holds, None if it holds none."""
    try:
        fields = parse_again(stored.body)
    except JsonError:
        return None
    return fields if type(fields) is dict else None


def from_json(definition: Definition, fields: Mapping[str, Any]) -> OrderView | None:
    """Return the view that `as_json` returned these fields for; None if it is none."""
    try:
        details = definition.details.model_validate(fields["details"])
        return OrderView.model_validate({**fields, "details": details})
    except (ValidationError, KeyError, TypeError):
        return None


def release() -> str:
    """Return which release of the library this is."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"
