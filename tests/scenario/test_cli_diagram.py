"""`lifecycle diagram`, `stats` and the timeline of `show` and `history`, from the command line."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.pictures import long_story
from tests.scenario.command_line import (
    DATABASE,
    ORDER,
    SCRIPT,
    Answer,
    environment,
    lines,
    run,
    run_on_terminal,
    story,
)

DB = ("--db", DATABASE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a log of one short and one long order."""
    recordings = lines([*story(), *long_story("sixty", 60)])
    assert run("ingest", "-", *DB, stdin=recordings, cwd=tmp_path).code == 0
    return tmp_path


def refused(answer: Answer) -> str:
    assert answer.code == 2
    assert answer.out == ""
    assert answer.err.count("\n") == 1
    return answer.err


@pytest.mark.parametrize(
    ("view", "form", "starts"),
    [
        ("path", "mermaid", "stateDiagram-v2"),
        ("path", "dot", "digraph"),
        ("path", "svg", "<svg "),
        ("timeline", "svg", "<svg "),
        ("sequence", "mermaid", "sequenceDiagram"),
    ],
)
def test_every_view_comes_in_its_forms(view, form, starts, folder):
    asked = ("diagram", "--order", ORDER, "--view", view, "--format", form, *DB)
    answer = run(*asked, cwd=folder)
    assert answer.code == 0, answer.err
    assert answer.out.startswith(starts)


@pytest.mark.parametrize(
    ("view", "form"),
    [("timeline", "mermaid"), ("timeline", "dot"), ("sequence", "svg"), ("sequence", "png")],
)
def test_a_form_that_a_view_does_not_have_is_wrong_usage(view, form, folder):
    asked = ("diagram", "--order", ORDER, "--view", view, "--format", form, *DB)
    assert f"cannot be written as {form}; expected --format" in refused(run(*asked, cwd=folder))


@pytest.mark.parametrize(
    "option", [("--view", "path"), ("--as-at", "2022-06-04T10:00:00Z")], ids=lambda given: given[0]
)
def test_a_command_about_an_order_needs_an_order_id(option, folder):
    assert "name one with --order" in refused(run("diagram", *option, cwd=folder))


def test_the_file_name_decides_the_format(folder):
    for name in ("a.svg", "a.PNG", "a.mmd", "a.dot"):
        answer = run("diagram", "-o", name, cwd=folder)
        assert (answer.code, answer.out) == (0, ""), answer.err
    ET.parse(folder / "a.svg")
    assert (folder / "a.PNG").read_bytes().startswith(b"\x89PNG")
    assert (folder / "a.mmd").read_text().startswith("stateDiagram")
    assert (folder / "a.dot").read_text().startswith("digraph")
    assert sorted(path.suffix for path in folder.glob("a.*")) == [".PNG", ".dot", ".mmd", ".svg"]


def test_a_picture_never_takes_the_place_of_a_database(folder):
    before = (folder / "orders.db").read_bytes()
    answer = run("diagram", "--format", "svg", "-o", "orders.db", cwd=folder)
    assert "is a database; choose another name for the picture" in refused(answer)
    assert (folder / "orders.db").read_bytes() == before


def test_a_png_goes_through_a_pipe_and_not_to_a_terminal(folder):
    answer = run_on_terminal("diagram", "--format", "png", cwd=folder)
    assert answer.code == 2
    assert "a PNG is no text for a terminal" in answer.err
    assert "PNG\r\n" not in answer.out
    piped = subprocess.run(
        [SCRIPT, "diagram", "--format", "png"],
        capture_output=True,
        cwd=folder,
        env=environment(),
        check=True,
        timeout=120,
    )
    assert piped.stdout == run_for_bytes("diagram", cwd=folder)


def run_for_bytes(*arguments: str, cwd: Path) -> bytes:
    target = cwd / "picture.png"
    assert run(*arguments, "-o", str(target), cwd=cwd).code == 0
    return target.read_bytes()


def test_themes_and_times_reach_the_picture(folder):
    order = ("diagram", "--order", ORDER, *DB)
    light, dark = (
        run_for_bytes(*order, "--theme", theme, cwd=folder) for theme in ("light", "dark")
    )
    assert light != dark
    then = run(*order, "--format", "svg", "--as-at", "2022-06-04T10:00:02Z", cwd=folder).out
    assert "as it was known at 2022-06-04T10:00:02Z" in then
    assert f"Order {ORDER} is created" in then


def test_a_whole_log_is_counted_and_drawn(folder):
    answer = run("stats", "--json", *DB, cwd=folder)
    figures = answer.value
    assert (figures["orders"], figures["events"]) == (2, 63)
    entered = {state["state"]: state["entered"] for state in figures["states"]}
    assert entered["requested"] == 2
    told = run("stats", *DB, cwd=folder).out
    assert re.search(r"^requested +2 +2 +0", told, re.MULTILINE)
    assert run("stats", "-o", "fleet.svg", *DB, cwd=folder).code == 0
    drawn = (folder / "fleet.svg").read_text()
    assert "2 orders of instacart" in drawn
    assert "p95" in drawn


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--format", "mermaid"), "cannot be written as mermaid"),
        (("--json", "--format", "svg"), "use one of both"),
        (("-o", "figures.txt"), "name it .svg or .png"),
    ],
    ids=lambda given: given[-1],
)
def test_figures_that_cannot_be_drawn_so_are_wrong_usage(options, says, folder):
    assert says in refused(run("stats", *options, *DB, cwd=folder))


@pytest.mark.parametrize("command", ["show", "history"])
def test_an_order_is_drawn_in_time_in_plain_ascii_through_a_pipe(command, folder):
    answer = run(command, "sixty", *DB, cwd=folder)
    drawn = answer.out.partition("Order sixty is ")[2]
    assert drawn
    assert drawn.isascii()
    assert "\x1b" not in answer.out
    assert re.search(r"^ 10:\d\d:\d\d \* acknowledged_for_delivery", drawn, re.MULTILINE)


@pytest.mark.parametrize("command", ["show", "history"])
@pytest.mark.parametrize("columns", [40, 80])
def test_a_terminal_gets_the_timeline_in_color_and_as_wide_as_it_is(command, columns, folder):
    answer = run_on_terminal(command, "sixty", *DB, cwd=folder, columns=columns)
    drawn = answer.out.rpartition("Order")[2]
    assert "\x1b[" in drawn
    plain = re.sub(r"\x1b\[[0-9;]*m", "", drawn)
    assert "◆" in plain or "■" in plain
    assert max(map(len, plain.splitlines())) <= columns


@pytest.mark.parametrize("command", ["show", "history"])
def test_ascii_on_a_terminal_is_for_the_asking(command, folder):
    answer = run_on_terminal(command, "sixty", "--ascii", *DB, cwd=folder, NO_COLOR="1")
    assert answer.out.isascii()


def test_json_holds_no_timeline(folder):
    assert json.loads(run("show", ORDER, "--json", *DB, cwd=folder).out)["order_id"] == ORDER
    assert len(json.loads(run("history", ORDER, "--json", *DB, cwd=folder).out)) == 3


def test_a_file_named_as_something_else_is_refused_and_not_written(tmp_path):
    answer = run("diagram", "-o", "lifecycle.pdf", cwd=tmp_path)
    assert (answer.code, answer.out) == (2, "")
    assert "name it" in answer.err
    assert ".svg" in answer.err
    assert list(tmp_path.iterdir()) == []
