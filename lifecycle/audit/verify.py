"""Verify: checks that no stored record was changed and none is gone.

    record ─→ its own header and body ─→ its stream's chain ─→ the record before it ─→ checkpoints
                                                  what marks say, where subscriptions are ─┘

Every header holds the hash of its body, of the header before it in its stream and, where the
store knows it, of the record before it in the whole log. `verify` reads the log once, in the
order of recording, and names each record that does not fit. No record shows that the end of the
log was cut off, or that the log was rewritten from some point on: for that, keep checkpoints
elsewhere. The tree beside the log shows which record was replaced since the tree last grew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from lifecycle.audit.bookkeeping_check import check_feeds, check_links, check_marks
from lifecycle.audit.checkpoint import Checkpoint
from lifecycle.audit.checkpoint_comparison import Held
from lifecycle.audit.difference import Finding, Listed
from lifecycle.audit.merkle import TreeHead
from lifecycle.audit.record_check import CheckedRecord, check_record
from lifecycle.core.provider import Provider
from lifecycle.log.contract import ORDERS, Log, Record
from lifecycle.log.header import ControlHeader, EventHeader, Link, why_misplaced
from lifecycle.log.link_store import OrderLink, links_of

NO_PROVIDERS: Final[Mapping[str, Provider]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found; `findings` are the first hundred, `found` counts them all.

    `notes` are worth knowing but are not failures. `checkpoint` covers the log as it was read:
    keep it elsewhere, and pass it next time.
    """

    records: int
    orders: int
    findings: tuple[Finding, ...]
    found: int
    notes: tuple[Finding, ...]
    checkpoint: TreeHead

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return not self.found


def verify(
    log: Log,
    *,
    checkpoints: Iterable[Checkpoint | TreeHead] = (),
    providers: Mapping[str, Provider] = NO_PROVIDERS,
    holds: Callable[[str], bool] | None = None,
) -> Verification:
    """Return whether every record is as it was written, and each one that is not.

    Memory grows with the number of orders, not of events. Records appended meanwhile are not read.

    Args:
        log: the log to read.
        checkpoints: earlier ones, kept elsewhere; what they cover must still be there.
        providers: the installed ones, to check what quarantined items were re-driven into.
        holds: tells which streams can lie in it, of a copy of one partition; else it tells itself.
    """
    walk = _Walk(Held(log, map(_as_checkpoint, checkpoints)), gapless=log.gapless)
    for record in log.strays():
        walk.pass_by(record)
    for record in log.scan(until=log.last_position()):
        walk.step(record)
    walk.look_beside(log, providers, holds or log.holds)
    return walk.result()


def _as_checkpoint(held: Checkpoint | TreeHead) -> Checkpoint:
    return held if isinstance(held, Checkpoint) else Checkpoint(held)


class _Seen:
    """A record that was read; `accused` if there is a finding about it."""

    __slots__ = ("accused", "hash", "position", "stream", "version")

    def __init__(self, record: Record, header_hash: str) -> None:
        self.stream = record.stream
        self.version = record.version
        self.position = record.position
        self.hash = header_hash
        self.accused = False

    def is_named(self, link: Link | None) -> bool:
        """Tell whether `link` names this record, with any hash."""
        return link is not None and link[:2] == (self.stream, self.version)


