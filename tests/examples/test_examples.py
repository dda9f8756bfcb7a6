"""The examples: numbered, short enough to read at a glance, and each one runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def named(example: Path) -> str:
    return example.name


def test_there_are_examples_and_their_numbers_have_no_gaps():
    numbers = [int(found[1]) for e in EXAMPLES if (found := re.match(r"(\d\d)_\w+\.py$", e.name))]
    assert numbers == list(range(1, len(EXAMPLES) + 1))
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize("example", EXAMPLES, ids=named)
def test_the_example_is_short_and_says_what_it_shows(example):
    lines = example.read_text().splitlines()
    assert len(lines) < 60
    assert lines[0].startswith('"""')


@pytest.mark.parametrize("example", EXAMPLES, ids=named)
def test_the_example_runs(example, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "LIFECYCLE_DB"}
    done = subprocess.run(
        [sys.executable, "-W", "error", example],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip(), "an example prints what it shows"
    assert done.stderr == ""
