"""What a release uploads: both archives are built as the release builds them, and looked into."""

from __future__ import annotations

import email
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REPOSITORY = "https://example.org/shop/order-lifecycle"


def execute(*arguments: str, cwd: Path = ROOT, **environment: str) -> str:
    """Run a module of Python, and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "HOME": str(cwd), **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the wheel and the source archive of a release."""
    folder = tmp_path_factory.mktemp("dist")
    options = ("--no-isolation", "--outdir", str(folder), str(ROOT))
    execute("build", *options, cwd=folder, LIFECYCLE_REPOSITORY=REPOSITORY)
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, source


def metadata_of(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


def described(metadata: Message) -> str:
    """Return the text that an index shows."""
    payload = metadata.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


def test_an_index_takes_both_archives(archives):
    printed = execute("twine", "check", "--strict", *map(str, archives), cwd=archives[0].parent)
    assert printed.count("PASSED") == len(archives)


def test_the_wheel_holds_the_package_and_nothing_else(archives):
    with zipfile.ZipFile(archives[0]) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    kept = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "lifecycle").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != "OFL.txt"
    }
    told = (ROOT / "examples" / "recordings").iterdir()
    recordings = {f"lifecycle/recordings/{path.name}" for path in told}
    assert names == kept | recordings | {"pytest_lifecycle.py"}
    assert "lifecycle/py.typed" in names


def test_both_licenses_lie_in_both_archives(archives):
    wheel, source = archives
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = {path.rpartition("/")[2] for path in archive.namelist() if "/licenses/" in path}
    with tarfile.open(source) as archive:
        in_source = {path.rpartition("/")[2] for path in archive.getnames()}
    assert in_wheel == {"LICENSE", "OFL.txt"}
    assert in_wheel <= in_source
    assert metadata_of(wheel)["License-Expression"] == "MIT AND OFL-1.1"


def test_links_and_pictures_of_the_description_lead_to_the_repository(archives):
    metadata = metadata_of(archives[0])
    text = described(metadata)
    targets = re.findall(r'\]\(([^)]+)\)|src(?:set)?="([^"]+)"', text)
    assert targets
    for target in (one or other for one, other in targets):
        assert target.startswith("https://")
    tagged = f"{REPOSITORY}/raw/v{PROJECT['version']}/docs/pictures/"
    pictures = re.findall(r'src="([^"]+)"', text)
    assert pictures
    for picture in pictures:
        assert picture.startswith(tagged)
        assert (ROOT / "docs" / "pictures" / picture.removeprefix(tagged)).is_file()
    assert f"Repository, {REPOSITORY}" in metadata.get_all("Project-URL")


def test_a_build_that_knows_no_repository_keeps_the_description_as_it_is(tmp_path):
    execute("hatchling", "build", "-t", "wheel", "-d", str(tmp_path))
    (wheel,) = tmp_path.glob("*.whl")
    metadata = metadata_of(wheel)
    assert described(metadata).strip() == (ROOT / "README.md").read_text().strip()
    assert metadata.get_all("Project-URL") is None


def test_the_changelog_has_an_entry_of_the_version():
    found = rf"^## \[{re.escape(PROJECT['version'])}\] - \d{{4}}-\d\d-\d\d$"
    assert re.search(found, (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


@pytest.mark.long
def test_the_source_archive_passes_a_sample_of_its_own_tests(archives, tmp_path):
    with tarfile.open(archives[1]) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    sample = ("tests/unit/test_fold.py", "tests/unit/test_identity.py", "tests/docs/test_pages.py")
    printed = execute("pytest", "-n", "0", "-rN", *sample, cwd=folder, PYTHONPATH=str(folder))
    assert re.search(r"^\.+ +\[100%\]$", printed, re.MULTILINE)
