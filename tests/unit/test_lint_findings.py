"""Every sentence of the lint, on lifecycles small enough to see that it is true.

States are letters, and `a>b>go` is a move: from `a` to `b` at `go`, at `b` where none is
named. All that is found is written out, with the shortest event string to show it.
"""

from __future__ import annotations

from typing import Any

import pytest

from lifecycle.core.definition import Awaits, Written
from lifecycle.proof.graph import Graph
from lifecycle.proof.lint_rules import lint
from lifecycle.proof.sketch import sketch


def small(moves: str, ends: str = "z", states: str = "a b c z", **parts: Any) -> Written:
    """Return a lifecycle as somebody might write it."""
    rows = [text.split(">") for text in moves.split()]
    named = [{"source": row[0], "dest": row[1], "trigger": row[-1]} for row in rows]
    return Written("small", states.split(), named, ends.split(), **parts)


FOUND: dict[str, tuple[Written, list[tuple[str, str, str]]]] = {
    "a move between two unknown states": (
        small("a>b b>c c>z x>y"),
        [
            ("unknown_source", "move 4 starts from 'x', which is no state", "y"),
            ("unknown_target", "move 4: 'y' in 'x' leads to 'y', which is no state", "y"),
        ],
    ),
    "moves that lead nowhere or come from nowhere": (
        small("a>b b>c c>z c>y x>z b>y>go"),
        [
            ("unknown_target", "move 4: 'y' in 'c' leads to 'y', which is no state", "a b c y"),
            ("unknown_source", "move 5 starts from 'x', which is no state", "z"),
            ("unknown_target", "move 6: 'go' in 'b' leads to 'y', which is no state", "a b go"),
        ],
    ),
    "roles for no state": (
        small(
            "a>b b>c c>z",
            "z y",
            aborts=["u", "v"],
            birth=["w"],
            side=["x"],
            main_line=["q", "a"],
            awaits={"n": Awaits(("x",))},
        ),
        [
            ("unknown_state", "terminal names 'y', which is no state", "y"),
            ("unknown_state", "aborts names 'u', which is no state", "u"),
            ("unknown_state", "aborts names 'v', which is no state", "v"),
            ("unknown_state", "birth names 'w', which is no state", "w"),
            ("unknown_state", "side names 'x', which is no state", "x"),
            ("unknown_state", "main_line names 'q', which is no state", "q"),
            ("unknown_state", "awaits names 'n', which is no state", "n"),
        ],
    ),
    "states listed twice": (
        small("a>b b>c c>z", states="a b b c c z"),
        [
            ("clashing_names", "state 'b' is listed twice, and has two ranks", "a b"),
            ("clashing_names", "state 'c' is listed twice, and has two ranks", "a b c"),
        ],
    ),
    "a state's name that leads elsewhere": (
        small("a>b a>c>b b>c c>z"),
        [
            ("clashing_names", "'b' is a state, but the move of that name leads to 'c'", "a b"),
            (
                "order_dependence",
                (
                    "'b' in 'a' leads to 'b' by move 1 and to 'c' by move 2: whichever is "
                    "written first wins"
                ),
                "a b",
            ),
        ],
    ),
    "names of exchanges as triggers": (
        small("a>b b>c c>z c>z>failed b>c>accepted", informational=["rejected"]),
        [
            ("clashing_names", "'accepted' is what we call an exchange", "accepted"),
            ("clashing_names", "'failed' is what we call an exchange", "failed"),
        ],
    ),
    "a state named as an exchange, which may be": (
        small("a>b b>rejected rejected>z", states="a b rejected z"),
        [],
    ),
    "names that differ in case or blanks": (
        small(
            "a>b b>C b>c>C C>z c>z",
            states="a b c C z",
            informational=["Note", "note", " b ", "Lone"],
        ),
        [
            ("clashing_names", "'C' is a state, but the move of that name leads to 'c'", "a b C"),
            ("clashing_names", "' b ' and 'b' are one word to most", " b "),
            ("clashing_names", "'C' and 'c' are one word to most", "C"),
            ("clashing_names", "'Note' and 'note' are one word to most", "Note"),
            (
                "order_dependence",
                (
                    "'C' in 'b' leads to 'C' by move 2 and to 'c' by move 3: whichever is "
                    "written first wins"
                ),
                "a b C",
            ),
            (
                "unreachable_state",
                "no declared moves lead to 'c': an order can only skip ahead to it",
                "c",
            ),
        ],
    ),
    "ways out of an end": (
        small("a>b b>c c>z z>b z>a>again"),
        [
            ("way_out_of_terminal", "'z' is an end, but 'b' leads on to 'b'", "a b c z b"),
            ("way_out_of_terminal", "'z' is an end, but 'again' leads on to 'a'", "a b c z again"),
        ],
    ),
    "moves written twice": (
        small("a>b a>b b>c c>z a>b"),
        [
            ("shadowed_move", "move 2 repeats move 1: 'b' in 'a'", "a b"),
            ("shadowed_move", "move 5 repeats move 1: 'b' in 'a'", "a b"),
        ],
    ),
    "two answers in one state": (
        small("a>b>go a>c>go b>z c>z"),
        [
            (
                "order_dependence",
                (
                    "'go' in 'a' leads to 'b' by move 1 and to 'c' by move 2: whichever is "
                    "written first wins"
                ),
                "a go",
            ),
            (
                "unreachable_state",
                "no declared moves lead to 'c': an order can only skip ahead to it",
                "c",
            ),
        ],
    ),
    "a trigger of three states": (
        small("a>b>go b>c>go c>z>go"),
        [
            (
                "order_dependence",
                (
                    "'go' leads to 'b' by move 1 and to 'c' by move 2: an event names one "
                    "state, the last written"
                ),
                "a go",
            ),
            (
                "order_dependence",
                (
                    "'go' leads to 'b' by move 1 and to 'z' by move 3: an event names one "
                    "state, the last written"
                ),
                "a go",
            ),
        ],
    ),
    "states that inform": (
        small("a>b b>c c>z", informational=["b", "z"]),
        [
            (
                "informational_moves",
                "'b' is informational and also moves 'a': it will only ever inform",
                "a b",
            ),
            (
                "informational_moves",
                "'z' is informational and also moves 'c': it will only ever inform",
                "a b c z",
            ),
        ],
    ),
    "a trigger that informs": (
        small("a>b>go b>c c>z b>c>go", informational=["go", "note"]),
        [
            (
                "order_dependence",
                (
                    "'go' leads to 'b' by move 1 and to 'c' by move 4: an event names one "
                    "state, the last written"
                ),
                "a go",
            ),
            (
                "informational_moves",
                "'go' is informational and also moves 'a': it will only ever inform",
                "a go",
            ),
        ],
    ),
    "a state that informs and that nothing leads to": (
        small("a>b b>c c>z", states="a b c q z", informational=["q"]),
        [
            (
                "informational_moves",
                "'q' is informational and also names the state 'q': it will only ever inform",
                "q",
            ),
            (
                "unreachable_state",
                "no declared moves lead to 'q': an order can only skip ahead to it",
                "q",
            ),
            ("trap", "'q' is no end, and has no way out", "q"),
        ],
    ),
    "a move in place": (
        small("a>b b>c c>z c>c b>b>again"),
        [
            (
                "dead_move",
                "move 4 is never taken: 'c' in 'c' is repeated with it and without it",
                "a b c c",
            ),
        ],
    ),
    "a move back to before the birth": (
        small("a>b b>c c>z c>b", birth=["c"]),
        [
            (
                "dead_move",
                "move 4 is never taken: 'b' in 'c' is noted with it and without it",
                "a b c b",
            ),
        ],
    ),
    "a trigger that leads to before the birth": (
        small("a>b>go b>c c>z", birth=["c"]),
        [
            (
                "dead_move",
                "move 1 is never taken: 'go' in 'a' is unrecognized with it and without it",
                "a go",
            ),
        ],
    ),
    "a move in place at an end": (
        small("a>b b>c c>z z>z", informational=["note"]),
        [
            ("way_out_of_terminal", "'z' is an end, but 'z' leads on to 'z'", "a b c z z"),
        ],
    ),
    "a name that informs and moves back": (
        small("a>b b>c c>z c>a>note", informational=["note"]),
        [
            (
                "informational_moves",
                "'note' is informational and also moves 'c': it will only ever inform",
                "a b c note",
            ),
        ],
    ),
    "a step back from where orders skip to": (
        small("a>c b>a>back c>z"),
        [
            (
                "unreachable_state",
                "no declared moves lead to 'b': an order can only skip ahead to it",
                "b",
            ),
        ],
    ),
    "a name of a move back to the side, which is also said elsewhere": (
        small("a>b>lift b>c c>b>lift c>z", side=["b"]),
        [
            (
                "dead_move",
                "move 3 is never taken: 'lift' in 'c' is noted with it and without it",
                "a lift c lift",
            ),
        ],
    ),
    "a name of the birth that leads to before it, so that nobody says a state": (
        small("a>a>b", "b", "a b", birth=["b"]),
        [
            ("clashing_names", "'b' is a state, but the move of that name leads to 'a'", "a b"),
            (
                "unreachable_state",
                "no declared moves lead to 'b': an order can only skip ahead to it",
                "b",
            ),
            ("no_terminal", "no declared moves lead from 'a' to an end", "a"),
            ("trap", "'a' is no end, and has no way out", "a"),
        ],
    ),
    "a move back to the side": (
        small("a>b b>c c>b c>z", side=["b"]),
        [
            (
                "dead_move",
                "move 3 is never taken: 'b' in 'c' is noted with it and without it",
                "a b c b",
            ),
        ],
    ),
    "a state that nothing leads to": (
        small("a>b b>z c>z"),
        [
            (
                "unreachable_state",
                "no declared moves lead to 'c': an order can only skip ahead to it",
                "c",
            ),
        ],
    ),
    "a circle and no end": (
        small("a>b b>c c>a"),
        [
            (
                "unreachable_state",
                "no declared moves lead to 'z': an order can only skip ahead to it",
                "z",
            ),
            ("no_terminal", "no declared moves lead from 'a' to an end", "a"),
            ("livelock", "a, b, c lead only to each other: no end can be reached", "a b c a"),
        ],
    ),
    "traps and no end": (
        small("a>b"),
        [
            (
                "unreachable_state",
                "no declared moves lead to 'c': an order can only skip ahead to it",
                "c",
            ),
            (
                "unreachable_state",
                "no declared moves lead to 'z': an order can only skip ahead to it",
                "z",
            ),
            ("no_terminal", "no declared moves lead from 'a' to an end", "a"),
            ("trap", "'c' is no end, and has no way out", "c"),
            ("trap", "'b' is no end, and has no way out", "a b"),
        ],
    ),
    "a circle entered once, with a shorter one in it": (
        small("a>b b>c b>d d>e e>f f>d f>e c>z", states="a b c d e f z"),
        [
            ("livelock", "d, e, f lead only to each other: no end can be reached", "a b d e f d"),
        ],
    ),
    "two circles and a trap": (
        small("a>b b>c b>d d>e e>d a>f a>g a>z f>g g>f", states="a b c d e f g z"),
        [
            ("livelock", "f, g lead only to each other: no end can be reached", "a f g f"),
            ("trap", "'c' is no end, and has no way out", "a b c"),
            ("livelock", "d, e lead only to each other: no end can be reached", "a b d e d"),
        ],
    ),
    "a way into a circle and into a trap": (
        small("a>z a>b b>c c>d d>c b>e", states="a b c d e z"),
        [
            ("livelock", "c, d lead only to each other: no end can be reached", "a b c d c"),
            ("trap", "'e' is no end, and has no way out", "a b e"),
        ],
    ),
    "a move in place and no other": (
        small("a>z a>b b>b", states="a b z"),
        [
            (
                "dead_move",
                "move 3 is never taken: 'b' in 'b' is repeated with it and without it",
                "a b b",
            ),
            ("trap", "'b' is no end, and has no way out", "a b"),
        ],
    ),
    "a step back that is the only way": (
        small("a>c c>b b>z"),
        [
            (
                "rank_contradiction",
                (
                    "'b' is only ever reached from a higher rank, first from 'c': an undated "
                    "one is stale"
                ),
                "a c b",
            ),
        ],
    ),
    "steps back one after the other": (
        small("a>d d>c c>b b>z d>z", states="a b c d z"),
        [
            (
                "rank_contradiction",
                (
                    "'c' is only ever reached from a higher rank, first from 'd': an undated "
                    "one is stale"
                ),
                "a d c",
            ),
            (
                "rank_contradiction",
                (
                    "'b' is only ever reached from a higher rank, first from 'c': an undated "
                    "one is stale"
                ),
                "a d c b",
            ),
        ],
    ),
    "an end in the middle": (
        small("a>b b>c c>z", ends="b z"),
        [
            ("way_out_of_terminal", "'b' is an end, but 'c' leads on to 'c'", "a b c"),
            (
                "unreachable_state",
                "no declared moves lead to 'c': an order can only skip ahead to it",
                "c",
            ),
            (
                "unreachable_state",
                "no declared moves lead to 'z': an order can only skip ahead to it",
                "z",
            ),
        ],
    ),
    "an end of a low rank": (
        small("a>z a>b b>c c>z b>y c>y", states="a y b c z", ends="y z"),
        [
            (
                "rank_contradiction",
                (
                    "'y' is only ever reached from a higher rank, first from 'b': an undated "
                    "one is stale"
                ),
                "a b y",
            ),
        ],
    ),
    "an end that ranks below one of two states that lead to it": (
        small("a>y a>b b>y b>z", "y z", "a y b z"),
        [
            (
                "rank_contradiction",
                ("'y' is an end, and ranks below 'b' that leads to it: an undated one is stale"),
                "a b y",
            ),
        ],
    ),
    "a main line that names a state twice": (
        small("a>b b>c c>z", main_line=["a", "b", "b", "z"]),
        [],
    ),
    "a main line in another order": (
        small("a>b b>c c>z", main_line=["c", "q", "b", "a", "z"]),
        [
            ("unknown_state", "main_line names 'q', which is no state", "q"),
            ("rank_contradiction", "main_line has 'c' before 'b', ranks have it after", "b c"),
            ("rank_contradiction", "main_line has 'b' before 'a', ranks have it after", "a b"),
        ],
    ),
}


