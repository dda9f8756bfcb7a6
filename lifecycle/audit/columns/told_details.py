"""Reads the bodies of orders that hold by columns, and compares the details of their views."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from lifecycle.audit.view_comparison import content_of
from lifecycle.core.checked_provider import DetailsReader, raise_if_not_its_own
from lifecycle.core.checked_reading import checked_details
from lifecycle.core.definition import Definition
from lifecycle.core.event import ACCEPTED, POLL_FAILED, Kind
from lifecycle.core.fold import merge
from lifecycle.core.strict_json import canonical, compact, parse_again
from lifecycle.errors import MissingExtraError

try:
    from pyarrow import parquet
except ImportError:
    raise MissingExtraError("audit", "pyarrow") from None

_ROWS_AT_ONCE: Final = 8192
_sorted: Final = msgspec.json.Encoder(order="sorted").encode


PlacedEvent = tuple[int, int, int, bool, Kind, str, str]
"""An event of a plain order: its row in the file, the number of its order, its place in canonical
order, whether its details overwrite, its kind, its name, and the hash of its body."""


class ComparedView(NamedTuple):
    """A view that holds up to its details, which end it."""

    stream: str
    details_after: int
    digest: str
    body: str


def disagreeing(
    path: Path,
    events: Sequence[PlacedEvent],
    views: Mapping[int, ComparedView],
    check: DetailsCheck,
) -> Iterator[str]:
    """Yield the streams whose bodies are not those of their headers, or tell other details."""
    bodies = _bodies(path, events)
    for order, group in groupby(zip(events, bodies, strict=True), key=_order):
        if not check.agrees(list(group), views[order]):
            yield views[order].stream


def _bodies(path: Path, events: Sequence[PlacedEvent]) -> Iterator[bytes | None]:
    """Yield the body of each event; they come in the order of their rows."""
    wanted, start = iter(events), 0
    event = next(wanted, None)
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=["body"]):
            bodies = batch["body"].to_pylist()
            while event is not None and event[0] < start + len(bodies):
                yield bodies[event[0] - start]
                event = next(wanted, None)
            start += len(bodies)


class DetailsCheck:
    """Compares details with those in bodies, as one provider reads them."""

    def __init__(self, definition: Definition, read: DetailsReader, member: str | None) -> None:
        self._details = definition.details
        self._read = read
        self._mark = None if member is None else b'"%b":' % member.encode()

    def agrees(self, events: list[tuple[PlacedEvent, bytes | None]], view: ComparedView) -> bool:
        """Tell whether the bodies of an order are theirs, and tell the details of its view."""
        events.sort(key=_place)
        merged: dict[str, Any] = {}
        last: tuple[bytes, bool] | None = None
        for (_, _, _, overwrites, kind, name, expected), body in events:
            if body is None or sha256(body).hexdigest() != expected:
                return False
            if kind == "request" or (kind == "response" and name != ACCEPTED):
                continue  # what was asked or refused tells nothing
            same = self._deciding(kind, body), overwrites
            if same == last and same[0]:
                continue  # it tells what the one before it told
            told = self._details_in(kind, name, body)
            if told is None:
                return False
            merge(merged, told, overwrite=overwrites)
            last = same
        return self._ends_with(merged, view)

    def _ends_with(self, merged: Mapping[str, Any], view: ComparedView) -> bool:
        """Tell whether a view has these details, and the digest of what it shows."""
        details, shown = self._details.model_validate(merged), view.body[view.details_after :]
        quick = not _has_float(merged)  # others spell floats in ways of their own
        written = details.model_dump_json() if quick else None
        if shown != (written or compact(details.model_dump(mode="json")).decode()) + "}":
            return False
        content = content_of(parse_again(view.body.encode()))
        return sha256(_sorted(content) if quick else canonical(content)).hexdigest() == view.digest

    def _deciding(self, kind: Kind, body: bytes) -> bytes:
        """Return the end of a callback that decides what its details are; empty if unknown.

        That is all from the member on in which the provider looks for details. Where its name
        stands once, and the same bytes follow, the same object is there, as deep in the body.
        """
        if self._mark is None or kind != "callback":
            return b""
        parts = body.split(self._mark)
        return parts[1] if len(parts) == 2 and parts[1].lstrip()[:1] == b"{" else b""

    def _details_in(self, kind: Kind, name: str, body: bytes) -> Mapping[str, Any] | None:
        """Return the details in a body; None if only the whole reading of it can tell."""
        try:
            value = parse_again(body)
            if type(value) is not dict or name == POLL_FAILED:
                return None
            return checked_details(self._read(kind, value))
        except BaseException as raised:  # noqa: BLE001 - replaying will name what its code did
            raise_if_not_its_own(raised)
            return None


def _has_float(value: object) -> bool:
    inner = value.values() if isinstance(value, Mapping) else value
    if isinstance(inner, str | bool | int | None):
        return False
    return isinstance(inner, float) or any(map(_has_float, inner))  # type: ignore[call-overload]


def _place(placed: tuple[PlacedEvent, bytes | None]) -> int:
    return placed[0][2]


def _order(placed: tuple[PlacedEvent, bytes | None]) -> int:
    return placed[0][1]
