"""The tools that read the code: lint, format, types and import contracts all agree with it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BESIDE = Path(sys.executable).parent


def run(tool: str, *arguments: str, cwd: Path = ROOT) -> tuple[int, str]:
    """Run a tool of this environment and return its exit code and everything it printed."""
    found = shutil.which(tool, path=str(BESIDE)) or shutil.which(tool)
    assert found, f"{tool} is not installed; run: pip install -e '.[test]'"
    done = subprocess.run(
        [found, *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=300
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("mypy",),
        ("mypy", *(f"examples/{example.name}" for example in (ROOT / "examples").glob("*.py"))),
        ("lint-imports",),
    ],
    ids=lambda command: " ".join(command[:3]),
)
def test_the_tool_finds_nothing(command):
    code, said = run(*command)
    assert code == 0, said


def test_the_linter_reads_our_rules_and_would_complain(tmp_path):
    """The positive control: the same settings refuse a bare `print` and a missing docstring."""
    (tmp_path / "bad.py").write_text("def shout(x):\n    print(x)\n")
    code, said = run("ruff", "check", "--config", str(ROOT / "pyproject.toml"), ".", cwd=tmp_path)
    assert code == 1
    assert "T201" in said
    assert "D103" in said


def test_a_wrong_arrow_breaks_the_import_contracts(tmp_path):
    """The positive control: a copy in which the pure part reads the clock is refused."""
    shutil.copytree(
        ROOT / "lifecycle", tmp_path / "lifecycle", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    event = tmp_path / "lifecycle" / "core" / "event.py"
    event.write_text(
        event.read_text().replace("\nfrom datetime", "\nimport time\nfrom datetime", 1)
    )
    view = tmp_path / "lifecycle" / "core" / "view.py"
    view.write_text(view.read_text() + "\nfrom lifecycle.log import stores\n")
    code, said = run("lint-imports", "--no-cache", cwd=tmp_path)
    assert code == 1
    assert "The pure part reads no clock" in said
    assert said.count("BROKEN") >= 3
