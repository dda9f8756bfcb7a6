"""One order as the provider keeps it: what was made, what is to happen, what was sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from random import Random
from typing import Any, Final

from lifecycle.providers.instacart.order_generator import Recording
from lifecycle.providers.instacart.simulator.schedule import Happening, Planner
from lifecycle.providers.instacart.simulator.settings import Settings
from lifecycle.providers.instacart.simulator.truth import (
    Attempt,
    Fate,
    Happened,
    OrderTruth,
    SentCallback,
)

_ENDED: Final = frozenset({"delivered", "canceled"})


class Outgoing:
    """One callback on its way.

    `tried` is set once it was sent for the first time, or never will be; `overtaken` once a
    later callback of its order was, or none is left.
    """

    def __init__(
        self, happening: Happening, body: Mapping[str, Any], marks: frozenset[str]
    ) -> None:
        self.happening = happening
        self.content = body
        self.body = encoded(body)
        self.marks = marks
        self.fate: Fate = "pending"
        self.attempts: list[Attempt] = []
        self.tried = asyncio.Event()
        self.overtaken = asyncio.Event()

    @property
    def is_held(self) -> bool:
        """Whether others need not wait for it."""
        return not self.marks.isdisjoint({"lost", "delayed", "reordered"})

    def again(self, body: Mapping[str, Any], mark: str) -> Outgoing:
        """Return another sending for the same happening."""
        return Outgoing(self.happening, body, frozenset({mark}))

    def as_truth(self) -> SentCallback:
        """Return what became of it."""
        stamped = self.content.get("event_timestamp")
        return SentCallback(
            name=self.happening.name,
            occurred_at=self.happening.at,
            stamped_at=stamped,
            marks=tuple(sorted(self.marks)),
            body=self.body.decode(),
            fate=self.fate,
            attempts=tuple(self.attempts),
        )


class Making:
    """One order that was made; a second under the same id is another making.

    `lasting` are the forced scenarios that concern every callback of it; `heard_of` is set
    once a callback was sent, or none will be.
    """

    def __init__(self, planner: Planner, way: str, at: datetime, lasting: frozenset[str]) -> None:
        self.planner = planner
        self.way = way
        self.lasting = lasting
        self.happenings = planner.happenings
        self.created = Happening(at, "created", moves=True, order=planner.at_first, body=None)
        self.sent: list[Outgoing] = []
        self.again: list[Outgoing] = []
        self.heard_of = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def stands_at(self, now: datetime) -> Recording:
        """Return the order object as it stands."""
        past = [self.created, *(one for one in self.happenings if one.at <= now)]
        return past[-1].order

    def history_at(self, now: datetime) -> list[Happening]:
        """Return the states that it entered until now, and the tries to make it."""
        return [
            one
            for one in (self.created, *self.happenings)
            if one.at <= now and (one.moves or one.body is None)
        ]

    def cut(self, now: datetime) -> None:
        """Let nothing of what was planned happen any more."""
        self.happenings[:] = [one for one in self.happenings if one.at <= now]

    def drop_planned(self, now: datetime, name: str) -> None:
        """Let one of the planned things not happen."""
        planned = [one for one in self.happenings if one.at > now and one.name == name]
        for one in planned[:1]:
            self.happenings.remove(one)

    def insert(self, happening: Happening) -> None:
        """Let something happen that nobody had planned, after all of the same second."""
        earlier = sum(one.at <= happening.at for one in self.happenings)
        self.happenings.insert(earlier, happening)

    def marks(self, settings: Settings, number: int, index: int) -> frozenset[str]:
        """Return what goes wrong with its callback of that index."""
        seeded = f"{settings.seed}:callback:{self.planner.order_id}:{number}:{index}"
        drawn = drawn_faults(settings, seeded, CALLBACK_FAULTS) | (self.lasting & CALLBACK_FAULTS)
        return drawn & {"lost"} or drawn


CALLBACK_FAULTS: Final = frozenset(
    {"repeated", "reordered", "delayed", "lost", "divergent", "skewed"}
)


class Order:
    """Everything under one order id."""

    def __init__(self, order_id: str) -> None:
        self.order_id = order_id
        self.user_id = ""
        self.makings: list[Making] = []
        self.asked: dict[str, int] = {}

    def count(self, operation: str) -> int:
        """Count a request and return which one of its kind it is, from 1."""
        self.asked[operation] = self.asked.get(operation, 0) + 1
        return self.asked[operation]

    def is_open_at(self, now: datetime, store: str) -> bool:
        """Tell whether it takes up capacity of a store."""
        return any(
            str(standing["fulfillment_details"]["store_location"]) == store
            and standing["status"] not in _ENDED
            for standing in (making.stands_at(now) for making in self.makings)
        )

    def as_truth(self, now: datetime) -> OrderTruth:
        """Return what is true about it."""
        newest = self.makings[-1] if self.makings else None
        status = None if newest is None else str(newest.stands_at(now)["status"])
        return OrderTruth(
            order_id=self.order_id,
            creates=len(self.makings),
            requests=self.asked.get("create", 0),
            way=None if newest is None else newest.way,
            status=status,
            terminal=status in _ENDED,
            history=tuple(
                Happened(name=one.name, at=one.at)
                for making in self.makings
                for one in making.history_at(now)
            ),
            callbacks=tuple(
                sent.as_truth() for making in self.makings for sent in (*making.sent, *making.again)
            ),
        )


def encoded(body: Mapping[str, Any]) -> bytes:
    """Return a body as it is sent."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def drawn_faults(settings: Settings, seeded: str, among: frozenset[str]) -> frozenset[str]:
    """Return the faults that befall something; the same for the same seed and name."""
    random = Random(seeded)  # noqa: S311 - repeatable on purpose
    return frozenset(
        name for name in sorted(among) if random.random() < settings.faults.get(name, 0.0)
    )
