"""The Mermaid diagram: every move is in it, foreign names stay text, and 66 moves stay readable.

The moves are read back from the diagram by a reader of its own, and compared with the definition.
"""

from __future__ import annotations

import html
import re
import subprocess
import sys

import pytest
from hypothesis import given, settings

from lifecycle.core.definition import Definition
from lifecycle.diagram.mermaid import mermaid
from lifecycle.errors import InvalidArgumentError
from lifecycle.providers.instacart.definition import LAST_MILE
from tests.pictures import HOSTILE, definitions, named, triples, view_of

SMALL = named("placed", "packed", "sent", ends=("lost",))

WHOLE = """\
stateDiagram-v2
    accTitle: The lifecycle named
    state "every state in this frame can become lost" as Open {
        [*] --> placed
        placed
        packed
        sent
    }
    lost
    placed --> packed
    packed --> sent
    Open --> lost
    lost --> [*]
"""

PATH = """\
stateDiagram-v2
    accTitle: Order xyz123456 is lost
    state "every state in this frame can become lost" as Open {
        [*] --> placed : 1
        placed
        packed
        sent
    }
    lost
    placed --> packed
    placed --> sent : 2 (skipped ahead)
    packed --> sent
    sent --> lost : 3
    Open --> lost
    lost --> [*]
    classDef entered fill:#dbeafe,stroke:#2563eb,color:#1e3a5f
    class placed,sent entered
    classDef now fill:#ede9fe,stroke:#6d28d9,color:#2e1065,stroke-width:3px
    class lost now
    classDef apart fill:#f6f8fa,stroke:#c4ccd4,color:#7b8794
    class packed apart
"""


def shown(label: str) -> str:
    """Return the text that Mermaid shows for a label."""
    return html.unescape(re.sub(r"#(\d+);", r"&#\1;", label)).replace("\xa0", "")


class Reader:
    """Reads a diagram back into the moves that a person would see in it."""

    def __init__(self, text: str) -> None:
        lines = text.splitlines()
        assert lines[0] == "stateDiagram-v2"
        self.lines = [line.strip() for line in lines[1:]]
        self.labels: dict[str, str] = {}
        self.frames: dict[str, list[str]] = {}
        self.arrows: list[tuple[str, str, str]] = []
        self.hubs: set[str] = set()
        self.note = "Steps back: every state in the inner frame" in self.lines
        self._read()

    def _read(self) -> None:
        within: list[str] = []
        in_note = False
        for line in self.lines:
            if line.startswith("note "):
                in_note = True
            elif line == "end note":
                in_note = False
            elif in_note or line.startswith(("accTitle", "class")):
                continue
            elif found := re.fullmatch(r'state "([^"]*)" as (\w+) \{', line):
                within.append(found[2])
                self.frames[found[2]] = []
            elif line == "}":
                within.pop()
            elif found := re.fullmatch(r"state (\w+) <<choice>>", line):
                self.hubs.add(found[1])
            elif found := re.fullmatch(r"(\[\*\]|\w+) --> (\[\*\]|\w+)(?: : (.+))?", line):
                self.arrows.append((found[1], found[2], found[3] or ""))
            else:
                self._state(line, within)

    def _state(self, line: str, within: list[str]) -> None:
        found = re.fullmatch(r'state "([^"]*)" as (\w+)', line)
        name, label = (found[2], found[1]) if found else (line, line)
        assert re.fullmatch(r"\w+", name), line
        self.labels[name] = shown(label)
        for frame in within:
            self.frames[frame].append(name)

    def moves(self) -> set[tuple[str, str, str]]:
        """Return (source, trigger, dest) of every arrow, hub and frame but what was skipped."""
        found = set(self._steps_back())
        for source, dest, label in self.arrows:
            if source == "[*]" or dest == "[*]" or dest in self.hubs or "(skipped" in label:
                continue
            for start in self._starts(source):
                names = re.sub(r"^[\d, ]+", "", label)
                for trigger in names.split(" / ") if names else [self.labels[dest]]:
                    found.add((self.labels[start], shown(trigger), self.labels[dest]))
        return found

    def _starts(self, source: str) -> list[str]:
        if source in self.hubs:
            return [start for start, dest, _ in self.arrows if dest == source]
        return self.frames.get(source, [source])

    def _steps_back(self) -> list[tuple[str, str, str]]:
        states = [self.labels[state] for state in self.frames.get("Retreat", ())]
        assert self.note == bool(states)
        return [(late, early, early) for i, late in enumerate(states) for early in states[:i]]


def test_a_definition_is_drawn_with_its_start_its_ends_and_one_arrow_for_what_ends_all() -> None:
    assert mermaid(SMALL) == WHOLE


def test_a_path_is_highlighted_and_its_steps_are_numbered() -> None:
    assert mermaid(SMALL, view_of(SMALL, "placed", "sent", "lost")) == PATH


def test_all_66_moves_of_the_last_mile_are_in_the_picture_and_no_other() -> None:
    assert len(LAST_MILE.moves) == 66
    assert Reader(mermaid(LAST_MILE)).moves() == triples(LAST_MILE)