@pytest.mark.parametrize("fault", FOUND)
def test_every_finding_is_reported_verbatim(fault: str) -> None:
    written, expected = FOUND[fault]
    found = lint(written).findings
    assert [(each.code, each.sentence, " ".join(each.witness)) for each in found] == expected


def test_findings_about_names_come_in_the_order_of_the_names() -> None:
    """However many there are: no set decides the order in which they are told."""
    exchanges = ["accepted", "failed", "poll_failed", "rejected", "requested", "resubmitted"]
    twins = ["Gone", "Left", "Moved", "Opened", "Shut", "Torn"]
    written = small(
        " ".join(("a>z", *(f"a>z>{name}" for name in exchanges))),
        states="a b c d e f z",
        informational=[*"fdbaec", *twins, *(name.lower() for name in twins)],
    )
    found = lint(written).findings
    told = {
        code: [each.witness[-1] for each in found if each.code == code]
        for code in ("clashing_names", "informational_moves")
    }
    assert told == {
        "clashing_names": [*exchanges, *twins],
        "informational_moves": ["a", "b", "c", "d", "e", "f"],
    }


def test_a_finding_is_shown_with_its_code_its_sentence_and_its_witness() -> None:
    [found] = lint(small("a>b b>c c>z b>b")).findings
    assert found.shown() == {
        "code": "dead_move",
        "witness": ["a", "b", "b"],
        "sentence": "move 4 is never taken: 'b' in 'b' is repeated with it and without it",
    }


