"""Mutants: which mistakes are made, and that the list of survivors is about the code as it is."""

from __future__ import annotations

import json

import pytest

from campaigns.line_coverage import ROOT, Suite, coverage_of, first_failing
from campaigns.mutant import mutants_of
from campaigns.mutations import ABOUT, KEPT


@pytest.fixture
def made_of(tmp_path):
    """Return a function: every text that a mistake makes of a source."""

    def texts(source: str) -> set[str]:
        (tmp_path / "module.py").write_text(source)
        found = mutants_of(tmp_path, "module.py")
        return {mutant.applied(source.encode()).decode() for mutant in found}

    return texts


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a < b", {"x = a <= b", "x = a >= b"}),
        ("x = a is not b", {"x = a is b"}),
        ("x = a == b == c", {"x = a != b == c", "x = a == b != c"}),
        ("x = a and b", {"x = a or b", "x = a", "x = b"}),
        ("x = not a", {"x = a"}),
        ("x = a if b else c", {"x = a if True else c", "x = a if False else c"}),
        ("x = a - b", {"x = a + b"}),
        ("x: set[int] = a | b", {"x: set[int] = a & b"}),
        ("x = [i for i in a if b]", {"x = [i for i in a if True]", "x = [i for i in a if False]"}),
        ("x = 7", {"x = 8"}),
        ("x = 'text'", {'x = ""'}),
        ("x = b''", {'x = b"XX"'}),
        ("x = f'{a}s'", {'x = ""'}),
        ("x = f'{a < b}'", {'x = ""', "x = f'{a <= b}'", "x = f'{a >= b}'"}),
        ("x = f(a, b, c=d)", {"x = f(a, c=d)", "x = f(a, b)"}),
        ("x = sorted(a)", {"x = a"}),
        ("x = a.strip().upper()", {"x = a.upper()", "x = a.strip()"}),
        ("x = max(a)", {"x = min(a)"}),
        ("x = (a, b)", {"x = (b,)", "x = (a,)"}),
        ("x = [a]", {"x = []"}),
        ("x = {a: b, **c}", {"x = {**c}", "x = {a: b}"}),
        ("x = a[b:c]", {"x = a[:c]", "x = a[b:]"}),
        ("f()", {"pass"}),
        ("a.b = c", {"pass"}),
        ("def f():\n    return a", {"def f():\n    return None"}),
        ("def f(a):\n    a = b", {"def f(a):\n    pass"}),
        ("def f():\n    a = b", set()),
        ("def f(a=True): ...", {"def f(a=False): ..."}),
        ("def f():\n    raise E", {"def f():\n    pass"}),
        ("if a:\n    b", {"if True:\n    b", "if False:\n    b", "if a:\n    pass"}),
        ("while a:\n    break", {"while False:\n    break", "while a:\n    pass"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_mistake_is_made_once_and_in_one_place(made_of, source, expected):
    assert made_of(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        '"""A module."""\n\ndef f(a: int | None) -> "X":\n    """Return nothing."""',
        "from a import b",
        "Entry = Event | Unreadable",
        "Kind = Literal['a', 'b']",
        "class A:\n    __slots__ = ('a', 'b')",
        "x: 'int | None'",
        "@cached(1)\ndef f(): ...",
    ],
)
def test_types_docstrings_and_slots_are_not_mutated(made_of, source):
    assert made_of(source) == set()


def test_a_diff_has_the_changed_lines_and_a_key_that_stays_where_lines_move(tmp_path):
    source = tmp_path / "module.py"
    source.write_text("class A:\n    def f(self):\n        return g(\n            1,\n        )\n")
    before = {mutant.key: mutant for mutant in mutants_of(tmp_path, "module.py")}
    source.write_text("\n\n" + source.read_text())
    after = {mutant.key: mutant for mutant in mutants_of(tmp_path, "module.py")}

    raised = next(mutant for mutant in before.values() if mutant.kind == "constant")
    assert raised.where == "A.f"
    assert raised.diff == "-            1,\n+            2,"
    assert before.keys() == after.keys()
    assert {after[key].lines.start - mutant.lines.start for key, mutant in before.items()} == {2}


def test_a_mistake_in_a_clause_is_met_by_the_tests_that_run_the_clause(tmp_path):
    source = "try:\n    a()\nexcept (A, B):\n    b()\nmatch a:\n    case _ if a < 1:\n        b()\n"
    (tmp_path / "module.py").write_text(source)

    lines = {mutant.kind: mutant.lines for mutant in mutants_of(tmp_path, "module.py")}

    assert (lines["element"], lines["comparison"]) == (range(3, 4), range(6, 7))


def test_a_mutant_that_no_test_runs_is_not_killed():
    assert first_failing([]) is None


def test_line_coverage_is_measured_again_for_other_modules_and_tests(tmp_path):
    noted = [
        coverage_of(Suite(about, tmp_path)) for about in ({"a": ("x",)}, {"b": ("x",)}, {"a": ()})
    ]
    assert len({*noted}) == 3


def survivors():
    return json.loads(KEPT.read_text())["survivors"]


@pytest.mark.parametrize("module", dict.fromkeys(each["module"] for each in survivors()))
def test_every_survivor_listed_is_still_a_mutant_of_the_code(module):
    """Where one is not: `python -m campaigns.mutations --only MODULE --keep` lists anew."""
    listed = {(each["where"], each["diff"]) for each in survivors() if each["module"] == module}
    assert {(m.where, m.diff) for m in mutants_of(ROOT, module, only=listed)} == listed


def test_every_survivor_has_a_reason_and_every_module_is_accounted_for():
    assert [each for each in survivors() if not each["reason"].strip()] == []
    kept = json.loads(KEPT.read_text())
    assert kept["figures"].keys() | set(kept["untried"]) == ABOUT.keys()
    assert all((ROOT / name).is_file() for files in ABOUT.values() for name in files)
