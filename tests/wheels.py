"""Packages built as wheels, and installed by pip into folders of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path


def execute(*arguments: str, cwd: Path, path: Iterable[Path] = (), code: int = 0) -> str:
    """Run a module of this interpreter, with folders on its path; return what it printed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=cwd,
        env=kept | {"PYTHONPATH": os.pathsep.join(map(str, path))},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def installed(package: Path, where: Path) -> Path:
    """Build a package as a wheel, install it with pip into a folder, and return that."""
    execute("hatchling", "build", "-t", "wheel", "-d", str(where), cwd=package)
    (wheel,) = where.glob("*.whl")
    target = where / "installed"
    pip = ("pip", "install", "--no-deps", "--no-index", "--target", str(target))
    execute(*pip, str(wheel), cwd=where)
    return target
