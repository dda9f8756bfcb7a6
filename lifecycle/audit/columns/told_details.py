"""Reads the bodies of orders that hold by columns, and compares the details of their views."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple

from lifecycle.audit.view_comparison import digest_of
from lifecycle.core.checked_provider import DetailsReader, raise_if_not_its_own
from lifecycle.core.checked_reading import checked_details
from lifecycle.core.definition import Definition
from lifecycle.core.event import ACCEPTED, POLL_FAILED, Kind
from lifecycle.core.fold import merge
from lifecycle.core.strict_json import compact, parse_again
from lifecycle.errors import MissingExtraError

try:
    from pyarrow import parquet
except ImportError:
    raise MissingExtraError("audit", "pyarrow") from None

_ROWS_AT_ONCE: Final = 8192


class PlacedEvent(NamedTuple):
    """An event of a plain order: its row in the file, and its place in canonical order."""

    row: int
    stream: str
    place: int
    overwrites: bool
    kind: Kind
    name: str
    sha256: str


class ComparedView(NamedTuple):
    """The rest of a view that holds so far: the JSON of its details, its end, and all of it."""

    details: str
    digest: str
    body: str


def disagreeing(
    path: Path,
    events: Sequence[PlacedEvent],
    views: Mapping[str, ComparedView],
    definition: Definition,
    read: DetailsReader,
) -> Iterator[str]:
    """Yield the streams whose bodies are not those of their headers, or tell other details."""
    bodies = _bodies(path, events)
    for stream, group in groupby(zip(events, bodies, strict=True), key=lambda each: each[0].stream):
        if not _agrees(list(group), views[stream], definition, read):
            yield stream


def _bodies(path: Path, events: Sequence[PlacedEvent]) -> Iterator[bytes | None]:
    """Yield the body of each event; they come in the order of their rows."""
    wanted, start = iter(events), 0
    event = next(wanted, None)
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=["body"]):
            bodies = batch["body"].to_pylist()
            while event is not None and event.row < start + len(bodies):
                yield bodies[event.row - start]
                event = next(wanted, None)
            start += len(bodies)


def _agrees(
    events: list[tuple[PlacedEvent, bytes | None]],
    view: ComparedView,
    definition: Definition,
    read: DetailsReader,
) -> bool:
    events.sort(key=lambda each: each[0].place)
    merged: dict[str, Any] = {}
    for event, body in events:
        if body is None or sha256(body).hexdigest() != event.sha256:
            return False
        if event.kind == "request" or (event.kind == "response" and event.name != ACCEPTED):
            continue  # what was asked or refused tells nothing
        told = _details_in(event, body, read)
        if told is None:
            return False
        merge(merged, told, overwrite=event.overwrites)
    details = definition.details.model_validate(merged).model_dump(mode="json")
    if view.details != compact(details).decode() + "}":
        return False
    return bool(digest_of(parse_again(view.body.encode())) == view.digest)


def _details_in(event: PlacedEvent, body: bytes, read: DetailsReader) -> Mapping[str, Any] | None:
    """Return the details in a body; None if only the whole reading of it can tell."""
    try:
        value = parse_again(body)
        if type(value) is not dict or event.name == POLL_FAILED:
            return None
        return checked_details(read(event.kind, value))
    except BaseException as raised:  # noqa: BLE001 - replaying will name what its code did
        raise_if_not_its_own(raised)
        return None
