"""Stored views in memory: the same meanings as in a database, for tests and short runs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from eventsourcing.persistence import IntegrityError, Tracking
from eventsourcing.popo import POPOTrackingRecorder

from lifecycle.log.stores.sql.views import tracking_name
from lifecycle.log.view_store import (
    Batch,
    Conditions,
    Generation,
    Heard,
    Phase,
    Poisoned,
    StoredView,
)


@dataclass
class _Kept:
    """One generation and what is in it; its position lies in the recorder's tracking."""

    generation: Generation
    views: dict[str, StoredView] = field(default_factory=dict)
    poisoned: dict[str, Poisoned] = field(default_factory=dict)


class MemoryViews(POPOTrackingRecorder):
    """A `ViewStore` that lives as long as this object."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[int, _Kept] = {}
        self._last = 0

    def create(self) -> None:
        """Do nothing: memory needs no tables."""

    def generations(self, provider: str) -> list[Generation]:
        """Return what is kept of a provider, oldest first."""
        with self._database_lock:
            return [
                self._current(kept)
                for kept in self._kept.values()
                if kept.generation.provider == provider
            ]

    def begin(self, new: Generation) -> bool:
        """Begin a generation that walks; False if another of this provider is being built."""
        with self._database_lock:
            under_way = (Phase.WALKING, Phase.TRAILING)
            if any(one.phase in under_way for one in self.generations(new.provider)):
                return False
            self._last += 1
            began = new._replace(number=self._last)
            self._kept[self._last] = _Kept(began)
            self.insert_tracking(Tracking(tracking_name(began), new.position))
            return True

    def write(self, generation: Generation, batch: Batch) -> bool:
        """Write a batch and how far the generation is with it; False if it moved on."""
        with self._database_lock:
            kept = self._expected(generation, in_place=batch.stays)
            if kept is None or not self._move(kept, batch):
                return False
            for order_id in (*batch.gone, *(poisoned.order_id for poisoned in batch.poisoned)):
                kept.views.pop(order_id, None)
            for order_id in (*batch.gone, *(view.order_id for view in batch.views)):
                kept.poisoned.pop(order_id, None)
            kept.poisoned |= {poisoned.order_id: poisoned for poisoned in batch.poisoned}
            for view in batch.views:
                known = kept.views.get(view.order_id)
                if known is None or known.version <= view.version:
                    kept.views[view.order_id] = view
            return True

    def promote(self, generation: Generation, to: Phase) -> bool:
        """Give a generation its next phase; False if it is no longer in the one it was in."""
        with self._database_lock:
            kept = self._expected(generation)
            if kept is None:
                return False
            for other in self._kept.values():
                was = other.generation
                if to is Phase.LIVE and (was.provider, was.phase) == (generation.provider, to):
                    other.generation = was._replace(phase=Phase.RETIRED)
            kept.generation = kept.generation._replace(phase=to)
            return True

    def sweep(self, generation: Generation, at_most: int) -> bool:
        """Delete some views of a retired generation, at last itself; False when it is gone."""
        with self._database_lock:
            kept = self._kept.get(generation.number)
            if kept is not None and kept.views:
                for order_id in list(kept.views)[:at_most]:
                    del kept.views[order_id]
                return True
            self._kept.pop(generation.number, None)
            self._max_tracking_ids.pop(tracking_name(generation), None)
            return False

    def find(
        self, generation: Generation, wanted: Conditions, after: str, at_most: int
    ) -> list[StoredView] | None:
        """Return the next views for which the conditions hold; None if it is there no longer."""
        with self._database_lock:
            if generation.number not in self._kept:
                return None
            found = self.between(generation, after, None)
            return [view for view in found if _fits(wanted, view)][:at_most]

    def recent(self, generation: Generation, before: Heard, at_most: int) -> list[StoredView]:
        """Return the next views before a place, those first of which was heard last."""
        found = [view for view in self.between(generation, "", None) if view.heard < before]
        return sorted(found, key=lambda view: view.heard, reverse=True)[:at_most]

    def count_by_status(self, generation: Generation) -> dict[str, int]:
        """Return how many views there are of each status."""
        return dict(Counter(view.status for view in self.between(generation, "", None)))

    def between(self, generation: Generation, after: str, until: str | None) -> list[StoredView]:
        """Return the views of all orders above `after`, up to `until`."""
        with self._database_lock:
            kept = self._kept.get(generation.number)
            views = kept.views if kept is not None else {}
            wanted = (id_ for id_ in views if id_ > after and (until is None or id_ <= until))
            return [views[order_id] for order_id in sorted(wanted)]

    def poisoned(self, generation: Generation, after: str, at_most: int) -> list[Poisoned]:
        """Return the next orders above `after` that could not be folded, by order id."""
        with self._database_lock:
            kept = self._kept.get(generation.number)
            poisoned = kept.poisoned if kept is not None else {}
            wanted = sorted(order_id for order_id in poisoned if order_id > after)
            return [poisoned[order_id] for order_id in wanted[:at_most]]

    def _current(self, kept: _Kept) -> Generation:
        position = self.max_tracking_id(tracking_name(kept.generation))
        return kept.generation._replace(position=position or 0)

    def _expected(self, generation: Generation, *, in_place: bool = False) -> _Kept | None:
        kept = self._kept.get(generation.number)
        if kept is None or not self._current(kept).is_still(generation, in_place=in_place):
            return None
        return kept

    def _move(self, kept: _Kept, batch: Batch) -> bool:
        if batch.position is not None:
            try:
                self.insert_tracking(Tracking(tracking_name(kept.generation), batch.position))
            except IntegrityError:
                return False
        if batch.walked is not None:
            kept.generation = kept.generation._replace(walked=batch.walked)
        return True


def _fits(wanted: Conditions, view: StoredView) -> bool:
    return wanted.hold_for(
        view.status,
        waits=bool(view.awaiting),
        since=view.waiting_since,
        anomalies=view.anomalies,
        received=view.last_received_at,
    )
