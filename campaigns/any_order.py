"""Any order: every interleaving of a set of events, each once or twice, gives the oracle's view.

A set of five events has 291,720 deliveries in which each event comes once or twice. Every one
of them is a prefix of a delivery in which all come twice, so these are walked: each through
the incremental path from its start, the view compared after every step that no earlier walk
shares with it. The oracle shares no code with the library and is asked once for each subset.
A share of the deliveries goes through the front door besides, `Orders` on a memory log. Then
every edge of the subset lattice of larger sets is taken. The control never folds again.

    python -m campaigns.any_order --sets 12 --size 5
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import combinations
from random import Random
from typing import Any, Final, NamedTuple

from campaigns.broken_variants import without_refolding
from campaigns.verdict import Campaign, Figures
from lifecycle.composition import connect
from lifecycle.core.definition import Definition
from lifecycle.core.event import Event
from lifecycle.core.fold import Folding
from lifecycle.core.view import OrderView
from tests.sample_events import random_set
from tests.scenario.test_any_order import Expected, differences, pruned, sequences, told

BAD: Final = ("differences",)
_PROMISED: Final = tuple(name for name in OrderView.model_fields if name != "arrival")


class Part(NamedTuple):
    """What one set is put through."""

    seed: str
    size: int
    through_orders: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign and return its exit code."""
    campaign = Campaign(
        __doc__ or "",
        {
            "sets": (12, "how many sets of events"),
            "size": (5, "how many events a set"),
            "through-orders": (400, "how many deliveries of each set go through `Orders`"),
            "lattices": (4, "how many larger sets are walked as a subset lattice"),
            "lattice-size": (10, "how many events these have"),
            "workers": (2, "how many processes"),
        },
    )
    options = campaign.parse(arguments)
    figures = Figures(*BAD)
    size, share = options.size, options.through_orders
    parts = [Part(f"{options.seed} {number}", size, share) for number in range(options.sets)]
    lattices = [
        Part(f"{options.seed} lattice {number}", options.lattice_size, 0)
        for number in range(options.lattices)
    ]
    with ProcessPoolExecutor(options.workers) as pool:
        for done in (*pool.map(walked, parts), *pool.map(latticed, lattices)):
            figures.add(done)
            campaign.tell(figures)
    with without_refolding():
        control = walked(Part(f"{options.seed} 0", min(size, 4), 0))
    return campaign.verdict("any order", figures, {"never folds again": control})


class Subject:
    """A set of events as the library recognized them, and the judge of its views."""

    def __init__(self, part: Part) -> None:
        self.random = Random(part.seed)
        self.recordings: list[dict[str, Any]] = []
        self.events: list[Event] = []
        while len(self.events) < part.size:
            self.recordings = random_set(self.random, part.size)
            with connect("memory:") as orders:
                receipts = orders.record_many(self.recordings)
                self.definition: Definition = orders.provider.definition
            self.events = [r.event for r in receipts if isinstance(r.event, Event)]
        self.expected = Expected(self.recordings)
        self._judged: dict[frozenset[int], OrderView] = {}

    def difference(self, seen: frozenset[int], view: OrderView) -> str | None:
        """Return how a view is not the oracle's for these events."""
        judged = self._judged.get(seen)
        if judged is not None and _is_same(view, judged):
            return None
        wanted, found = self.expected.view(seen), told(view)
        if wanted is None or found != pruned(wanted):
            return f"{found} is not {wanted}"
        if judged is not None:
            return f"two views of one set print alike and are not: {found}"
        self._judged[seen] = view
        return None


def walked(part: Part) -> Figures:
    """Return what every delivery of one set gave."""
    subject, figures = Subject(part), Figures(*BAD)
    figures.count("sets")
    before: tuple[int, ...] = ()
    for delivery in doubled(part.size):
        walk(subject, delivery, _shared(before, delivery), figures)
        before = delivery
    for through in sequences(subject.random, subject.recordings, part.through_orders):
        figures.count("of them through Orders")
        for difference in differences(
            lambda: connect("memory:"), subject.recordings, through, subject.expected
        ):
            figures.find("differences", f"seed {part.seed!r} through Orders: {difference}")
    return figures


def walk(subject: Subject, delivery: Sequence[int], new: int, figures: Figures) -> None:
    """Deliver events one by one; compare from step `new` on, before which all is known."""
    folding = Folding(subject.definition)
    seen: frozenset[int] = frozenset()
    for step, number in enumerate(delivery):
        event = subject.events[number]
        if number not in seen:
            seen = seen | {number}
            event = event._replace(version=len(seen))
        folding.add(event)
        if step < new:
            continue
        figures.count("steps")
        figures.count("sequences", len(seen) == len(subject.events))
        difference = subject.difference(seen, folding.view())
        if difference is not None:
            figures.find("differences", f"step {step} of {delivery}: {difference}")


def latticed(part: Part) -> Figures:
    """Return what every edge of the lattice gave: a subset in some order, and one event more."""
    subject, figures = Subject(part), Figures(*BAD)
    numbers = range(part.size)
    for size in numbers:
        for subset in combinations(numbers, size):
            for last in set(numbers) - set(subset):
                arrived = subject.random.sample(subset, size)
                folding = Folding(subject.definition)
                for number in (*arrived, last):
                    folding.add(subject.events[number])
                figures.count("lattice edges")
                difference = subject.difference(frozenset({*subset, last}), folding.view())
                if difference is not None:
                    figures.find("differences", f"{arrived} and {last}: {difference}")
    return figures


def doubled(size: int) -> Iterator[tuple[int, ...]]:
    """Yield every order of so many events that come twice each, the first steps changing last."""
    left = [2] * size
    delivery: list[int] = []

    def further() -> Iterator[tuple[int, ...]]:
        if len(delivery) == 2 * size:
            yield tuple(delivery)
            return
        for number in range(size):
            if left[number]:
                left[number] -= 1
                delivery.append(number)
                yield from further()
                delivery.pop()
                left[number] += 1

    return further()


def _shared(before: Sequence[int], delivery: Sequence[int]) -> int:
    """Return how many first steps two deliveries share."""
    pairs = enumerate(zip(before, delivery, strict=False))
    return next((step for step, (one, other) in pairs if one != other), 0)


def _is_same(one: OrderView, other: OrderView) -> bool:
    """Tell whether two views promise the same, value by value and by their digests."""
    return one.digest == other.digest and all(
        getattr(one, name) == getattr(other, name) for name in _PROMISED
    )


if __name__ == "__main__":
    sys.exit(main())
