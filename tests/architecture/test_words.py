"""The words of the project: it names no machine, no stranger's host, and speaks of itself alone."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

from lifecycle import providers

ROOT = Path(__file__).parents[2]
FOLDERS = ("lifecycle", "docs", "examples", ".ci", "benchmarks", "campaigns")
TEXTS = {".py", ".md", ".toml", ".sql", ".json", ".jsonl", ".html", ".css", ""}

MACHINE = re.compile(
    r"(?<![\w.:/])/(?!usr/bin/env\b)(?:home|root|tmp|usr|opt|mnt|srv|Users|work\w*)/\w"
)
TRACKER = re.compile(r"\b(?:issue|ticket|pull request|PR)s? ?#?\d+\b", re.IGNORECASE)
HOST = re.compile(r"\bhttps?://([\w.-]+)")
# What a reader may be sent to, and the names that are reserved for examples.
KNOWN_HOSTS = re.compile(
    r"(?:[\w-]+\.)*(?:example|localhost|127\.0\.0\.1|keepachangelog\.com|semver\.org"
    r"|diataxis\.fr|rfc-editor\.org|docs\.instacart\.com|www\.w3\.org"
    r"|docs\.temporal\.io|eventsourcing\.readthedocs\.io)"
)


def written() -> list[Path]:
    """Return every text of the project but the tests, which may name anything."""
    beside = [path for path in ROOT.iterdir() if path.suffix in {".md", ".toml"}]
    within = [
        path
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix in TEXTS and "__pycache__" not in path.parts
    ]
    return sorted(beside + within)


def strangers(text: str) -> list[str]:
    """Return what does not belong in the project's own words."""
    hosts = [host for host in HOST.findall(text) if not KNOWN_HOSTS.fullmatch(host)]
    return [found[0] for pattern in (MACHINE, TRACKER) for found in pattern.finditer(text)] + hosts


def test_no_text_names_a_machine_a_tracker_or_a_stranger():
    found = {
        str(path.relative_to(ROOT)): names
        for path in written()
        if (names := strangers(path.read_text(encoding="utf-8")))
    }
    assert found == {}


def test_the_scan_reads_the_whole_project():
    names = {str(path.relative_to(ROOT)) for path in written()}
    assert {"README.md", "pyproject.toml", ".ci/run", "lifecycle/core/event.py"} <= names


def test_the_scan_sees_what_it_looks_for():
    """The positive control: one of each, and every one is found."""
    for stray in (
        "see /home/ann/orders.db",
        "fixes issue #12",
        "from https://packages.test/simple",
    ):
        assert strangers(stray), stray
    for fine in ("sqlite:///orders.db", "POST /v2/orders", "https://api.example/orders", "a/tmp/b"):
        assert strangers(fine) == [], fine


PACKAGE = ROOT / "lifecycle"
PROVIDERS = [module.name for module in iter_modules(providers.__path__)]
DEFAULT = 'DEFAULT_PROVIDER: Final = "instacart"'
"""The one line that may name a provider: what `connect` takes by default."""


def provider_words(name: str) -> frozenset[str]:
    """Return the words that a provider's folder says are its own."""
    return import_module(f"{providers.__name__}.{name}").DISTINCTIVE


def said_of(words: frozenset[str], text: str) -> list[str]:
    """Return which of these words stand in a text, as words or in a name."""
    longest_first = sorted(words, key=len, reverse=True)
    found = re.findall(rf"(?i)(?<![a-z0-9])(?:{'|'.join(longest_first)})", text)
    return sorted({word.lower() for word in found})


@pytest.mark.parametrize("name", PROVIDERS)
def test_nothing_outside_of_a_providers_folder_says_its_words(name):
    folder = PACKAGE / "providers" / name
    found = {
        str(path.relative_to(PACKAGE)): said
        for path in sorted(PACKAGE.rglob("*.py"))
        if folder not in path.parents
        and (said := said_of(provider_words(name), path.read_text().replace(DEFAULT, "")))
    }
    assert found == {}


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_names_words_that_its_own_folder_says(name):
    """The positive control: the search sees each of them where it stands."""
    folder = PACKAGE / "providers" / name
    texts = [path.read_text() for path in folder.rglob("*.py")]
    text = "\n".join(each.partition("DISTINCTIVE: Final")[0] for each in texts)
    assert said_of(provider_words(name), text) == sorted(provider_words(name))
    assert name.partition("_")[0] in provider_words(name)


def test_the_default_provider_is_named_once():
    assert (PACKAGE / "composition.py").read_text().count(DEFAULT) == 1
