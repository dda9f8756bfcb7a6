"""One step of the fold, beside one trigger of a `transitions` machine. CPU time.

    python benchmarks/fold_step.py

The step: what an event means in an order's current state, and the next state. The machine is
created once and shared; it gives the state and no verdict. Also measured: the whole fold per
event, with duplicates, ranks, sorting, the step, and merging of details.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from obvious import LAST_MILE, MOVES, STATES
from pairs import Peer, Row, Stopwatch, cpu, main, measure
from transitions import Machine
from workload import EVENTS_PER_ORDER, NAMES, order

from lifecycle.core.event import Arrival, Event
from lifecycle.core.fold import Folding
from lifecycle.core.recognizer import Recognizer
from lifecycle.core.verdict import first_stage, sort_key
from lifecycle.providers.instacart import INSTACART

_RECEIVED_AT = datetime(2022, 6, 4, 10, 0, tzinfo=UTC)


class Model:
    """What a machine keeps the state of."""

    state: str


def recognized(orders: int) -> list[list[Event]]:
    """Return the events of some orders, in the order in which they were sent."""
    recognize = Recognizer(INSTACART).recognize
    found: list[list[Event]] = []
    for number in range(orders):
        arrived = [Arrival("callback", each.body, _RECEIVED_AT) for each in order(number)]
        found.append([event for event in map(recognize, arrived) if isinstance(event, Event)])
    return found


def stepping(orders: Sequence[Sequence[Event]]) -> Peer:
    """Take the step of each event, from where its order stands."""
    meanings = [
        [
            (
                event.trigger,
                event.kind,
                event.occurred_at is not None,
                sort_key(LAST_MILE, event)[0],
            )
            for event in events
        ]
        for events in orders
    ]

    def run(watch: Stopwatch) -> int:
        start: Any = first_stage(LAST_MILE)
        with watch.running():
            for told in meanings:
                stage = start
                for meaning in told:
                    stage = stage.steps[meaning].after
        return len(orders) * EVENTS_PER_ORDER

    return run


def folding(orders: Sequence[Sequence[Event]]) -> Peer:
    """Fold each order, without looking at it."""

    def run(watch: Stopwatch) -> int:
        with watch.running():
            for events in orders:
                Folding.of(LAST_MILE, events)
        return len(orders) * EVENTS_PER_ORDER

    return run


def triggering(orders: int) -> Peer:
    """Pull the same triggers on a machine that is made once, for one model after the other."""

    def run(watch: Stopwatch) -> int:
        model = Model()
        machine = Machine(
            model, states=STATES, transitions=MOVES, initial=STATES[0], auto_transitions=False
        )
        with watch.running():
            for _ in range(orders):
                machine.set_state(STATES[0], model)
                for name in NAMES:
                    model.trigger(name)  # type: ignore[attr-defined]
        return orders * EVENTS_PER_ORDER

    return run


def rows(options: argparse.Namespace) -> list[Row]:
    """Return the row of the fold's step, and what surrounds the step."""
    orders = recognized(options.orders)
    found = measure(
        {
            "step": stepping(orders * 10),
            "fold": folding(orders),
            "trigger": triggering(max(1, options.orders // 4)),
        },
        clock=cpu,
        rounds=options.rounds,
    )
    machine = "transitions, a shared machine"
    return [
        found.row("fold step", machine, of="trigger", to="step", reach=70),
        found.row("fold, all of it for an event", machine, of="trigger", to="fold"),
    ]


if __name__ == "__main__":
    main(__doc__, rows, orders=500)
