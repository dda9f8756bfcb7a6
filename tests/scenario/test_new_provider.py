"""`lifecycle providers new`: what it writes is a package whose tests pass, and a provider."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from lifecycle.cli.providers import package_of
from tests.scenario.command_line import run, run_script
from tests.wheels import execute, installed

ROOT = Path(__file__).parents[2]


def ran_tests_of(package, target, where, *more, code=0):
    """Run the tests of a package on what was installed, far from its source."""
    alone = where / "tests"
    shutil.copytree(package / "tests", alone, dirs_exist_ok=True)
    files = sorted(map(str, alone.glob("*_*.py")))
    options = ("-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-c", os.devnull)
    return execute("pytest", *options, *more, *files, cwd=where, path=[target], code=code)


@pytest.mark.parametrize("name", ["drone", pytest.param("pigeon_post_2", marks=pytest.mark.long)])
def test_the_package_is_built_installed_by_pip_and_passes_its_own_tests(name, tmp_path):
    written = run("providers", "new", name, cwd=tmp_path)
    assert (written.code, written.err) == (0, "")
    package = tmp_path / name
    files = {str(path.relative_to(tmp_path)) for path in package.rglob("*") if path.is_file()}
    assert set(written.out.split()) == files
    target = installed(package, tmp_path)
    assert "passed" in ran_tests_of(package, target, tmp_path / "away")
    listed = run_script("providers", "--json", cwd=tmp_path, env={"PYTHONPATH": str(target)})
    (found,) = (each for each in listed.value if each["name"] == name)
    assert found["ok"]
    assert found["offers"] == ["reader", "client", "receiver", "simulator"]
    assert found["from"] == f"entry point of {name.replace('_', '-')}-lifecycle 0.1.0"


@pytest.mark.long
def test_what_somebody_wrote_by_the_how_to_passes_its_own_tests(tmp_path):
    """Onfleet: no text as status, no event id, times in milliseconds, a key in hex."""
    package = ROOT / "tests" / "provider_packages" / "onfleet"
    target = installed(package, tmp_path)
    assert "19 passed" in ran_tests_of(package, target, tmp_path / "away")


@pytest.mark.long
@pytest.mark.parametrize(
    ("module", "right", "wrong"),
    [
        ("__init__", 'body.get("parcel")', 'body.get("parcels")'),
        ("__init__", "occurred_at=occurred_at", "occurred_at=None"),
        ("receiver", 'time_header="x-drone-time"', 'time_header="x-drone-at", hash="sha512"'),
        ("client", '"DELETE"', '"PATCH"'),
        ("simulator", '"landed"))', '"landed", "airborne"))'),
    ],
)
def test_the_tests_of_the_package_fail_where_its_code_is_wrong(module, right, wrong, tmp_path):
    """The positive control."""
    assert run("providers", "new", "drone", cwd=tmp_path).code == 0
    file = tmp_path / "drone" / "drone_lifecycle" / f"{module}.py"
    assert right in file.read_text()
    file.write_text(file.read_text().replace(right, wrong))
    ran_tests_of(tmp_path / "drone", tmp_path / "drone", tmp_path / "away", "-x", code=1)


@pytest.mark.long
def test_the_package_is_formatted_checked_and_typed(tmp_path):
    assert run("providers", "new", "ann", "--into", "deep/er", cwd=tmp_path).code == 0
    package = tmp_path / "deep" / "er" / "ann"
    ruff = ("--isolated", "--line-length", "100")
    execute("ruff", "check", *ruff, ".", cwd=package)
    execute("ruff", "format", "--check", *ruff, ".", cwd=package)
    execute("mypy", "--strict", "ann_lifecycle", cwd=package, path=[ROOT])


def test_the_page_says_how_many_lines_a_provider_takes():
    lines = lines_of(
        text for path, text in package_of("drone") if path.parent.name == "drone_lifecycle"
    )
    assert lines <= 150
    page = (ROOT / "docs" / "how-to" / "write-a-provider.md").read_text()
    assert f"complete: {lines} lines, " in page


def lines_of(texts):
    return sum(bool(line.strip()) for text in texts for line in text.splitlines())


@pytest.mark.parametrize(
    "name", ["", "Drone", "drone-post", "2drones", "_drone", "drone__two", "a/b", "..", "a" * 41]
)
def test_a_name_that_can_be_none_is_refused_and_nothing_is_written(name, tmp_path):
    refused = run("providers", "new", name, cwd=tmp_path)
    assert (refused.code, refused.out) == (2, "")
    assert "no name for a provider" in refused.err
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_a_provider_has_is_refused(tmp_path):
    refused = run("providers", "new", "instacart", cwd=tmp_path)
    assert (refused.code, list(tmp_path.iterdir())) == (2, [])
    assert "there is a provider 'instacart'" in refused.err


def test_a_folder_that_is_there_is_left_as_it_is(tmp_path):
    (tmp_path / "drone").mkdir()
    (tmp_path / "drone" / "mine.txt").write_text("mine")
    refused = run("providers", "new", "drone", cwd=tmp_path)
    assert (refused.code, refused.out) == (2, "")
    assert [path.name for path in tmp_path.rglob("*")] == ["drone", "mine.txt"]


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    refused = run("providers", "new", "drone", "--into", "file", cwd=tmp_path)
    assert (refused.code, refused.out) == (2, "")
    assert "cannot be used" in refused.err
