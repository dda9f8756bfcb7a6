"""The ways of invented orders: how one goes on once the provider has taken it.

Each starts from an order that was accepted and that nobody has heard of since.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from lifecycle.providers.instacart.order_generator import Storyteller

_DRIVE: Final = (
    ("acknowledged_for_delivery", 60, 600),
    ("at_store", 300, 900),
    ("bags_verified", 60, 300),
    ("delivering", 30, 120),
    ("delivered", 600, 1800),
)
"""The states of one shopper's way, and how many seconds it takes to each, least and most."""


def be_born(teller: Storyteller) -> None:
    """Tell the Brand New callback, some seconds after the order was taken."""
    teller.wait(2, 15)
    teller.born()


def shop(teller: Storyteller, *, until: str = "delivered") -> None:
    """Tell the usual way of a brand new order to the customer, up to a state."""
    if teller.chance(0.5):
        teller.wait(120, 900)
        teller.enter("staged")
    if teller.chance(0.4):
        teller.wait(20, 120)
        teller.enter("waiting_for_delivery")
    _drive(teller, until=until)


def drop_out(teller: Storyteller) -> None:
    """Tell that the shopper dropped out, and the way of the next one."""
    teller.wait(60, 400)
    teller.enter("waiting_for_delivery")
    _drive(teller)


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


def look_back(teller: Storyteller) -> None:
    """Tell what may be heard after the delivery: a tip, a rating."""
    if teller.flat:
        return
    if teller.chance(0.3):
        teller.wait(600, 7200)
        teller.callback("tip_adjustment", tip_amount_cents=100 * (1 + teller.random.randrange(9)))
    if teller.chance(0.3):
        teller.wait(1800, 7200)
        teller.callback("rating_updated" if teller.chance(0.5) else "rating_reminder")


def deliver(teller: Storyteller) -> None:
    """Tell an order that is simply delivered."""
    be_born(teller)
    shop(teller)
    look_back(teller)


def _creation_failed(teller: Storyteller) -> None:
    teller.wait(10, 300)
    teller.enter("canceled", cancellation_reason="instacart_driven")


def _customer_canceled(teller: Storyteller) -> None:
    be_born(teller)
    teller.wait(60, 1200)
    teller.enter("canceled", cancellation_reason="customer_driven")


def _rescheduled(teller: Storyteller) -> None:
    be_born(teller)
    if teller.chance(0.5):
        teller.wait(60, 600)
        teller.enter("acknowledged_for_delivery")
    teller.wait(60, 900)
    teller.set_window(hours=4)
    teller.enter("rescheduled", fulfillment_details=teller.order()["fulfillment_details"])
    teller.wait(3600, 7200)
    shop(teller)


def _dropped_out(teller: Storyteller) -> None:
    be_born(teller)
    shop(teller, until="at_store" if teller.chance(0.5) else "acknowledged_for_delivery")
    drop_out(teller)


def _customer_missing(teller: Storyteller) -> None:
    be_born(teller)
    shop(teller, until="delivering")
    teller.wait(600, 1200)
    teller.callback("customer_missing")
    teller.wait(300, 600)
    teller.enter("canceled", cancellation_reason="shopper_driven")


def _under_way(teller: Storyteller) -> None:
    be_born(teller)
    if teller.chance(0.8):
        shop(teller, until=teller.random.choice(_DRIVE[:-1])[0])


class Way(NamedTuple):
    """How an order goes on; one that goes `forward` never steps back.

    Callbacks without times could not show a step back.
    """

    tell: Callable[[Storyteller], None]
    forward: bool = True


WAYS: Final = {
    "delivered": Way(deliver),
    "creation_failed": Way(_creation_failed),
    "customer_canceled": Way(_customer_canceled),
    "rescheduled": Way(_rescheduled, forward=False),
    "dropped_out": Way(_dropped_out, forward=False),
    "customer_missing": Way(_customer_missing, forward=False),
    "under_way": Way(_under_way),
}
