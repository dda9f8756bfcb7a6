"""What is handed to others is whole: the sdist passes its tests, the wheel holds nothing twice.

They are built as a release builds them, where `LIFECYCLE_REPOSITORY` says where files can be seen.
"""

from __future__ import annotations

import email
import os
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping
from email.message import Message
from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
REPOSITORY = "https://example.org/shop/order-lifecycle"
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
    build(folder, LIFECYCLE_REPOSITORY=REPOSITORY)
    (sdist,) = folder.glob("*.tar.gz")
    subprocess.run(["tar", "-xzf", sdist, "-C", folder], check=True)
    return folder


def build(folder: Path, **variables: str) -> None:
    """Build the archives into a folder."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)],
        cwd=ROOT,
        env={**os.environ, **variables},
        check=True,
        capture_output=True,
    )


def unpacked(built: Path) -> Path:
    (folder,) = (each for each in built.iterdir() if each.is_dir())
    return folder


def metadata_in(folder: Path) -> tuple[Message, str]:
    """Return the metadata of the wheel in a folder, and the description that an index shows."""
    (wheel,) = folder.glob("*.whl")
    with ZipFile(wheel) as packed:
        (name,) = (name for name in packed.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(packed.read(name))
    payload = metadata.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return metadata, payload.decode()


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


def test_the_wheel_holds_the_package_its_recordings_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with ZipFile(wheel) as packed:
        names = {name for name in packed.namelist() if ".dist-info/" not in name}
    package = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "lifecycle").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != "OFL.txt"
    }
    told = (ROOT / "examples" / "recordings").iterdir()
    recordings = {f"lifecycle/recordings/{path.name}" for path in told}
    assert names == package | recordings | {"pytest_lifecycle.py"}


def test_an_index_takes_both_archives(built: Path) -> None:
    archives = [str(path) for path in built.iterdir() if path.is_file()]
    checked = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *archives],
        check=False,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout
    assert checked.stdout.count("PASSED") == len(archives) == 2


def test_links_and_pictures_of_the_description_lead_to_the_repository(built: Path) -> None:
    metadata, description = metadata_in(built)
    assert f"Repository, {REPOSITORY}" in metadata.get_all("Project-URL", [])
    found = re.findall(r'\]\(([^)]+)\)|src(?:set)?="([^"]+)"', description)
    targets = {link or picture for link, picture in found}
    assert {target for target in targets if not target.startswith("https://")} == set()
    tagged = f"{REPOSITORY}/raw/v{VERSION}/"
    pictures = [target.removeprefix(tagged) for target in targets if target.startswith(tagged)]
    assert len(pictures) >= 3
    assert [path for path in pictures if not (ROOT / path).is_file()] == []


def test_a_build_that_knows_no_repository_keeps_the_description_as_it_is(tmp_path: Path) -> None:
    build(tmp_path)
    metadata, description = metadata_in(tmp_path)
    assert description.strip() == (ROOT / "README.md").read_text(encoding="utf-8").strip()
    assert metadata.get_all("Project-URL") is None


def test_the_changelog_has_an_entry_of_the_version() -> None:
    entry = rf"^## \[{re.escape(VERSION)}\] - \d{{4}}-\d\d-\d\d$"
    assert re.search(entry, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)


def test_a_file_that_is_there_twice_is_found() -> None:
    """The positive control."""
    assert repeated({"a": b"1", "b": b"2", "c": b"1"}) == [["a", "c"]]
