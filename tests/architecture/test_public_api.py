"""The public names: what the package exports, what its reference page promises, nothing else."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import lifecycle

ROOT = Path(__file__).parents[2]
INIT = ROOT / "lifecycle" / "__init__.py"
PAGE = ROOT / "docs" / "reference" / "api.md"
OF_NAMES = {"Functions", "Classes and values", "Exceptions"}


def bound_names(source: str) -> set[str]:
    """Return the public names that a module's own lines bind."""
    names: set[str] = set()
    for node in bindings(ast.parse(source).body):
        if (isinstance(node, ast.ImportFrom) and node.module != "__future__") or isinstance(
            node, ast.Import
        ):
            names |= {name.asname or name.name for name in node.names}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return {name for name in names if not name.startswith("_")}


def bindings(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield a module's statements; where a type checker reads others, those that it reads."""
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from node.body
        else:
            yield node


def promised() -> set[str]:
    """Return the names in the first column of the reference page's tables of names."""
    sections = PAGE.read_text().split("\n## ")
    named = [text for text in sections if text.partition("\n")[0] in OF_NAMES]
    return {name for text in named for name in re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)}


def test_all_is_exactly_what_is_exported():
    assert set(lifecycle.__all__) - {"__version__"} == bound_names(INIT.read_text())
    assert len(set(lifecycle.__all__)) == len(lifecycle.__all__)


def test_the_reference_page_lists_every_public_name_and_no_other():
    assert promised() == set(lifecycle.__all__)


def test_every_public_name_exists_and_says_what_it_gives():
    for name in set(lifecycle.__all__) - {"__version__"}:
        value = getattr(lifecycle, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert (value.__doc__ or "").strip(), name


def test_every_public_exception_hangs_from_one_root():
    errors = {
        value
        for name in lifecycle.__all__
        if inspect.isclass(value := getattr(lifecycle, name)) and issubclass(value, Exception)
    }
    assert errors
    assert [error for error in errors if not issubclass(error, lifecycle.LifecycleError)] == []


def test_the_package_carries_its_types():
    assert (ROOT / "lifecycle" / "py.typed").is_file()


def test_a_name_that_is_loaded_late_is_the_one_that_a_type_checker_sees():
    seen = [
        (node.module, alias.name)
        for node in bindings(ast.parse(INIT.read_text()).body)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lifecycle.")
        for alias in node.names
    ]
    assert len(seen) == len(lifecycle.__all__)
    for module, name in seen:
        assert getattr(lifecycle, name) is getattr(import_module(module), name)


def test_a_name_that_is_not_there_is_an_attribute_error_and_the_others_are_listed():
    with pytest.raises(AttributeError, match="'lifecycle' has no attribute 'foldings'"):
        _ = lifecycle.foldings
    assert set(lifecycle.__all__) <= set(dir(lifecycle))


SLOW_TO_LOAD = {"asyncio", "eventsourcing", "msgspec", "pydantic", "sqlite3", "ssl", "transitions"}


def loaded_by(code: str) -> set[str]:
    """Return which of the slow modules a fresh interpreter has loaded after some code."""
    asked = f"import sys; {code}; print(*{SLOW_TO_LOAD!r} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(done.stdout.split())


def test_importing_the_package_alone_loads_nothing_that_is_slow_to_load():
    assert loaded_by("import lifecycle") == set()


def test_only_used_modules_are_loaded():
    """The positive control: the same question sees what a log in memory needs."""
    found = loaded_by("import lifecycle; lifecycle.connect('memory:').close()")
    assert {"msgspec", "pydantic", "transitions"} <= found
    assert "sqlite3" not in found


def test_importing_the_package_needs_none_of_the_extras():
    """`pip install order-lifecycle` alone must do; the extras serve the command line."""
    asked = "import sys, lifecycle; print({'typer', 'rich', 'pytest'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "set()"


def test_the_reader_of_names_sees_every_way_to_bind_one():
    """The positive control: a name bound in any of these ways would be missed by no one."""
    source = (
        "import a\nfrom b import c as d\ne = 1\nf: int = 2\ndef g(): ...\nclass H: ...\n_i = 3\n"
        "if TYPE_CHECKING:\n    from j import k\nelse:\n    l = 4\n"
    )
    assert bound_names(source) == {"a", "d", "e", "f", "g", "H", "k"}
