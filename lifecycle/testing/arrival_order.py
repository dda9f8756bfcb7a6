"""Orders of arrival of a set of events, as the indexes of the events.

(0, 1, 2) as given · (2, 0, 1) another order · (2, 0, 2, 1) repeated · (2, 0) one lost
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import islice, permutations, product
from random import Random

ArrivalOrder = tuple[int, ...]


def arrival_orders(count: int, samples: int, seed: int) -> Iterator[ArrivalOrder]:
    """Yield orders of arrival of `count` events: permutations, then with repeats, then with losses.

    All permutations if there are at most `samples`, else that many at random; as many again
    with repeats, and with losses.
    """
    random = Random(seed)  # noqa: S311 - repeatable on purpose
    yield from _permutations(count, samples, random)
    for _ in range(samples):
        yield _shuffled(random, [*range(count), *_random_subset(random, count)])
    for left_out in range(count if count > 1 else 0):
        yield tuple(position for position in reversed(range(count)) if position != left_out)
    for _ in range(samples):
        kept = _random_subset(random, count)
        if kept:
            yield _shuffled(random, [*kept, *random.choices(kept, k=random.randrange(3))])


def shortest(
    failing: ArrivalOrder, count: int, fails: Callable[[ArrivalOrder], bool], *, tries: int = 1000
) -> ArrivalOrder:
    """Return the shortest order of arrival that still fails, within about so many tries."""
    minimal = _minimal(failing, fails)
    shorter = (
        order for length in range(1, len(minimal)) for order in product(range(count), repeat=length)
    )
    return next((found for found in islice(shorter, tries) if fails(found)), minimal)


def _permutations(count: int, samples: int, random: Random) -> Iterator[ArrivalOrder]:
    if math.factorial(min(count, 20)) <= samples:
        yield from permutations(range(count))
        return
    yield tuple(reversed(range(count)))
    for _ in range(samples - 1):
        yield _shuffled(random, list(range(count)))


def _minimal(failing: ArrivalOrder, fails: Callable[[ArrivalOrder], bool]) -> ArrivalOrder:
    """Return a failing order of arrival that passes without any one of its arrivals."""
    for position in range(len(failing)):
        without = failing[:position] + failing[position + 1 :]
        if without and fails(without):
            return _minimal(without, fails)
    return failing


def _shuffled(random: Random, positions: list[int]) -> ArrivalOrder:
    random.shuffle(positions)
    return tuple(positions)


def _random_subset(random: Random, count: int) -> list[int]:
    return [position for position in range(count) if random.random() < 0.5]
