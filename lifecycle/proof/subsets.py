"""Incremental = batch: for every set of events, whichever of them comes last.

Let `of(S)` be the folding of a set folded at once. If for every set S and every event e
of it, `of(S without e)` after `add(e)` equals `of(S)`, then by induction over the size
of S every order of arrival leads to `of(S)`: the last step from any order of the others
starts in `of` of the others. So sets are walked, not sequences: n per set instead of n!.
That a repeat changes nothing is checked on each `of(S)` too, which covers repeats at any
time. *Equals* means the whole inner state of the folding, so it also covers every event
that comes later; only the order of the divergent evidence is left open: it is sorted
whenever it is looked at.

Of the sets of three and more, one stands for all that are alike, for two reasons:

- A fold reads the name of an informational callback or poll only to find it in
  `definition.informational`, and orders the event by its key. So other such events of the
  same instant, in the same order of keys, rename the inner state and change nothing else:
  the first ones stand for all.
- A fold compares instants and copies them, nothing else. So a set whose only instant is
  the second stands where the same set at the first stands.

Sets of one and two are all looked at, alike or not.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import combinations, pairwise
from math import comb
from multiprocessing.pool import IMapIterator
from multiprocessing.process import BaseProcess
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from lifecycle.core.definition import Definition
from lifecycle.core.fold import Folding
from lifecycle.errors import LostWorkerError
from lifecycle.proof.alphabet import Letter
from lifecycle.proof.obligation import Counterexample

Tell = Callable[[int, int], None]
"""Hears how many sets were looked at since the last time, and how many there are."""

Chosen = tuple[int, ...]
"""The letters of one set, by index, ascending."""

Task = tuple[int, range]
"""The number of a walk, and the first letters of the sets to look at."""

# More of them share more work, and take more memory: some ten megabytes each.
_BLOCK: Final = 3


class Walk(NamedTuple):
    """All sets of `size` letters; with `twins` and `sooner`, one for all that are alike."""

    definition: Definition
    folding: type[Folding]
    letters: Sequence[Letter]
    size: int
    twins: tuple[Chosen, ...] = ()
    sooner: Mapping[int, int] = MappingProxyType({})

    def how_many(self) -> int:
        """Return how many sets there are to look at."""
        late = frozenset(self.sooner) & frozenset(range(len(self.letters)))
        early = frozenset(range(len(self.letters))) - late
        untimed = frozenset(i for i in early if self.letters[i].event.occurred_at is None)
        return self._count(early | late) - self._count(untimed | late) + self._count(untimed)

    def sets(self, first: range) -> Iterator[Chosen]:
        """Yield the sets whose first letter is in `first`; those that share the rest together."""
        before = {later: sooner for twins in self.twins for sooner, later in pairwise(twins)}
        for rest in combinations(range(first.start + 1, len(self.letters)), self.size - 1):
            for index in range(first.start, min((first.stop, *rest))):
                chosen = (index, *rest)
                first_twins = all(before[each] in chosen for each in chosen if each in before)
                if first_twins and not self._is_late(chosen):
                    yield chosen

    def parts(self) -> list[range]:
        """Return the first letters, in blocks: a block's sets are looked at together."""
        end = len(self.letters)
        return [range(start, min(start + _BLOCK, end)) for start in range(0, end, _BLOCK)]

    def _count(self, allowed: frozenset[int]) -> int:
        groups = [sum(index in allowed for index in twins) for twins in self.twins]
        ways = [1] + [0] * self.size
        for most in groups:
            ways = [sum(ways[max(0, n - most) : n + 1]) for n in range(len(ways))]
        others = len(allowed) - sum(groups)
        return sum(comb(others, self.size - n) * count for n, count in enumerate(ways))

    def _is_late(self, chosen: Chosen) -> bool:
        """Tell whether a set is like another with the first instant in place of the second."""
        timed = [i for i in chosen if self.letters[i].event.occurred_at is not None]
        return timed != [] and all(index in self.sooner for index in timed)


class Walked(NamedTuple):
    """What came of a walk, or of a part of it."""

    checked: int
    counterexample: Counterexample | None = None


def walk(walks: Sequence[Walk], *, workers: int = 0, tell: Tell | None = None) -> list[Walked]:
    """Return what came of each walk; the first counterexample ends all of it.

    Args:
        walks: smaller sets first, so that a counterexample is a small one.
        workers: processes to use; 0 uses every processor that this process may use.
        tell: hears of the progress.
    """
    total = sum(each.how_many() for each in walks)
    tasks = [(number, part) for number, each in enumerate(walks) for part in each.parts()]
    checked = [0] * len(walks)
    found: dict[int, Counterexample] = {}
    with _mapping(walks, workers or _processors()) as run:
        for number, part in run(tasks):
            checked[number] += part.checked
            if tell is not None:
                tell(part.checked, total)
            if part.counterexample is not None:
                found[number] = part.counterexample
                break
    return [Walked(count, found.get(number)) for number, count in enumerate(checked)]


def difference(one: Folding, other: Folding) -> tuple[str, ...]:
    """Return the names of what differs in the inner states of two folds."""
    mine, theirs = vars(one), vars(other)
    if mine == theirs:
        return ()
    names = sorted(mine.keys() | theirs.keys())
    return tuple(name for name in names if mine.get(name) != theirs.get(name))


