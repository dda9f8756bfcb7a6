"""Keeps a generation of views up to date: folds the orders touched since its position again.

    position ─→ the next records ─→ their orders ─→ fold ─→ views and position, one transaction

Each order of a batch is folded to the end of the log as it is then. So a view may be ahead of
the position, never behind it, and reading the same records twice changes nothing. Exactly one
follower wins each batch: the others find that the position moved on.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from lifecycle.core.provider import Provider
from lifecycle.errors import StoredFormatError
from lifecycle.log.contract import Log
from lifecycle.log.stored_erasures import stream_about
from lifecycle.log.view_store import Batch, Generation, Phase, Poisoned, ViewStore
from lifecycle.projections.fold_cache import FoldCache
from lifecycle.projections.folded_views import Folded, from_log, from_records, prefix_of
from lifecycle.projections.stored_form import FORM, to_stored

RECORDS_AT_ONCE: Final = 1000
ORDERS_AT_ONCE: Final = 200

Outcome = Folded | Poisoned


class Follower:
    """Keeps the stored views of one provider up to date; several may run at once."""

    def __init__(
        self, log: Log, store: ViewStore, fold_cache: FoldCache, provider: Provider
    ) -> None:
        self.log = log
        self.store = store
        self.provider = provider
        self._fold_cache = fold_cache

    def follow(self, generation: Generation, until: int) -> int:
        """Fold the orders of the next records up to `until`, and return the position reached.

        That is the position of `generation` if another follower was first.
        """
        touched, position = self.touched(generation.position, until)
        outcomes = [
            from_log(self.log, self._fold_cache, self.provider, stream) for stream in touched
        ]
        batch = batch_of(outcomes)._replace(position=position)
        if position > generation.position and self.store.write(generation, batch):
            return position
        return generation.position

    def walk(self, generation: Generation) -> int:
        """Fold the next orders by id, unless another walker was first; return how many."""
        prefix = prefix_of(self.provider)
        rest = self.log.streams(prefix=prefix, after=prefix + generation.walked)
        streams = list(islice(rest, ORDERS_AT_ONCE))
        self._fold_cache.catch_up(streams)
        records = self.log.read_many(streams)
        outcomes = [
            from_records(self._fold_cache, self.provider, stream, records.get(stream, ()))
            for stream in streams
        ]
        # A name that no log gives has no place in the sequence, so the walk cannot resume at it.
        known = [stream for stream in streams if stream in records]
        if len(streams) == ORDERS_AT_ONCE and not known:
            raise StoredFormatError(streams[0], 1, "its stream has a name that no log gives")
        if streams:
            walked = known[-1].removeprefix(prefix) if known else None
            self.store.write(generation, batch_of(outcomes)._replace(walked=walked))
        return len(known)

    def redrive(self, generation: Generation) -> int:
        """Fold every poisoned order again, and return how many could be folded."""
        healed, after = 0, ""
        while page := self.store.poisoned(generation, after, ORDERS_AT_ONCE):
            prefix = prefix_of(self.provider)
            outcomes = [
                from_log(self.log, self._fold_cache, self.provider, prefix + poisoned.order_id)
                for poisoned in page
            ]
            if not self.store.write(generation, batch_of(outcomes)):
                return healed
            healed += sum(isinstance(outcome, Folded) for outcome in outcomes)
            after = page[-1].order_id
        return healed

    def fold_anew(self, generation: Generation, stream: str) -> bool:
        """Write the view of one order; False if the generation moved on since it was read."""
        outcome = from_log(self.log, self._fold_cache, self.provider, stream)
        return self.store.write(generation, batch_of([outcome]))

    def touched(self, after: int, until: int) -> tuple[list[str], int]:
        """Return the streams of the next records, sorted, and the position they reach to."""
        prefix = prefix_of(self.provider)
        strays = self.log.strays() if until > after else ()
        streams = {record.stream for record in strays if record.stream.startswith(prefix)}
        records = 0
        for record in islice(self.log.scan(after=after, until=until), RECORDS_AT_ONCE):
            records, position = records + 1, record.position
            stream = stream_about(record)
            if stream.startswith(prefix):
                streams.add(stream)
        # A stream without an order id is about no order.
        return sorted(streams - {prefix}), position if records == RECORDS_AT_ONCE else until


def fold_anew(log: Log, fold_cache: FoldCache, provider: Provider, stream: str) -> None:
    """Fold an order again in every generation of stored views, whatever its position."""
    if log.views is None:
        return
    follower = Follower(log, log.views, fold_cache, provider)
    fits = (provider.definition.fingerprint, FORM)
    kept = [
        each for each in log.views.generations(provider.name) if each.phase is not Phase.RETIRED
    ]
    for number in [each.number for each in kept if (each.definition, each.form) == fits]:
        while (generation := _numbered(log.views, provider.name, number)) is not None:
            if follower.fold_anew(generation, stream):
                break  # else another process advanced the generation meanwhile


def _numbered(store: ViewStore, provider: str, number: int) -> Generation | None:
    found = (each for each in store.generations(provider) if each.number == number)
    return next(found, None)


def batch_of(outcomes: Iterable[Outcome]) -> Batch:
    """Return the batch that writes the outcomes of some orders."""
    views, poisoned = [], []
    for outcome in outcomes:
        if isinstance(outcome, Poisoned):
            poisoned.append(outcome)
        else:
            views.append(to_stored(*outcome))
    return Batch(views, poisoned)
