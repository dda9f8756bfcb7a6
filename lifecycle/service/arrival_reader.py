"""Turns what a caller passes into entries of the log: arguments checked, bodies read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypedDict

from lifecycle.core.argument import is_whole
from lifecycle.core.event import (
    MAX_ATTEMPT,
    MAX_CONTEXT_BYTES,
    MAX_ID_BYTES,
    NO_HEADERS,
    Arrival,
    Event,
    Kind,
    Unreadable,
)
from lifecycle.core.identity import opaque_id
from lifecycle.core.recognizer import Recognizer
from lifecycle.core.strict_json import compact
from lifecycle.errors import InvalidArgumentError
from lifecycle.log.jsonl import read_line
from lifecycle.log.kept_headers import Headers, keep_headers

Body = bytes | bytearray | memoryview | str | Mapping[str, Any] | None
"""A body: bytes or text verbatim; a mapping becomes compact JSON; None is no body."""

Entries = tuple[Event | Unreadable, ...]
"""What one body holds: usually one event, sometimes several, or why it cannot be read."""

Admit = Callable[[tuple[str | None, ...]], object]
"""Takes the ids of the orders that a body is about, and raises if it may not be recorded."""

Context = bytes | str | Mapping[str, Any] | None
"""What the caller stores with a request: never sent; a mapping becomes compact JSON."""

Line = bytes | str | Mapping[str, Any]
"""One recording: a line of JSON, or the object that it spells."""

_TEXTS: Final = (bytes, str)
_ONE_RECORDING: Final = (bytes, bytearray, memoryview, str, Mapping)
_MOST_LINES: Final = 1 << 62


class Kept(TypedDict, total=False):
    """Optional arguments of the request of an operation: its time and its context."""

    received_at: datetime | None
    context: Context


class ArrivalFields(TypedDict, total=False):
    """Optional arguments of an arrival, beside its kind, its order and its body."""

    attempt: int
    exchange_id: str | int | None
    http_status: int | None
    headers: Headers
    received_at: datetime | None
    client: str | None
    context: Context
    operation: str | None
    number: int | None


@dataclass(frozen=True)
class ArrivalReader:
    """Turns arguments and recordings into entries of the log.

    `clock` is asked only where the caller gives no time.
    """

    providers: Mapping[str, Recognizer]
    provider: Recognizer
    clock: Callable[[], datetime]

    def arrival(
        self,
        kind: Kind,
        order_id: str | int | None,
        body: Body,
        *,
        attempt: int = 1,
        exchange_id: str | int | None = None,
        http_status: int | None = None,
        headers: Headers = None,
        received_at: datetime | None = None,
        client: str | None = None,
        context: Context = None,
        operation: str | None = None,
        number: int | None = None,
    ) -> Entries:
        """Return the events in a body, usually one, or why it cannot be read.

        Raises:
            InvalidArgumentError: an argument is of no use; a body never raises.
        """
        arrival = Arrival(
            kind,
            body if type(body) is bytes else as_bytes(body),
            self.clock() if received_at is None else checked_time("received_at", received_at),
            None if order_id is None or order_id == "" else checked_order_id(order_id),
            attempt if type(attempt) is int and attempt == 1 else checked_count("attempt", attempt),
            None if exchange_id is None else opaque_id(exchange_id),
            None if http_status is None else _checked_status(http_status),
            keep_headers(headers, self.provider.kept_headers) if headers else NO_HEADERS,
            client=None if client is None else _checked_text("client", client),
            operation=None if operation is None else _checked_text("operation", operation),
            number=None if number is None else checked_count("number", number),
            context=None if context is None else _checked_context(context),
        )
        return self.provider.recognize_all(arrival)

    def lines(self, lines: Iterable[Line], *, first_line: int = 1) -> list[Entries]:
        """Return the entries of recordings; blank and control lines have none, bad ones do."""
        now = self.clock()
        entries = []
        for number, line in enumerate(lines, first_line):
            if isinstance(line, _TEXTS) and not line.strip():
                continue
            said = self._line(line, number, now, self.provider.name)
            if said:
                entries.append(said)
        return entries

    def knows(self, item: Unreadable) -> bool:
        """Tell whether the provider of an item is installed."""
        return item.provider in self.providers

    def again(self, item: Unreadable) -> Entries:
        """Return the entries of a quarantined item as its provider reads it today, received now.

        An item whose provider is not installed comes back as it is.
        """
        provider, now = self.providers.get(item.provider), self.clock()
        if provider is None:
            return (item,)
        if item.arrival is None:
            read = self._line(item.body, item.line_number or 1, now, provider.name)
            return tuple(each._replace(received_at=now) for each in read or (item,))
        return provider.recognize_all(item.arrival._replace(received_at=now))

    def _line(self, line: Line, number: int, now: datetime, usual: str) -> Entries:
        """Return the entries of one line; `usual` is the provider of a line that names none."""
        read = read_line(
            line,
            received_at=now,
            providers=self.providers,
            provider=usual,
            line_number=number,
        )
        if not isinstance(read, tuple):
            return () if read is None else (read,)
        name, arrival = read
        # A line with its own time of receipt comes from a recording.
        if arrival.received_at != now:
            arrival = arrival._replace(replayed=True)
        return self.providers[name].recognize_all(arrival)


def order_ids(entries: Entries) -> tuple[str | None, ...]:
    """Return the id of the order of each entry; None where it is unreadable."""
    return tuple([each.order_id if isinstance(each, Event) else None for each in entries])


def as_bytes(body: Body, argument: str = "body") -> bytes:
    """Return a body, or the value of another `argument`, as the bytes to store.

    Raises:
        InvalidArgumentError: it has no form of `Body`, or is a mapping that is not JSON.
    """
    if type(body) is bytes:
        return body
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode("utf-8", "surrogatepass")
    if isinstance(body, Mapping):
        try:
            return compact(dict(body))
        except (TypeError, ValueError, RecursionError):
            raise InvalidArgumentError(argument, "a mapping that is JSON throughout") from None
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    raise InvalidArgumentError(argument, "bytes, text, a mapping or None")


def checked_lines(recordings: object, first_line: object) -> Iterator[Line]:
    """Return the recordings, one after the other.

    Raises:
        InvalidArgumentError: `recordings` is a single recording, or cannot be iterated; or
            `first_line` is not an integer from 0.
    """
    if not is_whole(first_line) or not 0 <= first_line < _MOST_LINES:  # type: ignore[operator]
        raise InvalidArgumentError("first_line", "an integer from 0")
    if isinstance(recordings, Iterable) and not isinstance(recordings, _ONE_RECORDING):
        return iter(recordings)
    raise InvalidArgumentError("recordings", "an iterable of recordings; of one, a list of it")


def checked_order_id(order_id: object) -> str:
    """Return an order's id as text.

    Raises:
        InvalidArgumentError: it is neither text nor an integer.
    """
    if isinstance(order_id, str) and order_id:
        return order_id
    if isinstance(order_id, int) and not isinstance(order_id, bool):
        with suppress(ValueError):  # more digits than Python prints
            return str(order_id)
    raise InvalidArgumentError("order_id", "text that is not empty")


def checked_count(argument: str, count: object) -> int:
    """Return an attempt, or the number of an operation.

    Raises:
        InvalidArgumentError: it is not an integer from 1 to a million.
    """
    if isinstance(count, int) and not isinstance(count, bool) and 1 <= count <= MAX_ATTEMPT:
        return count
    raise InvalidArgumentError(argument, f"an integer from 1 to {MAX_ATTEMPT}")


def _checked_text(argument: str, text: object) -> str:
    if isinstance(text, str) and (known := opaque_id(text)) is not None:
        return known
    raise InvalidArgumentError(argument, f"text of 1 to {MAX_ID_BYTES} bytes")


def _checked_context(context: object) -> bytes | None:
    kept = as_bytes(context, "context") if isinstance(context, bytes | str | Mapping) else None
    if kept is None or len(kept) > MAX_CONTEXT_BYTES:
        wanted = f"bytes, text or a mapping, {MAX_CONTEXT_BYTES} bytes at most"
        raise InvalidArgumentError("context", wanted)
    return kept or None


def _checked_status(status: object) -> int:
    if isinstance(status, int) and not isinstance(status, bool) and 100 <= status <= 599:
        return int(status)
    raise InvalidArgumentError("http_status", "an integer from 100 to 599, or None for no answer")


def checked_time(argument: str, time: object) -> datetime:
    """Return a time in UTC.

    Raises:
        InvalidArgumentError: it is not a datetime with a zone, or UTC has no such date.
    """
    if isinstance(time, datetime) and time.utcoffset() is not None:
        with suppress(OverflowError):
            return time.astimezone(UTC)
    raise InvalidArgumentError(argument, "a datetime with a zone")
