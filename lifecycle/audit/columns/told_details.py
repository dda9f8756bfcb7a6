"""Reads the bodies of orders that hold by columns, and compares the details of their views."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from pydantic import BaseModel

from lifecycle.audit.view_comparison import content_of
from lifecycle.core.checked_provider import DetailsReader, raise_if_not_its_own
from lifecycle.core.checked_reading import checked_details
from lifecycle.core.definition import Definition
from lifecycle.core.event import ACCEPTED, POLL_FAILED, Kind
from lifecycle.core.fold import merged
from lifecycle.core.strict_json import canonical, compact, parse_again
from lifecycle.errors import JsonError, MissingExtraError

try:
    import pyarrow as pa
    from pyarrow import compute, parquet
except ImportError:
    raise MissingExtraError("audit", "pyarrow") from None

_ROWS_AT_ONCE: Final = 4096
_TOLD: Final = ["kind", "name", "body"]
_NO_FLOATS: Final = frozenset({str, bool, int, type(None)})
_sorted: Final = msgspec.json.Encoder(order="sorted").encode


PlacedEvent = tuple[int, int, int, bool]
"""An event of a plain order: its row in the file, the number of its order, its place in canonical
order, and whether its details overwrite."""


class ComparedView(NamedTuple):
    """A view that holds up to its details, which end it."""

    body: bytes
    digest: str
    details_at: int


class ToldEvent(NamedTuple):
    """An event with what it tells."""

    placed: PlacedEvent
    kind: Kind
    name: str
    body: bytes | None

    @property
    def order(self) -> int:
        """The number of its order."""
        return self.placed[1]

    @property
    def place(self) -> int:
        """Its place in canonical order."""
        return self.placed[2]


class _Step(msgspec.Struct):
    at: msgspec.Raw
    event: msgspec.Raw
    status: msgspec.Raw


class _Shown(msgspec.Struct):
    """What the digest of a view is over, where its JSON is known to be the one that we write."""

    anomalies: msgspec.Raw
    attempt: msgspec.Raw
    awaiting: msgspec.Raw
    definition: msgspec.Raw
    details: dict[str, Any]
    errors: msgspec.Raw
    events: msgspec.Raw
    milestones: msgspec.Raw
    missing: msgspec.Raw
    order_id: msgspec.Raw
    path: list[_Step]
    provider: msgspec.Raw
    status: msgspec.Raw
    terminal: msgspec.Raw


_shown: Final = msgspec.json.Decoder(_Shown).decode


class SeenBodies:
    """What the bodies of a shard tell, as they pass by: of most orders, one callback says it all.

    `one` holds a callback of each order that any body tells of: enough, unless the order is among
    the `several` of which other bodies tell other details, or may.
    """

    def __init__(self, member: str | None) -> None:
        self._opening = _opening(member)
        self._order = -1
        self._end = b""
        self.one: dict[int, bytes] = {}
        self.several: set[int] = set()

    def take(self, number: pa.Array, rows: pa.RecordBatch, bodies: Sequence[bytes | None]) -> None:
        """Look at the bodies of the next rows, given with the numbers of their orders."""
        others = compute.not_equal(rows["kind"], "callback").to_pylist()
        for row, (order, body) in enumerate(zip(number.to_pylist(), bodies, strict=True)):
            if others[row] is not False or body is None:
                if not _is_silent(rows["kind"][row].as_py(), rows["name"][row].as_py()):
                    self.several.add(order)
            elif order != self._order:
                self._order, self._end = order, end_with_details(self._opening, body)
                self.one[order] = body
                if not self._end:
                    self.several.add(order)
            elif not body.endswith(self._end) or self._opening in body[: -len(self._end)]:
                self.several.add(order)


def _is_silent(kind: Kind, name: str) -> bool:
    """Tell whether a body tells no details: what was asked or refused."""
    return kind == "request" or (kind == "response" and name != ACCEPTED)


def _opening(member: str | None) -> bytes:
    return b"" if member is None else b'"%b":' % member.encode()


def end_with_details(opening: bytes, body: bytes) -> bytes:
    """Return the end of a callback that decides what its details are; empty if unknown.

    That is all from the member on in which the provider looks for details. Where its name
    stands once, and the same bytes follow, the same object is there. It has to be a member of the
    body itself: what follows then closes one object, and no more.
    """
    if not opening or body.count(opening) != 1:
        return b""
    end = body[body.index(opening) :]
    if end[len(opening) :].lstrip()[:1] != b"{":
        return b""
    try:
        return end if type(parse_again(b"{" + end)) is dict else b""
    except JsonError:
        return b""


def told(path: Path, events: Sequence[PlacedEvent]) -> Iterator[ToldEvent]:
    """Yield events with what they tell; they come in the order of their rows."""
    wanted, start = iter(events), 0
    event = next(wanted, None)
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=_TOLD, use_threads=False):
            while event is not None and event[0] < start + len(batch):
                yield ToldEvent(event, *(batch[name][event[0] - start].as_py() for name in _TOLD))
                event = next(wanted, None)
            start += len(batch)


class DetailsCheck:
    """Compares details with those in bodies, as one provider reads them."""

    def __init__(self, definition: Definition, read: DetailsReader, member: str | None) -> None:
        self._details = definition.details
        self._read = read
        self._opening = _opening(member)
        self.member = member

    def agree(self, view: ComparedView, body: bytes | None) -> bool:
        """Tell whether a callback, or nothing at all, tells the details of a view."""
        told = {} if body is None else self._details_in("callback", "", body)
        return told is not None and self._has_details_and_digest(told, view)

    def all_agree(self, view: ComparedView, events: Iterable[ToldEvent]) -> bool:
        """Tell whether the bodies of an order together tell the details of its view."""
        parts: list[tuple[bool, Mapping[str, Any]]] = []
        last: tuple[bytes, bool] | None = None
        for (*_, overwrites), kind, name, body in sorted(events, key=attrgetter("place")):
            if _is_silent(kind, name):
                continue
            if body is None:
                return False
            same = end_with_details(self._opening, body) if kind == "callback" else b"", overwrites
            if same == last and same[0]:
                continue  # it tells what the one before it told
            told = self._details_in(kind, name, body)
            if told is None:
                return False
            parts.append((overwrites, told))
            last = same
        return self._has_details_and_digest(merged(parts), view)

    def _has_details_and_digest(self, known: Mapping[str, Any], view: ComparedView) -> bool:
        """Tell whether a view has these details, and the digest of what it shows."""
        details, shown = self._model_of(known), view.body[view.details_at :]
        if details is None:
            return False
        quick = not _has_float(known)  # serializers write floats differently
        written = details.model_dump_json().encode() if quick else None
        if shown != (written or compact(details.model_dump(mode="json"))) + b"}":
            return False
        content = _content(view.body) if quick else canonical(content_of(parse_again(view.body)))
        return sha256(content).hexdigest() == view.digest

    def _model_of(self, known: Mapping[str, Any]) -> BaseModel | None:
        """Return details as their model; None where it takes them no more."""
        try:
            return self._details.model_validate(known)
        except BaseException as raised:  # noqa: BLE001 - replaying will name what its code did
            raise_if_not_its_own(raised)
            return None

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


def _content(body: bytes) -> bytes:
    """Return what the digest of a view is over, in half the time of `content_of`."""
    shown = _shown(body)
    fields = msgspec.structs.asdict(shown) | shown.details
    for name in ("details", "arrival", "digest"):
        fields.pop(name, None)
    return _sorted(fields)


def _has_float(value: object) -> bool:
    if type(value) in _NO_FLOATS:
        return False
    inner = value.values() if isinstance(value, Mapping) else value
    return isinstance(inner, float) or any(map(_has_float, inner))  # type: ignore[call-overload]
