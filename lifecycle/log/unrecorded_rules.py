"""The rules that an opening of the log has still to record, each before the first event they judge.

    declare ─→ unrecorded ─→ the first event of their provider is committed ─→ recorded, or found
                                in its transaction, before it                  to be the last there

Whether the last rules of the provider are the same is decided as duplicates are: against the
control stream, by the writer, so that of several processes one records them.
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
from lifecycle.log.contract import ORDERS, Append, DeclaredRules
from lifecycle.log.header import storable

LOG: Final = logging.getLogger("lifecycle.log")

DISTRIBUTION: Final = "order-lifecycle"


_Rules = tuple[str, DeclaredRules]
"""A provider, and its rules."""


class UnrecordedRules:
    """What was declared and not recorded yet, by the beginning of the streams that it judges."""

    def __init__(self) -> None:
        self.streams: tuple[str, ...] = ()
        self._lock = Lock()
        self._declared: dict[str, _Rules] = {}
        self._done: dict[str, _Rules] = {}

    def declare(self, rules: Mapping[str, DeclaredRules]) -> None:
        """Have these rules recorded, in place of those declared before, if they are new."""
        declared = {storable(f"{ORDERS}{name}:"): (name, each) for name, each in rules.items()}
        with self._lock:
            self._declared = declared
            self.streams = tuple(s for s, each in declared.items() if self._done.get(s) != each)

    def batches_before(self, group: Sequence[Batch]) -> list[Batch]:
        """Return what has to be committed before a group, in the same transaction."""
        named = [append.stream for batch in group for append in batch.appends]
        first = [each for each in self.streams if any(name.startswith(each) for name in named)]
        return [batch for streams in first for batch in self._batches(streams)]

    def settle(self, streams: str, rules: _Rules) -> None:
        """Take it that the rules are recorded, or cannot be."""
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
            yield _RulesBatch(append, lambda: self.settle(streams, rules))


class _RulesBatch(Batch):
    """A batch that nobody waits for."""

    __slots__ = ("_settled",)

    def __init__(self, append: Append, settled: Callable[[], None]) -> None:
        super().__init__([append])
        self._settled = settled

    @property
    def sleeps(self) -> bool:
        return False

    def settle(self, error: Exception | None = None) -> None:
        super().settle(error)
        if error is not None:  # the end of the control stream is damaged: facts are stored even so
            LOG.error("rules are not recorded: %s", error)
        self._settled()

    def wake(self) -> None:
        """Do nothing: nobody sleeps."""


@lru_cache(maxsize=64)
def _as_entry(provider: str, declared: DeclaredRules) -> Rules:
    definition = declared.definition
    what = (provider, definition.fingerprint, definition.to_json(), _release(), declared.origin)
    return Rules(*what, _schema(definition))


def _schema(definition: Definition) -> str | None:
    """Return the JSON schema of a provider's details; None where the model has none."""
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
