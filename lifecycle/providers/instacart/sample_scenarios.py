"""Sample scenarios: whole orders, and the deliveries that continue an accepted one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from random import Random
from typing import Final, NamedTuple

from lifecycle.providers.instacart.error_bodies import (
    BAD_ADDRESS,
    BAD_FIELDS,
    SERVER_ERROR,
    rejection_body,
)
from lifecycle.providers.instacart.order_generator import OrderGenerator

_SHOPPER_STATES: Final = (
    ("acknowledged_for_delivery", 60, 600),
    ("at_store", 300, 900),
    ("bags_verified", 60, 300),
    ("delivering", 30, 120),
    ("delivered", 600, 1800),
)
"""The states that one shopper goes through: (state, least seconds, most seconds)."""


def enter_brand_new(generator: OrderGenerator) -> None:
    """Add the Brand New callback, some seconds after acceptance."""
    generator.wait(2, 15)
    generator.enter_brand_new()


def shop_and_deliver(generator: OrderGenerator, *, until: str = "delivered") -> None:
    """Add the usual delivery of a brand new order, up to a state."""
    if generator.chance(0.5):
        generator.wait(120, 900)
        generator.enter("staged")
    if generator.chance(0.4):
        generator.wait(20, 120)
        generator.enter("waiting_for_delivery")
    _follow_shopper(generator, until=until)


def replace_shopper(generator: OrderGenerator) -> None:
    """Replace the shopper: the order goes back, and another one delivers it."""
    generator.wait(60, 400)
    generator.enter("waiting_for_delivery")
    _follow_shopper(generator)


def _follow_shopper(generator: OrderGenerator, *, until: str = "delivered") -> None:
    """Add the states of one shopper, up to a state."""
    for state, least, most in _SHOPPER_STATES:
        _add_informational(generator)
        generator.wait(least, most)
        generator.enter(state)
        if state == until:
            return


def _add_informational(generator: OrderGenerator) -> None:
    """Add informational callbacks and polls between two states."""
    if generator.flat:
        return
    if generator.status == "acknowledged_for_delivery" and generator.chance(0.4):
        generator.wait(20, 60)
        generator.callback("at_store_eta", bag_label=f"B{generator.random.randrange(100):02}")
    if generator.status == "delivering":
        _drive_to_customer(generator)
    elif generator.chance(0.1):
        generator.wait(5, 60)
        generator.poll()


def _drive_to_customer(generator: OrderGenerator) -> None:
    for _ in range(generator.random.randrange(5)):
        generator.wait(60, 120)
        latitude = round(37.78 + generator.random.random() / 50, 5)
        generator.callback("order_location", latitude=latitude, longitude=-122.4)
    if generator.chance(0.15):
        generator.wait(10, 60)
        generator.callback("late_delivery")
    if generator.chance(0.5):
        generator.wait(60, 300)
        generator.callback("arrival_at_customer")


def add_follow_ups(generator: OrderGenerator) -> None:
    """Add what may follow a delivery: a tip, a rating."""
    if generator.flat:
        return
    if generator.chance(0.3):
        generator.wait(600, 7200)
        generator.callback(
            "tip_adjustment", tip_amount_cents=100 * (1 + generator.random.randrange(9))
        )
    if generator.chance(0.3):
        generator.wait(1800, 7200)
        generator.callback("rating_updated" if generator.chance(0.5) else "rating_reminder")


def deliver(generator: OrderGenerator) -> None:
    """Add a delivery without incident."""
    enter_brand_new(generator)
    shop_and_deliver(generator)
    add_follow_ups(generator)


def _creation_failed(generator: OrderGenerator) -> None:
    generator.wait(10, 300)
    generator.enter("canceled", cancellation_reason="instacart_driven")


def _customer_canceled(generator: OrderGenerator) -> None:
    enter_brand_new(generator)
    generator.wait(60, 1200)
    generator.enter("canceled", cancellation_reason="customer_driven")


def _rescheduled(generator: OrderGenerator) -> None:
    enter_brand_new(generator)
    if generator.chance(0.5):
        generator.wait(60, 600)
        generator.enter("acknowledged_for_delivery")
    generator.wait(60, 900)
    generator.set_window(hours=4)
    generator.enter("rescheduled", fulfillment_details=generator.order()["fulfillment_details"])
    generator.wait(3600, 7200)
    shop_and_deliver(generator)


def _dropped_out(generator: OrderGenerator) -> None:
    enter_brand_new(generator)
    shop_and_deliver(
        generator, until="at_store" if generator.chance(0.5) else "acknowledged_for_delivery"
    )
    replace_shopper(generator)


def _customer_missing(generator: OrderGenerator) -> None:
    enter_brand_new(generator)
    shop_and_deliver(generator, until="delivering")
    generator.wait(600, 1200)
    generator.callback("customer_missing")
    generator.wait(300, 600)
    generator.enter("canceled", cancellation_reason="shopper_driven")


def _under_way(generator: OrderGenerator) -> None:
    enter_brand_new(generator)
    if generator.chance(0.8):
        shop_and_deliver(generator, until=generator.random.choice(_SHOPPER_STATES[:-1])[0])


class SampleDelivery(NamedTuple):
    """How an order continues; `forward`: it never steps back.

    Flat callbacks have no time and cannot show a step back.
    """

    generate: Callable[[OrderGenerator], None]
    forward: bool = True


SAMPLE_DELIVERIES: Final = {
    "delivered": SampleDelivery(deliver),
    "creation_failed": SampleDelivery(_creation_failed),
    "customer_canceled": SampleDelivery(_customer_canceled),
    "rescheduled": SampleDelivery(_rescheduled, forward=False),
    "dropped_out": SampleDelivery(_dropped_out, forward=False),
    "customer_missing": SampleDelivery(_customer_missing, forward=False),
    "under_way": SampleDelivery(_under_way),
}


def _request_and_accept(generator: OrderGenerator) -> None:
    generator.request()
    generator.accept()


def _reject_then_correct(generator: OrderGenerator) -> None:
    generator.request()
    generator.answer(
        400,
        rejection_body(BAD_ADDRESS if generator.chance(0.7) else BAD_FIELDS),
        "validation_failed",
    )
    generator.wait(20, 180)
    _request_and_accept(generator)


def _corrected(generator: OrderGenerator) -> None:
    _reject_then_correct(generator)
    deliver(generator)


def _unanswered(generator: OrderGenerator) -> None:
    generator.request()
    generator.answer(None, None)
    generator.wait(2, 30)
    generator.enter_brand_new()
    shop_and_deliver(generator)


def _server_error(generator: OrderGenerator) -> None:
    generator.request()
    generator.answer(500, SERVER_ERROR)
    generator.wait(60, 600)
    generator.enter("canceled", cancellation_reason="instacart_driven")


def _demo(generator: OrderGenerator) -> None:
    _reject_then_correct(generator)
    enter_brand_new(generator)
    shop_and_deliver(generator, until="at_store")
    replace_shopper(generator)
    generator.wait(600, 7200)
    generator.callback("tip_adjustment", tip_amount_cents=500)


class SampleScenario(NamedTuple):
    """What can happen to an order; `weight` is how often, relative to the others.

    `forward` is as in `SampleDelivery`.
    """

    weight: int
    name: str
    generate: Callable[[OrderGenerator], None]
    forward: bool = True


def _accepted_scenario(weight: int, name: str) -> SampleScenario:
    """Return the scenario of an order that is accepted at once."""
    delivery = SAMPLE_DELIVERIES[name]

    def generate(generator: OrderGenerator) -> None:
        _request_and_accept(generator)
        delivery.generate(generator)

    return SampleScenario(weight, name, generate, delivery.forward)


_SCENARIOS: Final = (
    _accepted_scenario(52, "delivered"),
    SampleScenario(9, "corrected", _corrected),
    SampleScenario(4, "unanswered", _unanswered),
    SampleScenario(4, "server_error", _server_error),
    _accepted_scenario(4, "creation_failed"),
    _accepted_scenario(5, "customer_canceled"),
    _accepted_scenario(6, "rescheduled"),
    _accepted_scenario(7, "dropped_out"),
    _accepted_scenario(4, "customer_missing"),
    _accepted_scenario(5, "under_way"),
)
_WEIGHTS: Final = tuple(accumulate(scenario.weight for scenario in _SCENARIOS))
DEMO_SCENARIO: Final = SampleScenario(0, "dropped_out", _demo, forward=False)
"""What a demonstration shows: one correction, a shopper who drops out, a tip."""


def draw_scenario(random: Random) -> SampleScenario:
    """Return a random scenario: most orders are delivered without incident."""
    return random.choices(_SCENARIOS, cum_weights=_WEIGHTS)[0]
