"""Whenever an order is erased, and whatever comes before and after: the view is the same.

The events of random sets are recorded one by one in random order, the order is erased in between,
and the view is held against the oracle's after every step, through two handles of one log.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from lifecycle import Orders, connect
from lifecycle.core.erasure import as_erased
from lifecycle.core.fold import fold
from lifecycle.log.cipher import Cipher
from lifecycle.providers.instacart import INSTACART
from lifecycle.service import orders as service
from tests import oracle
from tests.contract.keys import OwnKeys
from tests.sample_events import Recording
from tests.unit.test_fold_and_oracle import drawn, recognized

SETS, PARTS = 30, 3


def differing(found: dict[str, Any], expected: dict[str, Any]) -> Iterator[str]:
    """Yield the fields of a view that are not as expected."""
    for anomaly in found["anomalies"]:
        del anomaly["detail"]
    for field in expected.keys() | {"erased"}:
        if found.get(field) != expected.get(field):
            yield f"{field} is {found.get(field)}, expected {expected.get(field)}"


def differences(rng: random.Random, recordings: list[Recording]) -> Iterator[str]:
    """Yield where a view is not the oracle's while an order is recorded and erased."""
    shuffled = rng.sample(recordings, len(recordings))
    at, keys = rng.randrange(len(shuffled)), OwnKeys()
    told: list[Recording] = []
    erased: set[str] = set()
    with connect("memory:", keys=keys) as orders:
        others = service.Orders(orders.log, {}, INSTACART, orders._service.clock, print)
        for number, recording in enumerate(shuffled):
            (receipt,) = orders.record_many([recording])
            if receipt.view is not None:
                told.append(recording)
            order_id = receipt.view.order_id if receipt.view else None
            if number == at and order_id is not None:
                orders.erase(order_id, reason="asked")
                erased.add(order_id)
            if order_id is not None:
                expected = oracle.erased(told) if order_id in erased else oracle.view(told)
                yield from differing(seen(orders, order_id), expected)
                yield from differing(seen(others, order_id), expected)


def seen(orders: Orders, order_id: str) -> dict[str, Any]:
    return orders.get(order_id).model_dump(mode="json")


@pytest.mark.parametrize("part", range(PARTS))
def test_views_before_and_after_an_erasure_are_the_oracles(part: int) -> None:
    rng = random.Random(f"erased {part}")
    for _ in range(SETS // PARTS):
        recordings = drawn(rng)
        assert not [*differences(rng, recordings)], recordings


@pytest.mark.parametrize("part", range(2))
def test_of_any_events_one_that_was_erased_erases_the_view(part: int) -> None:
    rng = random.Random(f"one erased {part}")
    for _ in range(40):
        events = list({(e.key, e.digest): e for e in recognized(drawn(rng))}.values())
        if not events:
            continue
        whole = fold(INSTACART.definition, map(as_erased, events)).model_dump(mode="json")
        for _ in range(3):
            some = {rng.randrange(len(events)) for _ in range(rng.randint(1, 3))}
            mixed = [as_erased(e) if n in some else e for n, e in enumerate(events)]
            rng.shuffle(mixed)
            assert fold(INSTACART.definition, mixed).model_dump(mode="json") == whole


def test_a_log_that_never_notices_an_erasure_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The positive control."""

    def wrong() -> list[str]:
        rng = random.Random("control")
        return [each for _ in range(4) for each in differences(rng, drawn(rng))]

    assert not wrong()
    monkeypatch.setattr(Cipher, "_forget", lambda self, key_ids: None)
    monkeypatch.setattr(OwnKeys, "destroy", lambda self, key_ids: None)
    assert wrong()
