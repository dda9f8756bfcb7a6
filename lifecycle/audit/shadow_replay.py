"""Shadow replay: folds every order by today's rules and by others, and lists what would change.

    events of an order ─┬→ folded by today's rules ─┐
                        └→ folded by the others ────┴→ compared, field by field ─→ ChangedOrder

The events are the stored ones, as their provider reads them now: only the rules differ.
It goes from order to order and writes nothing; memory does not grow with the log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple

from lifecycle.audit.replay import STREAMS_AT_ONCE, Progress
from lifecycle.audit.view_comparison import Differing, changed_fields
from lifecycle.core.definition import Definition
from lifecycle.core.event import Event
from lifecycle.core.fold import Folding
from lifecycle.core.provider import Provider
from lifecycle.core.recognizer import recognizers_of
from lifecycle.log.contract import ORDERS, Log, Record
from lifecycle.log.order_stream import order_in
from lifecycle.projections.fold_cache import FoldCache, why_unfoldable


class ChangedOrder(NamedTuple):
    """An order whose view would change: each field, as it is today and as it would be."""

    provider: str
    order_id: str
    fields: tuple[Differing, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the change as JSON values."""
        changes = [{"field": name, "today": was, "then": now} for name, was, now in self.fields]
        return {"provider": self.provider, "order_id": self.order_id, "changes": changes}


class ShadowReplay:
    """One pass over the orders of some providers, each under its other rules; see `changes`.

    `orders` counts those that were folded twice, `changed` those that would change, `kinds` the
    fields that would, and `unreadable` the orders that cannot be folded.
    """

    def __init__(
        self, log: Log, providers: Mapping[str, Provider], rules: Mapping[str, Definition]
    ) -> None:
        self.rules: Final = rules
        self.orders: int = 0
        self.changed: int = 0
        self.unreadable: int = 0
        self.kinds: Counter[str] = Counter()
        self._log = log
        self._providers = recognizers_of(providers)
        self._reader = FoldCache(log, providers)

    @property
    def ok(self) -> bool:
        """Whether no order would change, and every order could be folded."""
        return not self.changed and not self.unreadable

    def changes(self, progress: Progress = lambda _: None) -> Iterator[ChangedOrder]:
        """Yield each order that would change; `progress` is told how many more records were read.

        Records appended meanwhile may or may not be read.
        """
        for provider in sorted(self.rules):
            streams = self._log.streams(prefix=f"{ORDERS}{provider}:")
            while page := list(islice(streams, STREAMS_AT_ONCE)):
                for stream, records in self._log.read_many(page).items():
                    yield from self._change(provider, stream, records)
                    progress(len(records))

    def _change(self, provider: str, stream: str, records: list[Record]) -> Iterator[ChangedOrder]:
        self.orders += 1
        today = self._providers[provider].definition
        try:
            events = self._reader.events(records)
            fields = tuple(_changes(today, self.rules[provider], events))
        except Exception as trouble:  # noqa: BLE001 - one order's trouble is no other's
            why_unfoldable(trouble)
            self.unreadable += 1
            return
        if fields:
            self.changed += 1
            self.kinds.update(name for name, _, _ in fields)
            yield ChangedOrder(provider, order_in(stream), fields)


def _changes(today: Definition, rules: Definition, events: list[Event]) -> Iterator[Differing]:
    return changed_fields(Folding.of(today, events).view(), Folding.of(rules, events).view())
