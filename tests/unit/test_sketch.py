"""The sketch: what somebody wrote, sorted into what can be used and what is told instead."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Any

import pytest
from pydantic import BaseModel

from lifecycle.core.definition import Awaits, Definition, Move, NoDetails, Written
from lifecycle.proof.sketch import Row, sketch


class Told(BaseModel):
    """Details of one's own."""


class Unfinished(BaseModel):
    """Details of a type that is nowhere."""

    box: Nowhere | None = None  # type: ignore[name-defined]  # noqa: F821


class Named(StrEnum):
    """Texts that are no plain texts."""

    BAKING = "baking"


def move(source: Any, dest: Any, trigger: Any) -> dict[str, Any]:
    return {"trigger": trigger, "source": source, "dest": dest}


SOUND = Written(
    "bakery",
    ["asked", "baking", "sold", "burnt"],
    [
        move("asked", "baking", "bake"),
        move(["asked", "baking"], "sold", "sell"),
        move(("baking",), "burnt", "burn"),
    ],
    ["sold", "burnt"],
    aborts=["burnt"],
    birth=["baking"],
    side=["asked"],
    main_line=["asked", "sold"],
    informational=["smell"],
    awaits={"asked": Awaits(("baking",))},
    details=Told,
)


def test_a_sound_definition_is_kept_whole() -> None:
    drawn = sketch(SOUND)
    assert (drawn.name, drawn.states) == ("bakery", ("asked", "baking", "sold", "burnt"))
    assert drawn.rows == (
        Row(1, "asked", "bake", "baking"),
        Row(2, "asked", "sell", "sold"),
        Row(2, "baking", "sell", "sold"),
        Row(3, "baking", "burn", "burnt"),
    )
    assert drawn.definition == Definition.of(SOUND)
    assert drawn.definition.fingerprint == Definition.of(SOUND).fingerprint
    assert drawn.definition.details is Told
    assert (drawn.stray, drawn.malformed, drawn.repeated) == ((), (), ())


def test_a_star_stands_for_every_state() -> None:
    drawn = sketch(replace(SOUND, moves=[move("*", "burnt", "burn")]))
    assert [row.source for row in drawn.rows] == ["asked", "baking", "sold", "burnt"]
    assert {row.number for row in drawn.rows} == {1}


def test_names_without_a_rank_are_set_aside_and_the_rest_is_checked() -> None:
    drawn = sketch(
        replace(
            SOUND,
            states=["asked", "baking", "baking", "sold", "sold"],
            moves=[*SOUND.moves, move("gone", "sold", "sell"), move("asked", "eaten", "bake")],
            main_line=["sold", "gone", "asked"],
            awaits={"gone": Awaits(("baking",)), "baking": Awaits(("sold",))},
        )
    )
    assert drawn.repeated == ("baking", "sold")
    assert drawn.stray == (
        Row(3, "baking", "burn", "burnt"),
        Row(4, "gone", "sell", "sold"),
        Row(5, "asked", "bake", "eaten"),
    )
    assert drawn.roles == {
        "terminal": ("sold", "burnt"),
        "aborts": ("burnt",),
        "birth": ("baking",),
        "side": ("asked",),
        "main_line": ("sold", "gone", "asked"),
        "awaits": ("gone", "baking"),
    }
    assert drawn.terminal == {"sold"}
    assert drawn.definition == Definition(
        name="bakery",
        states=("asked", "baking", "sold"),
        moves=(
            Move("asked", "bake", "baking"),
            Move("asked", "sell", "sold"),
            Move("baking", "sell", "sold"),
        ),
        terminal=frozenset({"sold"}),
        aborts=frozenset(),
        birth=frozenset({"baking"}),
        side=frozenset({"asked"}),
        main_line=("sold", "asked"),
        informational=frozenset({"smell"}),
        awaits={"baking": Awaits(("sold",))},
        details=Told,
    )


def test_the_first_of_several_moves_answers() -> None:
    rows = [move("asked", "sold", "go"), move("asked", "baking", "go"), move("asked", "sold", "go")]
    drawn = sketch(replace(SOUND, moves=rows))
    assert drawn.answers == {("asked", "go"): Row(1, "asked", "go", "sold")}
    assert drawn.definition.moves == (Move("asked", "go", "sold"),)


