"""The promise as an assertion: whatever the order, the repeats and the losses, the same view.

    assert_any_order([request(), accepted(), callback("brand_new", at=9)], {"status": "brand_new"})

What arrives is recorded one by one in a memory log, received in the order it comes. Each
result is held against that of the same events, each once, in the order given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from lifecycle.composition import DEFAULT_PROVIDER
from lifecycle.core.event import Unreadable
from lifecycle.core.provider import Provider
from lifecycle.core.view import OrderView
from lifecycle.errors import InvalidArgumentError
from lifecycle.service.arrivals import Line
from lifecycle.testing.coverage import uncounted
from lifecycle.testing.delivery import Delivery, deliveries, shortest
from lifecycle.testing.expectation import as_json, check_names, differences
from lifecycle.testing.handmade import as_recordings
from lifecycle.testing.recordings import described, flattened, memory_orders, received_in_turn

Subject = Callable[[Sequence[Line]], Any]
"""What is held to the promise: takes recordings as they arrive, returns what it makes of them."""

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
        view: what all of them together must show; only the fields named are compared.
        provider: who reads them, a name or a value.
        subject: what to check in place of the views: a function of the recordings as they
            arrive, such as a projection of your own.
        samples: how many orders, repeats and losses to try of each; up to that many
            orders, all of them are tried.
        seed: of the samples.

    Raises:
        AssertionError: two results differ; the message names the shortest delivery found.
        InvalidArgumentError: there is no event, or `view` names a field that there is not.
    """
    __tracebackhide__ = True
    recordings, reader = as_recordings(flattened(events), provider)
    if not recordings:
        raise InvalidArgumentError("events", "at least one recording or event")
    trial = _Trial(recordings, reader, subject or (lambda lines: _views(reader, lines)))
    if view is not None:
        trial.check_whole(view)
    with uncounted():
        failing = next(filter(trial.fails, deliveries(len(recordings), samples, seed)), None)
        if failing is not None:
            raise AssertionError(trial.told(shortest(failing, len(recordings), trial.fails)))


class _Trial:
    """One set of events, and what its subsets give in the order given."""

    def __init__(self, recordings: Sequence[Line], provider: Provider, subject: Subject) -> None:
        self._recordings = recordings
        self._provider = provider
        self._subject = subject
        self._known: dict[frozenset[int], Any] = {}

    def fails(self, delivery: Delivery) -> bool:
        """Tell whether a delivery gives something else than its events in the order given."""
        return bool(self._result(delivery) != self._expected(delivery))

    def check_whole(self, view: Mapping[str, Any] | OrderView) -> None:
        """Check what all events together show."""
        __tracebackhide__ = True
        found = self._result(tuple(range(len(self._recordings))))
        views = list(found.values()) if isinstance(found, Mapping) else []
        if len(views) != 1 or not isinstance(views[0], Mapping):
            raise InvalidArgumentError("view", f"none, as the events show {len(views)} orders")
        expected = _promised(as_json(view)) if isinstance(view, OrderView) else as_json(view)
        check_names(expected, views[0])
        wrong = [f"  {difference}" for difference in differences(expected, views[0])]
        if wrong:
            raise AssertionError("\n".join(("in the order given the view is another:", *wrong)))

    def told(self, delivery: Delivery) -> str:
        """Return the message that shows what a delivery gives, and what it should."""
        expected, found = as_json(self._expected(delivery)), as_json(self._result(delivery))
        in_order = sorted(set(delivery))
        places = ", ".join(str(delivery.index(number) + 1) for number in in_order)
        wrong = [f"  {d}" for d in differences(expected, found)] or [
            *(f"  {d}" for d in differences(found, expected)),
            "  (expected and found change places: something was found that is not expected)",
        ]
        return "\n".join(
            (
                f"the result depends on the delivery; {len(delivery)} arrivals show it:",
                *(f"  {place}. {self._names[number]}" for place, number in enumerate(delivery, 1)),
                f"expected is what they give each once, in the order {places}:",
                *wrong[:_MOST_SHOWN],
            )
        )

    @cached_property
    def _names(self) -> list[str]:
        with memory_orders(self._provider) as orders:
            return [described(r.event) for r in orders.record_many(self._recordings)]

    def _result(self, delivery: Delivery) -> Any:
        return self._subject(received_in_turn([self._recordings[number] for number in delivery]))

    def _expected(self, delivery: Delivery) -> Any:
        events = frozenset(delivery)
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
    return {stream: _promised(as_json(view)) for stream, view in views.items()}


def _promised(view: Mapping[str, Any]) -> dict[str, Any]:
    """Return a view without what depends on delivery."""
    return {name: value for name, value in view.items() if name != "arrival"}