def copied(folding: Folding) -> Folding:
    """Return a folding in the same inner state, that can go on without the other."""
    twin = object.__new__(type(folding))
    vars(twin).update({name: _copied(value) for name, value in vars(folding).items()})
    return twin


def _copied(value: Any) -> Any:
    kind = type(value)
    if kind is list or kind is set:
        return value.copy()
    return _copied_dict(value) if kind is dict else value


def _copied_dict(value: dict[Any, Any]) -> dict[Any, Any]:
    return {key: _copied_dict(v) if type(v) is dict else v for key, v in value.items()}


class Sets:
    """Looks at sets of one walk, and keeps the folds of the parts that they share."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._events = [letter.event for letter in walk.letters]
        self._kept: dict[Chosen, Folding] = {}
        self._rest: tuple[Chosen, Folding] = ((), walk.folding(walk.definition))

    def part(self, first: range) -> Walked:
        """Return what came of the sets whose first letter is in `first`."""
        self._kept.clear()
        checked = 0
        for chosen in self._walk.sets(first):
            checked += 1
            found = self.look(chosen)
            if found is not None:
                return Walked(checked, found)
        return Walked(checked)

    def look(self, chosen: Chosen) -> Counterexample | None:
        """Return what shows that the arrival of a set matters, None if nothing does."""
        whole = self.at_once(chosen)
        for place, last in enumerate(chosen):
            folding = self.before(chosen, place)
            folding.add(self._events[last])
            if difference(folding, whole):
                rest = chosen[:place] + chosen[place + 1 :]
                return self._told(rest, (last,), folding, whole)
        for again in chosen:
            folding.add(self._events[again])
        if difference(folding, whole):
            return self._told(chosen, chosen, folding, whole)
        return None

    def at_once(self, chosen: Iterable[int]) -> Folding:
        """Return the folding of a set, folded at once."""
        events = [self._events[index] for index in chosen]
        return self._walk.folding.of(self._walk.definition, events)

    def before(self, chosen: Chosen, place: int) -> Folding:
        """Return the folding of all but the letter at `place`, free to go on."""
        rest = chosen[:place] + chosen[place + 1 :]
        if place == 0:
            # The next set differs in its first letter alone, and asks for the same.
            if self._rest[0] != rest:
                self._rest = (rest, self.at_once(rest))
            return copied(self._rest[1])
        if rest not in self._kept:
            self._kept[rest] = self.at_once(rest)
        return copied(self._kept[rest])

    def _told(self, rest: Chosen, last: Chosen, folding: Folding, whole: Folding) -> Counterexample:
        labels = [letter.label for letter in self._walk.letters]
        differ = difference(folding, whole)
        return Counterexample(
            prefix=tuple(labels[index] for index in rest),
            one=tuple(labels[index] for index in last),
            other=tuple(labels[index] for index in last if index not in rest),
            suffix=(),
            one_gives=f"{_tells(folding, differ)} one by one",
            other_gives=f"{_tells(whole, differ)} at once",
        )


def _tells(folding: Folding, differ: Sequence[str]) -> str:
    """Say what a folding made of its events; what cannot be said in a word is named."""
    verdicts = ", ".join(entry.verdict for entry in folding.history())
    path = " → ".join(step.status for step in folding.path) or "no path"
    return f"{path} ({verdicts}; they differ in {', '.join(differ)})"


_LOOKS_EVERY: Final = 1.0
"""Seconds without a result after which it is looked whether the workers live."""

_looking: list[Sets] = []


def _begin(walks: Sequence[Walk]) -> None:
    _looking[:] = [Sets(each) for each in walks]


def _begin_worker(walks: Sequence[Walk]) -> None:
    # Ctrl-C reaches every process of the terminal; the one that asked ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Folds hold no circles: looking for some takes a tenth of the time.
    gc.disable()
    _begin(walks)


def _look(task: Task) -> tuple[int, Walked]:
    """Return the number of a walk, and what came of a part of it."""
    number, first = task
    return number, _looking[number].part(first)


@contextmanager
def _mapping(
    walks: Sequence[Walk], workers: int
) -> Iterator[Callable[[Sequence[Task]], Iterator[tuple[int, Walked]]]]:
    """Give a function that looks at tasks, in order: in several processes where that works.

    A folding class may be anybody's, so walks are inherited, not sent: without fork it is one.
    """
    if workers == 1 or "fork" not in multiprocessing.get_all_start_methods():
        _begin(walks)
        yield partial(map, _look)
        return
    context = multiprocessing.get_context("fork")
    before = set(multiprocessing.active_children())
    with context.Pool(workers, _begin_worker, (walks,)) as pool:
        begun = set(multiprocessing.active_children()) - before
        yield lambda tasks: _watched(pool.imap(_look, tasks), begun)


def _watched(
    results: IMapIterator[tuple[int, Walked]], workers: Collection[BaseProcess]
) -> Iterator[tuple[int, Walked]]:
    """Yield results as they come; a pool would wait for ever for what a dead worker had.

    Raises:
        LostWorkerError: a worker ended while results are to come.
    """
    while True:
        try:
            yield results.next(timeout=_LOOKS_EVERY)
        except StopIteration:
            return
        except multiprocessing.TimeoutError:
            if not all(worker.is_alive() for worker in workers):
                raise LostWorkerError("check", len(workers)) from None


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
