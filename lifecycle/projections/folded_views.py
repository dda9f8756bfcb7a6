"""The view of one order from its records, or why there is none: one bad order stops no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from lifecycle.core.event import stream_of
from lifecycle.core.fold import Folding
from lifecycle.core.provider import Provider
from lifecycle.core.view import OrderView
from lifecycle.errors import MixedOrdersError
from lifecycle.log.contract import ORDERS, Log, Record
from lifecycle.log.header import storable
from lifecycle.log.view_store import Poisoned
from lifecycle.projections.fold_cache import FoldCache, why_unfoldable

_NO_NAME: Final = "nothing is found under its name, which no log gives; run: lifecycle verify"


class Folded(NamedTuple):
    """The view of an order, and the position of the last record about it."""

    order_id: str
    view: OrderView
    position: int


def prefix_of(provider: Provider) -> str:
    """Return the prefix of the streams of a provider's orders."""
    return f"{ORDERS}{provider.name}:"


def from_records(
    fold_cache: FoldCache, provider: Provider, stream: str, records: Sequence[Record]
) -> Folded | Poisoned:
    """Return the view that the records of one stream fold to.

    No records means that the stream has a name that no log gives.
    """
    if not records:
        return Poisoned(stream.removeprefix(prefix_of(provider)), _NO_NAME)

    def fold() -> tuple[OrderView, int]:
        events = fold_cache.events(records)
        return Folding.of(provider.definition, events).view(), records[-1].position

    return _guarded(provider, stream, fold)


def from_log(log: Log, fold_cache: FoldCache, provider: Provider, stream: str) -> Folded | Poisoned:
    """Return the view of a stream that holds records, from the cache if it is there."""

    def fold() -> tuple[OrderView, int]:
        view = fold_cache.now(provider, stream, Folding.view)
        if view is None:
            raise MixedOrdersError(())
        # A cached event that this process recorded may not have its position yet.
        version = view.arrival.version
        return view, log.read(stream, after=version - 1, until=version)[0].position

    return _guarded(provider, stream, fold)


def _guarded(
    provider: Provider, stream: str, fold: Callable[[], tuple[OrderView, int]]
) -> Folded | Poisoned:
    order_id = stream.removeprefix(prefix_of(provider))
    try:
        view, position = fold()
    except Exception as trouble:  # noqa: BLE001 - a provider's fault with one order is no other's
        return Poisoned(order_id, why_unfoldable(trouble))
    if storable(stream_of(view.provider, view.order_id)) != stream:
        return Poisoned(order_id, "its records are about another order; run: lifecycle verify")
    return Folded(order_id, view, position)
