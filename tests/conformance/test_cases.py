"""The cases: each says what a person expects, the oracle agrees, and no rule is without one."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import pytest
from coverage import Coverage

from lifecycle.core.view import AnomalyCode, Verdict
from tests import oracle
from tests.docs.fences import ROOT
from tests.oracle import words

from . import fold, hostile, moves, written
from .case import Case, case, flat, raw
from .expectation import expected, fact
from .written import BY_HAND, COMMAND, GROUPS, cases_by_group

EDGES = {
    "a body of 1 MiB": ("body_of_one_mebibyte", "body_of_one_byte_more"),
    "64 levels": ("body_of_64_levels", "body_of_65_levels"),
    "a number of 400 characters": ("number_of_400_characters", "number_of_401_characters"),
    "a word of 255 bytes": ("word_of_255_bytes", "word_of_256_bytes"),
    "an order id of 255 bytes": ("order_id_of_255_bytes", "order_id_of_256_bytes"),
    "an event id of 255 bytes": ("event_id_of_255_bytes", "event_id_that_cannot_be_used"),
    "an attempt of 1,000,000": ("attempt_of_a_million", "attempt_of_a_million_and_one"),
    "the first instant": ("time_at_the_first_instant", "time_before_the_first_instant"),
    "the last instant": ("time_at_the_last_instant", "time_behind_the_last_instant"),
    "an operation of 40 letters": ("operation_of_40_letters", "operation_of_no_word"),
}
# What recordings of Instacart's can be put in quarantine for; the other reasons are of providers
# that mark tests, name orders by ids of their own, or whose code fails.
REASONS = {
    *("bad_line", "too_big", "bad_order_id", "bad_operation", "not_json", "not_an_object"),
    *("no_name", "no_order", "order_mismatch"),
}
KEYS = ("request:", "response:", "poll:", "snapshot:", "callback:", "operation:")
# Rows that no recording of this lifecycle gets to, and what is for other lifecycles.
UNREACHED = {
    "judging.py": {
        'return "refused", NOTHING',
        "return NO_NUMBER if event.sequence is None else event.sequence, event.digest",
    },
    "__init__.py": {'raise LookupError(f"found {len(orders)} orders, expected 1")'},
}
# Other ways to ask the oracle.
BESIDE = {"view", "history", "totals", "erased", "erased_view_of", "_identified"}
HAND = [each for cases in BY_HAND.values() for each in cases]


@pytest.fixture(scope="module")
def everything() -> list[Case]:
    return [each for cases in cases_by_group().values() for each in cases]


def differences(cases: Iterable[Case]) -> Iterator[str]:
    """Yield where the oracle does not expect what a person does."""
    for each in cases:
        expect = expected(each.recordings)
        for name, value in each.facts.items():
            if (found := fact(expect, name)) != value:
                yield f"{each.name}: {name} is {found}, expected {value}"


@pytest.mark.parametrize("group", BY_HAND)
def test_the_oracle_expects_what_a_person_does(group):
    assert [*differences(BY_HAND[group])] == []


def test_a_case_that_expects_something_else_is_noticed():
    wrong = [case("wrong", "", flat("staged"), status="delivered")]
    assert [*differences(wrong)] == ["wrong: status is staged, expected delivered"]


def test_each_case_has_a_name_of_its_own_a_rule_and_a_sentence(everything):
    names = [each.name for each in everything]
    assert sorted(set(names)) == sorted(names)
    assert [each.name for each in everything if not each.rule.endswith(".")] == []
    assert [each.name for each in everything if not each.about.endswith(".")] == []
    assert [each.name for each in HAND if not each.facts] == []


def numbers_in(value: Any) -> Iterator[object]:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from numbers_in(each)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def test_every_reader_of_json_reads_the_bodies_alike(everything):
    """What a reader might round, or write in another way, stands in a text."""
    found = [
        (each.name, number)
        for each in everything
        for recording in each.recordings
        if isinstance(recording, dict)
        for number in numbers_in(recording)
        if isinstance(number, float) or abs(number) >= 2**53
    ]
    assert found == []


def test_the_files_are_not_stale():
    stale = [path.name for path, text in written.files() if path.read_text() != text]
    assert stale == [], f"write them anew: {COMMAND}"
    assert sorted(path.stem for path in written.KIT.glob("*.jsonl")) == sorted(GROUPS)


def test_every_limit_is_tried_at_its_edge_and_beyond():
    assert set(chain(*EDGES.values())) <= {each.name for each in HAND}


def test_every_verdict_anomaly_reason_and_form_of_key_is_expected_somewhere():
    told = [expected(each.recordings) for each in HAND]
    orders = [order for expect in told for order in expect["orders"].values()]
    rows = [row for order in orders for row in order["history"]]
    codes = {odd["code"] for order in orders for odd in order["view"]["anomalies"]}
    assert {row["verdict"] for row in rows} == set(map(str, Verdict))
    assert codes == {*get_args(AnomalyCode)}
    assert {item["reason"] for expect in told for item in expect["quarantine"]} == REASONS
    assert [form for form in KEYS if not any(row["key"].startswith(form) for row in rows)] == []
    assert {order["view"]["status"] for order in orders} == {*words.STATES}
    assert {row["name"] for row in rows} >= {
        *(*words.INFORMATIONAL, *words.FAILED_EXCHANGES, *words.OWN_WORDS, *words.STATES)
    }
    assert fold.INFORMATIONAL == words.INFORMATIONAL


def test_every_alias_is_told():
    said = json.dumps([each.recordings for each in HAND])
    assert [alias for alias in words.ALIASES if f'"{alias}"' not in said] == []


def test_every_move_of_the_definition_is_tried_and_every_other_too():
    ours = words.STATES[: words.STATES.index("created")]
    by_callback = {(here, there) for here, there in words.MOVES if here not in ours}
    assert set().union(*map(moves.moves_of, moves.CASES)) == by_callback
    creation = {(here, there) for here, there in words.MOVES if here in ours}
    steps = {
        (row["from"], row["to"])
        for each in HAND
        for order in expected(each.recordings)["orders"].values()
        for row in order["history"]
    }
    assert creation - steps == set()


def lines_within_functions(module: Path) -> set[int]:
    """Return the lines that run when a module's functions do, but for those beside the kit."""
    functions = [
        node
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name not in BESIDE
    ]
    bodies = (range(each.body[0].lineno, (each.end_lineno or 0) + 1) for each in functions)
    return {*chain(*bodies)}


