"""What is handed to others is whole: the sdist passes its tests, the wheel holds nothing twice."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
# Of each kind: what compares code with pages, reads data of another folder, or runs the package.
SAMPLE = (
    "tests/benchmarks/test_benchmarks.py::test_every_benchmark_is_run_here",
    "tests/benchmarks/test_benchmarks.py::test_the_work_is_what_the_page_says",
    "tests/docs/test_public_names.py",
    "tests/unit/test_definition.py",
    "tests/unit/test_example_recordings.py",
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the sdist lies unpacked beside the wheel."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (sdist,) = folder.glob("*.tar.gz")
    subprocess.run(["tar", "-xzf", sdist, "-C", folder], check=True)
    return folder


def unpacked(built: Path) -> Path:
    (folder,) = (each for each in built.iterdir() if each.is_dir())
    return folder


def repeated(contents: Mapping[str, bytes]) -> list[list[str]]:
    """Return the files that are the same byte for byte, together."""
    digests = {name: sha256(content).digest() for name, content in contents.items()}
    twice = [digest for digest, count in Counter(digests.values()).items() if count > 1]
    return [[name for name, found in digests.items() if found == digest] for digest in twice]


def test_the_sdist_holds_every_file_that_is_kept(built: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no checkout: nothing says which files are kept")
    kept = subprocess.run(
        ["git", "ls-files", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    there = [name for name in kept if name and (ROOT / name).exists()]
    assert len(there) > 500
    assert [name for name in there if not (unpacked(built) / name).exists()] == []


def test_a_sample_of_its_own_tests_passes_in_the_unpacked_sdist(built: Path) -> None:
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", *SAMPLE],
        cwd=unpacked(built),
        env=alone,
        check=False,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_wheel_holds_no_file_twice_and_the_licenses_of_all_parts(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with ZipFile(wheel) as packed:
        names = packed.namelist()
        assert len(names) == len(set(names))
        contents = {name: content for name in names if (content := packed.read(name))}
    assert repeated(contents) == []
    licenses = {Path(name).name for name in names if ".dist-info/licenses/" in name}
    assert licenses == {"LICENSE", "OFL.txt"}


def test_a_file_that_is_there_twice_is_found() -> None:
    """The positive control."""
    assert repeated({"a": b"1", "b": b"2", "c": b"1"}) == [["a", "c"]]