class _Walk:
    """One pass over a log: what it remembers, and what it found."""

    def __init__(self, held: Held, *, gapless: bool) -> None:
        self._held = held
        self._gapless = gapless
        self._records = 0
        self._last: _Seen | None = None
        self._last_but_one: _Seen | None = None
        self._ends: dict[str, _Seen] = {}
        self._gone: set[tuple[str, int]] = set()
        self._findings = Listed[Finding]()
        self._notes = Listed[Finding]()
        self._marks: list[tuple[Record, ControlHeader]] = []
        self._links: dict[OrderLink, Record] = {}

    def step(self, record: Record) -> None:
        """Look at the next record of the log."""
        checked = check_record(record)
        seen = _Seen(record, checked.header_hash)
        header, fault = checked.header, _why_untrusted(record, checked)
        if header is not None and fault is None:
            if self._gapless:
                self._look_before(seen, header.after)
            self._look_back(seen, header.previous)
            fault = None if checked.found == checked.stated else "its body was changed"
        odd = None if header is None else self._held.why_odd_time(header)
        another = self._held.why_another(record)
        if fault is not None or another is not None:
            self._accuse(seen, fault or another or "")
        elif odd is not None:
            self._notes.add(Finding(seen.stream, seen.version, seen.position, odd))
        if isinstance(header, ControlHeader):
            self._marks.append((record, header))
        elif isinstance(header, EventHeader) and header.links:
            place = record._replace(state=b"")
            self._links.update(dict.fromkeys(links_of(header), place))
        self._records += 1
        self._last_but_one, self._last = self._last, seen
        if isinstance(seen.version, int):
            self._ends[seen.stream] = seen

    def pass_by(self, record: Record) -> None:
        """Check a record at a position that no log assigns: no chain leads there."""
        fault = _why_untrusted(record, check_record(record))
        self._accuse(_Seen(record, ""), fault or "it stands where no record can")
        self._records += 1

    def result(self) -> Verification:
        """Return what was found; call it after the last record."""
        return Verification(
            records=self._records,
            orders=sum(stream.startswith(ORDERS) for stream in self._ends),
            findings=tuple(self._findings.listed),
            found=self._findings.count,
            notes=tuple(self._notes.listed),
            checkpoint=self._held.head,
        )

    def look_beside(
        self, log: Log, providers: Mapping[str, Provider], holds: Callable[[str], bool]
    ) -> None:
        """Check checkpoints, re-drive marks, links of orders and subscriptions."""
        end = self._last.position if self._last is not None else 0
        # A mark is about other records, so it can be judged only if all of those hold.
        marks = [] if self._findings.count else self._marks
        marks = [(record, mark) for record, mark in marks if holds(mark.stream)]
        for finding in self._held.missed(end):
            self._findings.add(finding)
        for finding in check_marks(log, marks, providers):
            self._findings.add(finding)
        for finding in check_links(log, self._links):
            self._findings.add(finding)
        for finding in check_feeds(log, self._held.feeds):
            self._findings.add(finding)

    def _look_before(self, seen: _Seen, after: Link | None) -> None:
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

    def _look_at_neighbor(self, seen: _Seen, last: _Seen, after: Link | None) -> None:
        if seen.position != last.position + 1:
            self._accuse(seen, f"its position was changed; it was written at {last.position + 1}")
        elif after is not None and after[2] != last.hash:
            self._accuse(last, "its header is not the one that the next record in the log saw")

    def _look_back(self, seen: _Seen, previous: str | None) -> None:
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
            # In a linked log the link has already confirmed the record before.
            self._accuse(seen if self._gapless else end, "the chain of its stream breaks here")

    def _report_gap(self, seen: _Seen, last: int, after: Link | None) -> None:
        first, final = last + 1, seen.position - 1
        stream, version = (None, None) if after is None else after[:2]
        if stream is not None and version is not None:
            self._gone.add((stream, version))
        sentence = f"it is gone: position {final} holds nothing"
        if first < final:
            sentence = f"it is gone, the last of several: positions {first} to {final} hold nothing"
        self._findings.add(Finding(stream, version, final, sentence))

    def _report_versions(self, seen: _Seen, expected: int) -> None:
        known = sum(
            stream == seen.stream and expected <= version < seen.version
            for stream, version in self._gone
        )
        if known < seen.version - expected:
            versions = f"versions {expected} to {seen.version - 1}"
            sentence = f"it is gone: {versions} are missing before version {seen.version}"
            self._findings.add(Finding(seen.stream, expected, None, sentence))

    def _accuse(self, seen: _Seen, sentence: str) -> None:
        if not seen.accused:
            seen.accused = True
            self._findings.add(Finding(seen.stream, seen.version, seen.position, sentence))


def _why_untrusted(record: Record, checked: CheckedRecord) -> str | None:
    """Return why a record cannot be trusted at its place; None if it can."""
    if checked.header is None:
        return checked.damage
    return why_misplaced(record, checked.header)


def _after(link: Link) -> str:
    return f"after version {link[1]} of {link[0]!a}"
