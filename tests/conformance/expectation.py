"""What is expected of recordings, in full, by the oracle; and the facts of it that people state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests import oracle
from tests.oracle import Event
from tests.oracle.recognition import identify_line

from .case import Recording


def expected(recordings: Sequence[Recording | str]) -> dict[str, Any]:
    """Return the view and history of each order, what is put in quarantine, and the totals."""
    found = [identify_line(recording) for recording in recordings]
    events = [event for event in found if isinstance(event, Event)]
    orders = dict.fromkeys(event.order_id for event in events)
    by_order = {name: [each for each in events if each.order_id == name] for name in orders}
    return {
        "orders": {
            name: {"view": oracle.view_of(those), "history": oracle.history_of(those)}
            for name, those in by_order.items()
        },
        "quarantine": [
            {"line": number, "reason": reason}
            for number, reason in enumerate(found, 1)
            if isinstance(reason, str)
        ],
        "totals": oracle.totals_of(found),
    }


def brief(expectation: dict[str, Any]) -> dict[str, Any]:
    """Return the same without what the views of many orders say alike: null, empty, at rest."""
    orders = {
        name: {"view": _told(told["view"]), "history": told["history"]}
        for name, told in expectation["orders"].items()
    }
    return {**expectation, "orders": orders}


def _told(view: dict[str, Any]) -> dict[str, Any]:
    always = ("order_id", "status", "anomalies", "events")
    left_out = ("path", "missing", "awaiting", "milestones")
    said = {name: value for name, value in view.items() if name not in left_out}
    window = {name: value for name, value in view["fulfillment_details"].items() if value}
    said["fulfillment_details"] = window
    return {
        name: value
        for name, value in said.items()
        if name in always or value not in (None, [], {}, False, 0)
    }


def fact(expectation: dict[str, Any], name: str) -> Any:
    """Return a fact of an expectation by its name, as a person states it."""
    if name == "quarantine":
        return [item["reason"] for item in expectation["quarantine"]]
    if name == "totals":
        return tuple(expectation["totals"].values())
    if name == "orders":
        return list(expectation["orders"])
    (only,) = expectation["orders"].values()
    view, history = only["view"], only["history"]
    return _facts(view, history)[name]


def _facts(view: dict[str, Any], history: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        **view,
        **view["fulfillment_details"],
        "told": [f"{line['name']} {line['verdict']}" for line in history],
        "keys": [line["key"] for line in history],
        "times": [line["occurred_at"] for line in history],
        "path": [step["status"] for step in view["path"]],
        "milestones": [step["name"] for step in view["milestones"]],
        "anomalies": [anomaly["code"] for anomaly in view["anomalies"]],
        "errors": [(each["message"], each["code"], each["key"]) for each in view["errors"]],
        "correctable": [each["correctable"] for each in view["errors"]],
    }
