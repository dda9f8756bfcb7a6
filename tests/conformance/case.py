"""A case, and short builders of the recordings that it is made of.

In the files a body is a JSON value only where every reader of JSON reads it alike: numbers are
integers of 53 bits. Anything else is `raw`, the exact text, or `exact`, the exact bytes.
"""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

from tests.sample_events import at, error, http_date, order, window

__all__ = ["ORDER", "Case", "at", "error", "http_date", "order", "window"]

ORDER = "order-1"
MEBIBYTE = 1024 * 1024
OTHER = "order-2"

Recording = dict[str, Any]


class Case(NamedTuple):
    """Recordings that show one rule, and what a person expects of them.

    `facts` are fields of the view, or `told`: each event's name and verdict in canonical order;
    `keys` and `times` likewise; `path`: the states entered; `anomalies`: the codes; `errors`:
    (message, code, key); `quarantine`: the reasons; `totals`: the four numbers; `orders`.
    """

    name: str
    rule: str
    about: str
    recordings: list[Recording | str]
    facts: dict[str, Any]


def of(rule: str, *cases: Case) -> list[Case]:
    """Return cases about one rule."""
    return [case._replace(rule=rule) for case in cases]


def case(name: str, about: str, *recordings: Recording | str, **facts: Any) -> Case:
    """Return a case; text is a whole line as it stands."""
    return Case(name, "", about, [*recordings], facts)


def request(attempt: int = 1, **body: Any) -> Recording:
    body = {"order_id": ORDER, "items_count": 12, **body}
    return {"kind": "request", "order_id": ORDER, "attempt": attempt, "body": body}


def response(http_status: int | None, body: Any = None, attempt: int = 1, **line: Any) -> Recording:
    told = {"kind": "response", "order_id": ORDER, "attempt": attempt, "http_status": http_status}
    return {**told, **line} if body is None else {**told, **line, "body": body}


def accepted(status: Any = "created", attempt: int = 1, **body: Any) -> Recording:
    return response(200, order(ORDER, status, **body), attempt)


def flat(status: Any, order_id: Any = ORDER, **body: Any) -> Recording:
    return {"kind": "callback", "body": order(order_id, status, **body)}


def event(
    name: Any, seconds: float | None = None, event_id: Any = None, **metadata: Any
) -> Recording:
    """Return an enveloped callback, dated so many seconds after noon; its id is its name."""
    time = None if seconds is None else at(seconds)
    return enveloped(name, time, event_id=name if event_id is None else event_id, **metadata)


def enveloped(name: Any, time: Any = None, *, event_id: Any = None, **metadata: Any) -> Recording:
    body = {
        "event_id": event_id,
        "event_name": name,
        "event_timestamp": time,
        "event_metadata": {"order_id": ORDER, **metadata},
    }
    return callback({field: value for field, value in body.items() if value is not None})


def callback(body: Any, **line: Any) -> Recording:
    return {"kind": "callback", **line, "body": body}


def poll(
    status: Any, seconds: int | None = None, http_status: int | None = 200, **body: Any
) -> Recording:
    """Return an order object that was asked for, dated so many seconds after noon."""
    date = None if seconds is None else http_date(seconds)
    return dated(date, order(ORDER, status, **body), http_status)


def dated(date: Any, body: Any, http_status: int | None = 200) -> Recording:
    told = {"kind": "poll", "order_id": ORDER, "http_status": http_status}
    headers = {} if date is None else {"headers": {"Date": date}}
    return {**told, **headers, "body": body}


def raw(kind: str, text: str, **line: Any) -> Recording:
    return {"kind": kind, **line, "body_text": text}


def exact(kind: str, body: bytes, **line: Any) -> Recording:
    return {"kind": kind, **line, "body_base64": base64.b64encode(body).decode("ascii")}
