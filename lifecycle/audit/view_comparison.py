"""Compares a stored view with one derived again, field by field."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from lifecycle.core.definition import Definition
from lifecycle.core.strict_json import parse_to_write
from lifecycle.core.view import OrderView
from lifecycle.errors import JsonError
from lifecycle.log.view_store import StoredView
from lifecycle.projections.stored_form import as_json, columns_of

Differing = tuple[str, Any, Any]
"""A field, as it is stored and as it was found."""


class _Body(NamedTuple):
    """The fields that a stored view holds, and what writes canonical JSON of any of them."""

    fields: dict[str, Any]
    write: Callable[[Any], bytes]


_OF_THE_DEFINITION: Final = frozenset({"definition", "digest"})
_TIMES: Final = ("first_received_at", "last_received_at", "waiting_since")
_IF_ANY: Final = ("delayed", "replayed")
"""Fields of `arrival` that are stored only if they are true."""


def differing(
    definition: Definition,
    stored: StoredView,
    view: OrderView,
    position: int,
    *,
    of_another: bool,
) -> Iterator[Differing]:
    """Yield each field that differs; `position` is that of the last record about the order.

    Texts for people do not count. If the stored view is `of_another` definition, fields that only
    name the definition do not count either: the rest shows what other rules change.
    """
    body = _read_body(stored.body)
    if body is None:
        yield "body", None, "what is stored is no JSON object"
        return
    columns = columns_of(stored.order_id, view, position)
    if stored[:-2] == columns and _is_same(definition, stored, body, view):
        return
    yield from _unequal(_flat(body.fields), _flat(as_json(view)), ignoring=of_another)
    if not of_another:
        yield from _unequal_columns(stored, columns, view.digest)


def changed_fields(view: OrderView, other: OrderView) -> Iterator[Differing]:
    """Yield each field in which two views of the same events under different rules differ.

    Fields that only name the definition and texts for people do not count.
    """
    compared = OrderView.model_fields.keys() - _OF_THE_DEFINITION
    if any(getattr(view, name) != getattr(other, name) for name in compared):
        yield from _unequal(_flat(as_json(view)), _flat(as_json(other)), ignoring=True)


def _is_same(definition: Definition, stored: StoredView, body: _Body, view: OrderView) -> bool:
    """Tell quickly that nothing differs; after False, compare field by field."""
    fields, write = body
    digest = fields.get("digest")
    try:
        return (
            stored.digest == digest
            and _read(definition, fields) == _held(view)
            and digest == hashlib.sha256(write(content_of(fields))).hexdigest()
        )
    except Exception:  # noqa: BLE001 - anything may be stored: the fields are compared one by one
        return False


def _read_body(stored: bytes) -> _Body | None:
    """Return what a stored view holds; None where that is no JSON object."""
    try:
        fields, write = parse_to_write(stored)
    except JsonError:
        return None
    return _Body(fields, write) if type(fields) is dict else None


# Dicts, not models: making and comparing models takes four times as long.
def _read(definition: Definition, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a stored view without its digest, with times as datetimes."""
    read = {name: value for name, value in fields.items() if name != "digest"}
    read["details"] = definition.details.model_validate(fields["details"])
    for name in ("path", "milestones"):
        read[name] = [{**step, "at": _time(step["at"])} for step in fields[name]]
    arrival = fields["arrival"]
    read["arrival"] = arrival | {name: _time(arrival[name]) for name in _TIMES}
    return read


def _time(text: Any) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _held(view: OrderView) -> dict[str, Any]:
    """Return the fields of a view in the form of `_read`."""
    arrival = {n: fact for n, fact in vars(view.arrival).items() if fact or n not in _IF_ANY}
    held = {**vars(view), "arrival": arrival}
    held.pop("digest", None)
    if not view.erased:
        del held["erased"]
    for name in ("path", "milestones", "errors"):
        held[name] = list(map(vars, held[name]))
    for name in ("awaiting", "missing"):
        held[name] = list(held[name])
    held["anomalies"] = [{**vars(odd), "events": list(odd.events)} for odd in view.anomalies]
    return held


def content_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the digest of a stored view is over."""
    content = {**fields, **fields["details"]}
    for name in ("details", "arrival", "digest"):
        del content[name]
    content["anomalies"] = [
        {name: value for name, value in anomaly.items() if name != "detail"}
        for anomaly in fields["anomalies"]
    ]
    return content


def _flat(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields by the names that `show` prints, without texts for people."""
    flat: dict[str, Any] = {}
    for name, value in fields.items():
        if name == "details" and isinstance(value, dict):
            flat |= {f"details.{detail}": told for detail, told in value.items()}
        elif name == "arrival" and isinstance(value, dict):
            flat |= {f"arrival.{fact}": told for fact, told in value.items()}
        elif name == "anomalies" and isinstance(value, list):
            flat[name] = [_without_detail(anomaly) for anomaly in value]
        else:
            flat[name] = value
    return flat


def _without_detail(anomaly: Any) -> Any:
    if not isinstance(anomaly, dict):
        return anomaly
    return {name: value for name, value in anomaly.items() if name != "detail"}


def _unequal(
    stored: Mapping[str, Any], found: Mapping[str, Any], *, ignoring: bool
) -> Iterator[Differing]:
    for name in dict.fromkeys([*found, *stored]):
        if ignoring and name in _OF_THE_DEFINITION:
            continue
        if name not in stored or name not in found or stored[name] != found[name]:
            yield name, stored.get(name), found.get(name)


def _unequal_columns(
    stored: StoredView, columns: tuple[Any, ...], digest: str
) -> Iterator[Differing]:
    # The last field is the body, which is compared field by field.
    for name, was, is_now in zip(StoredView._fields, stored, (*columns, digest), strict=False):
        if was != is_now:
            yield f"column {name}", was, is_now
