"""Verify: nothing that is stored was changed, and nothing is gone.

    record ─→ its own header and body ─→ its stream's chain ─→ the record before it ─→ checkpoint

Every header vouches for itself and for its body, for the header before it in its stream,
and, where the store knows it, for the record before it in the whole log. The walk reads
the log once, in the order of recording, and names the record that does not hold. What no
record can vouch for is the end of the log, or a log written anew from some point on: for
that a person keeps a checkpoint elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NamedTuple

from lifecycle.audit.checkpoint import Checkpoint, Tally
from lifecycle.errors import StoredFormatError
from lifecycle.log.codec import check_content, hash_of, is_intact, parse_header, why_misplaced
from lifecycle.log.contract import ORDERS, Log, Record

MOST_FINDINGS: Final = 100
"""Further ones are counted, not kept."""


class Finding(NamedTuple):
    """One record that does not hold, or that is gone; None where nobody can know."""

    stream: str | None
    version: int | None
    position: int | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found; `findings` are the first hundred, `found` counts them all.

    `checkpoint` is for the log as it was read: keep it elsewhere, and pass it next time.
    """

    records: int
    orders: int
    findings: tuple[Finding, ...]
    found: int
    checkpoint: Checkpoint

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return not self.found


def verify(log: Log, *, checkpoint: Checkpoint | None = None) -> Verification:
    """Return whether everything that is stored is as it was written, and what is not.

    Needs memory per order, not per event. What is appended meanwhile is not looked at.

    Args:
        log: what to read.
        checkpoint: an earlier one, kept elsewhere; what it saw must still be there.
    """
    walk = _Walk(Tally(checkpoint), gapless=log.gapless)
    for record in log.strays():
        walk.pass_by(record)
    for record in log.scan(until=log.last_position()):
        walk.step(record)
    return walk.result()


class _Seen:
    """A record that the walk has passed; `accused` if a finding is about it."""

    __slots__ = ("accused", "hash", "position", "stream", "version")

    def __init__(self, record: Record, header_hash: str) -> None:
        self.stream = record.stream
        self.version = record.version
        self.position = record.position
        self.hash = header_hash
        self.accused = False

    def is_named(self, link: object) -> bool:
        """Tell whether `link` names this record, whatever hash it gives."""
        return isinstance(link, list) and link[:2] == [self.stream, self.version]