def unreached(cases: Iterable[Case]) -> dict[str, set[str]]:
    """Return the lines of the oracle, which is written rule by rule, that no case gets to."""
    folder = Path(oracle.__file__).parent
    modules = [folder / f"{name}.py" for name in ("__init__", "judging", "recognition", "strict")]
    measured = Coverage(data_file=None, include=[str(module) for module in modules])
    with measured.collect():
        for each in cases:
            expected(each.recordings)
    found = {}
    for module in modules:
        *_, missing, _ = measured.analysis2(str(module))
        text = module.read_text().splitlines()
        left = {text[n - 1].strip() for n in {*missing} & lines_within_functions(module)}
        found[module.name] = left
    return {name: left for name, left in found.items() if left}


def test_every_rule_that_the_oracle_knows_has_a_case():
    assert unreached(HAND) == UNREACHED


def test_a_rule_without_a_case_is_noticed():
    some = [each for each in HAND if each.name != "fold_late_staged"]
    assert 'return "noted", MILESTONE' not in unreached(some).get("judging.py", set())
    none = [each for each in some if "staged" not in json.dumps(each.recordings)]
    assert 'return "noted", MILESTONE' in unreached(none)["judging.py"]


def test_long_bodies_stand_in_the_files_by_their_pieces():
    text = '{"a":"' + "x" * 5000 + '"}'
    parts = [['{"a":"', 1], ["x", 5000], ['"}', 1]]
    assert hostile.in_parts(text) == parts
    line = json.loads(written.line_of(case("long", ".", raw("callback", text)), "fold"))
    assert line["recordings"] == [{"kind": "callback", "body_parts": parts}]


def test_nearly_all_hostile_bodies_are_in_the_kit():
    left_out = {*hostile.CORPUS} - {each.name for each in hostile.cases()}
    assert len(left_out) < 10, left_out


def test_the_page_tells_the_same_about_the_kit():
    page = (ROOT / "docs" / "contributors" / "conformance.md").read_text()
    listed = dict(re.findall(r"^\| `(\w+)\.jsonl` \| (\d+) \|", page, re.MULTILINE))
    assert listed == {group: str(len(cases)) for group, cases in cases_by_group().items()}
