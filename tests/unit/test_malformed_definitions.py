"""A lifecycle in forms that are none of ours is refused in a sentence, never with a traceback."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Any

import pytest

from lifecycle import Awaits, Definition, DefinitionError, InvalidArgumentError
from lifecycle.core.definition import Written
from lifecycle.proof.lint_rules import Linted, lint


class Plain(Enum):
    PLACED = "placed"
    SENT = "sent"


class Texts(StrEnum):
    PLACED = "placed"
    SENT = "sent"


class Mixed(str, Enum):  # noqa: UP042 - the older form, which prints as its member's name
    PLACED = "placed"
    SENT = "sent"


class Touchy:
    """A value that answers nothing."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    def __repr__(self) -> str:
        raise RuntimeError


MOVE: dict[str, Any] = {"trigger": "sent", "source": "placed", "dest": "sent"}
SOUND: dict[str, Any] = {
    "name": "small",
    "states": ["placed", "sent"],
    "moves": [MOVE],
    "terminal": ["sent"],
    "aborts": [],
    "birth": ["placed"],
    "side": [],
    "main_line": ["placed"],
    "informational": ["ping"],
    "awaits": {"placed": Awaits(("sent",))},
}
LISTS = ("states", "terminal", "aborts", "birth", "side", "main_line", "informational")
NO_TEXTS = [None, 1, 1.5, b"sent", Plain.SENT, Texts.SENT, Mixed.SENT, [], {}, Touchy(), object]
NO_NAMES = [*NO_TEXTS, "\ud800", "x" * 256, "é" * 128]
NO_LISTS = [None, 1, "sent", b"sent", {"sent": 1}, object(), Touchy(), len]


def refusals(**changes: Any) -> list[str]:
    """Return what is told in both ways to build a definition, which is the same."""
    told = []
    for build in (lambda parts: Definition.write(**parts), lambda p: Definition.of(Written(**p))):
        with pytest.raises(DefinitionError) as refused:
            build(SOUND | changes)
        assert refused.value.written is not None
        assert "name" in changes or isinstance(lint(refused.value.written), Linted)
        told.append("; ".join(refused.value.problems))
    assert told[0] == told[1]
    return told


@pytest.mark.parametrize("part", LISTS)
@pytest.mark.parametrize("wrong", NO_NAMES, ids=lambda wrong: type(wrong).__name__)
def test_an_invalid_name_is_refused_in_every_list_of_names(part: str, wrong: object) -> None:
    assert f"{part} holds a " in refusals(**{part: [*SOUND[part], wrong]})[0].replace(
        "holds nothing", "holds a "
    )


@pytest.mark.parametrize("part", [*LISTS, "moves"])
@pytest.mark.parametrize("wrong", NO_LISTS, ids=lambda wrong: type(wrong).__name__)
def test_a_value_that_is_no_list_is_refused_where_a_list_is_expected(
    part: str, wrong: object
) -> None:
    assert f"{part} is " in refusals(**{part: wrong})[0]


@pytest.mark.parametrize("states", [Plain, Texts, Mixed])
def test_an_enumeration_of_states_is_refused_since_its_members_are_no_stored_words(
    states: Any,
) -> None:
    (told, _) = refusals(states=states)
    assert told.startswith(f"states holds a value of type {states.__name__}, expected plain text")
    assert Definition.write(**(SOUND | {"states": [each.value for each in states]}))


@pytest.mark.parametrize(
    "wrong", [None, 7, "sent", ["sent", "placed", "sent"], ("sent",), {"sent"}, Touchy()]
)
def test_a_move_that_is_no_mapping_is_refused_by_its_number(wrong: object) -> None:
    assert refusals(moves=[MOVE, wrong])[0].startswith("move 2 is a") or wrong is None


@pytest.mark.parametrize("part", ["trigger", "source", "dest"])
@pytest.mark.parametrize("wrong", NO_NAMES, ids=lambda wrong: type(wrong).__name__)
def test_a_part_of_a_move_that_is_no_name_is_refused(part: str, wrong: object) -> None:
    assert part in refusals(moves=[MOVE | {part: wrong}])[0] or wrong == []
    if part == "source":
        assert "the source of move 1 is " in refusals(moves=[MOVE | {part: ["placed", wrong]}])[0]


@pytest.mark.parametrize("wrong", [{}, {1: 2}, {Ellipsis: Touchy()}, MOVE | {"conditions": len}])
def test_a_move_of_other_parts_is_refused_whatever_they_hold(wrong: dict[Any, Any]) -> None:
    assert "needs trigger, source and dest, and nothing else" in refusals(moves=[wrong])[0]


@pytest.mark.parametrize(
    "wrong",
    [
        7,
        "placed",
        ["placed"],
        {"placed": "sent"},
        {"placed": ("sent",)},
        {"placed": Awaits("sent")},  # type: ignore[arg-type]
        {"placed": Awaits(7)},  # type: ignore[arg-type]
        {"placed": Awaits((Texts.SENT,))},
        {"placed": Awaits(("sent",), 7)},  # type: ignore[arg-type]
        {7: Awaits(("sent",))},
        {Texts.PLACED: Awaits(("sent",))},
    ],
)
def test_awaits_that_name_nothing_valid_are_refused(wrong: object) -> None:
    assert refusals(awaits=wrong)[0].startswith("awaits ")


@pytest.mark.parametrize("wrong", NO_NAMES, ids=lambda wrong: type(wrong).__name__)
def test_a_lifecycle_needs_a_name(wrong: object) -> None:
    assert "name is " in refusals(name=wrong)[0]


@pytest.mark.parametrize("part", ["states", "main_line"])
def test_a_set_is_refused_where_the_order_counts(part: str) -> None:
    assert refusals(**{part: {"placed", "sent"}})[0] == (
        f"{part} is a set, expected a list: the order counts"
    )
    assert Definition.write(**(SOUND | {"terminal": {"sent"}})).terminal == {"sent"}


@pytest.mark.parametrize("state", ["*", "="])
def test_a_state_cannot_be_called_as_transitions_calls_its_wildcards(state: str) -> None:
    assert "wildcard" in refusals(states=["placed", "sent", state])[0]


def test_everything_malformed_is_reported_at_once_and_only_once() -> None:
    (told, _) = refusals(states=["placed", "sent", 1, 2], moves=[["sent"], MOVE], side=3)
    assert told == (
        "states holds a value of type int, expected plain text of up to 255 bytes of UTF-8; "
        "side is a value of type int, expected a list of names; "
        "move 1 is a value of type list, expected a mapping of trigger, source and dest"
    )


def test_an_iterator_is_refused_where_a_list_is_expected() -> None:
    """The check would use it up, and an empty lifecycle be built."""
    with pytest.raises(DefinitionError, match="states is a value of type list_iterator"):
        Definition.of(Written(**(SOUND | {"states": iter(SOUND["states"])})))
    assert Definition.write(**(SOUND | {"states": iter(SOUND["states"])}))


@pytest.mark.parametrize("wrong", [None, 7, SOUND, Definition.write(**SOUND)])
def test_only_something_written_can_be_built(wrong: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="expected a Written"):
        Definition.of(wrong)


def test_the_names_of_a_move_may_come_in_any_list() -> None:
    """The positive control: what is sound is built, from texts of a class of its own too."""

    class Word(str):
        __slots__ = ()

    sound = SOUND | {"states": (Word("placed"), Word("sent")), "moves": iter([MOVE])}
    assert Definition.write(**sound) == Definition.write(**SOUND)
