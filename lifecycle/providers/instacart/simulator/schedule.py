"""Planning: the whole future of an order, told when it is made.

A plan is a list of what will happen and when, by the provider's clock. It depends on the
seed, the order id and the request alone; what the retailer does later cuts it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final, NamedTuple

from lifecycle.providers.instacart.order_generator import Recording, Storyteller
from lifecycle.providers.instacart.sample_deliveries import WAYS, deliver
from lifecycle.providers.instacart.simulator.settings import Settings

RETRIED: Final = "retried"
"""What the history of an order calls a try of the provider's own to make it."""

_ROUNDED_UP: Final = timedelta(microseconds=999_999)


class Happening(NamedTuple):
    """One thing that happens to an order: `order` is how GET shows it from then on.

    `body` is its callback, None if there is none; `name` a status if `moves`.
    """

    at: datetime
    name: str
    moves: bool
    order: Recording
    body: Recording | None


class Planner(Storyteller):
    """Tells an order that the provider has taken; what is told are happenings.

    They stand on whole seconds, and no two in the same one: callbacks and polls then agree,
    though both show whole seconds only.
    """

    def __init__(
        self, random: Random, order_id: str, at: datetime, *, store: str, callbacks: str
    ) -> None:
        whole = (at + _ROUNDED_UP).replace(microsecond=0)
        super().__init__(random, order_id, whole, flat=callbacks == "flat", store=store)
        self._mixed = callbacks == "mixed"
        self._reason: Recording = {}
        self._told_name = "created"
        self.status = "created"
        self.happenings: list[Happening] = []
        self.at_first = self.partial_order()

    def wait(self, least: float, most: float) -> None:
        """Let so many seconds pass; the clock comes to stand on a whole one."""
        super().wait(least, most)
        self.at = self.at.replace(microsecond=0)

    def callback(self, name: str, **told: object) -> None:
        """Tell a callback in an envelope; an account with flat ones hears of states alone."""
        if not self.flat or name == self.status:
            self._told_name = name
            super().callback(name, **told)

    def enter(self, status: str, **told: object) -> None:
        """Tell the callback of a state, in the shape that this account gets."""
        if self._mixed:
            self.flat = self.chance(0.5)
        self._reason = {k: v for k, v in told.items() if k == "cancellation_reason"}
        self._told_name = status
        super().enter(status, **told)

    def try_again(self) -> None:
        """Tell that the provider tried once more to make the order, in vain."""
        self.wait(20, 200)
        order = self.partial_order()
        self.happenings.append(Happening(self.at, RETRIED, moves=False, order=order, body=None))

    def unplanned(
        self, at: datetime, standing: Recording, status: str, **told: object
    ) -> Happening:
        """Return what the retailer itself made happen, to an order that stands like this."""
        order = {**standing, "status": status, **told}
        self.at = at.replace(microsecond=0)
        body = order if self.flat else self.envelope(status, **told)
        return Happening(self.at, status, moves=True, order=order, body=body)

    def poll(self) -> None:
        """Tell nothing: who asks is the retailer's own matter."""

    def _arrive(self, body: Recording) -> None:
        moves = self._told_name == self.status
        order = self.order(**self._reason)
        self.happenings.append(Happening(self.at, self._told_name, moves, order, body))


def plan(
    settings: Settings,
    order_id: str,
    number: int,
    request: Mapping[str, Any],
    at: datetime,
    *,
    way: str,
    callbacks: str,
) -> Planner:
    """Return the planner of an order that has told everything; `number` is 1, more if doubled."""
    random = Random(f"{settings.seed}:plan:{number}:{order_id}")  # noqa: S311 - repeatable on purpose
    store = str(request["location_code"])
    planner = Planner(random, order_id, at, store=store, callbacks=callbacks)
    _PLANS[way](planner)
    return planner


def _server_failed(planner: Planner) -> None:
    planner.try_again()
    planner.try_again()
    planner.wait(2, 10)
    planner.enter("canceled", cancellation_reason="instacart_driven")


def _server_recovered(planner: Planner) -> None:
    planner.try_again()
    deliver(planner)


_PLANS: Final[Mapping[str, Callable[[Planner], None]]] = {
    "delivered": deliver,
    "stepped-back": WAYS["dropped_out"].tell,
    "rescheduled": WAYS["rescheduled"].tell,
    "customer-missing": WAYS["customer_missing"].tell,
    "canceled-later": WAYS["customer_canceled"].tell,
    "creation-failed": WAYS["creation_failed"].tell,
    "under-way": WAYS["under_way"].tell,
    "server-failed": _server_failed,
    "server-recovered": _server_recovered,
}
