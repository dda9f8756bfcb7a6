"""The DOT graph: every move is in it, foreign names stay text, starts and ends look the part.

The moves are read back from the graph by a reader of its own, and compared with the definition.
"""

from __future__ import annotations

import html
import re
import subprocess
import sys

import pytest
from hypothesis import given, settings

from lifecycle.core.definition import Definition
from lifecycle.diagram.dot import dot
from lifecycle.errors import InvalidArgumentError
from lifecycle.providers.instacart.definition import LAST_MILE
from tests.pictures import HOSTILE, definitions, named, triples, view_of

SMALL = named("placed", "packed", "sent", ends=("lost",))

DRAWN = """\
    subgraph cluster_open {
        label="every state in this frame can become lost"; style=rounded;
        Start [shape=circle, label="", width=0.16, height=0.16, fillcolor=black, color=black];
        placed [fillcolor="#dbeafe", color="#2563eb", fontcolor="#1e3a5f"];
        packed [fillcolor="#f6f8fa", color="#94a3b8", fontcolor="#64748b"];
        sent [fillcolor="#dbeafe", color="#2563eb", fontcolor="#1e3a5f"];
    }
    lost [peripheries=2, fillcolor="#ede9fe", color="#6d28d9", fontcolor="#2e1065", penwidth=2.5];
    Start -> placed [label=" 1 ", color="#2563eb", fontcolor="#2563eb", penwidth=2];
    placed -> packed [color="#94a3b8", fontcolor="#64748b"];
    placed -> sent [label=" 2 (skipped ahead) ", color="#2563eb", fontcolor="#2563eb", penwidth=2, style=dashed];
    packed -> sent [color="#94a3b8", fontcolor="#64748b"];
    sent -> lost [label=" 3 ", color="#2563eb", fontcolor="#2563eb", penwidth=2];
    sent -> lost [ltail=cluster_open, color="#94a3b8", fontcolor="#64748b"];
    label="Order xyz123456 is lost"; labelloc=t; fontsize=15;
}
"""  # noqa: E501 - a golden text is not wrapped

STRING = r'"(?:[^"\\]|\\.)*"'


def shown(quoted: str) -> str:
    """Return the text that Graphviz shows for a quoted label."""
    return html.unescape(re.sub(r"\\(.)", r"\1", quoted[1:-1]))


class Reader:
    """Reads a graph back into the moves that a person would see in it."""

    def __init__(self, text: str) -> None:
        self.labels: dict[str, str] = {}
        self.frames: dict[str, list[str]] = {}
        self.doubled: set[str] = set()
        self.arrows: list[tuple[str, str, str]] = []
        within: list[str] = []
        lines = [line.strip() for line in text.splitlines()]
        assert re.fullmatch(rf"digraph {STRING} {{", lines[0])
        assert lines[-1] == "}"
        for line in lines[1:-1]:
            if found := re.fullmatch(r"subgraph cluster_(\w+) \{", line):
                within.append(found[1])
                self.frames[found[1]] = []
            elif line == "}":
                within.pop()
            elif found := re.fullmatch(r"(\w+) -> (\w+)(?: \[(.*)\])?;", line):
                self.arrows.append((found[1], found[2], found[3] or ""))
            elif not line.startswith(("graph ", "node ", "edge ", "label=", "{ rank=same; ")):
                self._node(line, within)
        assert not within

    def _node(self, line: str, within: list[str]) -> None:
        found = re.fullmatch(r"(\w+)(?: \[(.*)\])?;", line)
        assert found, line
        name, attributes = found[1], found[2] or ""
        if name in {"Start", "Note"} or "shape=diamond" in attributes:
            return
        label = re.search(rf"label=({STRING})", attributes)
        self.labels[name] = shown(label[1]) if label else name
        if "peripheries=2" in attributes:
            self.doubled.add(self.labels[name])
        for frame in within:
            self.frames[frame].append(name)

    def moves(self) -> set[tuple[str, str, str]]:
        """Return (source, trigger, dest) of every arrow, hub and frame but what was skipped."""
        states = [self.labels[state] for state in self.frames.get("retreat", ())]
        found = {(late, early, early) for i, late in enumerate(states) for early in states[:i]}
        for source, dest, attributes in self.arrows:
            if source == "Start" or dest not in self.labels or "dashed" in attributes:
                continue
            label = re.search(rf"label=({STRING})", attributes)
            names = re.sub(r"^ ?[\d, ]+", "", shown(label[1])).strip() if label else ""
            for start in self._starts(source, attributes):
                for trigger in names.split(" / ") if names else [self.labels[dest]]:
                    found.add((self.labels[start], trigger, self.labels[dest]))
        return found

    def _starts(self, source: str, attributes: str) -> list[str]:
        if frame := re.search(r"ltail=cluster_(\w+)", attributes):
            return self.frames[frame[1]]
        if source in self.labels:
            return [source]
        return [start for start, dest, _ in self.arrows if dest == source]


