"""Every public name stands in the reference: found by walking the package, not by our generator."""

from __future__ import annotations

import dataclasses
import inspect
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

import pytest

import lifecycle
from tests.docs.fences import PAGES, ROOT

REFERENCE = sorted((ROOT / "docs" / "reference").glob("*.md"))
EXAMPLES = sorted((ROOT / "examples").rglob("*.py"))
IMPORTED = re.compile(
    r"^ *from (lifecycle[\w.]*) import (?:\(([\w\s,]*)\)|([\w, ]+))", re.MULTILINE
)


FENCE = re.compile(r"```.*?```", re.DOTALL)


def written(text: str) -> set[str]:
    """Return the words that stand in inline code or in a fence."""
    code = re.findall(r"```.*?```|`[^`]+`", text, re.DOTALL)
    return set(re.findall(r"\w+", "\n".join(code)))


TOLD = written("\n".join(page.read_text(encoding="utf-8") for page in REFERENCE))


def listed() -> Iterator[tuple[ModuleType, list[str]]]:
    """Yield every module that says what is public, with what it says."""
    yield lifecycle, lifecycle.__all__
    for found in pkgutil.walk_packages(lifecycle.__path__, "lifecycle."):
        if not found.name.endswith("__main__") and not found.name.startswith("lifecycle.cli"):
            module = import_module(found.name)
            if hasattr(module, "__all__"):
                yield module, module.__all__


def members(cls: type) -> set[str]:
    """Return what a class of ours has for others, and what it is made of."""
    others = [kind for kind in cls.__mro__ if not kind.__module__.startswith("lifecycle")]
    foreign = {name for kind in others for name in dir(kind)}
    fields = (
        {field.name for field in dataclasses.fields(cls)} if dataclasses.is_dataclass(cls) else ()
    )
    own = {*dir(cls), *fields, *getattr(cls, "_fields", ()), *getattr(cls, "model_fields", ())}
    return {name for name in own if not name.startswith("_")} - (foreign - {*fields})


def untold(told: set[str]) -> list[str]:
    """Return the public names, and the public members of public classes, that are not told of."""
    missing = []
    for module, names in listed():
        for name in names:
            value = getattr(module, name)
            parts = members(value) if inspect.isclass(value) else set()
            missing += [f"{module.__name__}.{name}"] if name not in told else []
            missing += [f"{module.__name__}.{name}.{part}" for part in sorted(parts - told)]
    return missing


def test_every_public_name_and_member_stands_in_the_reference() -> None:
    assert untold(TOLD) == []


def test_whatever_a_page_or_an_example_imports_stands_in_the_reference() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in [*PAGES, *EXAMPLES])
    imported = {
        (module, name)
        for module, several, one in IMPORTED.findall(text)
        for name in re.findall(r"\w+", several or one)
    }
    assert len(imported) > 30
    assert [pair for pair in sorted(imported) if pair[1] not in TOLD] == []


OPERATED = (
    "react-to-changes",
    "recover-a-lost-callback",
    "receive-callbacks",
    "read-the-doctor",
    "run-on-postgresql",
    "run-on-nats",
    "upgrade",
    "observe-a-service",
    "work-through-what-needs-attention",
)
"""Pages for whoever is on call."""

OTHERS = {
    *("Connection", "Message", "get_data"),  # the drivers', an e-mail's, Flask's
    *("max_connections", "max_prepared_statements", "pg_dump", "synchronous_standby_names"),
}
NAME = re.compile(r"--[a-z-]+|\b(?:[a-z]+_[a-z_]+|[A-Z][a-z]+[A-Za-z]+)\b")


def names_on(page: str) -> set[str]:
    """Return the options, and the names in two parts, that a page sets in code in its text."""
    return set(NAME.findall(" ".join(re.findall(r"`([^`\n]+)`", FENCE.sub("", page)))))


@pytest.mark.parametrize("name", OPERATED)
def test_every_name_on_a_page_for_whoever_is_on_call_stands_in_the_reference(name):
    names = names_on((ROOT / "docs" / "how-to" / f"{name}.md").read_text(encoding="utf-8"))
    reference = "\n".join(page.read_text(encoding="utf-8") for page in REFERENCE)
    assert names
    assert sorted(each for each in names - OTHERS if each not in reference) == []


def test_a_name_on_such_a_page_is_found():
    """The positive control: an option, a name in two parts and a class, not what a fence says."""
    page = "`lifecycle letters --gone`, `lost_metric`, `NoClass`\n```python\nin_a_fence\n```\n"
    assert names_on(page) == {"--gone", "lost_metric", "NoClass"}


def test_a_name_missing_in_the_reference_is_noticed() -> None:
    """The positive control: names, methods and fields, of this package and of those inside it."""
    for name in (
        "letters",
        "redrive",
        "OrderChange",
        "Service",
        "reconcile",
        "QUARANTINED",
        "cause",
    ):
        assert name in TOLD
    missing = untold(TOLD - {"letters", "OrderChange", "Service", "QUARANTINED", "corrected"})
    assert {
        "lifecycle.Subscription.letters",
        "lifecycle.OrderChange",
        "lifecycle.OrderChange.corrected",
        "lifecycle.http.receiver.Service",
        "lifecycle.Outcome.QUARANTINED",
    } <= set(missing)