@pytest.mark.parametrize(
    ("moves", "ends", "expected"),
    [
        ("a>b b>c c>z", "z", {"z": "a b c"}),
        ("a>b a>c b>z c>z", "z", {"z": "a"}),
        ("a>b a>c b>d c>d d>y d>z", "y z", {"y": "a d", "z": "a d"}),
        ("a>b b>c c>d d>b d>z", "z", {"z": "a b c d"}),
        ("a>y a>b b>z", "y z", {"y": "a", "z": "a b"}),
        ("a>b b>y y>z", "y z", {"y": "a b"}),
        ("b>z a>a", "z", {}),
        ("a>b", "a z", {"a": ""}),
    ],
)
def test_the_states_on_every_way_to_an_end(moves: str, ends: str, expected: dict[str, str]) -> None:
    must_pass = lint(small(moves, ends, "a b c d y z")).must_pass
    assert {end: " ".join(passed) for end, passed in must_pass.items()} == expected


def graph(moves: str, states: str = "a b c d z") -> Graph:
    return Graph(sketch(small(moves, "z", states)))


def test_the_shortest_way_is_found_however_late_it_is_written() -> None:
    """First answers count, and neither moves in place nor those from an end are ways."""
    drawn = graph("a>b b>b>stay b>c c>d a>d>jump a>c>jump d>z z>q")
    assert drawn.ways == {
        "a": ("a",),
        "b": ("a", "b"),
        "c": ("a", "b", "c"),
        "d": ("a", "jump"),
        "z": ("a", "jump", "z"),
    }
    assert drawn.way("q") == ("q",), "an order can only skip ahead to it"


def test_a_circle_is_the_shortest_way_back_and_nothing_where_there_is_none() -> None:
    drawn = graph("a>b b>c c>d d>b b>d>jump d>c b>b c>c>stay")
    assert drawn.circle("b") == ("jump", "b")
    assert drawn.circle("c") == ("d", "c")
    assert drawn.circle("a") == ()


def test_states_reached_by_some_moves_exclude_those_behind_other_moves() -> None:
    drawn = graph("a>b b>c c>d a>z")
    assert drawn.reached_from("a") == {"a", "b", "c", "d", "z"}
    assert drawn.reached_from("a", by=lambda row: row.dest != "c") == {"a", "b", "z"}
    assert drawn.reached_from("d") == {"d"}
    assert drawn.reached_from("b", "z", by=lambda row: row.source != "b") == {"b", "z"}
    assert drawn.hopeless() == ("b", "c", "d")


def test_a_move_ascends_only_to_a_higher_rank() -> None:
    drawn = graph("a>b b>a")
    [[onward], [back], *_] = drawn.onward.values()
    assert (drawn.ascends(onward), drawn.ascends(back)) == (True, False)
    assert not drawn.ascends(onward._replace(dest="a"))
