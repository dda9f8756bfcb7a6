"""Sample scenarios: whole orders, from the create request to the last callback."""

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
from lifecycle.providers.instacart.sample_deliveries import (
    SAMPLE_DELIVERIES,
    deliver,
    enter_brand_new,
    replace_shopper,
    shop_and_deliver,
)


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
