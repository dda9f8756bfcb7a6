"""Handlers for side effects: every change handed over, in the order of its order, and none lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from threading import Event as Signal
from threading import Lock, Thread
from typing import Final, Self

from lifecycle.core.argument import check_callable, check_signal
from lifecycle.errors import InvalidArgumentError, StoreClosedError, StoreUnavailableError
from lifecycle.log.feed_store import FeedStore, Letter
from lifecycle.projections.change_feed import EVERY_SECONDS, LOG, Feed, checked_seconds
from lifecycle.projections.handover import Flow, Hand, Handover, Terms, TooLateError
from lifecycle.projections.letters import Letters

MAX_NAME_BYTES: Final = 100
_MOST_HUNG: Final = 20

OpenFeed = Callable[[int], Feed]
"""Opens a feed after a position."""

Handler = Callable[..., object]
"""Takes a change, and with `exactly_once` the driver's connection too."""


class Subscription:
    """One named reader of the change feed, that goes on where it stopped.

    Made by `Orders.subscription`. The handler is called at least once for every change, and of
    one order in the order of the log: again after a crash between its return and the note of it.
    With `exactly_once` it gets the database's own connection besides, within the transaction that
    notes the change as taken: what it writes there is written exactly once.
    """

    def __init__(
        self,
        name: str,
        handler: Handler,
        store: FeedStore,
        open_feed: OpenFeed,
        clock: Callable[[], datetime],
        *,
        terms: Terms,
    ) -> None:
        self.name = _checked_name(name)
        check_callable("handler", handler)
        self.terms = terms
        self._handler = handler
        self._letters = Letters(store, clock)
        self._handover = Handover(name, store, open_feed, clock, terms=terms)
        self._hung = 0

    @property
    def position(self) -> int:
        """How far it is in the log."""
        return self._handover.position

    def catch_up(self) -> int:
        """Hand over every change that is due, and return how many were taken.

        One that the handler does not take is due again after a pause, in a later call.
        """
        flow = self.flow()
        with _Watch(self.terms.timeout, self._stand_in) as watch:
            try:
                do = step(flow, None)
                while not isinstance(do, int):
                    do = step(flow, self._called(watch, do))
                return do
            finally:
                flow.close()

    def follow(self, stop: Signal, *, every: float = EVERY_SECONDS) -> None:
        """Hand over the changes there are and those to come, until `stop` is set.

        Looks for more `every` so many seconds. While the store cannot be reached it logs a
        warning and goes on asking.
        """
        checked_seconds("every", every)
        check_signal("stop", stop)
        while not stop.is_set():
            with surviving(self.name):
                self.catch_up()
            stop.wait(every)

    def letters(self, *, all: bool = False) -> Iterator[Letter]:
        """Yield the dead letters and what waits behind them, in the order of the log.

        With `all` what will be handed over again by itself too.
        """
        return self._letters.list(self.name, all=all)

    def redrive(self) -> int:
        """Hand the dead letters over again, as if they were new; return how many were taken."""
        self.revive()
        return self.catch_up()

    def revive(self) -> int:
        """Make the dead letters due, and return how many there are."""
        return self._letters.redrive(self.name)

    def flow(self) -> Flow:
        """Return what there is to hand over, from where the subscription stands."""
        return self._handover.flow()

    def cut_off(self, hand: Hand) -> None:
        """See to it that a handler which goes on writes nothing more with its connection."""
        self._handover.cut_off(hand)

    def _called(self, watch: _Watch, hand: Hand) -> Exception | None:
        """Return what the handler raised; while it hangs, others are handed over."""
        call = watch.begun(_Call(hand, self.cut_off))
        try:
            self._handler(hand.change, *((hand.connection,) if self.terms.exactly_once else ()))
        except Exception as raised:  # noqa: BLE001 - the handler's trouble becomes a letter
            return raised
        finally:
            cut_off = call.end()
        return TooLateError() if cut_off else None

    def _stand_in(self, call: _Call) -> None:
        """Hand over what there is for other orders until a call that hangs returns."""
        if not call.cut_off() or self._hung >= _MOST_HUNG:
            return
        self._hung += 1
        LOG.warning("%s: the handler hangs at position %d", self.name, call.hand.change.position)
        with suppress(StoreClosedError):
            while not call.ended.wait(EVERY_SECONDS):
                with surviving(self.name):
                    self.catch_up()
        self._hung -= 1

    def __repr__(self) -> str:
        return f"<Subscription {ascii(self.name)[1:-1]}>"


class _Watch:
    """Looks after the calls of one reader, one after the other: one thread for all of them."""

    def __init__(self, timeout: float, stand_in: Callable[[_Call], None]) -> None:
        self._timeout = timeout
        self._stand_in = stand_in
        self._call: _Call | None = None
        self._done = Signal()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()

    def begun(self, call: _Call) -> _Call:
        """Watch a call from now on, and return it."""
        if self._call is None:
            Thread(target=self._look, daemon=True).start()
        self._call = call
        return call

    def _look(self) -> None:
        while not self._done.wait(min(self._timeout / 4, EVERY_SECONDS)):
            call = self._call
            if call is not None and call.age >= self._timeout and not call.ended.is_set():
                self._stand_in(call)


class _Call:
    """One call of a handler, which may hang."""

    def __init__(self, hand: Hand, cut_off: Callable[[Hand], None]) -> None:
        self.hand = hand
        self._cut_off = cut_off
        self.ended = Signal()
        self._lock = Lock()
        self._is_cut_off = False
        self._began = time.monotonic()

    @property
    def age(self) -> float:
        """For how many seconds it has been going on."""
        return time.monotonic() - self._began

    def end(self) -> bool:
        """Tell whether its connection was closed before it ended."""
        with self._lock:
            self.ended.set()
            return self._is_cut_off and self.hand.connection is not None

    def cut_off(self) -> bool:
        """Close its connection; False if it has ended."""
        with self._lock:
            if self.ended.is_set():
                return False
            self._is_cut_off = True
            self._cut_off(self.hand)
            return True


@contextmanager
def surviving(name: str) -> Iterator[None]:
    """Log that the store cannot be reached, and go on."""
    try:
        yield
    except StoreUnavailableError:
        LOG.warning("%s: the store cannot be reached; asking again", name)


def step(flow: Flow, failure: Exception | None) -> Hand | int:
    """Return what to hand over next, or how many changes were taken. The first sends None."""
    try:
        return flow.send(failure)
    except StopIteration as ended:
        return int(ended.value)


def _checked_name(name: object) -> str:
    if isinstance(name, str) and name.isprintable() and 0 < len(name.encode()) <= MAX_NAME_BYTES:
        return name
    raise InvalidArgumentError("name", f"a printable text of 1 to {MAX_NAME_BYTES} bytes")
