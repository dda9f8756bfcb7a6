"""The providers and orders in a log, read from its stream names, `order:<provider>:<order_id>`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lifecycle.core.event import stream_of
from lifecycle.log.contract import ORDERS, Log

# The character after the colon: all streams of a provider sort before its name with this.
_BEHIND_COLON: Final = ";"


def provider_in(stream: str) -> str:
    """Return the name of the provider in the name of a stream; "" if it is not that of an order."""
    return stream.removeprefix(ORDERS).partition(":")[0] if stream.startswith(ORDERS) else ""


def order_in(stream: str) -> str:
    """Return the order id in the name of an order's stream."""
    return stream.removeprefix(ORDERS).partition(":")[2]


def providers_in(log: Log) -> Iterator[str]:
    """Yield the names of the providers that have orders in a log, with one query for each."""
    after = ""
    while (stream := next(log.streams(prefix=ORDERS, after=after), None)) is not None:
        provider = provider_in(stream)
        yield provider
        after = f"{ORDERS}{provider}{_BEHIND_COLON}"


def providers_of(log: Log, order_id: str) -> list[str]:
    """Return the names of the providers that have an order with this id in a log."""
    named = ((provider, stream_of(provider, order_id)) for provider in providers_in(log))
    return [
        provider for provider, stream in named if next(log.streams(prefix=stream), None) == stream
    ]
