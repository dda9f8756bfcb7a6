"""Deliveries of a set of events, as the places of its members in order of arrival.

(0, 1, 2) as given · (2, 0, 1) another order · (2, 0, 2, 1) repeated · (2, 0) one lost
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import islice, permutations, product
from random import Random

Delivery = tuple[int, ...]


def deliveries(count: int, samples: int, seed: int) -> Iterator[Delivery]:
    """Yield deliveries of `count` events: orders, then with repeats, then with losses too.

    All orders if there are at most `samples`, else that many at random; as many again with
    repeats, and with losses.
    """
    random = Random(seed)  # noqa: S311 - repeatable on purpose
    yield from _orders(count, samples, random)
    for _ in range(samples):
        yield _shuffled(random, [*range(count), *_some(random, count)])
    for left_out in range(count if count > 1 else 0):
        yield tuple(place for place in reversed(range(count)) if place != left_out)
    for _ in range(samples):
        kept = _some(random, count)
        if kept:
            yield _shuffled(random, [*kept, *random.choices(kept, k=random.randrange(3))])


def shortest(
    failing: Delivery, count: int, fails: Callable[[Delivery], bool], *, tries: int = 1000
) -> Delivery:
    """Return the shortest delivery that still fails, found in about so many tries."""
    minimal = _without_what_is_not_needed(failing, fails)
    shorter = (
        delivery
        for length in range(1, len(minimal))
        for delivery in product(range(count), repeat=length)
    )
    return next((found for found in islice(shorter, tries) if fails(found)), minimal)


def _orders(count: int, samples: int, random: Random) -> Iterator[Delivery]:
    if math.factorial(min(count, 20)) <= samples:
        yield from permutations(range(count))
        return
    yield tuple(reversed(range(count)))
    for _ in range(samples - 1):
        yield _shuffled(random, list(range(count)))


def _without_what_is_not_needed(failing: Delivery, fails: Callable[[Delivery], bool]) -> Delivery:
    """Return a delivery of which no single arrival can be left out."""
    for place in range(len(failing)):
        without = failing[:place] + failing[place + 1 :]
        if without and fails(without):
            return _without_what_is_not_needed(without, fails)
    return failing


def _shuffled(random: Random, places: list[int]) -> Delivery:
    random.shuffle(places)
    return tuple(places)


def _some(random: Random, count: int) -> list[int]:
    return [place for place in range(count) if random.random() < 0.5]
