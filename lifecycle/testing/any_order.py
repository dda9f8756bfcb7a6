"""The promise as an assertion: order, repeats and losses of events do not change the view.

    assert_any_order([request(), accepted(), callback("packed", at=9)], {"status": "packed"})

Events are recorded one by one in a memory log. Each result is compared with that of the
same events, each once, in the order given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice, permutations, product
from random import Random
from typing import Any, Final

from lifecycle.composition import DEFAULT_PROVIDER
from lifecycle.core.event import Unreadable
from lifecycle.core.provider import Provider
from lifecycle.core.view import OrderView
from lifecycle.errors import InvalidArgumentError
from lifecycle.service.arrival_reader import Line
from lifecycle.testing.coverage import uncounted
from lifecycle.testing.expectation import as_json, check_names, mismatches
from lifecycle.testing.handmade import as_recordings
from lifecycle.testing.recordings import described, flattened, memory_orders, received_in_order

ArrivalOrder = tuple[int, ...]
"""Indexes of events: (2, 0, 1) another order · (2, 0, 2, 1) repeated · (2, 0) one lost."""

Subject = Callable[[Sequence[Line]], Any]
"""What is checked: takes recordings in order of arrival, and returns its result."""

_SAMPLES: Final = 120
_MOST_SHOWN: Final = 12


def assert_any_order(
    events: Iterable[Any],
    view: Mapping[str, Any] | OrderView | None = None,
    *,
    provider: str | Provider = DEFAULT_PROVIDER,
    subject: Subject | None = None,
    samples: int = _SAMPLES,
    seed: int = 0,
) -> None:
    """Check that every order, repeats and losses of these events give the same view.

    Args:
        events: recordings, lines or hand-made events, of one order or of several.
        view: what all of them together must show; only the named fields are compared.
        provider: reads them; a name or a value.
        subject: what to check instead of the views: a function of the recordings in order
            of arrival, such as a projection of your own.
        samples: how many orders to try, without repeats and losses, with repeats, and with
            losses; all orders if there are no more.
        seed: the seed of the samples.

    Raises:
        AssertionError: two results differ; the message shows the shortest order of arrival found.
        InvalidArgumentError: there is no event, or `view` names an unknown field.
    """
    __tracebackhide__ = True
    recordings, reader = as_recordings(flattened(events), provider)
    if not recordings:
        raise InvalidArgumentError("events", "at least one recording or event")
    trial = _Trial(recordings, reader, subject or (lambda lines: _views(reader, lines)))
    if view is not None:
        trial.check_whole(view)
    with uncounted():
        failing = next(filter(trial.fails, arrival_orders(len(recordings), samples, seed)), None)
        if failing is not None:
            raise AssertionError(
                trial.failure_message(shortest(failing, len(recordings), trial.fails))
            )


class _Trial:
    """One set of events, and the results of its subsets in the order given."""

    def __init__(self, recordings: Sequence[Line], provider: Provider, subject: Subject) -> None:
        self._recordings = recordings
        self._provider = provider
        self._subject = subject
        self._known: dict[frozenset[int], Any] = {}

    def fails(self, order: ArrivalOrder) -> bool:
        """Tell whether an order of arrival gives another result than the order given."""
        return bool(self._result(order) != self._expected(order))

    def check_whole(self, view: Mapping[str, Any] | OrderView) -> None:
        """Check the view of all events together."""
        __tracebackhide__ = True
        found = self._result(tuple(range(len(self._recordings))))
        views = list(found.values()) if isinstance(found, Mapping) else []
        if len(views) != 1 or not isinstance(views[0], Mapping):
            raise InvalidArgumentError("view", f"none, as the events show {len(views)} orders")
        expected = _without_arrival(as_json(view)) if isinstance(view, OrderView) else as_json(view)
        check_names(expected, views[0])
        wrong = [f"  {mismatch}" for mismatch in mismatches(expected, views[0])]
        if wrong:
            raise AssertionError("\n".join(("in the order given the view is another:", *wrong)))

    def failure_message(self, order: ArrivalOrder) -> str:
        """Return the message that shows the result of an order of arrival, and the expected one."""
        expected, found = as_json(self._expected(order)), as_json(self._result(order))
        in_order = sorted(set(order))
        positions = ", ".join(str(order.index(number) + 1) for number in in_order)
        wrong = [f"  {d}" for d in mismatches(expected, found)] or [
            *(f"  {d}" for d in mismatches(found, expected)),
            "  (expected and found change places: something was found that is not expected)",
        ]
        return "\n".join(
            (
                f"the result depends on the delivery; {len(order)} arrivals show it:",
                *(
                    f"  {position}. {self._names[number]}"
                    for position, number in enumerate(order, 1)
                ),
                f"expected is what they give each once, in the order {positions}:",
                *wrong[:_MOST_SHOWN],
            )
        )

    @cached_property
    def _names(self) -> list[str]:
        with memory_orders(self._provider) as orders:
            return [described(r.event) for r in orders.record_many(self._recordings)]

    def _result(self, order: ArrivalOrder) -> Any:
        return self._subject(received_in_order([self._recordings[number] for number in order]))

    def _expected(self, order: ArrivalOrder) -> Any:
        events = frozenset(order)
        if events not in self._known:
            self._known[events] = self._result(tuple(sorted(events)))
        return self._known[events]


def _views(provider: Provider, lines: Sequence[Line]) -> dict[str, Any]:
    """Return the views of all orders after recording these one by one, by stream."""
    views: dict[str, Any] = {}
    with memory_orders(provider) as orders:
        for line in lines:
            for receipt in orders.record_many([line]):
                if not isinstance(receipt.event, Unreadable):
                    views[receipt.event.stream] = receipt.view
    return {stream: _without_arrival(as_json(view)) for stream, view in views.items()}


def _without_arrival(view: Mapping[str, Any]) -> dict[str, Any]:
    """Return a view without the field that depends on arrival."""
    return {name: value for name, value in view.items() if name != "arrival"}


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
