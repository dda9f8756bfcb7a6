"""Invented orders, told as recordings: what truly happened, and what delivery made of it.

    orders(seed, count) ─→ stories ─→ deliver(seed, stories) ─→ recordings in order of
    (the truth)                       (the damage)              arrival, and what was done

Nothing here reads a clock: the same seed gives the same stories. The bodies follow the
provider's how-to on asynchronous creation; nobody in them exists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final, NamedTuple

from lifecycle.instant import format_instant, parse_instant

Recording = dict[str, Any]
"""One line of a recording, as `lifecycle ingest` reads it."""

STARTS_AT: Final = datetime(2022, 6, 4, 10, 0, tzinfo=UTC)
"""When the first order is placed, unless the caller says otherwise."""

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NAMES: Final = (("Kamal", "Singh"), ("Ada", "Sample"), ("Noor", "Example"), ("Kim", "Placeholder"))
_NOTES: Final = ("Ring the doorbell.", "Leave at the door.", "Call on arrival.", "")
_JSON: Final = {"content-type": "application/json"}


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


def orders(seed: int, count: int, *, starts_at: datetime = STARTS_AT) -> tuple[Story, ...]:
    """Return the stories of `count` orders; fewer of one seed are the first of more.

    The first is always a plain delivery that was corrected once, stepped back once and got
    a tip: the one to show.
    """
    return tuple(_story(seed, number, starts_at) for number in range(1, count + 1))


def deliver(
    seed: int,
    stories: Iterable[Story],
    *,
    lost: float = 0.01,
    repeated: float = 0.1,
    divergent: float = 0.005,
    delayed: float = 0.15,
) -> Delivery:
    """Return what arrives of some stories: the callbacks lost, repeated, changed and shuffled.

    Our own exchanges and polls arrive as they were. Each callback meets one of the first
    three fates at most. Only callbacks with an event id can diverge: others would be new.

    Args:
        seed: of the damage; it need not be that of the stories.
        stories: as `orders` tells them.
        lost: the share of callbacks that never arrive.
        repeated: the share that arrives twice or three times.
        divergent: the share that arrives a second time with another content.
        delayed: the share that is held up for half a minute to twenty minutes.
    """
    random = Random(f"delivery:{seed}")  # noqa: S311 - repeatable on purpose
    fates = _Fates(random, lost, repeated, divergent, delayed)
    arrivals: list[_Arrival] = []
    sent = 0
    for story in stories:
        for number, recording in enumerate(story.recordings):
            arrivals += fates.of(recording, (story.order_id, number))
            sent += 1
    arrivals.sort(key=lambda arrival: (arrival.at, arrival.place))
    damage = Damage(
        sent=sent,
        lost=fates.lost,
        repeated=fates.repeated,
        divergent=fates.divergent,
        overtaken=_overtaken(arrivals),
        arrived=len(arrivals),
    )
    return Delivery(tuple(arrival.recording for arrival in arrivals), damage)
