"""The plots of invented orders: each begins with a request and tells one way it can go."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from random import Random
from typing import Final, NamedTuple

from lifecycle.providers.instacart.error_bodies import (
    BAD_ADDRESS,
    BAD_FIELDS,
    SERVER_ERROR,
    refusal,
)
from lifecycle.providers.instacart.order_generator import Storyteller
from lifecycle.providers.instacart.sample_deliveries import WAYS, be_born, deliver, drop_out, shop


def _ask(teller: Storyteller) -> None:
    teller.request()
    teller.accept()


def _correct(teller: Storyteller) -> None:
    teller.request()
    teller.answer(
        400, refusal(BAD_ADDRESS if teller.chance(0.7) else BAD_FIELDS), "validation_failed"
    )
    teller.wait(20, 180)
    _ask(teller)


def _corrected(teller: Storyteller) -> None:
    _correct(teller)
    deliver(teller)


def _unanswered(teller: Storyteller) -> None:
    teller.request()
    teller.answer(None, None)
    teller.wait(2, 30)
    teller.born()
    shop(teller)


def _server_error(teller: Storyteller) -> None:
    teller.request()
    teller.answer(500, SERVER_ERROR)
    teller.wait(60, 600)
    teller.enter("canceled", cancellation_reason="instacart_driven")


def _told_in_full(teller: Storyteller) -> None:
    _correct(teller)
    be_born(teller)
    shop(teller, until="at_store")
    drop_out(teller)
    teller.wait(600, 7200)
    teller.callback("tip_adjustment", tip_amount_cents=500)


class Plot(NamedTuple):
    """One way that an order can go.

    `weight` is how often, of a hundred or so. An order that goes `forward` never steps
    back, which callbacks without times could not show.
    """

    weight: int
    name: str
    tell: Callable[[Storyteller], None]
    forward: bool = True


def _taken(weight: int, name: str) -> Plot:
    """Return the plot of an order that is taken at once and then goes its way."""
    way = WAYS[name]

    def tell(teller: Storyteller) -> None:
        _ask(teller)
        way.tell(teller)

    return Plot(weight, name, tell, way.forward)


_PLOTS: Final = (
    _taken(52, "delivered"),
    Plot(9, "corrected", _corrected),
    Plot(4, "unanswered", _unanswered),
    Plot(4, "server_error", _server_error),
    _taken(4, "creation_failed"),
    _taken(5, "customer_canceled"),
    _taken(6, "rescheduled"),
    _taken(7, "dropped_out"),
    _taken(4, "customer_missing"),
    _taken(5, "under_way"),
)
_WEIGHTS: Final = tuple(accumulate(plot.weight for plot in _PLOTS))
SHOWN: Final = Plot(0, "dropped_out", _told_in_full, forward=False)
"""The plot to show: corrected once, a shopper who dropped out, a tip."""


def drawn_plot(random: Random) -> Plot:
    """Return a plot at random: most orders are simply delivered."""
    return random.choices(_PLOTS, cum_weights=_WEIGHTS)[0]
