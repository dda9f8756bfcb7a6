"""Sample orders in memory, and what faulty delivery makes of them.

    provider's generate(seed, count) ─→ sample orders ─→ deliver(seed, orders) ─→ recordings in
                                        (the truth)      (adds faults)     order of arrival, counts

Nothing here reads a clock: the same seed gives the same delivery.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any, NamedTuple

from lifecycle.core.instant import format_instant

Recording = dict[str, Any]
"""One line of a recording, as `lifecycle ingest` reads it."""

Diverge = Callable[[dict[str, Any]], dict[str, Any] | None]
"""Returns a callback's body with other content under the same event id; None: it cannot be."""


class SampleOrder(NamedTuple):
    """One order as it truly went: its final `status`, and its `recordings` in order."""

    order_id: str
    scenario: str
    status: str
    recordings: tuple[Recording, ...]

    def __repr__(self) -> str:
        return f"<SampleOrder {self.scenario} of {len(self.recordings)} recordings>"


class DeliveryFaults(NamedTuple):
    """What delivery did wrong: `arrived` = `sent` - `lost` + `repeated` + `divergent`.

    `sent` counts the recordings of the orders. `repeated` counts further copies of the same
    content, `divergent` other contents under an event id that arrived too. `overtaken` counts
    recordings whose first copy arrived after a later one of the same order.
    """

    sent: int
    lost: int
    repeated: int
    divergent: int
    overtaken: int
    arrived: int


class Delivery(NamedTuple):
    """Recordings in order of arrival, and the faults that delivery added."""

    recordings: tuple[Recording, ...]
    faults: DeliveryFaults

    def __repr__(self) -> str:
        return f"<Delivery of {len(self.recordings)} recordings>"


def deliver(
    seed: int,
    orders: Iterable[SampleOrder],
    *,
    diverge: Diverge,
    lost: float = 0.01,
    repeated: float = 0.1,
    divergent: float = 0.005,
    delayed: float = 0.15,
) -> Delivery:
    """Return what arrives of these orders: callbacks lost, repeated, changed and shuffled.

    Our own requests, responses and polls arrive unchanged. A callback is lost, repeated or
    divergent, never two of them; without an event id it cannot diverge.

    Args:
        seed: of the faults; it may differ from the seed of the orders.
        orders: from the provider's `generate`.
        diverge: makes other content under the same event id.
        lost: the share of callbacks that never arrive.
        repeated: the share that arrives twice or three times.
        divergent: the share that arrives a second time with another content.
        delayed: the share that is delayed by half a minute to twenty minutes.
    """
    sent = tuple(orders)
    random = Random(f"delivery:{seed}")  # noqa: S311 - repeatable on purpose
    injector = _FaultInjector(
        random, diverge, lost=lost, repeated=repeated, divergent=divergent, delayed=delayed
    )
    arrivals = [
        copy for position, one in _numbered(sent) for copy in injector.copies(one, position)
    ]
    arrivals.sort(key=lambda copy: (copy.at, copy.position))
    faults = injector.faults(sum(len(order.recordings) for order in sent), arrivals)
    return Delivery(tuple(copy.recording for copy in arrivals), faults)


class SampleOrders(NamedTuple):
    """What a provider invents.

    `generate(seed, count)` returns orders, `deliver(seed, orders)` what arrives of them.
    """

    generate: Callable[..., tuple[SampleOrder, ...]]
    deliver: Callable[..., Delivery]


class _Copy(NamedTuple):
    """One copy of a recording in transit; `position` is its order number and its index in there."""

    at: datetime
    position: tuple[int, int]
    recording: Recording


class _FaultInjector:
    """Applies delivery faults to recordings, and counts them."""

    def __init__(
        self,
        random: Random,
        diverge: Diverge,
        *,
        lost: float,
        repeated: float,
        divergent: float,
        delayed: float,
    ) -> None:
        self._random = random
        self._diverge = diverge
        self._shares = (("lost", lost), ("repeated", repeated), ("divergent", divergent))
        self._delayed = delayed
        self.lost = self.repeated = self.divergent = 0

    def faults(self, sent: int, arrivals: list[_Copy]) -> DeliveryFaults:
        """Return what was done wrong to so many recordings."""
        return DeliveryFaults(
            sent=sent,
            lost=self.lost,
            repeated=self.repeated,
            divergent=self.divergent,
            overtaken=_overtaken(arrivals),
            arrived=len(arrivals),
        )

    def copies(self, recording: Recording, position: tuple[int, int]) -> Iterator[_Copy]:
        """Yield each copy of a recording that arrives, with its time of arrival."""
        at = datetime.fromisoformat(recording["received_at"])
        if recording["kind"] != "callback":
            yield _Copy(at, position, recording)
            return
        at += timedelta(seconds=self._between(30, 1200)) * (self._random.random() < self._delayed)
        fate = self._fate(recording)
        if fate == "lost":
            self.lost += 1
            return
        yield _copy_at(at, position, recording)
        if fate == "repeated":
            for _ in range(1 + (self._random.random() < 0.2)):
                self.repeated += 1
                yield _copy_at(at + timedelta(seconds=self._between(5, 900)), position, recording)
        elif fate == "divergent":
            self.divergent += 1
            yield _copy_at(
                at + timedelta(seconds=self._between(5, 900)),
                position,
                recording | {"body": self._diverge(recording["body"])},
            )

    def _fate(self, recording: Recording) -> str | None:
        left = self._random.random()
        for fate, share in self._shares:
            if left < share:
                can_be = fate != "divergent" or self._diverge(recording["body"]) is not None
                return fate if can_be else None
            left -= share
        return None

    def _between(self, least: int, most: int) -> int:
        return least + self._random.randrange(most - least)


def _numbered(orders: Iterable[SampleOrder]) -> Iterator[tuple[tuple[int, int], Recording]]:
    for number, order in enumerate(orders):
        for index, recording in enumerate(order.recordings):
            yield (number, index), recording


def _copy_at(at: datetime, position: tuple[int, int], recording: Recording) -> _Copy:
    return _Copy(at, position, recording | {"received_at": format_instant(at)})


def _overtaken(arrivals: Iterable[_Copy]) -> int:
    """Count the recordings whose first copy arrived after a later one of the same order."""
    furthest: dict[int, int] = {}
    seen: set[tuple[int, int]] = set()
    overtaken = 0
    for copy in arrivals:
        order, number = copy.position
        if copy.position not in seen:
            seen.add(copy.position)
            overtaken += number < furthest.get(order, -1)
            furthest[order] = max(number, furthest.get(order, -1))
    return overtaken
