"""The runner: our library, our command line and the oracle pass; programs without rules fail.

A program is always another process, as one of somebody's own would be.
"""

from __future__ import annotations

import json
import random
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.docs.fences import ROOT

from .written import BY_HAND, GROUPS, KIT

RUNNER = KIT / "runner.py"
LIBRARY = (str(KIT / "order_lifecycle.py"),)
COMMAND_LINE = ("-m", "tests.conformance.command_line_program")
ORACLE = ("-m", "tests.conformance.oracle_program")
INSTALLED = str(Path(sys.executable).with_name("lifecycle"))

runner = SimpleNamespace(**runpy.run_path(str(RUNNER)))


def run(*program: str, cases: Path = KIT, shuffles: int = 0, seconds: float = 60):
    """Run the runner on a program in Python; return its exit code and what it printed."""
    how = ["--cases", str(cases), "--shuffles", str(shuffles), "--seconds", str(seconds)]
    command = [sys.executable, str(RUNNER), *how, "--", sys.executable, *program]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=1800
    )
    return done.returncode, done.stdout


def failed(printed: str) -> set[str]:
    return set(re.findall(r"^FAILED  (.+)$", printed, re.MULTILINE))


def copied(folder: Path, groups: Iterable[str], every: int = 1) -> Path:
    """Return a folder with some of the files, and of their cases one in so many."""
    for group in groups:
        lines = (KIT / f"{group}.jsonl").read_text().splitlines(keepends=True)
        rng = random.Random(f"{group} {every}")
        kept = sorted(rng.sample(range(len(lines)), max(1, len(lines) // every)))
        (folder / f"{group}.jsonl").write_text("".join(lines[place] for place in kept))
    return folder


@pytest.fixture
def some(tmp_path: Path) -> Path:
    """Every case by hand, and a sample of the others."""
    copied(tmp_path, BY_HAND)
    return copied(tmp_path, set(GROUPS) - set(BY_HAND), every=16)


@pytest.mark.parametrize("program", [LIBRARY, ORACLE], ids=["the library", "the oracle"])
def test_a_program_by_the_rules_passes(some, program):
    code, printed = run(*program, cases=some, shuffles=1)
    assert (code, failed(printed)) == (0, set()), printed
    assert " 0 failed, 0 skipped" in printed


@pytest.mark.long
@pytest.mark.parametrize("program", [LIBRARY, ORACLE], ids=["the library", "the oracle"])
def test_a_program_by_the_rules_passes_every_case(program):
    code, printed = run(*program, shuffles=3)
    assert (code, failed(printed)) == (0, set()), printed


def test_our_command_line_passes(tmp_path):
    code, printed = run(*COMMAND_LINE, cases=copied(tmp_path, (*BY_HAND, "hostile"), every=60))
    assert (code, failed(printed)) == (0, set()), printed


@pytest.mark.long
def test_our_command_line_passes_a_process_a_command(tmp_path):
    cases = copied(tmp_path, BY_HAND, every=40)
    code, printed = run(*COMMAND_LINE, INSTALLED, cases=cases)
    assert (code, failed(printed)) == (0, set()), printed


@pytest.mark.long
def test_our_command_line_passes_every_case():
    code, printed = run(*COMMAND_LINE)
    assert (code, failed(printed)) == (0, set()), printed


def line_of(name: str) -> str:
    """Return a case as it stands in its file."""
    (line,) = (
        line
        for file in KIT.glob("*.jsonl")
        for line in file.read_text().splitlines(keepends=True)
        if json.loads(line)["case"] == name
    )
    return line


def test_a_program_by_which_the_order_of_arrival_decides_fails(tmp_path):
    cases = copied(tmp_path, ("order", "identity"))
    found = failed(run(*ORACLE, "arrival order", cases=cases)[1])
    assert found >= {
        "creation_goes_by_attempt",
        "births_follow_creation",
        "timed_events_go_by_time",
        "timed_ties_go_by_rank",
        "snapshots_come_last_by_rank",
    }
    assert not found & {"key_of_a_callback", "content_of_one_double", "totals_of_the_quarantine"}


def test_shuffling_finds_what_the_order_in_the_file_hides(tmp_path):
    cases = copied(tmp_path, ("fold",))
    hidden = {"fold_the_usual_way", "fold_terminal_states_stick", "fold_a_step_back"}
    assert not failed(run(*ORACLE, "arrival order", cases=cases)[1]) & hidden
    assert failed(run(*ORACLE, "arrival order", cases=cases, shuffles=3)[1]) >= hidden


def test_a_program_in_which_the_last_writer_wins_fails(tmp_path):
    cases = copied(tmp_path, ("fold", "identity"))
    found = failed(run(*ORACLE, "last writer", cases=cases)[1])
    assert found >= {
        "fold_terminal_states_stick",
        "fold_brand_new_after_canceled",
        "fold_late_staged",
        "fold_a_snapshot_below_all_that_was",
    }
    assert not found & {"key_of_a_request", "totals_of_the_quarantine"}


def test_a_program_whose_keys_are_of_bytes_fails(tmp_path):
    cases = copied(tmp_path, ("fold", "identity"))
    found = failed(run(*ORACLE, "keys of bytes", cases=cases)[1])
    assert found >= {"content_in_other_bytes", "content_of_one_double", "key_of_a_flat_callback"}
    assert not found & {"key_of_a_callback", "fold_terminal_states_stick"}


ONE = {
    "case": "one",
    "rule": "Terminal states stick.",
    "about": "Nothing leaves them.",
    "recordings": ["{"],
    "expect": {
        "orders": {},
        "quarantine": [{"line": 1, "reason": "bad_line"}],
        "totals": {"appended": 0, "duplicate": 0, "divergent": 0, "quarantined": 1},
    },
}
ANSWERING = """
import json, sys, time
for line in sys.stdin:
    case = json.loads(line)
    n = len(case["recordings"])
    told = {"case": case["case"], "orders": {}, "totals": {"appended": 0, "duplicate": 0,
            "divergent": 0, "quarantined": n},
            "quarantine": [{"line": i + 1, "reason": "bad_line"} for i in range(n)]}
    ANSWER
    print(json.dumps(told), flush=True)
"""


@pytest.mark.parametrize(
    ("answer", "code", "says"),
    [
        ("pass", 0, "2 cases, each as it stands and 2 times shuffled: 2 passed, 0 failed"),
        ("told['mood'] = 'good'", 0, "2 passed"),
        ("told = told | ({'skipped': 'no'} if told['case'] == 'one' else {})", 0, "1 skipped"),
        ("told['totals']['quarantined'] += n > 1", 1, "totals.quarantined is "),
        ("sys.exit(3)", 1, "the program ended with code 3"),
        ("print('nonsense', flush=True); told = []", 1, "the answer is no JSON: b'nonsense"),
        ("print('[' * 100000, flush=True)", 1, "the answer is no JSON: b'[["),
        ("told['case'] = 'another'", 1, "the answer is about no such case"),
        ("told = [told]", 1, "the answer is about no such case"),
        ("case['case'] == 'one' or time.sleep(600)", 1, "gave no answer in 0.7 s"),
        ("print('half', end='', flush=True); sys.exit()", 1, "the program ended with code 0"),
    ],
)
def test_what_a_program_does_is_told(tmp_path, answer, code, says):
    other = {**ONE, "case": "two \u00e9 \u0662"}
    lines = [json.dumps(each) for each in (ONE, other)]
    (tmp_path / "cases.jsonl").write_text("\n".join(lines))
    program = ANSWERING.replace("ANSWER", answer)
    ended, printed = run("-c", program, cases=tmp_path, shuffles=2, seconds=0.7)
    assert (ended, says in printed) == (code, True), printed
    assert code == 0 or "Terminal states stick." in printed


def test_a_program_that_always_ends_is_started_ten_times(tmp_path):
    cases = [json.dumps({**ONE, "case": str(n)}) for n in range(12)]
    (tmp_path / "cases.jsonl").write_text("\n".join(cases))
    code, printed = run("-c", "1", cases=tmp_path)
    assert code == 1
    assert printed.count("the program ended with code 0") == 10
    assert printed.count("it was not asked") == 2


def test_a_program_that_answers_twice_is_brought_back_into_step(tmp_path):
    cases = [json.dumps({**ONE, "case": name}) for name in ("one", "two", "three")]
    (tmp_path / "cases.jsonl").write_text("\n".join(cases))
    twice = "print(json.dumps(told), flush=True) if told['case'] == 'one' else 0"
    code, printed = run("-c", ANSWERING.replace("ANSWER", twice), cases=tmp_path, shuffles=-1)
    assert (code, failed(printed)) == (1, {"two"})


def test_nothing_to_run_and_nothing_to_ask_are_wrong_usage(tmp_path):
    assert run("-c", "1", cases=tmp_path)[0] == 2
    command = [sys.executable, str(RUNNER), "--", "no-such-program"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "cannot be found" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("expected", "found", "where"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, None),
        ({"a": 1}, {"b": 2}, "a is missing"),
        ({"a": [1, 2]}, {"a": [1, 3]}, "a[1] is 3, expected 2"),
        ({"a": [1, 2]}, {"a": [1]}, "a has 1 items, expected 2"),
        ({"a": [1]}, {"a": [1, 2]}, "a has 2 items, expected 1"),
        ({"a": True}, {"a": 1}, "a is 1, expected true"),
        ({"a": 1}, {"a": 1.0}, "a is 1.0, expected 1"),
        ({"a": 0}, {"a": False}, "a is false, expected 0"),
        ({"a": None}, {"a": ""}, 'a is "", expected null'),
        ({"a": {}}, {"a": []}, "a is [], expected {}"),
        ({"orders": {}}, {"orders": {"x": {}}}, 'orders has "x", which is not expected'),
        ({"orders": {"x": {}}}, {"orders": {"x": {"more": 1}}}, None),
    ],
)
def test_the_first_place_that_differs_is_named(expected, found, where):
    assert runner.difference(expected, found) == where


def test_shuffles_are_the_same_everywhere_and_change_what_depends_on_repeats():
    case = json.loads(line_of("totals_of_divergent_contents"))
    shuffles = [runner.shuffled(case, number) for number in (1, 1, 2)]
    assert shuffles[0] == shuffles[1] != shuffles[2]
    for each in shuffles:
        totals = each["expect"]["totals"]
        assert sum(totals.values()) == len(each["recordings"])
        assert each["expect"]["orders"] == case["expect"]["orders"]


def test_the_kit_is_a_folder_that_can_be_copied(tmp_path):
    """The runner needs nothing of ours, and finds the cases beside it."""
    shutil.copytree(KIT, tmp_path / "kit")
    (tmp_path / "kit" / "hostile.jsonl").unlink()
    program = [sys.executable, "-c", ANSWERING.replace("ANSWER", "told['skipped'] = 'all'")]
    command = [sys.executable, "-I", "-S", "kit/runner.py", "--shuffles", "0", "--", *program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert " 0 passed, 0 failed" in done.stdout


def test_the_runner_is_one_file_that_can_be_read():
    text = RUNNER.read_text()
    assert len(text.splitlines()) < 200
    imported = set(re.findall(r"^(?:from|import) ([a-z_]+)", text, re.MULTILINE))
    assert imported <= sys.stdlib_module_names
