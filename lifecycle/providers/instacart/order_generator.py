"""Generates one sample order: its clock, and the bodies that both sides send.

The bodies follow the provider's how-to on asynchronous creation; the people are invented.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Final

from lifecycle.core.instant import format_instant
from lifecycle.simulator.http import http_date
from lifecycle.simulator.samples import Recording

_NAMES: Final = (("Kamal", "Singh"), ("Ada", "Sample"), ("Noor", "Example"), ("Kim", "Placeholder"))
_NOTES: Final = ("Ring the doorbell.", "Leave it at the door.", "Call on arrival.")
_EXPRESS: Final = 0.4


class OrderGenerator:
    """Adds the recordings of one order step by step.

    `status` is the current state. `flat` callbacks are order objects without event id and
    time; others come in an envelope.
    """

    def __init__(
        self, random: Random, order_id: str, at: datetime, *, flat: bool, store: str | None = None
    ) -> None:
        self.random = random
        self.order_id = order_id
        self.at: datetime = at
        self.flat = flat
        self.status: str = "requested"
        self.recordings: list[Recording] = []
        drawn = f"{1000 + random.randrange(40)}"
        self._store = store or drawn
        self._express = random.random() < _EXPRESS
        self._url = f"https://connect.example/s/{random.getrandbits(48):012x}"
        self._created_at: str | None = None
        self._attempt = 0
        self._bags = 1 + random.randrange(4)
        self.set_window(hours=2)

    def set_window(self, *, hours: int) -> None:
        """Set the delivery window to an hour that starts so many hours from now."""
        starts_at = self.at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=hours)
        self._window = {
            "window_starts_at": format_instant(starts_at),
            "window_ends_at": format_instant(starts_at + timedelta(hours=1)),
        }

    def wait(self, least: float, most: float) -> None:
        """Move the clock on, by two seconds at least: the provider's clock counts whole ones."""
        self.at += timedelta(seconds=max(least + self.random.random() * (most - least), 2.0))

    def chance(self, share: float) -> bool:
        """Return True in that share of cases."""
        return self.random.random() < share

    def request(self) -> None:
        """Add a create request of ours, the next attempt."""
        self._attempt += 1
        self.status = "requested" if self._attempt == 1 else "resubmitted"
        self._add("request", self._request_body(), attempt=self._attempt)

    def answer(self, http_status: int | None, body: object, status: str | None = None) -> None:
        """Add the response to the newest request; status None: no answer came."""
        self.at += timedelta(seconds=10 if http_status is None else 0.3 + self.random.random())
        self.status = status or self.status
        exchange_id = f"{self.random.getrandbits(64):016x}"
        self._add(
            "response",
            body,
            attempt=self._attempt,
            exchange_id=exchange_id,
            http_status=http_status,
        )

    def accept(self) -> None:
        """Add the how-to's response to a request that passed validation."""
        self.answer(200, self.partial_order(), "created")

    def partial_order(self) -> Recording:
        """Return the order object as the response to a create request shows it."""
        return {
            "id": self.order_id,
            "status": "created",
            "fulfillment_details": self._fulfillment(),
        }

    def callback(self, name: str, **fields: object) -> None:
        """Add a callback in an envelope, with an event id and time."""
        self._add_callback(self.envelope(name, **fields))

    def envelope(self, name: str, **fields: object) -> Recording:
        """Return an enveloped callback's body, with an event id of its own."""
        return {
            "event_id": 1_200_000_000_000_000_000 + self.random.getrandbits(56),
            "event_name": f"fulfillment.{name}",
            "event_timestamp": format_instant(self.at.replace(microsecond=0)),
            "event_metadata": {"order_id": self.order_id, **fields},
        }

    def enter(self, status: str, **fields: object) -> None:
        """Enter a state, and add its callback in the shape that this account gets."""
        self.status = status
        if self.flat:
            self._add_callback(self.order(**fields))
        else:
            self.callback(status, **fields)

    def enter_brand_new(self) -> None:
        """Enter Brand New, whose callback has what the response left out."""
        self._created_at = format_instant(self.at.replace(microsecond=0))
        fields = {} if self.flat else self._brand_new_details()
        self.enter("brand_new", **fields)

    def poll(self) -> None:
        """Add a poll of ours that returned the order."""
        self._add("poll", self.order(), http_status=200, headers={"date": http_date(self.at)})

    def order(self, **fields: object) -> Recording:
        """Return the current order object, with every field of the how-to."""
        return {
            "id": self.order_id,
            "status": self.status,
            "order_url": self._url if self._created_at else "",
            "created_at": self._created_at,
            "cancellation_reason": "",
            "locale": "en_US",
            "is_express": self._express,
            "is_instacartplus": self._express,
            "fulfillment_details": self._fulfillment(),
            "is_fallback_window": False,
            **fields,
        }

    def _brand_new_details(self) -> Recording:
        return {
            "order_url": self._url,
            "created_at": self._created_at,
            "locale": "en_US",
            "is_express": self._express,
            "is_instacartplus": self._express,
            "fulfillment_details": self._fulfillment(),
        }

    def _fulfillment(self) -> Recording:
        return {"store_location": self._store, **self._window}

    def _request_body(self) -> Recording:
        first_name, last_name = self.random.choice(_NAMES)
        return {
            "order_id": self.order_id,
            "service_option_hold_id": 10_000 + self.random.randrange(90_000),
            "location_code": self._store,
            "locale": "en-US",
            "first_name": first_name,
            "last_name": last_name,
            "user_phone": f"800-555-01{self.random.randrange(100):02}",
            "initial_tip_cents": 100 * self.random.randrange(8),
            "items_count": self._bags * (2 + self.random.randrange(6)),
            "bags_count": self._bags,
            "items_weight": 5 * self._bags,
            "cart_total": 100 * (10 + self.random.randrange(90)),
            "alcoholic": False,
            "leave_unattended": self.chance(0.5),
            "special_instructions": self.random.choice(_NOTES),
            "address": {
                "address_line_1": f"{1 + self.random.randrange(200)} Example St",
                "postal_code": "94105",
            },
        }

    def _add_callback(self, body: Recording) -> None:
        """Add a callback that was in transit for a moment."""
        in_transit = timedelta(seconds=round(0.1 + self.random.random(), 3))
        headers = {"content-type": "application/json"}
        self._add("callback", body, received_at=self.at + in_transit, headers=headers)

    def _add(
        self, kind: str, body: object, *, received_at: datetime | None = None, **fields: object
    ) -> None:
        came_at = received_at or self.at
        to_millisecond = came_at.replace(microsecond=came_at.microsecond // 1000 * 1000)
        recording: Recording = {"kind": kind}
        if kind != "callback":
            recording["order_id"] = self.order_id
        recording |= {"received_at": format_instant(to_millisecond), **fields}
        self.recordings.append(recording if body is None else recording | {"body": body})


def divergent(body: Recording) -> Recording | None:
    """Return an enveloped callback with other content under the same event id; else None."""
    if "event_id" not in body:
        return None
    return {**body, "event_metadata": {**body["event_metadata"], "store_location": "9999"}}
