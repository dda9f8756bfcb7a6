"""The plots of invented orders: each begins with a request and tells one way it can go."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from random import Random
from typing import Final, NamedTuple

from lifecycle.providers.instacart.storyteller import Storyteller

_BAD_ADDRESS: Final = {
    "error": {"message": "Required parameter missing or invalid", "code": 1001},
    "meta": {"key": "address"},
}
_BAD_FIELDS: Final = {
    "error": {
        "message": "There were issues with your request",
        "code": 9999,
        "errors": [
            {"error": {"message": "can't be blank", "code": 1001}, "meta": {"key": key}}
            for key in ("user_phone", "address.postal_code")
        ],
    },
    "meta": {},
}
_DRIVE: Final = (
    ("acknowledged_for_delivery", 60, 600),
    ("at_store", 300, 900),
    ("bags_verified", 60, 300),
    ("delivering", 30, 120),
    ("delivered", 600, 1800),
)
"""The states of one shopper's way, and how many seconds it takes to each, least and most."""

_SERVER_ERROR: Final = {
    "error": {"message": "An unexpected error occurred. Try again later.", "code": 5000},
    "meta": {},
}


def _create(teller: Storyteller) -> None:
    teller.request()
    teller.accept()
    teller.wait(2, 15)
    teller.born()


def _shop(teller: Storyteller, *, until: str = "delivered") -> None:
    """Tell the usual way of a brand new order to the customer, up to a state."""
    if teller.chance(0.5):
        teller.wait(120, 900)
        teller.enter("staged")
    if teller.chance(0.4):
        teller.wait(20, 120)
        teller.enter("waiting_for_delivery")
    _drive(teller, until=until)


def _drive(teller: Storyteller, *, until: str = "delivered") -> None:
    """Tell the way of one shopper, from the store to the customer, up to a state."""
    for state, least, most in _DRIVE:
        _meanwhile(teller)
        teller.wait(least, most)
        teller.enter(state)
        if state == until:
            return


def _meanwhile(teller: Storyteller) -> None:
    """Tell what is heard between two states and changes none."""
    if teller.flat:
        return
    if teller.status == "acknowledged_for_delivery" and teller.chance(0.4):
        teller.wait(20, 60)
        teller.callback("at_store_eta", bag_label=f"B{teller.random.randrange(100):02}")
    if teller.status == "delivering":
        _ride(teller)
    elif teller.chance(0.1):
        teller.wait(5, 60)
        teller.poll()


def _ride(teller: Storyteller) -> None:
    for _ in range(teller.random.randrange(5)):
        teller.wait(60, 120)
        latitude = round(37.78 + teller.random.random() / 50, 5)
        teller.callback("order_location", latitude=latitude, longitude=-122.4)
    if teller.chance(0.15):
        teller.wait(10, 60)
        teller.callback("late_delivery")
    if teller.chance(0.5):
        teller.wait(60, 300)
        teller.callback("arrival_at_customer")


def _afterwards(teller: Storyteller) -> None:
    if teller.flat:
        return
    if teller.chance(0.3):
        teller.wait(600, 7200)
        teller.callback("tip_adjustment", tip_amount_cents=100 * (1 + teller.random.randrange(9)))
    if teller.chance(0.3):
        teller.wait(1800, 7200)
        teller.callback("rating_updated" if teller.chance(0.5) else "rating_reminder")


def _delivered(teller: Storyteller) -> None:
    _create(teller)
    _shop(teller)
    _afterwards(teller)


def _correct(teller: Storyteller) -> None:
    teller.request()
    teller.answer(400, _BAD_ADDRESS if teller.chance(0.7) else _BAD_FIELDS, "validation_failed")
    teller.wait(20, 180)
    _create(teller)


def _corrected(teller: Storyteller) -> None:
    _correct(teller)
    _shop(teller)
    _afterwards(teller)


def _unanswered(teller: Storyteller) -> None:
    teller.request()
    teller.answer(None, None)
    teller.wait(2, 30)
    teller.born()
    _shop(teller)


def _server_error(teller: Storyteller) -> None:
    teller.request()
    teller.answer(500, _SERVER_ERROR)
    teller.wait(60, 600)
    teller.enter("canceled", cancellation_reason="instacart_driven")


def _creation_failed(teller: Storyteller) -> None:
    teller.request()
    teller.accept()
    teller.wait(10, 300)
    teller.enter("canceled", cancellation_reason="instacart_driven")


def _customer_canceled(teller: Storyteller) -> None:
    _create(teller)
    teller.wait(60, 1200)
    teller.enter("canceled", cancellation_reason="customer_driven")


def _rescheduled(teller: Storyteller) -> None:
    _create(teller)
    if teller.chance(0.5):
        teller.wait(60, 600)
        teller.enter("acknowledged_for_delivery")
    teller.wait(60, 900)
    teller.set_window(hours=4)
    teller.enter("rescheduled", fulfillment_details=teller.order()["fulfillment_details"])
    teller.wait(3600, 7200)
    _shop(teller)


def _drop_out(teller: Storyteller) -> None:
    teller.wait(60, 400)
    teller.enter("waiting_for_delivery")
    _drive(teller)


def _dropped_out(teller: Storyteller) -> None:
    _create(teller)
    _shop(teller, until="at_store" if teller.chance(0.5) else "acknowledged_for_delivery")
    _drop_out(teller)


def _customer_missing(teller: Storyteller) -> None:
    _create(teller)
    _shop(teller, until="delivering")
    teller.wait(600, 1200)
    teller.callback("customer_missing")
    teller.wait(300, 600)
    teller.enter("canceled", cancellation_reason="shopper_driven")


def _under_way(teller: Storyteller) -> None:
    _create(teller)
    if teller.chance(0.8):
        _shop(teller, until=teller.random.choice(_DRIVE[:-1])[0])


def _told_in_full(teller: Storyteller) -> None:
    _correct(teller)
    _shop(teller, until="at_store")
    _drop_out(teller)
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


_PLOTS: Final = (
    Plot(52, "delivered", _delivered),
    Plot(9, "corrected", _corrected),
    Plot(4, "unanswered", _unanswered),
    Plot(4, "server_error", _server_error),
    Plot(4, "creation_failed", _creation_failed),
    Plot(5, "customer_canceled", _customer_canceled),
    Plot(6, "rescheduled", _rescheduled, forward=False),
    Plot(7, "dropped_out", _dropped_out, forward=False),
    Plot(4, "customer_missing", _customer_missing, forward=False),
    Plot(5, "under_way", _under_way),
)
_WEIGHTS: Final = tuple(accumulate(plot.weight for plot in _PLOTS))
SHOWN: Final = Plot(0, "dropped_out", _told_in_full, forward=False)
"""The plot to show: corrected once, a shopper who dropped out, a tip."""


def drawn_plot(random: Random) -> Plot:
    """Return a plot at random: most orders are simply delivered."""
    return random.choices(_PLOTS, cum_weights=_WEIGHTS)[0]
