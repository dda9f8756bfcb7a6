"""Shadow replay names exactly the orders that other rules would change, and in what."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest

from lifecycle import Orders, connect
from lifecycle.audit.shadow_replay import ShadowReplay
from lifecycle.core.definition import Definition, Move
from lifecycle.providers.instacart import INSTACART, Instacart
from lifecycle.providers.instacart.definition import LAST_MILE
from tests.sample_events.event_sets import deliver, random_set
from tests.sample_events.recordings import Recording, at, callback

ORDERS = [f"o{number:03}" for number in range(60)]
SEEDS = range(6)


rank = LAST_MILE.rank


@dataclass(frozen=True)
class Ruled(Instacart):
    """The provider, with other rules."""

    definition: Definition = LAST_MILE


STEPS_BACK = [move for move in LAST_MILE.moves if rank(move.source) > rank(move.dest)]
OTHER_STEPS_BACK = [
    Move(source, dest, dest)
    for source in LAST_MILE.states
    for dest in LAST_MILE.states
    if rank("brand_new") <= rank(dest) < rank(source)
    and source not in LAST_MILE.terminal
    and Move(source, dest, dest) not in STEPS_BACK
]


def changed_by_one_move(rng: Random) -> Definition:
    """Return the definition without one of its steps back, or with one more.

    Whoever takes a step forward away changes little: the state is reached even so.
    """
    if rng.random() < 0.5:
        taken = rng.choice(STEPS_BACK)
        return replace(LAST_MILE, moves=tuple(m for m in LAST_MILE.moves if m != taken))
    return replace(LAST_MILE, moves=(*LAST_MILE.moves, rng.choice(OTHER_STEPS_BACK)))


def back_and_forth(rng: Random, order: str) -> list[Recording]:
    """Return the callbacks of an order that goes back and forth among its states."""
    states = LAST_MILE.states[rank("brand_new") : rank("delivered")]
    return [
        callback(order, f"{order}-{n}", rng.choice(states), at(60 * n), created_at=f"{n}")
        for n in range(5)
    ]


def recordings() -> list[Recording]:
    rng = Random(20260707)
    sets = [back_and_forth(rng, o) if o < "o030" else random_set(rng, 6, o) for o in ORDERS]
    return [each for one in sets for each in deliver(rng, one, most=2)]


@pytest.fixture(scope="module")
def orders():
    with connect("memory:") as orders:
        orders.record_many(recordings())
        yield orders


def shown(orders: Orders) -> dict[str, dict[str, Any]]:
    """Return what `show --json` prints of each order, without what only names the rules."""
    views = {}
    for order in ORDERS:
        view = orders.get(order).model_dump(mode="json")
        for anomaly in view["anomalies"]:
            del anomaly["detail"]
        views[order] = {k: v for k, v in view.items() if k not in {"definition", "digest"}}
    return views


def by_hand(today: dict[str, dict[str, Any]], rules: Definition) -> dict[str, set[str]]:
    """Return the fields in which each order differs that was recorded and folded by other rules."""
    with connect("memory:", provider=Ruled(definition=rules)) as other:
        other.record_many(recordings())
        then = shown(other)
    differing = {o: {k for k in today[o] if today[o][k] != then[o][k]} for o in ORDERS}
    return {order: fields for order, fields in differing.items() if fields}


def by_shadow_replay(orders: Orders, rules: Definition) -> dict[str, set[str]]:
    walk = ShadowReplay(orders.log, {"instacart": INSTACART}, {"instacart": rules})
    found = {each.order_id: {name for name, _, _ in each.fields} for each in walk.changes()}
    counted = Counter(name for fields in found.values() for name in fields)
    assert (walk.orders, walk.changed, walk.kinds) == (len(ORDERS), len(found), counted)
    assert walk.ok is not bool(found)
    # A view prints details at the top level, and what depends on delivery apart.
    printed = {o: {name.removeprefix("details.") for name in names} for o, names in found.items()}
    return {o: {name.partition(".")[0] for name in names} for o, names in printed.items()}


def test_a_definition_changed_by_one_move_changes_what_folding_everything_twice_finds(orders):
    """The control: whoever compares statuses alone misses orders that change."""
    today = shown(orders)
    found_at_all = missed_by_statuses = 0
    for seed in SEEDS:
        rules = changed_by_one_move(Random(seed))
        expected = by_hand(today, rules)

        assert by_shadow_replay(orders, rules) == expected, seed

        found_at_all += len(expected)
        missed_by_statuses += sum("status" not in fields for fields in expected.values())
    assert found_at_all > 0
    assert missed_by_statuses > 0