def test_the_last_mile_is_drawn_with_half_as_many_arrows_as_it_has_moves() -> None:
    arrows = [line for line in mermaid(LAST_MILE).splitlines() if "-->" in line]
    assert len(arrows) <= len(LAST_MILE.moves) // 2 + 2


@settings(max_examples=200, deadline=None)
@given(definitions())
def test_every_move_of_any_definition_is_in_its_picture_and_no_other(
    definition: Definition,
) -> None:
    assert Reader(mermaid(definition)).moves() == triples(definition)


def test_the_reader_of_pictures_sees_a_move_that_is_missing_or_made_up() -> None:
    """The positive control: each line with an arrow between states counts."""
    picture = mermaid(LAST_MILE)
    for line in picture.splitlines(keepends=True):
        if "-->" in line and "[*]" not in line:
            assert Reader(picture.replace(line, "", 1)).moves() < triples(LAST_MILE), line
    assert Reader(picture + "    created --> delivered\n").moves() > triples(LAST_MILE)


def test_a_path_takes_no_move_out_of_the_picture() -> None:
    path = ("requested", "created", "brand_new", "at_store", "acknowledged", "canceled")
    drawn = Reader(mermaid(LAST_MILE, view_of(LAST_MILE, *path)))
    assert drawn.moves() == triples(LAST_MILE)
    numbered = [arrow for arrow in drawn.arrows if re.match(r"\d", arrow[2])]
    assert numbered == [
        ("[*]", "requested", "1"),
        ("requested", "created", "2"),
        ("created", "brand_new", "3"),
        ("brand_new", "at_store", "4 (skipped ahead)"),
        ("acknowledged", "canceled", "6"),
        ("at_store", "acknowledged", "5"),
    ]


def test_an_arrow_that_was_taken_twice_carries_both_numbers() -> None:
    path = ("brand_new", "acknowledged", "at_store", "acknowledged", "at_store")
    drawn = Reader(mermaid(LAST_MILE, view_of(LAST_MILE, *path)))
    assert ("acknowledged", "at_store", "3, 5") in drawn.arrows
    assert ("[*]", "brand_new", "1 (skipped ahead)") in drawn.arrows
    assert ("[*]", "requested", "") in drawn.arrows


def test_an_order_without_a_state_is_drawn_without_a_path() -> None:
    picture = mermaid(LAST_MILE, view_of(LAST_MILE))
    assert "classDef" not in picture
    assert "Order xyz123456 is requested" in picture


def test_triggers_of_another_name_than_their_state_stand_on_the_arrows() -> None:
    definition = Definition.write(
        "triggers",
        states=["placed", "sent"],
        moves=[
            {"trigger": "send", "source": "placed", "dest": "sent"},
            {"trigger": "ship", "source": "placed", "dest": "sent"},
        ],
        terminal=["sent"],
    )
    assert "placed --> sent : send / ship\n" in mermaid(definition)


def test_hostile_names_show_as_text_and_add_no_line() -> None:
    definition = named(*HOSTILE)
    picture = mermaid(definition, view_of(definition, *HOSTILE))
    plain = named(*(f"s{number}" for number in range(len(HOSTILE))))
    assert len(picture.splitlines()) == len(
        mermaid(plain, view_of(plain, *plain.states[:-1])).splitlines()
    )
    assert all(character.isprintable() for character in picture if character != "\n")
    assert "<" not in picture.replace("<<choice>>", "")
    read = Reader(picture)
    assert "<b>bold</b><img src=x onerror=alert(1)>" in read.labels.values()
    assert "x\\x0a    [*] --> evil" in read.labels.values()
    assert len(set(read.labels.values())) == len({*HOSTILE, "canceled"})


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_order_id_stays_within_its_line(hostile: str) -> None:
    lines = mermaid(SMALL, view_of(SMALL, "placed", order_id=hostile)).splitlines()
    assert lines[1].startswith("    accTitle: Order ")
    assert lines[1].endswith(" is placed")
    assert lines[1].isprintable()
    assert re.search(r"""["<>`%{}\[\]]""", lines[1]) is None
    assert lines[2:] == mermaid(SMALL, view_of(SMALL, "placed")).splitlines()[2:]


@pytest.mark.parametrize(
    "word", ["end", "click", "note", "class", "default", "style", "constructor", "root_end", "S3"]
)
def test_a_state_that_is_a_word_of_mermaid_gets_another_id_and_keeps_its_label(word: str) -> None:
    read = Reader(mermaid(named("placed", word)))
    assert word not in read.labels
    assert word in read.labels.values()


def test_a_path_is_not_drawn_on_another_definition() -> None:
    with pytest.raises(InvalidArgumentError, match="folded under the definition"):
        mermaid(SMALL, view_of(LAST_MILE, "requested"))


def test_the_same_bytes_come_out_of_every_process() -> None:
    script = (
        "import sys\n"
        "from lifecycle.diagram.mermaid import mermaid\n"
        "from lifecycle.providers.instacart.definition import LAST_MILE\n"
        "sys.stdout.buffer.write(mermaid(LAST_MILE).encode())"
    )
    for seed in ("0", "1", "2"):
        drawn = subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        )
        assert drawn.stdout == mermaid(LAST_MILE).encode()
