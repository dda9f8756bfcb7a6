"""The page on testing an integration, run as what it says it is: one test module."""

from __future__ import annotations

import inspect
import re
import shutil

import pytest
from hypothesis import settings

import lifecycle.testing
from lifecycle.providers.instacart import recordings
from tests.docs.fences import ROOT, blocks_of

HOW_TO = ROOT / "docs" / "how-to" / "test-your-integration.md"
REFERENCE = ROOT / "docs" / "reference" / "testing.md"
PLUGIN = ("-p", "pytest_lifecycle", "-p", "no:cacheprovider")

pytest_plugins = ["pytester"]


def page_as_module(pytester):
    """Write the page's code beside the recording it reads."""
    code = "\n".join(b.text for b in blocks_of(HOW_TO.read_text()) if b.language == "python")
    folder = pytester.mkdir("recordings")
    shutil.copy(ROOT / "examples" / "recordings" / "happy.jsonl", folder)
    return pytester.makepyfile(test_page=code)


@pytest.fixture
def few_examples():
    """Have Hypothesis draw fewer of what the page asks for."""
    before = settings.get_current_profile_name()
    settings.register_profile("page", max_examples=8, deadline=None)  # others may work here too
    settings.load_profile("page")
    yield
    settings.load_profile(before)


def test_every_test_on_the_page_passes_and_the_coverage_is_what_it_shows(pytester, few_examples):
    module = page_as_module(pytester)
    tests = len(re.findall(r"^def test_", module.read_text(), re.MULTILINE))
    blocks = blocks_of(HOW_TO.read_text())
    place = next(n for n, b in enumerate(blocks) if "--lifecycle-coverage" in b.text)
    assert blocks[place].text == 'pytest --lifecycle-coverage -k "not every_move"\n'
    shown = blocks[place + 1].text.splitlines()
    options = ("--lifecycle-update-golden", "--lifecycle-coverage", "-k", "not every_move")
    done = pytester.runpytest_inprocess(*PLUGIN, *options)
    printed = done.stdout.str().partition("lifecycle coverage")[2].splitlines()
    assert printed[1 : 1 + len(shown)] == shown
    assert (pytester.path / "golden" / "test_page.happy.json").exists()
    outcomes = pytester.runpytest_inprocess(*PLUGIN).parseoutcomes()
    assert set(outcomes) == {"passed"}
    assert outcomes["passed"] > tests


def test_the_reference_names_every_public_name_fixture_option_and_builder():
    page = REFERENCE.read_text() + (ROOT / "docs" / "reference" / "api.md").read_text()
    plugin = (ROOT / "pytest_lifecycle.py").read_text()
    fixtures = re.findall(r"^def (lifecycle_\w+)\(", plugin, re.MULTILINE)
    options = re.findall(r'"(--lifecycle-[\w-]+)"', plugin)
    builders = re.findall(r"^def ([a-z]\w+)\(", recordings_source(), re.MULTILINE)
    assert len(fixtures) == 6
    assert len(options) == 3
    for name in (*lifecycle.testing.__all__, *fixtures, *options, *builders):
        assert re.search(rf"`{re.escape(name)}[`( ]|`{re.escape(name)}\.", page), name


def test_all_is_what_the_kit_exports():
    public = {name for name in vars(lifecycle.testing) if not name.startswith("_")}
    modules = {path.stem for path in (ROOT / "lifecycle" / "testing").glob("*.py")}
    assert set(lifecycle.testing.__all__) == public - modules


def recordings_source():
    return inspect.getsource(recordings)
