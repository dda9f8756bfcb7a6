"""What a provider sends about an order, as functions: enough to simulate it, and to record it.

    Bodies ─┬─→ stepped: what becomes of an order that is made, step by step
            └─→ recordings: what arrives of an order, for tests

For a provider whose orders go in plain steps, one callback a step. One that needs more writes
its own plan, as `lifecycle.simulator.plan` describes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from lifecycle.core.definition import Definition
from lifecycle.simulator.http import Reply
from lifecycle.simulator.plan import Body


@dataclass(frozen=True)
class Bodies:
    """The bodies that a provider and its retailer send about one order.

    Attributes:
        definition: the lifecycle; the first birth state is what a new order is at.
        request: the create request of an attempt.
        order: the order object in a status.
        callback: the callback about a name, given the order object, the time, and a text of
            its own that an event id can be made of; None: nothing is called back.
        rejection: the answer to a create request that has to be corrected.
    """

    definition: Definition
    request: Callable[[str, int], Body]
    order: Callable[[str, str], Body]
    callback: Callable[[Body, str, datetime, str], Body | None]
    rejection: Reply

    @property
    def birth(self) -> str:
        """The status of an order that was just made."""
        return self.definition.states[self.definition.birth_rank]


class Way(NamedTuple):
    """One course of an order after it was made: the names of what happens, in order.

    Of orders that go in several ways, each is drawn by its `weight`.
    """

    description: str
    names: tuple[str, ...]
    weight: int = 1
