"""Products of parameters of which a run takes half, so that every pair of values is still tried."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import pytest


def every_second(parameters: Sequence[Iterable[Any]]) -> list[Any]:
    """Return all combinations; those with an odd sum of places are for the long run.

    With three parameters or more each pair of values is in the half that remains.
    """
    found = []
    for places in product(*(list(enumerate(values)) for values in parameters)):
        is_long = sum(place for place, _ in places) % 2
        values = (value for _, value in places)
        found.append(pytest.param(*values, marks=[pytest.mark.long] * is_long))
    return found
