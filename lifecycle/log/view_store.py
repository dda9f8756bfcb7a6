"""The port to stored views: what a database keeps of them beside the log.

Views are kept by generation: one set of views of one provider, made under one definition.
Readers use the live one while the next is built beside it. What a generation has taken in
is its position in the log, and it moves in the transaction that writes the views.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LEAST: Final = -(2**63)


def microseconds(time: datetime) -> int:
    """Return an aware datetime as microseconds since 1970: whole, and compared as fast."""
    return (time - EPOCH) // _MICROSECOND


class Phase(StrEnum):
    """Where a generation stands in its life, in this order.

    It walks from order to order, trails the log, is live, and is retired.
    """

    WALKING = "walking"
    TRAILING = "trailing"
    LIVE = "live"
    RETIRED = "retired"


class Generation(NamedTuple):
    """One set of stored views of one provider.

    `definition` is the fingerprint it was made under, `form` that of the rows, `release` the
    library's version. While it walks, all orders up to `walked` are in it. It has taken in
    every record up to `position`.
    """

    number: int
    provider: str
    definition: str
    form: int
    release: str
    phase: Phase
    walked: str
    position: int

    def is_still(self, read: Generation, *, in_place: bool) -> bool:
        """Tell whether what was read before may be gone on from, or changed `in_place`."""
        same = (self.phase, self.walked) == (read.phase, read.walked)
        return same and (self.position == read.position or not in_place)


class StoredView(NamedTuple):
    """One view as it is stored: the columns that queries use, and all of it as JSON.

    `order_id` is the rest of the stream's name. Times are microseconds since 1970. `awaiting`
    holds words with spaces between, empty once the order ended.
    """

    order_id: str
    status: str
    terminal: bool
    awaiting: str
    waiting_since: int
    anomalies: int
    first_received_at: int
    last_received_at: int
    version: int
    position: int
    digest: str
    body: bytes

    @property
    def heard(self) -> Heard:
        """Its place where those come first of which something was received last."""
        return Heard(self.last_received_at, self.order_id)


class Heard(NamedTuple):
    """The place of an order where those come first of which something was received last."""

    last_received_at: int
    order_id: str


class Poisoned(NamedTuple):
    """An order that cannot be folded, and why: a sentence without any payload."""

    order_id: str
    reason: str


class Conditions(NamedTuple):
    """What the orders that are asked for have in common; None asks for nothing.

    `waiting_before`: it waits, and has since before then. `received_since` and
    `received_before` ask when something about it was last received.
    """

    status: str | None = None
    waiting_before: int | None = None
    anomalies: bool = False
    received_since: int | None = None
    received_before: int | None = None

    @classmethod
    def of(
        cls,
        *,
        status: str | None,
        waiting_longer_than: timedelta | None,
        now: datetime,
        anomalies: bool,
        received_since: datetime | None,
        received_before: datetime | None,
    ) -> Conditions:
        """Return the conditions that a caller gives; every time has a zone."""
        span = waiting_longer_than
        return cls(
            status,
            None if span is None else max(_LEAST, microseconds(now) - span // _MICROSECOND),
            anomalies,
            None if received_since is None else microseconds(received_since),
            None if received_before is None else microseconds(received_before),
        )

    def hold_for(
        self, status: str, *, waits: bool, since: int, anomalies: int, received: int
    ) -> bool:
        """Tell whether every condition holds for an order of which this is so."""
        return (
            (self.status is None or status == self.status)
            and (self.waiting_before is None or (waits and since < self.waiting_before))
            and (not self.anomalies or anomalies > 0)
            and (self.received_since is None or received >= self.received_since)
            and (self.received_before is None or received < self.received_before)
        )


class Batch(NamedTuple):
    """What is written to a generation in one transaction: each order's view or its trouble.

    `walked` or `position` says how far the generation is with it; a batch without either
    mends in place, and only where nobody else went on meanwhile.
    """

    views: Sequence[StoredView] = ()
    poisoned: Sequence[Poisoned] = ()
    gone: Sequence[str] = ()
    walked: str | None = None
    position: int | None = None

    @property
    def stays(self) -> bool:
        """Whether the generation is no further with it."""
        return self.walked is None and self.position is None


class ViewStore(Protocol):
    """Where views are kept. Every method may be called from any thread.

    Text compares bytewise. Reading finds nothing where nothing was ever stored, or where this
    user has no right to it; every method raises `StoreError` where the store fails.
    """

    def create(self) -> None:
        """Make the tables, unless they are there."""

    def generations(self, provider: str) -> list[Generation]:
        """Return what is kept of a provider, oldest first."""

    def begin(self, new: Generation) -> bool:
        """Begin a generation that walks; its `number` is the store's to choose.

        False, and nothing is done, if another one of this provider is being built.
        """

    def write(self, generation: Generation, batch: Batch) -> bool:
        """Write a batch, and how far the generation is with it, in one transaction.

        False, and nothing is written, if the generation moved on since it was read.
        """

    def promote(self, generation: Generation, to: Phase) -> bool:
        """Give a generation its next phase; the one that was live is retired by a live one.

        False, and nothing is done, if it is no longer in the phase that it was read in.
        """

    def sweep(self, generation: Generation, at_most: int) -> bool:
        """Delete some views of a retired generation, at last itself; False when it is gone."""

    def find(
        self, generation: Generation, wanted: Conditions, after: str, at_most: int
    ) -> list[StoredView] | None:
        """Return the next views above `after` for which the conditions hold, by order id.

        None if the generation is there no longer.
        """

    def recent(self, generation: Generation, before: Heard, at_most: int) -> list[StoredView]:
        """Return the next views before a place, those first of which was heard last."""

    def count_by_status(self, generation: Generation) -> dict[str, int]:
        """Return how many views there are of each status."""

    def between(self, generation: Generation, after: str, until: str | None) -> list[StoredView]:
        """Return the views of all orders above `after`, up to `until`."""

    def poisoned(self, generation: Generation, after: str, at_most: int) -> list[Poisoned]:
        """Return the next orders above `after` that could not be folded, by order id."""
