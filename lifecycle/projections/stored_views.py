"""What a service does with stored views: build them, keep them up, wait for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from threading import Event as Signal
from typing import Final, NamedTuple

from lifecycle.core.argument import check_callable, check_signal, check_timeout, is_whole
from lifecycle.core.provider import Provider
from lifecycle.errors import InvalidArgumentError, NoViewsError, ViewsLagError
from lifecycle.log.contract import Log
from lifecycle.log.view_store import Generation, Phase, Poisoned, ViewStore
from lifecycle.projections.fold_cache import FoldCache
from lifecycle.projections.projector import RECORDS_AT_ONCE, Follower
from lifecycle.projections.stored_form import FORM, release
from lifecycle.projections.view_query import live_generation

SHORTEST_PAUSE: Final = 0.02
LONGEST_PAUSE: Final = 0.5
"""Seconds between two looks at a log in which nothing happens."""

_AT_ONCE: Final = 1000

Progress = Callable[[int], None]
"""Told how many more orders or records were taken in."""


def unwatched(_: int) -> None:
    """Show no progress."""


def _checked(progress: Progress | None) -> Progress:
    if progress is None:
        return unwatched
    check_callable("progress", progress)
    return progress


class ViewsStatus(NamedTuple):
    """How the stored views of a provider stand.

    `live` are those in use, whatever they were made for; `fits` tells whether this definition
    can use them; `building` is the generation that is on its way. `end` is the log's last
    position.
    """

    live: Generation | None
    fits: bool
    building: Generation | None
    poisoned: int
    end: int

    @property
    def behind(self) -> int:
        """How many records the views in use have not taken in."""
        return 0 if self.live is None else max(0, self.end - self.live.position)

    @property
    def ok(self) -> bool:
        """Whether nothing about them needs a person."""
        if self.live is None:
            return True
        return self.fits and not self.poisoned and self.live.position <= self.end


class StoredViews:
    """The stored views of one provider's orders. Safe for threads; many processes may work.

    `Orders.find` uses them where they are there, and folds what they lack: they make it
    fast, and never old.
    """

    def __init__(self, log: Log, fold_cache: FoldCache, provider: Provider) -> None:
        self._log = log
        self._fold_cache = fold_cache
        self._provider = provider

    def status(self) -> ViewsStatus:
        """Return how the stored views stand."""
        generations = [] if self._log.views is None else self._store.generations(self._name)
        by_phase = {generation.phase: generation for generation in generations}
        live = by_phase.get(Phase.LIVE)
        return ViewsStatus(
            live=live,
            fits=live is not None and self._fits(live),
            building=by_phase.get(Phase.WALKING) or by_phase.get(Phase.TRAILING),
            poisoned=0 if live is None else sum(1 for _ in self._poisoned(live)),
            end=self._log.last_position(),
        )

    def poisoned(self) -> Iterator[Poisoned]:
        """Yield the orders that could not be folded, each with the reason, by order id."""
        live = self.status().live
        return iter(()) if live is None else self._poisoned(live)

    def rebuild(self, progress: Progress | None = None) -> None:
        """Build all views anew beside those in use, and swap when they are complete.

        Whoever reads meanwhile goes on with the old ones. One that was interrupted is gone on
        with; several at once build the same.

        Raises:
            NoViewsError: this store keeps no views, or they are built for another definition.
        """
        progress = _checked(progress)
        self._store.create()
        self._sweep()
        number = self._begun()
        while (building := self._numbered(number)) is not None:
            if building.phase is Phase.WALKING:
                self._walk(building, progress)
            elif building.phase is Phase.TRAILING:
                self._trail(building)
            else:
                break
        self._live()
        self._sweep()

    def catch_up(self, progress: Progress | None = None) -> int:
        """Take in what was recorded until now; return the position.

        Raises:
            NoViewsError: no views are stored that this definition can use.
        """
        progress = _checked(progress)
        end = self._log.last_position()
        follower = self._follower()
        while (live := self._live()).position < end:
            progress(max(0, follower.follow(live, end) - live.position))
        return live.position

    def follow(self, stop: Signal | None = None, progress: Progress | None = None) -> None:
        """Keep the stored views up until `stop` is set; poisoned orders are tried again first.

        Raises:
            NoViewsError: no views are stored that this definition can use.
        """
        stop = Signal() if stop is None else stop
        check_signal("stop", stop)
        progress = _checked(progress)
        self.redrive()
        pause = SHORTEST_PAUSE
        while not stop.is_set():
            before = self._live().position
            moved = self.catch_up(progress) > before
            pause = SHORTEST_PAUSE if moved else min(2 * pause, LONGEST_PAUSE)
            if not moved:
                stop.wait(pause)

    def redrive(self) -> int:
        """Fold the poisoned orders again, as after a fix; return how many are healed.

        Raises:
            NoViewsError: no views are stored that this definition can use.
        """
        return self._follower().redrive(self._live())

    def wait(self, position: int, timeout: float = 10.0) -> None:
        """Return once the stored views have taken in `position`, as of a receipt.

        Only for those who read the tables themselves: `Orders.find` never lags.

        Args:
            position: a receipt's, or any other of the log.
            timeout: in seconds.

        Raises:
            ViewsLagError: it took too long.
            NoViewsError: no views are stored that this definition can use.
        """
        check_timeout("timeout", timeout)
        if not is_whole(position):
            raise InvalidArgumentError("position", "a position in the log: an integer")
        until = time.monotonic() + timeout
        pause = SHORTEST_PAUSE
        while (reached := self._live().position) < position:
            if time.monotonic() >= until:
                raise ViewsLagError(self._name, reached, position)
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE, max(0.0, until - time.monotonic()))

    @property
    def _name(self) -> str:
        return self._provider.name

    @property
    def _store(self) -> ViewStore:
        if self._log.views is None:
            raise NoViewsError(self._name, f"{self._log.url!a} keeps none")
        return self._log.views

    def _follower(self) -> Follower:
        return Follower(self._log, self._store, self._fold_cache, self._provider)

    def _fits(self, generation: Generation) -> bool:
        fingerprint = self._provider.definition.fingerprint
        return (generation.definition, generation.form) == (fingerprint, FORM)

    def _live(self) -> Generation:
        live = live_generation(self._log, self._provider)
        if live is None:
            there = self.status().live is not None
            found = "those that are there were made for another definition" if there else "none"
            raise NoViewsError(self._name, found)
        return live

    def _numbered(self, number: int) -> Generation | None:
        kept = self._store.generations(self._name)
        return next((one for one in kept if one.number == number), None)

    def _begun(self) -> int:
        """Return the number of the generation that is being built; begin it if there is none."""
        while True:
            for building in self._store.generations(self._name):
                if building.phase in (Phase.WALKING, Phase.TRAILING):
                    if self._fits(building):
                        return building.number
                    self._store.promote(building, Phase.RETIRED)
            self._store.begin(self._new())

    def _new(self) -> Generation:
        fingerprint, end = self._provider.definition.fingerprint, self._log.last_position()
        return Generation(0, self._name, fingerprint, FORM, release(), Phase.WALKING, "", end)

    def _walk(self, building: Generation, progress: Progress) -> None:
        orders = self._follower().walk(building)
        progress(orders)
        if not orders:
            self._store.promote(building, Phase.TRAILING)

    def _trail(self, building: Generation) -> None:
        end = self._log.last_position()
        if end - building.position <= RECORDS_AT_ONCE:
            self._store.promote(building, Phase.LIVE)
        else:
            self._follower().follow(building, end)

    def _sweep(self) -> None:
        for generation in self._store.generations(self._name):
            while generation.phase is Phase.RETIRED and self._store.sweep(generation, _AT_ONCE):
                continue

    def _poisoned(self, generation: Generation) -> Iterator[Poisoned]:
        after = ""
        while page := self._store.poisoned(generation, after, _AT_ONCE):
            yield from page
            after = page[-1].order_id
