"""Invented orders, told as recordings: what truly happened, and what delivery made of it.

    orders(seed, count) ─→ stories ─→ deliver(seed, stories) ─→ recordings in order of
    (the truth)                       (the damage)              arrival, and what was done

Nothing here reads a clock: the same seed gives the same stories.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final, NamedTuple

from lifecycle.core.instant import format_instant
from lifecycle.providers.instacart.order_generator import Recording, Storyteller, divergent
from lifecycle.providers.instacart.sample_scenarios import SHOWN, drawn_plot

STARTS_AT: Final = datetime(2022, 6, 4, 10, 0, tzinfo=UTC)
"""When the first order is placed, unless the caller says otherwise."""

_BETWEEN_ORDERS: Final = timedelta(seconds=20)
_FLAT_ACCOUNTS: Final = 0.1


class Story(NamedTuple):
    """One order as it truly went: `status` is where it stands, `recordings` are in order."""

    order_id: str
    plot: str
    status: str
    recordings: tuple[Recording, ...]

    def __repr__(self) -> str:
        return f"<Story {self.plot} of {len(self.recordings)} recordings>"


class Damage(NamedTuple):
    """What delivery did: `arrived` = `sent` - `lost` + `repeated` + `divergent`.

    `sent` counts what the stories hold. `repeated` are further copies of the same content,
    `divergent` further contents under the event id of one that arrived too. `overtaken`
    are those whose first copy arrived after something that the same order sent later.
    """

    sent: int
    lost: int
    repeated: int
    divergent: int
    overtaken: int
    arrived: int


class Delivery(NamedTuple):
    """Recordings in order of arrival, and the truth about what delivery did to them."""

    recordings: tuple[Recording, ...]
    damage: Damage

    def __repr__(self) -> str:
        return f"<Delivery of {len(self.recordings)} recordings>"


def orders(seed: int, count: int, *, starts_at: datetime = STARTS_AT) -> tuple[Story, ...]:
    """Return the stories of `count` orders; fewer of one seed are the first of more.

    The first is always the one to show: corrected once, a shopper who dropped out, a tip.
    """
    return tuple(_story(seed, number, starts_at) for number in range(count))


def deliver(
    seed: int,
    stories: Iterable[Story],
    *,
    lost: float = 0.01,
    repeated: float = 0.1,
    divergent: float = 0.005,
    delayed: float = 0.15,
) -> Delivery:
    """Return what arrives of some stories: callbacks lost, repeated, changed and shuffled.

    Our own exchanges and polls arrive as they were. Each callback meets one of the first
    three fates at most; one without an event id never diverges: its copy would be new.

    Args:
        seed: of the damage; it need not be that of the stories.
        stories: as `orders` tells them.
        lost: the share of callbacks that never arrive.
        repeated: the share that arrives twice or three times.
        divergent: the share that arrives a second time with another content.
        delayed: the share that is held up for half a minute to twenty minutes.
    """
    told = tuple(stories)
    random = Random(f"delivery:{seed}")  # noqa: S311 - repeatable on purpose
    mishaps = _Mishaps(random, lost=lost, repeated=repeated, divergent=divergent, delayed=delayed)
    arrivals = [copy for place, sent in _all_of(told) for copy in mishaps.copies(sent, place)]
    arrivals.sort(key=lambda copy: (copy.at, copy.place))
    damage = Damage(
        sent=sum(len(story.recordings) for story in told),
        lost=mishaps.lost,
        repeated=mishaps.repeated,
        divergent=mishaps.divergent,
        overtaken=_overtaken(arrivals),
        arrived=len(arrivals),
    )
    return Delivery(tuple(copy.recording for copy in arrivals), damage)


def _story(seed: int, number: int, starts_at: datetime) -> Story:
    random = Random(f"orders:{seed}:{number}")  # noqa: S311 - repeatable on purpose
    shown = number == 0
    plot = SHOWN if shown else drawn_plot(random)
    at = (
        starts_at + _BETWEEN_ORDERS * number + timedelta(seconds=random.randrange(15) * (not shown))
    )
    flat = random.random() < _FLAT_ACCOUNTS and not shown and plot.forward
    teller = Storyteller(random, f"demo-{seed}-{number + 1:04}", at, flat=flat)
    plot.tell(teller)
    return Story(teller.order_id, plot.name, teller.status, tuple(teller.recordings))


class _Copy(NamedTuple):
    """One copy of a recording on its way; `place` is where it truly stood."""

    at: datetime
    place: tuple[int, int]
    recording: Recording


class _Mishaps:
    """Decides what becomes of each recording, and counts it."""

    def __init__(
        self, random: Random, *, lost: float, repeated: float, divergent: float, delayed: float
    ) -> None:
        self._random = random
        self._shares = (("lost", lost), ("repeated", repeated), ("divergent", divergent))
        self._delayed = delayed
        self.lost = self.repeated = self.divergent = 0

    def copies(self, recording: Recording, place: tuple[int, int]) -> Iterator[_Copy]:
        """Yield the copies of a recording that arrive, each with its own time."""
        at = datetime.fromisoformat(recording["received_at"])
        if recording["kind"] != "callback":
            yield _Copy(at, place, recording)
            return
        at += timedelta(seconds=self._between(30, 1200)) * (self._random.random() < self._delayed)
        fate = self._fate(recording)
        if fate == "lost":
            self.lost += 1
            return
        yield _arriving(at, place, recording)
        if fate == "repeated":
            for _ in range(1 + (self._random.random() < 0.2)):
                self.repeated += 1
                yield _arriving(at + timedelta(seconds=self._between(5, 900)), place, recording)
        elif fate == "divergent":
            self.divergent += 1
            yield _arriving(
                at + timedelta(seconds=self._between(5, 900)), place, _changed(recording)
            )

    def _fate(self, recording: Recording) -> str | None:
        left = self._random.random()
        for fate, share in self._shares:
            if left < share:
                return fate if fate != "divergent" or "event_id" in recording["body"] else None
            left -= share
        return None

    def _between(self, least: int, most: int) -> int:
        return least + self._random.randrange(most - least)


def _all_of(stories: Iterable[Story]) -> Iterator[tuple[tuple[int, int], Recording]]:
    for order, story in enumerate(stories):
        for number, recording in enumerate(story.recordings):
            yield (order, number), recording


def _arriving(at: datetime, place: tuple[int, int], recording: Recording) -> _Copy:
    return _Copy(at, place, recording | {"received_at": format_instant(at)})


def _changed(recording: Recording) -> Recording:
    """Return a recording that says something else under the same event id."""
    return recording | {"body": divergent(recording["body"])}


def _overtaken(arrivals: Iterable[_Copy]) -> int:
    """Count the recordings that came first after something that the same order sent later."""
    furthest: dict[int, int] = {}
    seen: set[tuple[int, int]] = set()
    overtaken = 0
    for copy in arrivals:
        order, number = copy.place
        if copy.place not in seen:
            seen.add(copy.place)
            overtaken += number < furthest.get(order, -1)
            furthest[order] = max(number, furthest.get(order, -1))
    return overtaken