class _Walk:
    """One walk through a log: what is remembered of it, and what was found."""

    def __init__(self, tally: Tally, *, gapless: bool) -> None:
        self._tally = tally
        self._gapless = gapless
        self._records = 0
        self._last: _Seen | None = None
        self._last_but_one: _Seen | None = None
        self._ends: dict[str, _Seen] = {}
        self._gone: set[tuple[str, int]] = set()
        self._findings: list[Finding] = []
        self._found = 0

    def step(self, record: Record) -> None:
        """Look at the next record of the log."""
        header, _, body = record.state.partition(b"\n")
        seen = _Seen(record, hash_of(header))
        fields, fault = _look_at_header(record, header)
        if fields is not None:
            if self._gapless:
                self._look_before(seen, fields.get("after"))
            self._look_back(seen, fields.get("previous"))
            fault = _look_at_content(record, fields, body)
        if fault is not None:
            self._accuse(seen, fault)
        self._tally.add(record.position, bytes.fromhex(seen.hash))
        self._records += 1
        self._last_but_one, self._last = self._last, seen
        if isinstance(seen.version, int):
            self._ends[seen.stream] = seen

    def pass_by(self, record: Record) -> None:
        """Look at a record that stands outside of the log's order: no chain leads there."""
        header, _, _ = record.state.partition(b"\n")
        _, fault = _look_at_header(record, header)
        self._accuse(_Seen(record, ""), fault or "it stands where no record can")
        self._records += 1

    def result(self) -> Verification:
        """Return what the walk found, now that it is at the end."""
        self._tally.compare()
        if self._tally.missed is not None:
            self._report_difference(self._tally.missed)
        return Verification(
            records=self._records,
            orders=sum(stream.startswith(ORDERS) for stream in self._ends),
            findings=tuple(self._findings),
            found=self._found,
            checkpoint=self._tally.checkpoint,
        )

    def _look_before(self, seen: _Seen, after: object) -> None:
        """Compare a record's link with the record that stands before it in the log."""
        last = self._last
        position = 0 if last is None else last.position
        if last is not None and last.is_named(after):
            self._look_at_neighbor(seen, last, after)
        elif seen.position > position + 1:
            self._report_gap(seen, position, after)
        elif after is None:
            pass  # the first of a log, or copied from a store that cannot know what stands before
        elif (
            self._last_but_one is not None
            and last is not None
            and self._last_but_one.is_named(after)
        ):
            self._accuse(last, "it was put between two records that follow each other")
        else:
            self._accuse(seen, f"it was not written where it stands, but {_after(after)}")

    def _look_at_neighbor(self, seen: _Seen, last: _Seen, after: Any) -> None:
        if seen.position != last.position + 1:
            self._accuse(seen, f"its position was changed; it was written at {last.position + 1}")
        elif after[2:] != [last.hash]:
            self._accuse(last, "its header is not the one that the next record in the log saw")

    def _look_back(self, seen: _Seen, previous: object) -> None:
        """Compare a record's version and chain with the record before it in its stream."""
        end = self._ends.get(seen.stream)
        expected = 1 if end is None else end.version + 1
        if seen.version > expected:
            self._report_versions(seen, expected)
        elif seen.version < expected:
            self._accuse(seen, f"its version comes too late; expected {expected}")
        elif end is None:
            if previous is not None:
                self._accuse(seen, "it is the first of its stream, but names one before it")
        elif previous != end.hash and not end.accused:
            # Where the log is linked, the record before was vouched for already.
            self._accuse(seen if self._gapless else end, "the chain of its stream breaks here")

    def _report_gap(self, seen: _Seen, last: int, after: object) -> None:
        first, final = last + 1, seen.position - 1
        named = _named(after)
        if named is not None:
            self._gone.add(named)
        stream, version = named or (None, None)
        sentence = f"it is gone: position {final} holds nothing"
        if first < final:
            sentence = f"it is gone, the last of several: positions {first} to {final} hold nothing"
        self._find(Finding(stream, version, final, sentence))

    def _report_versions(self, seen: _Seen, expected: int) -> None:
        known = sum(
            stream == seen.stream and expected <= version < seen.version
            for stream, version in self._gone
        )
        if known < seen.version - expected:
            versions = f"versions {expected} to {seen.version - 1}"
            sentence = f"it is gone: {versions} are missing before version {seen.version}"
            self._find(Finding(seen.stream, expected, None, sentence))

    def _report_difference(self, earlier: Checkpoint) -> None:
        end = self._last.position if self._last is not None else 0
        if end < earlier.position:
            sentence = f"the log ends at {end}, but the checkpoint was taken at {earlier.position}"
            self._find(Finding(None, None, end + 1, sentence))
        else:
            sentence = "the records up to here are not those that the checkpoint saw"
            self._find(Finding(None, None, earlier.position, sentence))

    def _accuse(self, seen: _Seen, sentence: str) -> None:
        if not seen.accused:
            seen.accused = True
            self._find(Finding(seen.stream, seen.version, seen.position, sentence))

    def _find(self, finding: Finding) -> None:
        self._found += 1
        if len(self._findings) < MOST_FINDINGS:
            self._findings.append(finding)


def _look_at_header(record: Record, header: bytes) -> tuple[dict[str, Any] | None, str | None]:
    """Return a header's fields, or why they cannot be trusted."""
    try:
        fields = parse_header(header, record.stream, record.version)
        misplaced = why_misplaced(record, fields)
    except StoredFormatError as damaged:
        return None, damaged.found
    except KeyError:
        return None, "a field of its header is missing"
    if not is_intact(header):
        return None, "its header was changed"
    if misplaced is not None:
        return None, misplaced
    return fields, None


def _look_at_content(record: Record, fields: dict[str, Any], body: bytes) -> str | None:
    """Return what is wrong with a record whose header can be trusted."""
    if sha256(body).hexdigest() != fields.get("sha256"):
        return "its body was changed"
    try:
        check_content(record)
    except StoredFormatError as damaged:
        return damaged.found
    return None


def _named(link: object) -> tuple[str, int] | None:
    match link:
        case [str() as stream, int() as version, *_]:
            return stream, version
    return None


def _after(link: object) -> str:
    named = _named(link)
    return "at the start" if named is None else f"after version {named[1]} of {named[0]!a}"
