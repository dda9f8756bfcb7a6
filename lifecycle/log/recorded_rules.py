"""The rules recorded in a log: by which definition orders were folded, from which position on."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from lifecycle.core.event import Rules
from lifecycle.errors import StoredFormatError
from lifecycle.log.codec import decode, header_and_body
from lifecycle.log.contract import CONTROL, Log, Record
from lifecycle.log.header import RulesFields, RulesHeader

LOG: Final = logging.getLogger("lifecycle.log")


class RecordedRules(NamedTuple):
    """Rules as they were recorded: later records of their provider were made under them."""

    record: Record
    recorded_at: datetime
    rules: Rules

    @property
    def position(self) -> int:
        """The place in the whole log."""
        return self.record.position


class ReturnedRules(NamedTuple):
    """Rules that were recorded again: releases overlapped, or one was rolled back."""

    provider: str
    fingerprint: str
    position: int
    release: str


def recorded_rules(log: Log, until: int | None = None) -> dict[str, list[RecordedRules]]:
    """Return the rules of each provider in the order they were recorded, up to a position.

    Damaged records are logged and left out: `verify` names them.
    """
    found: dict[str, list[RecordedRules]] = {}
    if len(log.partitions) > 1:
        log.last_position()  # refuses: each partition has its own
    for record in log.walk(CONTROL):
        if record.topic != RulesFields.topic or (until is not None and record.position > until):
            continue
        try:
            each = _read(record)
        except StoredFormatError as damaged:
            LOG.error("%s; passed over", damaged)  # noqa: TRY400 - one record's matter
        else:
            found.setdefault(each.rules.provider, []).append(each)
    return found


def returned_rules(recorded: Mapping[str, Sequence[RecordedRules]]) -> Iterator[ReturnedRules]:
    """Yield the rules that were recorded again after others of their provider.

    They do not show a process that recorded its rules once and kept running after another release
    recorded other rules.
    """
    for provider in sorted(recorded):
        seen: set[str] = set()
        for each in recorded[provider]:
            rules = each.rules
            if rules.fingerprint in seen:
                yield ReturnedRules(provider, rules.fingerprint, each.position, rules.release)
            seen.add(rules.fingerprint)


def _read(record: Record) -> RecordedRules:
    header, rules = header_and_body(record)[0], decode(record)
    if not isinstance(header, RulesHeader) or not isinstance(rules, Rules) or not header.is_sound:
        found = "it holds no rules, or not those of its fingerprint"
        raise StoredFormatError(record.stream, record.version, found)
    return RecordedRules(record, header.recorded_at, rules)
