"""Recordings of every kind about an order of each other provider, plausible and not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .recordings import Recording, at, http_date, recorded

ORDER = "o-1"
OWN_WORDS = ("requested", "accepted", "rejected", "failed", "poll_failed", "validation_failed")
DRIVE_STATES = (
    *("created", "confirmed", "enroute_to_pickup", "arrived_at_pickup", "picked_up"),
    *("enroute_to_dropoff", "arrived_at_dropoff", "delivered"),
    *("enroute_to_return", "arrived_at_return", "returned", "cancelled"),
)
DRIVE_EVENTS = (
    *("DASHER_CONFIRMED", "DASHER_ENROUTE_TO_PICKUP", "DASHER_CONFIRMED_PICKUP_ARRIVAL"),
    *("DASHER_PICKED_UP", "DASHER_ENROUTE_TO_DROPOFF", "DASHER_CONFIRMED_DROPOFF_ARRIVAL"),
    *("DASHER_DROPPED_OFF", "DELIVERY_CANCELLED", "DELIVERY_RETURN_INITIALIZED"),
    *("DASHER_CONFIRMED_RETURN_ARRIVAL", "DELIVERY_RETURNED", " Delivery_Created "),
    *("DELIVERY_BATCHED", "DELIVERY_PAINTED"),
)
DIRECT_STATES = (
    *("pending", "pickup", "pickup_complete", "dropoff", "delivered", "returned", "canceled"),
)
COUNTED_STATES = (
    *("proposed", "reserved", "prepared", "waiting", "completed", "canceled", "moved", "strange"),
)


def created(field: str, order: Callable[[str], dict[str, Any]], born: str) -> list[Recording]:
    """Return requests, operations, and the answers that any provider may give to them."""

    def asked(**line: Any) -> Recording:
        return recorded("request", order_id=ORDER, **line)

    def answered(http_status: int | None, **line: Any) -> Recording:
        return recorded("response", order_id=ORDER, http_status=http_status, **line)

    return [
        *(asked(attempt=attempt, body={field: ORDER}) for attempt in (1, 2, 3)),
        *(asked(body={field: ORDER, "more": more}) for more in range(4)),
        *(asked(operation="cancel", number=n, body={"why": n}) for n in (1, 2)),
        asked(operation=born, number=1, body_text="no JSON"),
        *(answered(code, attempt=n) for code in (None, 401, 409, 422, 503) for n in (1, 2)),
        answered(200, body_text="<html>"),
        answered(200, body={field: ORDER}),
        answered(201, body=order(born)),
        answered(201, attempt=2, exchange_id="x", body=order(born) | {"fee": 7}),
        *(answered(200, attempt=2, body=order(word)) for word in ("strange", "failed", "")),
        recorded("poll", order_id=ORDER, http_status=None),
        recorded("poll", order_id=ORDER, http_status=404, body={field: ORDER}),
        recorded("poll", order_id=ORDER, http_status=404, operation="cancel", exchange_id="y"),
    ]


def looked_at(bodies: Iterable[dict[str, Any]]) -> list[Recording]:
    """Return looks at an order with these bodies, with a date and without one."""
    return [
        {**recorded("poll", order_id=ORDER, http_status=200, body=body), **when}
        for place, body in enumerate(bodies)
        for when in ({}, {"headers": {"Date": http_date(place * 7 % 40)}})
    ]


def drive() -> list[Recording]:
    """Return recordings of DoorDash Drive."""

    def order(status: str) -> dict[str, Any]:
        return {"external_delivery_id": ORDER, "delivery_status": status, "fee": 975}

    def said(name: str, time: Any, **more: Any) -> Recording:
        body = {"event_name": name, "created_at": time, "external_delivery_id": ORDER, **more}
        return recorded("callback", body=body)

    wrong = [{"field": "dropoff_address", "error": "not found"}, {"field": 7}, "nothing"]
    errors: list[dict[str, Any]] = [{"code": "bad"}, {"code": 7, "message": "no"}]
    errors += [{"code": "bad", "field_errors": wrong}, {"field_errors": 7, "message": "no"}]
    return [
        *created("external_delivery_id", order, "created"),
        *(recorded("response", order_id=ORDER, http_status=400, body=each) for each in errors),
        recorded("response", order_id=ORDER, http_status=200, body=errors[0]),
        *looked_at(map(order, (*DRIVE_STATES, *OWN_WORDS, "quote", "", "strange"))),
        *(
            said(name, at(place * 11 % 60), tip=place, reason="failed_to_return")
            for place, name in enumerate((*DRIVE_EVENTS, *OWN_WORDS))
        ),
        *(said(name, None) for name in DRIVE_EVENTS[::2]),
        said("DASHER_CONFIRMED", at(59), currency="USD", tip="much", dasher_id=True),
        said("DASHER_PICKED_UP", "yesterday"),
        said("", at(3)),
    ]


def direct() -> list[Recording]:
    """Return recordings of Uber Direct."""

    def order(status: str) -> dict[str, Any]:
        told = {"kind": "delivery", "id": "del_1", "external_id": ORDER, "status": status}
        return {**told, "fee": 750, "return": {"id": "ret_1"} if status == "returned" else None}

    def said(kind: str, own: Any, time: Any, **more: Any) -> Recording:
        told = {"kind": kind, "id": own, "created": time, "external_id": ORDER, **more}
        return recorded("callback", body={"delivery_id": "del_1", "live_mode": True, **told})

    def status(name: str, own: Any, time: Any, **data: Any) -> Recording:
        whole = {**order(name), **data}
        return said("event.delivery_status", own, time, status=name, data=whole)

    errors: list[dict[str, Any]] = [{"kind": "error"}, {"kind": "error", "code": "c"}]
    errors += [{"kind": "error", "metadata": {"address": "no", "name": 7}, "message": "m"}]
    return [
        *created("external_id", order, "pending"),
        *(recorded("response", order_id=ORDER, http_status=400, body=each) for each in errors),
        recorded("response", order_id=ORDER, http_status=200, body=errors[2]),
        *looked_at(map(order, (*DIRECT_STATES, *OWN_WORDS, "", "strange"))),
        *(
            status(name, f"evt_{place}", at(place * 11 % 50))
            for place, name in enumerate((*DIRECT_STATES, *OWN_WORDS))
        ),
        *(status(name, f"n{name}", None) for name in DIRECT_STATES),
        *(status(name, f"again {n}", at(51 + n)) for n, name in enumerate(DIRECT_STATES[1::-1])),
        *(status(name, None, at(9)) for name in DIRECT_STATES[::2]),
        status("pickup", "evt_1", at(45), courier_imminent=True),
        status("delivered", "evt_1", at(4), tip=100),
        status("dropoff", "evt_a", "soon", courier_imminent=False, fee="free"),
        status("pending", "evt_b", at(8), id="ret_1"),
        said("event.delivery_status", "evt_c", at(9), delivery_id="ret_2", status="delivered"),
        said("event.refund_request", "evt_d", at(52), data={"total_uber_refund": 650, "fee": 1}),
        said("event.courier_update", "evt_e", at(12), data={"delivery_id": "x", "id": "del_1"}),
        said("event.painted", "evt_f", at(13)),
        said("", "evt_g", at(14)),
    ]


def counted() -> list[Recording]:
    """Return recordings of one who counts the states of an order, and tells several at once."""

    def one(state: str, number: Any = None, **more: Any) -> dict[str, Any]:
        return {"order": ORDER, "state": state, "number": number, **more}

    def order(state: str) -> dict[str, Any]:
        return one(state, 3, count=1)

    def said(*events: dict[str, Any], **line: Any) -> Recording:
        body = events[0] if len(events) == 1 else {"events": list(events)}
        return recorded("callback", body=body, **line)

    numbered = [one(name, n, id=f"{name}{n}") for n, name in enumerate(COUNTED_STATES)]
    return [
        *created("order", order, "proposed"),
        *looked_at(one(name, n % 6, count=n) for n, name in enumerate(COUNTED_STATES)),
        *looked_at(one(name) for name in COUNTED_STATES),
        *(
            recorded("response", order_id=ORDER, http_status=200, body=one(name, n))
            for n, name in enumerate(COUNTED_STATES)
        ),
        *(
            said(one(name, 9 - n, id=f"{name}{n}", note=f"back {n}"))
            for n, name in enumerate(COUNTED_STATES)
        ),
        *(said(one(name, n, at=at(60 - n), note=name)) for n, name in enumerate(COUNTED_STATES)),
        *(said(one(name, at=at(n), count=n)) for n, name in enumerate(COUNTED_STATES)),
        said(*numbered),
        said(*numbered[:3], numbered[1], one("prepared", 2**63)),
        said(numbered[2], one("", 1), one("reserved", True, id=7)),
        said(one("reserved", 2), {**one("prepared", 4), "order": "another"}, order_id=ORDER),
        said(one("prepared", 4, at="never"), one("completed", 5, at=at(1))),
    ]
