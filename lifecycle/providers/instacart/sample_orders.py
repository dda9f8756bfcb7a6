"""Sample orders: what truly happened to each, and what faulty delivery makes of it.

    generate(seed, count) ─→ sample orders ─→ deliver(seed, orders) ─→ recordings in order of
                             (the truth)      (adds faults)           arrival, fault counts

Nothing here reads a clock: the same seed gives the same orders.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Final

from lifecycle.providers.instacart.order_generator import OrderGenerator, divergent
from lifecycle.providers.instacart.sample_scenarios import DEMO_SCENARIO, draw_scenario
from lifecycle.simulator import samples
from lifecycle.simulator.samples import SampleOrder, SampleOrders

STARTS_AT: Final = datetime(2022, 6, 4, 10, 0, tzinfo=UTC)
"""When the first order is placed by default."""

_BETWEEN_ORDERS: Final = timedelta(seconds=20)
_FLAT_ACCOUNTS: Final = 0.1

deliver: Final = partial(samples.deliver, diverge=divergent)
"""Returns what arrives of sample orders; see `lifecycle.simulator.samples.deliver`."""


def generate(seed: int, count: int, *, starts_at: datetime = STARTS_AT) -> tuple[SampleOrder, ...]:
    """Return `count` orders; a smaller count returns the first orders of a larger one.

    The first order is always `DEMO_SCENARIO`: one correction, a shopper who drops out, a tip.
    """
    return tuple(_sample_order(seed, number, starts_at) for number in range(count))


def _sample_order(seed: int, number: int, starts_at: datetime) -> SampleOrder:
    random = Random(f"orders:{seed}:{number}")  # noqa: S311 - repeatable on purpose
    is_demo = number == 0
    scenario = DEMO_SCENARIO if is_demo else draw_scenario(random)
    at = (
        starts_at
        + _BETWEEN_ORDERS * number
        + timedelta(seconds=random.randrange(15) * (not is_demo))
    )
    flat = random.random() < _FLAT_ACCOUNTS and not is_demo and scenario.forward
    generator = OrderGenerator(random, f"demo-{seed}-{number + 1:04}", at, flat=flat)
    scenario.generate(generator)
    return SampleOrder(
        generator.order_id, scenario.name, generator.status, tuple(generator.recordings)
    )


SAMPLE_ORDERS: Final = SampleOrders(generate, deliver)
