"""Drawn pictures, looked at as they are laid out: nothing overlaps, nothing is left out.

What a browser makes of them is asked elsewhere, with the same rules.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.diagram.blueprint import blueprint
from lifecycle.diagram.scene import Line, Scene, Text
from lifecycle.providers.instacart.definition import LAST_MILE
from tests.pictures import definitions, named
from tests.scenes import collisions, covered_lines, crossed_boxes


def drawn_well(scene: Scene) -> bool:
    return not [*collisions(scene), *covered_lines(scene), *crossed_boxes(scene)]


def words_of(scene: Scene) -> str:
    return " ".join(text.text for text in scene.texts)


def test_the_last_mile_is_drawn_with_every_state_and_nothing_on_anything_else():
    scene = blueprint(LAST_MILE)
    assert drawn_well(scene)
    for state in LAST_MILE.states:
        assert set(state.split("_")) <= set(words_of(scene).split())


@settings(max_examples=150, deadline=None)
@given(definitions(), st.booleans())
def test_whatever_the_definition_nothing_lies_on_anything_else(definition, narrow):
    scene = blueprint(definition, narrow=narrow)
    assert collisions(scene) == []
    assert covered_lines(scene) == []
    assert crossed_boxes(scene) == []


def test_a_narrow_picture_breaks_the_happy_path_and_has_all_that_the_wide_one_has():
    wide, narrow = blueprint(LAST_MILE), blueprint(LAST_MILE, narrow=True)
    assert drawn_well(narrow)
    assert narrow.width < 900 < wide.width
    assert sorted(text.text for text in narrow.texts) == sorted(text.text for text in wide.texts)


def test_a_long_lifecycle_goes_on_in_further_rows():
    scene = blueprint(named(*(f"step_{number}" for number in range(30))))
    assert drawn_well(scene)
    assert scene.width < 2000


def test_the_rules_see_what_they_look_for():
    """The positive control: one of each fault, and every one is found."""
    texts = (Text(0, 10, "one"), Text(5, 12, "two"), Text(90, 50, "beyond"))
    scene = Scene(100, 100, "", "", texts)
    assert collisions(scene) == ["'one' overlaps 'two'", "'beyond' leaves the page"][::-1]
    lines = (
        Line(((0, 0), (50, 0), (50, 10)), "line", head=True),
        Line(((90, 20), (90, 0), (40, 0)), "line", head=True),
    )
    assert covered_lines(Scene(100, 100, "", "", lines))
    box = blueprint(named("a", "b", "c"))
    through = Line(((0, box.height / 2), (box.width, box.height / 2)), "line")
    assert any(
        crossed_boxes(box._replace(items=(*box.items, line)))
        for line in [through._replace(points=((0, y), (box.width, y))) for y in range(60, 200, 10)]
    )


def test_a_text_is_as_wide_as_arial_writes_it_in_whatever_letters():
    """The figures are those of Arial's own table of advance widths."""
    widths = {" ": 278, "A": 667, "W": 944, "i": 222, "\u00e9": 556, "\u03a9": 748, "\u0416": 923}
    assert {text: round(Text(0, 0, text, 1000).width) for text in widths} == widths
    assert round(Text(0, 0, "i", 1000, bold=True).width) == 278
    assert Text(0, 0, "AAW", 1000).width == 667 + 667 + 944


def test_a_character_that_no_font_of_ours_has_is_given_room_all_the_same():
    assert Text(0, 0, "\u65e5", 1000).width == 1000
    assert Text(0, 0, "\u0531", 1000).width == 720
