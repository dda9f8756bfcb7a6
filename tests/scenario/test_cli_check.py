"""`lifecycle check`: the shipped definition is proved; those of one's own are taken.

Sets are small here: the whole proof, as it is by default, is run once in the unit tests.
"""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

from lifecycle.cli.proving import named, shipped
from tests.scenario.command_line import Answer, run, run_on_terminal

MINE = """
from lifecycle import Definition
from lifecycle.core.definition import Written


def move(source, dest):
    return {"trigger": dest, "source": source, "dest": dest}


PARTS = dict(
    states=("asked", "sold"), moves=[move("asked", "sold")], terminal=("sold",)
)
BAKERY = Definition.write("bakery", **PARTS)
MAPPING = PARTS
TRAPPED = Written("trapped", ("asked", "baking", "burnt", "sold"),
                  [move("asked", "baking"), move("baking", "sold"), move("baking", "burnt")],
                  ("sold",))


def broken():
    return Definition.write("broken", states=("asked", "sold"), terminal=("sold",), moves=[
        move("asked", "sold"), move("sold", "asked"), move("asked", "eaten")])


class Shop:
    definition = BAKERY


class Furthest:
    name = "the furthest"
    alphabet = (1, 2, 3)
    initial = 0

    def step(self, state, event):
        return max(state, event)

    def output(self, state):
        return state


class Latest(Furthest):
    name = "the latest"

    def step(self, state, event):
        return event


class Counting(Furthest):
    name = "a count that is never told"

    def step(self, state, event):
        return state + 1

    def output(self, state):
        return "the same"


SHOP = Shop()
NUMBER = 7
"""
REFUSED = """
from lifecycle import Definition
X = Definition.write("x", states=["a"], moves=[], terminal=["b"])
"""


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "refused.py").write_text(REFUSED)
    (tmp_path / "failing.py").write_text("1 / 0\n")
    (tmp_path / "leaving.py").write_text("raise SystemExit(3)\n")
    return tmp_path


def check(folder: Path, *arguments: str) -> Answer:
    return run("check", *arguments, "--workers", "1", cwd=folder)


