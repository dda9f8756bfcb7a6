"""The lint: everything that is wrong with a written lifecycle, each with a witness.

    Written ─→ sketch ─→ checks, one after the other ─→ findings

A witness is the shortest event string that shows what is found: play it, and see. Where
no declared moves lead, it begins where an order would skip to.

| code | what is found |
|---|---|
| `malformed` | a part that is no move, or no name |
| `unknown_target`, `unknown_source`, `unknown_state` | a name that is no state |
| `unreachable_state` | no declared moves lead there |
| `trap`, `livelock` | no way out; a way round and round, and no way out |
| `dead_move`, `shadowed_move` | never taken: the fold, or an earlier row, answers first |
| `order_dependence` | two rows differ, and their order decides |
| `way_out_of_terminal` | an end that is none |
| `no_terminal` | no declared moves lead to an end |
| `clashing_names` | one name for two things |
| `informational_moves` | a name that informs and also moves |
| `rank_contradiction` | ranks say one way, moves the other |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from itertools import pairwise
from typing import Any, Final, NamedTuple

from lifecycle.core.definition import Definition, Written
from lifecycle.core.event import EXCHANGE_NAMES
from lifecycle.proof.dead_moves import dead_moves
from lifecycle.proof.graph import Graph, Words, must_pass, retreats
from lifecycle.proof.sketch import Row, Sketch, sketch


class LintFinding(NamedTuple):
    """One thing that is wrong: its code, a sentence, and the shortest event string to show it."""

    code: str
    sentence: str
    witness: Words = ()

    def shown(self) -> dict[str, Any]:
        """Return this as JSON."""
        return {"code": self.code, "witness": list(self.witness), "sentence": self.sentence}


class Linted(NamedTuple):
    """What the lint came to; `must_pass` tells for each end what every way to it passes."""

    findings: tuple[LintFinding, ...]
    must_pass: Mapping[str, tuple[str, ...]]


def lint(lifecycle: Definition | Written) -> Linted:
    """Return everything that is wrong with a lifecycle, and its must-pass milestones."""
    drawn = sketch(written_of(lifecycle))
    if not drawn.states:
        return Linted((*_malformed(drawn), LintFinding("no_states", "it has no states")), {})
    graph = Graph(drawn)
    findings = (finding for check in _CHECKS for finding in check(drawn, graph))
    return Linted(tuple(dict.fromkeys(findings)), must_pass(graph))


def written_of(lifecycle: Definition | Written) -> Written:
    """Return a lifecycle as it would be written."""
    if isinstance(lifecycle, Written):
        return lifecycle
    parts = {part.name: getattr(lifecycle, part.name) for part in fields(Written)}
    return Written(**{**parts, "moves": [move._asdict() for move in lifecycle.moves]})


def _malformed(drawn: Sketch, _: Graph | None = None) -> Iterator[LintFinding]:
    for sentence in drawn.malformed:
        yield LintFinding("malformed", sentence)


def _unknown(drawn: Sketch, graph: Graph) -> Iterator[LintFinding]:
    for row in drawn.stray:
        source, trigger, dest = row.source, row.trigger, row.dest
        if source not in drawn.states:
            sentence = f"move {row.number} starts from {source!a}, which is no state"
            yield LintFinding("unknown_source", sentence, (trigger,))
        if dest not in drawn.states:
            sentence = (
                f"move {row.number}: {trigger!a} in {source!a} leads to {dest!a}, which is no state"
            )
            yield LintFinding("unknown_target", sentence, (*_way(graph, source), trigger))
    for role, states in drawn.roles.items():
        for state in states:
            if state not in drawn.states:
                sentence = f"{role} names {state!a}, which is no state"
                yield LintFinding("unknown_state", sentence, (state,))


def _unreachable(drawn: Sketch, graph: Graph) -> Iterator[LintFinding]:
    for state in drawn.states:
        if state not in graph.ways:
            sentence = f"no declared moves lead to {state!a}: an order can only skip ahead to it"
            yield LintFinding("unreachable_state", sentence, (state,))


def _stuck(drawn: Sketch, graph: Graph) -> Iterator[LintFinding]:
    hopeless = graph.hopeless()
    told: set[str] = set()
    for state in sorted(hopeless, key=lambda each: len(graph.way(each))):
        reached = graph.reached_from(state)
        if len(reached) == 1:
            sentence = f"{state!a} is no end, and has no way out"
            yield LintFinding("trap", sentence, graph.way(state))
        # A circle is told once, where it is entered, and only if nothing leads out of it.
        elif state not in told and all(state in graph.reached_from(other) for other in reached):
            told |= reached
            around = ", ".join(each for each in drawn.states if each in reached)
            sentence = f"{around} lead only to each other: no end can be reached"
            yield LintFinding("livelock", sentence, (*graph.way(state), *graph.circle(state)))


def _endless(drawn: Sketch, graph: Graph) -> Iterator[LintFinding]:
    initial = drawn.states[0]
    if initial in graph.hopeless():
        sentence = f"no declared moves lead from {initial!a} to an end"
        yield LintFinding("no_terminal", sentence, (initial,))


def _ways_out(drawn: Sketch, graph: Graph) -> Iterator[LintFinding]:
    for row in drawn.rows:
        if row.source in drawn.terminal:
            sentence = f"{row.source!a} is an end, but {row.trigger!a} leads on to {row.dest!a}"
            yield LintFinding("way_out_of_terminal", sentence, graph.way_over(row))


def _shadowed(drawn: Sketch, graph: Graph) -> Iterator[LintFinding]:
    for row in drawn.rows:
        first = drawn.answers[row.source, row.trigger]
        if first is row:
            continue
        where = f"{row.trigger!a} in {row.source!a}"
        witness = graph.way_over(row)
        if first.dest == row.dest:
            sentence = f"move {row.number} repeats move {first.number}: {where}"
            yield LintFinding("shadowed_move", sentence, witness)
        else:
            sentence = (
                f"{where} leads to {first.dest!a} by move {first.number} and to {row.dest!a} by "
                f"move {row.number}: whichever is written first wins"
            )
            yield LintFinding("order_dependence", sentence, witness)


def _ambiguous(drawn: Sketch, graph: Graph) -> Iterator[LintFinding]:
    """Find triggers that name several states: an event names one, whichever was written last."""
    named: dict[str, Row] = {}
    for row in drawn.answers.values():
        first = named.setdefault(row.trigger, row)
        if first.dest != row.dest:
            sentence = (
                f"{row.trigger!a} leads to {first.dest!a} by move {first.number} and to "
                f"{row.dest!a} by move {row.number}: an event names one state, the last written"
            )
            yield LintFinding("order_dependence", sentence, graph.way_over(first))


def _dead(drawn: Sketch, graph: Graph) -> Iterator[LintFinding]:
    for row, verdict in dead_moves(drawn):
        sentence = (
            f"move {row.number} is never taken: {row.trigger!a} in {row.source!a} is "
            f"{verdict} with it and without it"
        )
        yield LintFinding("dead_move", sentence, graph.way_over(row))


def _clashes(drawn: Sketch, graph: Graph) -> Iterator[LintFinding]:
    for state in drawn.repeated:
        sentence = f"state {state!a} is listed twice, and has two ranks"
        yield LintFinding("clashing_names", sentence, graph.way(state))
    known = frozenset(drawn.states)
    for row in drawn.rows:
        if row.trigger in known and row.trigger != row.dest:
            sentence = (
                f"{row.trigger!a} is a state, but the move of that name leads to {row.dest!a}"
            )
            yield LintFinding("clashing_names", sentence, graph.way_over(row))
    names = {*known, *(row.trigger for row in drawn.rows), *drawn.informational}
    for name in sorted(names & (EXCHANGE_NAMES - known - drawn.informational)):
        yield LintFinding("clashing_names", f"{name!a} is what we call an exchange", (name,))
    for name in sorted(names):
        twin = name.strip().lower()
        if twin != name and twin in names:
            yield LintFinding(
                "clashing_names", f"{name!a} and {twin!a} are one word to most", (name,)
            )


def _moving_information(drawn: Sketch, graph: Graph) -> Iterator[LintFinding]:
    named = {row.trigger: row for row in reversed(drawn.rows)}
    for name in sorted(drawn.informational & (named.keys() | drawn.states)):
        row = named.get(name)
        where = () if row is None else graph.way(row.source)
        moves = f"names the state {name!a}" if row is None else f"moves {row.source!a}"
        sentence = f"{name!a} is informational and also {moves}: it will only ever inform"
        yield LintFinding("informational_moves", sentence, (*where, name))


def _ranks(drawn: Sketch, graph: Graph) -> Iterator[LintFinding]:
    backwards = {row.dest: row for row in retreats(graph)}
    for state, row in backwards.items():
        sentence = (
            f"{state!a} is only ever reached from a higher rank, first from {row.source!a}: "
            "an undated one is stale"
        )
        yield LintFinding("rank_contradiction", sentence, graph.way_over(row))
    for rows in graph.onward.values():
        for row in rows:
            if row.dest in graph.terminal and row.dest not in backwards and not graph.ascends(row):
                sentence = (
                    f"{row.dest!a} is an end, and ranks below {row.source!a} that leads to it: "
                    "an undated one is stale"
                )
                yield LintFinding("rank_contradiction", sentence, graph.way_over(row))
    yield from _main_line(drawn)


def _main_line(drawn: Sketch) -> Iterator[LintFinding]:
    line = [state for state in drawn.roles["main_line"] if state in drawn.states]
    for sooner, later in pairwise(line):
        if drawn.states.index(sooner) > drawn.states.index(later):
            sentence = f"main_line has {sooner!a} before {later!a}, ranks have it after"
            yield LintFinding("rank_contradiction", sentence, (later, sooner))


def _way(graph: Graph, state: str) -> Words:
    return graph.way(state) if state in graph.states else ()


_CHECKS: Final[tuple[Callable[[Sketch, Graph], Iterator[LintFinding]], ...]] = (
    _malformed,
    _unknown,
    _clashes,
    _ways_out,
    _shadowed,
    _ambiguous,
    _moving_information,
    _dead,
    _unreachable,
    _endless,
    _stuck,
    _ranks,
)
