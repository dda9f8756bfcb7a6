"""Whose orders a log holds: read off the names of its streams, `order:<provider>:<order_id>`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lifecycle.core.event import stream_of
from lifecycle.log.contract import ORDERS, Log

# It follows the colon: all streams of a provider lie below its name with this.
_BEHIND_COLON: Final = ";"


def provider_in(stream: str) -> str:
    """Return the provider's name in an order's stream; "" for any other stream."""
    return stream.removeprefix(ORDERS).partition(":")[0] if stream.startswith(ORDERS) else ""


def order_in(stream: str) -> str:
    """Return the order's id in an order's stream."""
    return stream.removeprefix(ORDERS).partition(":")[2]


def providers_in(log: Log) -> Iterator[str]:
    """Yield the providers of whom a log holds orders, by name: one look for each."""
    after = ""
    while (stream := next(log.streams(prefix=ORDERS, after=after), None)) is not None:
        provider = provider_in(stream)
        yield provider
        after = f"{ORDERS}{provider}{_BEHIND_COLON}"


def providers_of(log: Log, order_id: str) -> list[str]:
    """Return the providers of whom a log holds an order of this id, by name."""
    named = ((provider, stream_of(provider, order_id)) for provider in providers_in(log))
    return [
        provider for provider, stream in named if next(log.streams(prefix=stream), None) == stream
    ]