def certificate(folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    answer = check(folder, *arguments, "--json")
    assert answer.err == ""
    return answer.code, answer.value


def test_without_a_name_the_definition_of_the_provider_is_checked(tmp_path):
    code, shown = certificate(tmp_path, "--size", "1")
    assert (code, shown["ok"], shown["verdict"], shown["findings"]) == (0, True, "proved", [])
    assert shown["definition"] == "instacart.last_mile"
    assert len(shown["fingerprint"]) == 64
    assert {each["verdict"] for each in shown["obligations"]} == {"proved"}
    assert len(shown["controls"]) == 6
    assert shown["without_sorting"]["verdict"] == "refuted"
    assert shipped("instacart").fingerprint == shown["fingerprint"]
    assert list(tmp_path.iterdir()) == []


def test_a_definition_is_taken_in_every_form_that_users_have_it_in(beside):
    with chdir(beside):
        asked = [named(f"mine:{name}") for name in ("BAKERY", "SHOP", "SHOP.definition", "Shop")]
    assert {(each.name, len(each.fingerprint)) for each in asked} == {("bakery", 64)}
    code, shown = certificate(beside, "mine:MAPPING", "--size", "1")
    assert (code, shown["ok"], shown["verdict"]) == (0, True, "proved")
    assert len(shown["fingerprint"]) == 64


def test_findings_of_the_lint_are_exit_code_1_even_where_all_is_proved(beside):
    code, shown = certificate(beside, "mine:TRAPPED", "--size", "1")
    assert (code, shown["ok"], shown["verdict"]) == (1, False, "proved")
    [found] = shown["findings"]
    assert (found["code"], found["witness"]) == ("trap", ["asked", "baking", "burnt"])


@pytest.mark.parametrize(
    ("target", "codes"),
    [
        ("mine:broken", {"way_out_of_terminal", "unknown_target"}),
        ("refused:X", {"unknown_state", "no_terminal", "trap"}),
    ],
)
def test_every_finding_about_a_definition_that_cannot_be_built_is_reported(target, codes, beside):
    code, shown = certificate(beside, target)
    assert (code, shown["verdict"], shown["fingerprint"]) == (1, "unproved", None)
    assert {each["code"] for each in shown["findings"]} == codes


def test_a_fold_over_arrivals_is_proved_or_refuted_with_a_counterexample(beside):
    code, shown = certificate(beside, "mine:Furthest")
    assert (code, shown["verdict"], shown["states_explored"]) == (0, "proved", 4)
    assert shown["alphabet"] == ["1", "2", "3"]
    code, shown = certificate(beside, "mine:Latest")
    assert (code, shown["verdict"]) == (1, "refuted")
    [found] = [each["counterexample"] for each in shown["obligations"] if each["counterexample"]]
    assert (found["one"], found["one_gives"]) == (["1", "2"], "2")
    assert (found["other"], found["other_gives"]) == (["2", "1"], "1")


def test_a_limit_that_is_reached_is_unproved(beside):
    code, shown = certificate(beside, "mine:Counting", "--limit", "20")
    assert (code, shown["verdict"]) == (1, "unproved")
    code, shown = certificate(beside, "mine:BAKERY", "--limit", "20")
    assert (code, shown["verdict"]) == (1, "unproved")


def test_the_report_for_people_says_what_was_looked_at_and_what_came_of_it(beside):
    answer = check(beside, "mine:TRAPPED", "--size", "2")
    assert (answer.code, answer.err) == (1, "")
    for part in (
        "trapped",
        "must pass to sold  asked, baking",
        "trap",
        "asked, baking, burnt",
        "'burnt' is no end, and has no way out",
        "incremental = batch, sets of 2 of",
        "never mattered",
        "proved: within this alphabet",
        "1 finding of the lint",
    ):
        assert part in answer.out, part
    refuted = check(beside, "mine:Latest")
    assert "1, 2 gives 2; 2, 1 gives 1" in refuted.out
    assert "refuted: arrival matters" in refuted.out


def test_a_terminal_gets_colors_and_a_pipe_gets_none(beside):
    assert "\x1b[" in run_on_terminal("check", "mine:Latest", cwd=beside).out
    assert "\x1b[" not in check(beside, "mine:Latest").out


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("mine", "write it like package.module:NAME"),
        ("mine:", "write it like package.module:NAME"),
        (":BAKERY", "write it like package.module:NAME"),
        ("nowhere:BAKERY", "'nowhere' cannot be imported: ModuleNotFoundError"),
        ("failing:X", "'failing' cannot be imported: ZeroDivisionError"),
        ("leaving:X", "'leaving' cannot be imported: SystemExit"),
        ("mine:BAKERIES", "'mine:BAKERIES' cannot be found"),
        ("mine:NUMBER", "mine:NUMBER cannot be used; expected a Definition"),
    ],
)
def test_a_name_that_leads_to_nothing_is_wrong_usage(target, says, beside):
    answer = check(beside, target)
    assert answer.code == 2
    assert answer.out == ""
    assert answer.err.count("\n") == 1
    assert says in answer.err


@pytest.mark.parametrize(
    "arguments", [("--size", "0"), ("--limit", "no"), ("--provider", "nobody"), ("a:b", "c:d")]
)
def test_wrong_options_are_wrong_usage(arguments, tmp_path):
    answer = run("check", *arguments, cwd=tmp_path)
    assert (answer.code, answer.out) == (2, "")


def test_an_error_in_a_users_fold_is_reported_as_the_users(beside):
    (beside / "odd.py").write_text(
        "from mine import Furthest\n\n\nclass Odd(Furthest):\n"
        "    def step(self, state, event):\n        return {}[event]\n"
    )
    code, shown = certificate(beside, "odd:Odd")
    assert (code, shown["verdict"]) == (1, "refuted")
    assert "after nothing, 1 raises KeyError" in shown["obligations"][0]["says"]
