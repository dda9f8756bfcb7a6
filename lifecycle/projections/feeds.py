"""The change feeds of a log: one for each partition, each with positions of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial

from lifecycle.core.provider import Provider
from lifecycle.errors import InvalidArgumentError, StoreUnavailableError
from lifecycle.log.contract import Log
from lifecycle.projections.change_feed import After, Feed, checked_position
from lifecycle.projections.dispatcher import (
    DeliveryPolicy,
    Dispatcher,
    HandlerCall,
    HandlerCalls,
)


class Feeds:
    """Opens the feeds of one provider's orders in a log."""

    def __init__(
        self,
        log: Log,
        providers: Mapping[str, Provider],
        provider: Provider,
        clock: Callable[[], datetime],
    ) -> None:
        self._log = log
        self._providers = providers
        self._provider = provider
        self._clock = clock

    def open(self, after: After) -> list[Feed]:
        """Return a feed of each partition.

        Raises:
            InvalidArgumentError: `after` is not 0, or a position for each partition.
        """
        positions = self._positions(after)
        return [self._open(number, position) for number, position in enumerate(positions)]

    def dispatcher(
        self, name: str, policy: DeliveryPolicy, after: After
    ) -> Dispatcher | PartitionedDispatcher:
        """Return what delivers the changes of every partition to a subscription.

        Raises:
            InvalidArgumentError: as `open`.
        """
        parts = [
            Dispatcher(
                name,
                self._log.partitions[number].feeds,
                partial(self._open, number),
                self._clock,
                policy=policy,
                after=position,
            )
            for number, position in enumerate(self._positions(after))
        ]
        return parts[0] if len(parts) == 1 else PartitionedDispatcher(parts)

    def _open(self, number: int, after: int) -> Feed:
        parts = self._log.partitions
        shown = number if len(parts) > 1 else None
        return Feed(parts[number], self._providers, self._provider, after, shown)

    def _positions(self, after: After) -> list[int]:
        count = len(self._log.partitions)
        if count == 1:
            return [checked_position("after", after)]
        given = [0] * count if after == 0 else after
        if isinstance(given, Sequence) and len(given) == count:
            return [checked_position("after", each) for each in given]
        raise InvalidArgumentError("after", f"0, or a list of {count} positions")


class PartitionedDispatcher:
    """Delivers the changes of all partitions of a log, one partition after the other."""

    def __init__(self, parts: Sequence[Dispatcher]) -> None:
        self._parts = parts
        self.policy: DeliveryPolicy = parts[0].policy

    @property
    def positions(self) -> tuple[int, ...]:
        """Its position in each partition."""
        return tuple(position for part in self._parts for position in part.positions)

    def cut_off(self, call: HandlerCall) -> None:
        """Close the connection of a call."""
        self._parts[call.change.partition or 0].cut_off(call)

    def calls(self) -> HandlerCalls:
        """Deliver what is due in every partition; one that cannot be used holds up no other."""
        delivered, failure = 0, None
        for part in self._parts:
            try:
                delivered += yield from part.calls()
            except StoreUnavailableError as failed:
                failure = failed
        if failure is not None:
            raise failure
        return delivered
