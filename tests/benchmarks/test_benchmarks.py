"""The benchmarks run, at tiny sizes, and print tables of the shape that the page on speed shows.

Speed itself is not tested here: it depends on the machine, and on who else uses it.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "benchmarks"
PAGE = ROOT / "docs" / "contributors" / "speed.md"
SIZES = {
    "append_sqlite": ("--events", "40"),
    "stages": ("--events", "40"),
    "append_postgres": ("--events", "40"),
    "append_nats": ("--events", "40"),
    "append_beside": ("--events", "40"),
    "view": ("--orders", "4"),
    "encryption": ("--orders", "4"),
    "fold_step": ("--orders", "4"),
    "long_order": ("--events", "40"),
    "growth": ("--events", "80", "--step", "8"),
    "replay": ("--orders", "4", "--shared", "4"),
    "receiving": ("--callbacks", "40"),
}
SLOW_TO_START = {"replay", "receiving", "append_postgres", "append_nats", "append_beside"}
"""They start processes or servers of their own."""
FIELDS = {"what", "compared_with", "ratio", "low", "high", "reach", "at_most"}


def run(name, *arguments):
    done = subprocess.run(
        [sys.executable, "-W", "error", str(FOLDER / f"{name}.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    if name == "append_postgres" and done.stderr.startswith("NO POSTGRESQL SERVER"):
        pytest.skip(done.stderr)
    return done.stdout


@pytest.fixture
def shared(monkeypatch):
    """Import what the scripts share, found as the scripts find it."""
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in ("pairs", "workload"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield import_module
    for name in ("pairs", "workload"):
        sys.modules.pop(name, None)


def test_every_benchmark_is_run_here():
    beside = {"__main__", "obvious", "pairs", "raw", "workload"}
    assert {path.stem for path in FOLDER.glob("*.py")} - beside == set(SIZES)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.long] * (name in SLOW_TO_START)) for name in SIZES],
)
def test_the_benchmark_measures_ratios_and_those_to_be_reached_are_on_the_page(name):
    rows = json.loads(run(name, *SIZES[name], "--rounds", "1", "--json"))
    figures = PAGE.read_text().partition("<!-- figures -->")[2].partition("<!-- end")[0]
    assert rows
    for row in rows:
        assert set(row) == FIELDS
        assert row["what"]
        assert row["compared_with"]
        assert row["ratio"] > 0
        assert row["low"] <= row["ratio"] <= row["high"]
        if row["reach"] is not None and name != "growth":  # its rows name the sizes
            start = f"| {row['what']} | {row['compared_with']} |"
            assert start in figures, start
    assert re.search(r"^\| append at [\d,]+ events \| at 10,000 events \|", figures, re.MULTILINE)


def test_a_benchmark_prints_a_table_with_the_ratio_its_spread_and_what_to_reach():
    said = run("fold_step", *SIZES["fold_step"], "--rounds", "2")
    assert re.search(r"2 rounds, \d+ cores", said)
    assert re.search(r"what +compared with +ratio +spread +reach", said)
    step = r"fold step +transitions.* [\d.]+ +[\d.]+ to [\d.]+ +≥ 70 +(reached|short)"
    assert re.search(step, said)


def test_the_work_is_what_the_page_says(shared):
    workload = shared("workload")
    arrived = list(workload.arrivals(8000))
    assert len(set(arrived)) == 8000
    assert 0.08 < len(arrived) / 8000 - 1 < 0.12
    assert 600 < statistics.mean(len(each.body) for each in arrived) < 700
    assert arrived == list(workload.arrivals(8000))
    first = [each.name for each in arrived if each.order_id == arrived[0].order_id]
    assert set(first) == set(workload.NAMES)
    assert tuple(dict.fromkeys(first)) != workload.NAMES


def test_a_ratio_is_the_median_over_pairs_of_the_same_round(shared):
    pairs = shared("pairs")
    measured = pairs.Measured({"slow": [2.0, 40.0, 4.0], "fast": [1.0, 10.0, 2.0]})
    assert measured.ratio("slow", "fast")[0] == 2.0
    row = measured.row("fast", "slow", of="slow", to="fast", reach=2)
    assert (row.reached, pairs.verdict(row)) == (True, "reached")
    assert pairs.verdict(row._replace(reach=2.5)) == "short"
    assert pairs.verdict(row._replace(reach=1.5, at_most=True)) == "short"
    assert pairs.verdict(row._replace(reach=None)) == ""
