"""Builders of single recordings: words, times, and one function for each kind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

Recording = dict[str, Any]

ORDER = "xyz123456"
NOON = datetime(2026, 7, 7, 12, 0, tzinfo=UTC)
SHOPPER = (
    "waiting_for_delivery",
    "acknowledged",
    "acknowledged_for_delivery",
    "at_store",
    "bags_verified",
    "delivering",
)
STATES = ("created", "brand_new", "rescheduled", "staged", *SHOPPER, "delivered", "canceled")
INFORMATION = (
    "order_location",
    "late_delivery",
    "customer_missing",
    "arrival_at_customer",
    "at_store_eta",
    "tip_adjustment",
    "rating_updated",
    "rating_reminder",
)
OWN_WORDS = (
    "requested",
    "resubmitted",
    "accepted",
    "rejected",
    "failed",
    "poll_failed",
    "validation_failed",
)
STRANGE_WORDS = ("picking", "ready_for_pickup", "fulfillment.checkout", "Ü", "brand new")


def at(seconds: float) -> str:
    """Return the time so many seconds after noon, as a callback tells it."""
    return (NOON + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def http_date(seconds: int) -> str:
    """Return the time so many seconds after noon, as a `Date` header tells it."""
    return f"{NOON + timedelta(seconds=seconds):%a, %d %b %Y %H:%M:%S} GMT"


def recorded(kind: str, **fields: Any) -> Recording:
    """Return a recording of this kind, received at noon."""
    return {"kind": kind, "received_at": at(0), **fields}


def request(order_id: str, attempt: int = 1, **fields: Any) -> Recording:
    """Return a request to create an order."""
    body = {"order_id": order_id, "items_count": 12, "items_weight": 15.0, "locale": "en-US"}
    return recorded("request", order_id=order_id, attempt=attempt, body=body | fields)


def response(
    order_id: str, http_status: int | None, body: Any = None, attempt: int = 1, **line: Any
) -> Recording:
    """Return the answer to a request, or that none came."""
    line = {"attempt": attempt, "http_status": http_status, **line}
    if body is not None:
        line["body"] = body
    return recorded("response", order_id=order_id, **line)


def accepted(order_id: str, attempt: int = 1, status: Any = "created", **body: Any) -> Recording:
    """Return an answer that takes the order on."""
    return response(order_id, 200, order(order_id, status, **body), attempt)


def order(order_id: Any, status: Any, **fields: Any) -> dict[str, Any]:
    """Return an order object."""
    return {"id": order_id, "status": status, **fields}


def flat(order_id: Any, status: Any, **fields: Any) -> Recording:
    """Return a flat callback: the order object itself."""
    return recorded("callback", body=order(order_id, status, **fields))


def callback(
    order_id: str, event_id: Any, name: Any, time: Any = None, **metadata: Any
) -> Recording:
    """Return an enveloped callback; without a time it has no `event_timestamp`."""
    body = {
        "event_id": event_id,
        "event_name": name,
        "event_timestamp": time,
        "event_metadata": {"order_id": order_id, **metadata},
    }
    if time is None:
        del body["event_timestamp"]
    return recorded("callback", body=body)


def poll(
    order_id: str, status: Any, date: Any = None, http_status: int | None = 200, **fields: Any
) -> Recording:
    """Return an order object that we asked for; without a date it is undated."""
    headers = {} if date is None else {"headers": {"Date": date, "x-request-id": "r-1"}}
    body = order(order_id, status, **fields)
    return recorded("poll", order_id=order_id, http_status=http_status, body=body, **headers)


def error(message: Any, code: Any, key: Any = None, **inside: Any) -> dict[str, Any]:
    """Return an error body."""
    meta = {} if key is None else {"key": key}
    return {"error": {"message": message, "code": code, **inside}, "meta": meta}


def window(hour: int, store: Any = "1003") -> dict[str, Any]:
    """Return the `fulfillment_details` of a window that starts at this hour."""
    return {
        "store_location": store,
        "window_starts_at": f"2026-07-07T{hour:02}:00:00Z",
        "window_ends_at": f"2026-07-07T{hour + 1:02}:00:00Z",
    }


def everything(token: str) -> dict[str, Any]:
    """Return every detail that a Brand New callback tells."""
    return {
        "order_url": f"https://shop.example/s/{token}",
        "created_at": at(-3600),
        "cancellation_reason": "",
        "locale": "en_US",
        "is_express": True,
        "is_instacartplus": True,
        "is_fallback_window": False,
        "fulfillment_details": window(14),
    }


MISSING_PHONE = error("can't be blank", 1001, "order.user_phone")
TWO_ERRORS = error(
    "There were issues with your request",
    9999,
    errors=[MISSING_PHONE, error("Required parameter missing or invalid", 1001, "address")],
)
SERVER_ERROR = error("Sorry, an unexpected error occurred.", 5000)
