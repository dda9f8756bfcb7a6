"""The README: two commands on a fresh machine, a page that can be read in one sitting."""

from __future__ import annotations

import os
import shutil
import subprocess

from tests.docs.fences import ROOT, blocks_of

README = ROOT / "README.md"
SET_UP = "python3 -m venv .venv && .venv/bin/pip install -q '.[cli]' && .venv/bin/lifecycle demo"
TESTS = ".venv/bin/pip install -q -e '.[test]' && .venv/bin/python -m pytest"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
LONG = ".venv/bin/python -m pytest -m long"


def test_the_first_two_blocks_are_the_two_commands():
    first, second, *_ = blocks_of(README.read_text())
    assert (first.language, first.text.strip()) == ("bash", SET_UP)
    assert (second.language, second.text.strip()) == ("bash", TESTS)


def test_the_readme_has_two_commands_and_no_third():
    shells = [block for block in blocks_of(README.read_text()) if block.language in {"bash", "sh"}]
    assert len(shells) == 2


def test_the_page_is_one_screen_with_three_pictures_at_most():
    text = README.read_text()
    assert len(text.splitlines()) <= 65
    assert text.count("<img ") + text.count("![") <= 3


def test_the_long_tests_are_one_command():
    shells = [each for each in blocks_of(CONTRIBUTING.read_text()) if each.language == "bash"]
    assert [each.text.strip() for each in shells] == [LONG]


def test_the_continuous_integration_runs_the_commands_of_the_readme():
    """It reads them from the page, so that they cannot drift apart."""
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    printed = subprocess.run(
        [script, "--print"], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
    ).stdout
    assert printed.splitlines() == [SET_UP, TESTS]


def test_the_continuous_integration_stops_at_the_first_failure(tmp_path):
    """The positive control: a command that fails is not run past, and the exit code says so."""
    (tmp_path / ".ci").mkdir()
    script = shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    failing = "```bash\necho first && false && true\n```\n\n```bash\necho second\n```\n"
    (tmp_path / "README.md").write_text(failing)
    done = subprocess.run(
        [script], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 1
    assert "\nfirst\n" in done.stdout
    assert "\nsecond\n" not in done.stdout


def test_the_continuous_integration_installs_the_programs_that_are_missing(tmp_path):
    """Nothing else on its path: a package manager that notes what it was asked, and basic tools."""
    for folder in (".ci", "bin"):
        (tmp_path / folder).mkdir(parents=True)
    for tool in ("bash", "awk", "dirname", "env"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool) or "")
    asked = tmp_path / "bin" / "apt-get"
    asked.write_text(f'#!/bin/bash\nprintf "%s\\n" "$*" >> "{tmp_path}/asked"\n')
    asked.chmod(0o755)
    script = shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    (tmp_path / "README.md").write_text("```bash\necho first\n```\n\n```bash\necho second\n```\n")
    done = subprocess.run(
        [script],
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
        env={"PATH": str(tmp_path / "bin")},
    )
    assert done.stdout.splitlines()[-1] == "second"
    if os.geteuid() == 0:
        asked_for = (tmp_path / "asked").read_text().splitlines()[-1]
        assert asked_for.endswith(" chromium pgbouncer")
    else:
        assert "will be skipped" in done.stderr
