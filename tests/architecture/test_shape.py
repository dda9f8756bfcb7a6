"""The shape of the package: small functions and modules, no stubs, and a pure part that is pure."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "lifecycle").rglob("*.py"))
PURE = sorted((ROOT / "lifecycle" / "core").glob("*.py"))
VAGUE = {
    "utils",
    "util",
    "helpers",
    "helper",
    "manager",
    "handler",
    "base",
    "common",
    "data",
    "misc",
}
LONGEST_FUNCTION = 40
MOST_LINES_OF_PAGES = 2_500
LONGEST_MODULE = 400

Function = ast.FunctionDef | ast.AsyncFunctionDef


tree_of = cache(ast.parse)


def named(module: Path) -> str:
    return str(module.relative_to(ROOT))


def functions(source: str) -> list[Function]:
    return [node for node in ast.walk(tree_of(source)) if isinstance(node, Function)]


def long_functions(source: str) -> list[str]:
    """Return the functions of more than forty lines, signature and docstring counted."""
    return [
        f"{function.name} ({length} lines)"
        for function in functions(source)
        if (length := (function.end_lineno or 0) - function.lineno + 1) > LONGEST_FUNCTION
    ]


def shown_as_they_came(source: str) -> list[int]:
    """Return the lines where a text reaches people by `repr`, which lets other writings through."""
    return sorted(
        node.lineno
        for node in ast.walk(tree_of(source))
        if (isinstance(node, ast.FormattedValue) and node.conversion == ord("r"))
        or (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "repr"
        )
        or (isinstance(node, ast.Constant) and isinstance(node.value, str) and "%r" in node.value)
    )


def hollow(source: str) -> list[str]:
    """Return the functions and classes whose body does nothing but `pass`."""
    return [
        node.name
        for node in ast.walk(tree_of(source))
        if isinstance(node, Function | ast.ClassDef)
        and all(
            isinstance(line, ast.Pass) for line in node.body[ast.get_docstring(node) is not None :]
        )
        and any(isinstance(line, ast.Pass) for line in node.body)
    ]


def marks(source: str) -> list[str]:
    """Return the marks of what is still to be done."""
    return [mark for mark in ("TODO", "FIXME", "XXX") if mark in source]


def impurities(source: str) -> list[str]:
    """Return what reads the clock, chance, a file or the environment."""
    attributes = {
        "now",
        "utcnow",
        "today",
        "environ",
        "getenv",
        "urandom",
        "read_text",
        "read_bytes",
    }
    modules = {"time", "random", "secrets", "os", "io", "socket", "pathlib", "uuid", "asyncio"}
    found = []
    for node in ast.walk(tree_of(source)):
        if isinstance(node, ast.Attribute) and node.attr in attributes:
            found.append(node.attr)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found += [node.func.id] * (node.func.id in {"open", "input", "print"})
        elif isinstance(node, ast.Import):
            found += [name.name for name in node.names if name.name.partition(".")[0] in modules]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in modules:
            found.append(node.module or "")
    return found


def undocumented(source: str) -> list[str]:
    """Return the module, the public names and their public methods that have no docstring."""
    tree = tree_of(source)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    public = [cls for cls in classes if not cls.name.startswith("_")]
    return ["the module"] * (ast.get_docstring(tree) is None) + [
        node.name
        for node in itertools.chain(tree.body, *(cls.body for cls in public))
        if isinstance(node, Function | ast.ClassDef)
        and not node.name.startswith("_")
        and ast.get_docstring(node) is None
    ]


def missing_modules(docstring: str, inside: set[str]) -> list[str]:
    """Return what a table of the modules of a package names that is not there."""
    _, _, table = docstring.partition("| module |")
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`(\w+)`", row) if name not in inside]


def found_in(modules: list[Path], look: Callable[[str], object]) -> dict[str, object]:
    """Return what is found, by the module that it is found in."""
    found = {named(module): look(module.read_text()) for module in modules}
    return {name: what for name, what in found.items() if what}


def test_no_function_is_longer_than_a_page():
    assert found_in(MODULES, long_functions) == {}


def test_no_module_is_longer_than_one_sitting():
    lines = {named(module): len(module.read_text().splitlines()) for module in MODULES}
    assert {name: count for name, count in lines.items() if count > LONGEST_MODULE} == {}


def test_the_pages_stay_small():
    """What is added to them is paid for by what is simplified in them."""
    modules = [module for module in MODULES if named(module).startswith("lifecycle/web/")]
    assert len(modules) > 10
    assert sum(len(module.read_text().splitlines()) for module in modules) <= MOST_LINES_OF_PAGES


def test_nothing_is_a_stub():
    assert found_in(MODULES, hollow) == {}
    assert found_in(MODULES, marks) == {}


def test_a_text_that_is_quoted_is_quoted_in_ascii():
    assert found_in(MODULES, shown_as_they_came) == {}


def test_no_module_is_named_for_nothing_in_particular():
    parts = {named(module): {*module.relative_to(ROOT).with_suffix("").parts} for module in MODULES}
    assert [name for name, words in parts.items() if words & VAGUE] == []


def test_the_pure_part_calls_no_clock_no_chance_and_no_machine():
    assert found_in(PURE, impurities) == {}


def test_every_class_and_function_that_others_see_has_a_docstring():
    assert found_in(MODULES, undocumented) == {}


def test_the_checks_of_shape_see_what_they_look_for():
    """The positive control: one of each, and every one is found."""
    long = "def long():\n" + "    x = 1\n" * LONGEST_FUNCTION
    assert long_functions(long) == [f"long ({LONGEST_FUNCTION + 1} lines)"]
    assert long_functions(long.removesuffix("    x = 1\n")) == []
    assert hollow('class Empty:\n    """Nothing."""\n\n    pass\n') == ["Empty"]
    assert undocumented("class Bare:\n    def call(self): ...\n") == ["the module", "Bare", "call"]
    assert shown_as_they_came("f'{name!r}'\nrepr(name)\nlog('%r', name)\nf'{name!a}'") == [1, 2, 3]
    assert hollow("def full():\n    return 1\n") == []
    assert marks("x = 1  # TODO") == ["TODO"]
    assert list(found_in([ROOT / "lifecycle" / "__init__.py"], len)) == ["lifecycle/__init__.py"]
    for impure in (
        "datetime.now(UTC)",
        "date.today()",
        "import time",
        "from random import random",
        "os.environ['HOME']",
        "open('orders.db')",
        "Path('orders.db').read_bytes()",
    ):
        assert impurities(impure), impure


def test_the_tables_of_modules_name_only_those_that_are_there():
    assert missing_modules("| module | holds |\n|---|---|\n| `a`, `gone` | b |", {"a"}) == ["gone"]
    for package in {module.parent for module in MODULES}:
        docstring = ast.get_docstring(tree_of((package / "__init__.py").read_text())) or ""
        assert missing_modules(docstring, {path.stem for path in package.iterdir()}) == [], package


def test_no_package_exposes_a_function_named_as_one_of_its_modules():
    """Such a function is hidden by its module, or hides it, as imports happen to come."""
    for package in {module.parent for module in MODULES}:
        inside = {path.stem for path in package.iterdir()}
        tree = ast.parse((package / "__init__.py").read_text())
        bound = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        assert not bound & inside, package