MOVE = "expected trigger, source and dest"
SOURCE = "expected a state, a list of states or '*'"
NAMES = "expected a list of names"


@pytest.mark.parametrize(
    ("changes", "sentences"),
    [
        ({"moves": "asked to baking"}, ["moves is a value of type str, expected a list of moves"]),
        ({"moves": None}, ["moves is nothing, expected a list of moves"]),
        (
            {"moves": ["asked to baking", None, 7]},
            [
                f"move 1 is a value of type str, {MOVE}",
                f"move 2 is nothing, {MOVE}",
                f"move 3 is a value of type int, {MOVE}",
            ],
        ),
        (
            {"moves": [{}, {"source": "asked", "dest": "sold"}, {7: "x", "dest": "sold"}]},
            [
                f"move 1 has nothing, {MOVE}, and nothing else",
                f"move 2 has dest, source, {MOVE}, and nothing else",
                f"move 3 has 7, dest, {MOVE}, and nothing else",
            ],
        ),
        (
            {"moves": [move("asked", "sold", None), move("asked", Named.BAKING, "go")]},
            [
                "move 1 has nothing as its trigger, expected plain text",
                "move 2 has a value of type Named as its dest, expected plain text",
            ],
        ),
        (
            {"moves": [move([], "sold", "go"), move((), "sold", "go")]},
            [f"move 1 has no source, {SOURCE}", f"move 2 has no source, {SOURCE}"],
        ),
        (
            {"moves": [move(None, "sold", "go"), move(["asked", Named.BAKING], "sold", "go")]},
            [
                f"move 1 has a source that is no text, {SOURCE}",
                f"move 2 has a source that is no text, {SOURCE}",
            ],
        ),
        ({"states": ["asked", 7, None]}, ["a value of type int", "nothing"]),
        ({"informational": ["smell", b"noise"]}, ["a value of type bytes"]),
        ({"side": [Named.BAKING]}, ["a value of type Named"]),
        ({"states": "asked"}, [f"states is a value of type str, {NAMES}"]),
        ({"terminal": 7}, [f"terminal is a value of type int, {NAMES}"]),
        ({"informational": None}, [f"informational is nothing, {NAMES}"]),
        ({"awaits": ["asked"]}, [f"awaits is nothing, {NAMES}"]),
        ({"awaits": None, "main_line": None}, []),
        (
            {"details": dict, "birth": "baking"},
            [
                f"birth is a value of type str, {NAMES}",
                "details is a value of type type, expected a pydantic model",
            ],
        ),
        ({"details": None}, ["details is nothing, expected a pydantic model"]),
        (
            {"details": Told()},
            ["details is a value of type Told, expected a pydantic model"],
        ),
        (
            {"details": Unfinished},
            ["details is the model 'Unfinished', expected one whose types are all there"],
        ),
    ],
)
def test_an_unknown_part_of_a_lifecycle_is_reported_verbatim(
    changes: dict[str, Any], sentences: list[str]
) -> None:
    [where] = changes if len(changes) == 1 else [""]
    drawn = sketch(replace(SOUND, **changes))
    assert list(drawn.malformed) == [
        text if ", expected" in text else f"{where} holds {text}, expected plain text"
        for text in sentences
    ]


def test_malformed_parts_are_left_out_and_their_neighbors_are_not() -> None:
    rows = [None, move("asked", "baking", None), move("asked", "sold", "sell"), {}]
    drawn = sketch(
        replace(
            SOUND,
            states=["asked", 7, "baking", None, "sold"],
            moves=rows,
            birth=[Named.BAKING, "baking"],
            side=None,
            awaits=["asked"],
            details=dict,
        )
    )
    assert drawn.states == ("asked", "baking", "sold")
    assert drawn.rows == (Row(3, "asked", "sell", "sold"),)
    assert (drawn.roles["birth"], drawn.roles["side"], drawn.roles["awaits"]) == (
        *(("baking",), (), ()),
    )
    assert drawn.details is NoDetails
    assert sketch(replace(SOUND, awaits=None)).definition.awaits == {}


def test_a_name_that_is_no_text_is_written_as_text() -> None:
    assert sketch(replace(SOUND, name=7)).name == "7"  # type: ignore[arg-type]
