"""Recordings of orders for tests, made of a provider's bodies, and sample orders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Final

from lifecycle.core.definition import Definition
from lifecycle.core.event import ACCEPTED, FAILED, POLL_FAILED, REJECTED, REQUESTED, RESUBMITTED
from lifecycle.core.instant import format_instant
from lifecycle.simulator.bodies import Bodies, Way
from lifecycle.simulator.http import http_date
from lifecycle.simulator.plan import Body
from lifecycle.simulator.samples import Recording, SampleOrder

ORDER: Final = "order-1"
STARTS_AT: Final = datetime.fromisoformat("2022-06-04T10:00:00+00:00")

_STEP: Final = timedelta(minutes=1)
_BETWEEN_ORDERS: Final = timedelta(seconds=20)
_CREATED: Final = (*(((ACCEPTED,),) * 7), (REJECTED, RESUBMITTED, ACCEPTED), (FAILED,))


def recordings_of(bodies: Bodies) -> Callable[..., list[Recording]]:
    """Return a function `recordings_for(names, *, order_id, starts_at)`.

    It returns recordings of events with these names, a minute apart: requests count attempts,
    responses answer the newest one, all others are callbacks, or polls where there is none.
    """

    def recordings_for(
        names: Iterable[str], *, order_id: str = ORDER, starts_at: datetime = STARTS_AT
    ) -> list[Recording]:
        recorder = _Recorder(bodies, order_id)
        return [recorder.record(name, starts_at + n * _STEP) for n, name in enumerate(names)]

    return recordings_for


def generator_of(
    bodies: Bodies, ways: Mapping[str, Way], recordings_for: Callable[..., list[Recording]]
) -> Callable[..., tuple[SampleOrder, ...]]:
    """Return a function `generate(seed, count, *, starts_at)` that invents orders.

    A smaller count returns the first orders of a larger one.
    """
    weights = [way.weight for way in ways.values()]

    def sample(seed: int, number: int, starts_at: datetime) -> SampleOrder:
        random = Random(f"orders:{seed}:{number}")  # noqa: S311 - repeatable on purpose
        (name,) = random.choices(list(ways), weights)
        names, order_id = ways[name].names, f"demo-{seed}-{number + 1:04}"
        happened = (REQUESTED, *random.choice(_CREATED), *names)
        at = starts_at + number * _BETWEEN_ORDERS
        recordings = recordings_for(happened, order_id=order_id, starts_at=at)
        status = [each for each in names if each in bodies.definition.ranks][-1]
        return SampleOrder(order_id, name, status, tuple(recordings))

    def generate(
        seed: int, count: int, *, starts_at: datetime = STARTS_AT
    ) -> tuple[SampleOrder, ...]:
        return tuple(sample(seed, number, starts_at) for number in range(count))

    return generate


class _Recorder:
    """Records one order, in the order in which it happens."""

    def __init__(self, bodies: Bodies, order_id: str) -> None:
        self._bodies = bodies
        self._order_id = order_id
        self._attempt = 1
        self._is_made = False
        self._status = bodies.birth

    def record(self, name: str, at: datetime) -> Recording:
        """Return the recording of what this name says."""
        ours = {"order_id": self._order_id, "received_at": format_instant(at)}
        if name in {REQUESTED, RESUBMITTED}:
            self._attempt += name == RESUBMITTED
            body = self._bodies.request(self._order_id, self._attempt)
            return {"kind": "request", **ours, "attempt": self._attempt, "body": body}
        answer = self._answer(name)
        if answer is not None:
            fields = {"attempt": self._attempt, "http_status": answer[0], "body": answer[1]}
            return _without_nothing({"kind": "response", **ours, **fields})
        if name == POLL_FAILED:
            return {"kind": "poll", **ours, "http_status": 404}
        return self._seen(name, at, ours)

    def _answer(self, name: str) -> tuple[int | None, Body | None] | None:
        """Return the status and body of the response that a name says; None: it says none."""
        rejection = self._bodies.rejection
        if name in {REJECTED, _to_correct(self._bodies.definition)}:
            return rejection.status, rejection.body
        if name == FAILED:
            return None, None
        if name != ACCEPTED and (name != self._bodies.birth or self._is_made):
            return None
        self._is_made = True
        return 200, self._bodies.order(self._order_id, self._bodies.birth)

    def _seen(self, name: str, at: datetime, ours: Recording) -> Recording:
        """Return the callback about a name, or the poll that shows it."""
        if name in self._bodies.definition.ranks:
            self._status = name
        order = self._bodies.order(self._order_id, self._status)
        own = f"{self._order_id}.{format_instant(at)}.{name}"
        body = self._bodies.callback(order, name, at, own)
        if body is None:
            headers = {"date": http_date(at)}
            return {"kind": "poll", **ours, "http_status": 200, "headers": headers, "body": order}
        return {"kind": "callback", "received_at": ours["received_at"], "body": body}


def _to_correct(definition: Definition) -> str | None:
    """Return the state of an order whose request has to be corrected, if there is one."""
    awaits = definition.awaits.items()
    return next((state for state, expected in awaits if "correction" in expected.usual), None)


def _without_nothing(line: Recording) -> Recording:
    return line if line["body"] is not None else {k: v for k, v in line.items() if k != "body"}
