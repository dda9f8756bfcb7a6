"""The theorem about folds that sort: the view is a function of the set of events.

    place is total, injective, reads content only ─→ one canonical order a set
    one content a key, whatever came first        ─→ one set of what counts
    incremental = batch                           ─→ arrival leaves no trace in the folding

Each line is checked over a finite alphabet; the certificate names it. `Rules` are what is
proved. They can be others than the shipped ones, so that a proof can be seen to fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import combinations, permutations
from math import comb
from random import Random
from typing import Any, Final, NamedTuple

from lifecycle.core.definition import Definition
from lifecycle.core.event import Event
from lifecycle.core.fold import Folding
from lifecycle.core.verdict import sort_key, supersedes, supersedes_by_number
from lifecycle.core.view import OrderView
from lifecycle.proof.alphabet import INSTANTS, Alphabet, Letter, numbered_like, spoken_names
from lifecycle.proof.obligation import Counterexample, Obligation, Proved, judged
from lifecycle.proof.subsets import Sets, Tell, Walk, walk

SIZE: Final = 4
"""Sets up to this size are compared, unless asked otherwise."""

LATTICE: Final = 10
"""Every subset of this many chosen events is compared too, and its views."""

LIMIT: Final = 1_000_000
"""So many sets are looked at, unless asked otherwise."""

_SEED: Final = 20220604

Case = Counterexample | None
"""One case that was looked at, and what it refutes by."""


class Rules(NamedTuple):
    """What is proved: how events are placed, which content counts, how they are folded."""

    place: Callable[[Definition, Event], Any] = sort_key
    supersedes: Callable[[Event, Event], bool] = supersedes
    folding: type[Folding] = Folding


SHIPPED: Final = Rules()
"""The rules that this library folds by."""


def rules_for(definition: Definition, rules: Rules) -> Rules:
    """Return the rules to prove a definition by: of those shipped, the ones that it asks for."""
    shipped = rules.supersedes is supersedes and definition.numbered
    return rules._replace(supersedes=supersedes_by_number) if shipped else rules


class Scope(NamedTuple):
    """How far a proof goes: the size of sets, how many at most, and how many processes."""

    size: int = SIZE
    limit: int = LIMIT
    lattice: int = LATTICE
    workers: int = 0
    tell: Tell | None = None


DEFAULT: Final = Scope()
"""As far as a proof goes unless asked otherwise."""


def prove(
    definition: Definition, over: Alphabet, *, rules: Rules = SHIPPED, scope: Scope = DEFAULT
) -> list[Obligation]:
    """Return what came of each obligation of a fold that sorts."""
    asked = (definition, over, rules)
    letters = chosen(definition, over)[: scope.lattice]
    return [
        _total(*asked),
        judged(
            "distinct events have distinct places", _injective(*asked), "ties end at key and digest"
        ),
        judged(
            "places read content only",
            _placed_by_content(*asked),
            "what depends on delivery moves no event",
        ),
        judged(
            "one content counts a key, whatever came first",
            _one_content(over, rules),
            "of rivals the earliest, then the smallest",
        ),
        *_incremental(definition, over, rules, scope),
        judged(
            "views read content only",
            _viewed_by_content(*asked),
            "another delivery gives the same digest",
        ),
        judged(
            f"incremental = batch = view, all subsets of {len(letters)} events",
            _lattice(definition, letters, rules),
            "the same state, view and history",
        ),
    ]


def _total(definition: Definition, over: Alphabet, rules: Rules) -> Obligation:
    """Sort the alphabet, and see that every pair of it agrees with the sorted list."""
    name = "places are totally ordered"
    try:
        placed = sorted((rules.place(definition, each.event), each.label) for each in over.wide)
        cases = (
            _pair(one, other, "in a circle", "in a circle") if high < low else None
            for (low, one), (high, other) in combinations(placed, 2)
        )
        return judged(name, cases, "every two places compare, without a circle")
    except TypeError as failure:
        why = f"two places cannot be compared: {failure}"
        return Obligation(name, Proved.REFUTED, 0, why)


def _injective(definition: Definition, over: Alphabet, rules: Rules) -> Iterator[Case]:
    """Place the alphabet, and beside each event another content under its key."""
    seen: dict[Any, str] = {}
    rivals = [
        Letter(f"{label} of another content", event._replace(digest=event.digest[::-1]))
        for label, event in over.wide
    ]
    for letter in (*over.wide, *rivals):
        where = rules.place(definition, letter.event)
        first = seen.setdefault(where, letter.label)
        same = f"the place {_short(where)}"
        yield None if first is letter.label else _pair(first, letter.label, same, same)


def _placed_by_content(definition: Definition, over: Alphabet, rules: Rules) -> Iterator[Case]:
    """Change what depends on delivery, field by field, and see that no place moves."""
    for letter in over.wide:
        where = rules.place(definition, letter.event)
        for field, event in delivered_otherwise(letter.event):
            moved = rules.place(definition, event)
            other = f"{letter.label} with another {field}"
            yield (
                None if moved == where else _pair(letter.label, other, _short(where), _short(moved))
            )


def _one_content(over: Alphabet, rules: Rules) -> Iterator[Case]:
    """Bring four contents under one key, for each event, in every order of arrival."""
    for letter in over.wide:
        rivals = _rivals(letter.event)
        first = _winner(rules, rivals)
        for order in permutations(rivals):
            same = _winner(rules, order) is first
            yield None if same else _other_winner(letter, rivals, order, rules)


def _other_winner(
    letter: Letter, rivals: Sequence[Event], order: Sequence[Event], rules: Rules
) -> Counterexample:
    numbers = {event.digest: f"{letter.label} ({n})" for n, event in enumerate(rivals, 1)}
    one, other = (tuple(numbers[event.digest] for event in each) for each in (rivals, order))
    gives = [numbers[_winner(rules, each).digest] for each in (rivals, order)]
    return Counterexample((), one, other, (), *gives)


def _incremental(
    definition: Definition, over: Alphabet, rules: Rules, scope: Scope
) -> Iterator[Obligation]:
    """Compare incremental and batch for all sets: of the wide alphabet to one size less."""
    alike = (over.twins, over.sooner)
    sized = [*((over.wide, size) for size in range(1, scope.size)), (over.letters, scope.size)]
    walks = [
        Walk(definition, rules.folding, letters, size, *(alike if size > 2 else ()))
        for letters, size in sized
    ]
    reached = list(_within(walks, scope.limit))
    found = walk(reached, workers=scope.workers, tell=scope.tell)
    for number, each in enumerate(walks):
        name = f"incremental = batch, sets of {each.size} of {len(each.letters)} events"
        if number >= len(reached):
            says = f"not looked at: {each.how_many()} sets are beyond the limit of {scope.limit}"
            yield Obligation(name, Proved.UNPROVED, 0, says)
            continue
        checked, counterexample = found[number]
        if counterexample is not None:
            yield Obligation(name, Proved.REFUTED, checked, str(counterexample), counterexample)
        elif any(part.counterexample for part in found):
            yield Obligation(name, Proved.UNPROVED, checked, "stopped: see what is refuted")
        else:
            yield Obligation(name, Proved.PROVED, checked, _same(each, checked))


def _same(walked: Walk, checked: int) -> str:
    every = comb(len(walked.letters), walked.size)
    alike = "" if checked == every else f" (alike sets once: they stand for {every})"
    return f"whichever comes last, and repeats: the same inner state{alike}"


def _viewed_by_content(definition: Definition, over: Alphabet, rules: Rules) -> Iterator[Case]:
    """Change what depends on delivery for all of a set, and see that the view stays."""
    for pair in combinations(over.letters, 2):
        events = [letter.event for letter in pair]
        again = map(_delivered_anyhow, events)
        view = rules.folding.of(definition, events).view()
        if rules.folding.of(definition, again).view().digest == view.digest:
            yield None
            continue
        labels = tuple(letter.label for letter in pair)
        again_labels = tuple(f"{label} delivered otherwise" for label in labels)
        told = f"the digest {view.digest[:12]}"
        yield Counterexample((), labels, again_labels, (), told, "another one")


def _lattice(definition: Definition, letters: Sequence[Letter], rules: Rules) -> Iterator[Case]:
    """Compare every subset of some chosen events, whichever comes last, and all that is told."""
    sets = Sets(Walk(definition, rules.folding, letters, 1))
    for size, _ in enumerate(letters, 1):
        for subset in combinations(range(len(letters)), size):
            yield sets.look(subset) or _told_otherwise(sets, subset, letters)


def _told_otherwise(
    sets: Sets, subset: tuple[int, ...], letters: Sequence[Letter]
) -> Counterexample | None:
    """Look at a view before the last event and after: what was told must not stick."""
    whole = sets.at_once(subset)
    view, history = whole.view(), whole.history()
    for number, last in enumerate(subset if len(subset) > 1 else ()):
        folding = sets.before(subset, number)
        folding.view()
        folding.add(letters[last].event)
        if folding.view() != view or folding.history() != history:
            rest = tuple(letters[index].label for index in subset if index != last)
            label = (letters[last].label,)
            one = _seen(folding.view())
            other = _seen(view)
            one += " with another history" if one == other else ""
            return Counterexample(rest, label, label, (), f"{one} one by one", f"{other} at once")
    return None


def _seen(view: OrderView) -> str:
    return f"{view.status} (digest {view.digest[:12]})"


def chosen(definition: Definition, over: Alphabet) -> tuple[Letter, ...]:
    """Return ten letters of all sorts: a dialogue, a birth, rivals, a tie, a step back, an end."""
    labeled = {letter.label: letter for letter in over.letters}
    copy = over.letters[-1]
    original = next(letter for letter in over.letters if letter.event.key == copy.event.key)
    names = spoken_names(definition)
    middle = names.index(original.event.name)
    rejected = next(label for label in labeled if label.startswith("rejected 1"))
    around = (
        *("request 1", rejected, "accepted 2", names[0], original.label, copy.label),
        f"{names[(middle + 1) % len(names)]}@1",
        f"{names[middle - 1]}@2",
        f"{definition.goal or names[-1]}@2",
        *(over.letters[twins[-1]].label for twins in over.twins[-1:]),
    )
    wanted = dict.fromkeys(label for label in (*around, *labeled) if label in labeled)
    return tuple(labeled[label] for label in wanted)[:LATTICE]


def delivered_otherwise(event: Event) -> Iterator[tuple[str, Event]]:
    """Yield an event with what depends on delivery changed: a field at a time, then all."""
    random = Random(f"{_SEED}:{event.digest}")  # noqa: S311 - repeatable on purpose
    for _ in range(2):
        changes = _changes(random, event)
        for field, value in changes.items():
            yield field, event._replace(**{field: value})
        yield "delivery", event._replace(**changes)


def _delivered_anyhow(event: Event) -> Event:
    *_, (_, changed) = delivered_otherwise(event)
    return changed


def _changes(random: Random, event: Event) -> Mapping[str, Any]:
    """Return what no identity is made of: an exchange's id is part of a response's alone."""
    also = {} if event.kind == "response" else {"exchange_id": str(random.random())}
    return also | {
        "received_at": _sometime(random, event.received_at),
        "recorded_at": _sometime(random, event.received_at),
        "version": random.randrange(1, 1000),
        "position": random.randrange(1, 100_000),
        "redriven_from": random.randrange(1, 100),
        "headers": {"x-request-id": str(random.random())},
        "body": random.randbytes(8),
        "sha256": random.randbytes(32).hex(),
    }


def _sometime(random: Random, about: datetime) -> datetime:
    return about + timedelta(seconds=random.uniform(-1e6, 1e6))


def _rivals(event: Event) -> Sequence[Event]:
    """Return four contents under one key: at both instants, a tie, and one undated."""
    sooner, later = INSTANTS
    return [
        event._replace(digest=f"{number}{event.digest}", occurred_at=at, sequence=numbered_like(at))
        for number, at in enumerate((sooner, later, None, sooner))
    ]


def _winner(rules: Rules, arriving: Iterable[Event]) -> Event:
    counts, *later = arriving
    for event in later:
        if rules.supersedes(event, counts):
            counts = event
    return counts


def _within(walks: Sequence[Walk], limit: int) -> Iterator[Walk]:
    """Yield the walks that fit, smaller sets first: beyond the first that does not, none."""
    left = limit
    for each in walks:
        left -= each.how_many()
        if left < 0:
            return
        yield each


def _pair(one: str, other: str, one_gives: str, other_gives: str) -> Counterexample:
    return Counterexample((), (one,), (other,), (), one_gives, other_gives)


def _short(value: object) -> str:
    """Print a place part by part, long parts cut: what comes last must show too."""
    parts = value if isinstance(value, tuple) else (value,)
    return ", ".join(text if len(text) <= 32 else f"{text[:12]}..." for text in map(str, parts))
