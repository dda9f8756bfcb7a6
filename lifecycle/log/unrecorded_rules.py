"""Declared rules that this process has not recorded yet: each is recorded before its first event.

    declare ─→ unrecorded ─→ a first event of the provider is committed ─→ recorded before it in
                                                                           the same transaction

Rules that equal the last recorded ones of the provider are a duplicate, and nothing is written.
The writer decides this against the control stream, so exactly one of several processes records
them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from threading import Lock
from typing import Final

from lifecycle.core.argument import type_name
from lifecycle.core.definition import Definition
from lifecycle.core.event import Rules
from lifecycle.core.strict_json import canonical
from lifecycle.log.append_queue import Batch
from lifecycle.log.codec import prepare
from lifecycle.log.contract import ORDERS, DeclaredRules
from lifecycle.log.header import storable

LOG: Final = logging.getLogger("lifecycle.log")

DISTRIBUTION: Final = "order-lifecycle"


_Rules = tuple[str, DeclaredRules]
"""The name of a provider, and its rules."""


class UnrecordedRules:
    """The declared rules that are not recorded yet, by the prefix of their provider's streams."""

    def __init__(self) -> None:
        self.streams: tuple[str, ...] = ()
        self._lock = Lock()
        self._declared: dict[str, _Rules] = {}
        self._done: dict[str, _Rules] = {}

    def declare(self, rules: Mapping[str, DeclaredRules]) -> None:
        """Declare the rules to record, in place of those declared before."""
        declared = {storable(f"{ORDERS}{name}:"): (name, each) for name, each in rules.items()}
        with self._lock:
            self._declared = declared
            self.streams = tuple(s for s, each in declared.items() if self._done.get(s) != each)

    def batches_before(self, group: Sequence[Batch]) -> list[Batch]:
        """Return the batches of rules to commit before a group, in the same transaction."""
        named = [append.stream for batch in group for append in batch.appends]
        first = [each for each in self.streams if any(name.startswith(each) for name in named)]
        return [batch for streams in first for batch in self._batches(streams)]

    def settle(self, streams: str, rules: _Rules) -> None:
        """Take these rules off the list: they are recorded, or cannot be."""
        with self._lock:
            self._done[streams] = rules
            if self._declared.get(streams) == rules:
                self.streams = tuple(each for each in self.streams if each != streams)

    def _batches(self, streams: str) -> Iterable[Batch]:
        if (rules := self._declared.get(streams)) is None:
            return
        try:
            append = prepare(_as_entry(*rules))
        except Exception as raised:  # noqa: BLE001 - a provider's own model may raise anything
            LOG.error("rules of %a are not recorded: %s", rules[0], type_name(raised))  # noqa: TRY400 - it is no crash
            self.settle(streams, rules)
        else:
            yield _RulesBatch([append], on_settled=lambda: self.settle(streams, rules))


class _RulesBatch(Batch, eq=False, kw_only=True):
    """A batch that no caller waits for."""

    on_settled: Callable[[], None]

    def settle(self, error: Exception | None = None) -> None:
        super().settle(error)
        if error is not None:  # the control stream ends damaged: events are stored all the same
            LOG.error("rules are not recorded: %s", error)
        self.on_settled()


@lru_cache(maxsize=64)
def _as_entry(provider: str, declared: DeclaredRules) -> Rules:
    definition = declared.definition
    what = (provider, definition.fingerprint, definition.to_json(), _release(), declared.origin)
    return Rules(*what, _schema(definition))


def _schema(definition: Definition) -> str | None:
    """Return the JSON schema of a provider's details; None if the model has none."""
    try:
        return canonical(definition.details.model_json_schema()).decode()
    except Exception as raised:  # noqa: BLE001 - a provider's own types may raise anything
        LOG.warning("the details of %a have no schema: %s", definition.name, type_name(raised))
        return None


def _release() -> str:
    try:
        return f"{DISTRIBUTION} {version(DISTRIBUTION)}"
    except PackageNotFoundError:
        return DISTRIBUTION