def test_a_path_is_filled_numbered_and_dashed_where_it_skipped_ahead() -> None:
    drawn = dot(SMALL, view_of(SMALL, "placed", "sent", "lost"))
    assert drawn[drawn.index("    subgraph") :] == DRAWN


def test_all_66_moves_of_the_last_mile_are_in_the_graph_and_no_other() -> None:
    assert Reader(dot(LAST_MILE)).moves() == triples(LAST_MILE)


def test_a_path_takes_no_move_out_of_the_graph() -> None:
    path = ("requested", "created", "brand_new", "at_store", "acknowledged", "canceled")
    assert Reader(dot(LAST_MILE, view_of(LAST_MILE, *path))).moves() == triples(LAST_MILE)


@settings(max_examples=200, deadline=None)
@given(definitions())
def test_every_move_of_any_definition_is_in_its_graph_and_no_other(definition: Definition) -> None:
    assert Reader(dot(definition)).moves() == triples(definition)


def test_the_reader_of_graphs_sees_a_move_that_is_missing_or_made_up() -> None:
    """The positive control: each line with an arrow between states counts."""
    graph = dot(LAST_MILE)
    for line in graph.splitlines(keepends=True):
        if "->" in line and "Start" not in line and "invis" not in line:
            assert Reader(graph.replace(line, "", 1)).moves() < triples(LAST_MILE), line
    more = graph.removesuffix("}\n") + "    created -> delivered;\n}\n"
    assert Reader(more).moves() > triples(LAST_MILE)


def test_the_ends_and_no_other_states_have_a_doubled_border() -> None:
    assert Reader(dot(LAST_MILE)).doubled == LAST_MILE.terminal


def test_a_dot_marks_where_an_order_starts() -> None:
    assert "    Start -> requested;\n" in dot(LAST_MILE)


def test_hostile_names_show_as_text_and_add_no_line() -> None:
    definition = named(*HOSTILE)
    graph = dot(definition, view_of(definition, *HOSTILE))
    plain = named(*(f"s{number}" for number in range(len(HOSTILE))))
    harmless = dot(plain, view_of(plain, *plain.states[:-1]))
    assert len(graph.splitlines()) == len(harmless.splitlines())
    assert all(character.isprintable() for character in graph if character != "\n")
    read = Reader(graph)
    assert set(read.labels.values()) >= {
        'quote " and \\\\ backslash',
        "x\\x0a    [*] --> evil",
        "\\\\N \\\\G \\\\l",
        "&lt;x&gt;",
        '"]; evil [label="',
    }
    assert len(set(read.labels.values())) == len({*HOSTILE, "canceled"})


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_order_id_stays_within_its_quotes(hostile: str) -> None:
    lines = dot(SMALL, view_of(SMALL, "placed", order_id=hostile)).splitlines()
    usual = dot(SMALL, view_of(SMALL, "placed")).splitlines()
    assert lines[1:-2] == usual[1:-2]
    assert re.fullmatch(rf"digraph {STRING} {{", lines[0])
    assert re.fullmatch(rf"    label={STRING}; labelloc=t; fontsize=15;", lines[-2])
    assert lines[0].isprintable()


@pytest.mark.parametrize("word", ["node", "edge", "graph", "digraph", "subgraph", "strict"])
def test_a_state_that_is_a_word_of_dot_gets_another_id_and_keeps_its_label(word: str) -> None:
    read = Reader(dot(named("placed", word)))
    assert word not in read.labels
    assert word in read.labels.values()


def test_a_path_is_not_drawn_on_another_definition() -> None:
    with pytest.raises(InvalidArgumentError, match="folded under the definition"):
        dot(SMALL, view_of(LAST_MILE, "requested"))


def test_the_same_bytes_come_out_of_every_process() -> None:
    script = (
        "import sys\n"
        "from lifecycle.diagram.dot import dot\n"
        "from lifecycle.providers.instacart.definition import LAST_MILE\n"
        "sys.stdout.buffer.write(dot(LAST_MILE).encode())"
    )
    for seed in ("0", "1", "2"):
        drawn = subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        )
        assert drawn.stdout == dot(LAST_MILE).encode()
