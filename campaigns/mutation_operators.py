"""Mutation operators: small mistakes in a source, each as a change of one span.

Types, docstrings, slots and decorators are not mutated. Text for people becomes empty.

| kind | mutation |
|---|---|
| comparison | `<` → `<=`, `>=`; `==` → `!=`; `in` → `not in`; `is` → `is not` |
| condition | `if c` → `if True`, `if False` |
| boolean | `a and b` → `a or b`, `a`, `b`; `not a` → `a` |
| arithmetic | `+` → `-`, `//` → `*`, `or` of sets → `and`, and so on |
| constant | `7` → `8`, `True` → `False`, `"text"` → `""` |
| result | `return a` → `return None` |
| statement | a call, a raise, a jump, a second assignment → nothing |
| argument | `f(a, b=c)` → `f(a)`, `f(a, b)` → `f(a)` |
| call | `sorted(a)` → `a`, `a.strip()` → `a`, `any` → `all`, `min` → `max` |
| element | `(a, b)` → `(a,)`, `{a: b, c: d}` → `{a: b}` |
| slice | `a[b:c]` → `a[:c]`, `a[b:]` |
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

Span = tuple[int, int]
Change = tuple[str, Span, str]
"""The kind of a change, which bytes it replaces, and by what."""


class CodeLocation(NamedTuple):
    """Where a mistake is made.

    `where` is the outermost function or class around it, `lines` are those of its statement.
    `is_body` tells whether it changes nothing but the code of that function.
    """

    where: str = ""
    lines: range = range(0)
    is_body: bool = False


def find_mutations(source: bytes) -> list[tuple[Change, CodeLocation]]:
    """Return every mistake that can be made in a source, and where."""
    finder = _Finder(source)
    finder.visit(ast.parse(source))
    return finder.found


Function = ast.FunctionDef | ast.AsyncFunctionDef

_COMPARISONS: Final[dict[type[ast.cmpop], tuple[str, tuple[str, ...]]]] = {
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
    ast.Lt: ("<", ("<=", ">=")),
    ast.LtE: ("<=", ("<", ">")),
    ast.Gt: (">", (">=", "<=")),
    ast.GtE: (">=", (">", "<")),
    ast.Is: ("is", ("is not",)),
    ast.IsNot: (r"is\s+not", ("is",)),
    ast.In: ("in", ("not in",)),
    ast.NotIn: (r"not\s+in", ("in",)),
}
_ARITHMETIC: Final[dict[type[ast.operator], tuple[str, str]]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "+"),
    ast.FloorDiv: ("//", "*"),
    ast.Div: ("/", "*"),
    ast.Mod: ("%", "*"),
    ast.BitOr: ("|", "&"),
    ast.BitAnd: ("&", "|"),
}
_WRAPPERS: Final = {
    *("bool", "dict", "frozenset", "list", "reversed", "set", "sorted", "str", "tuple"),
}
_OPPOSITES: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}
_SMOOTHING: Final = {
    *("casefold", "copy", "lower", "lstrip", "removeprefix", "removesuffix", "replace"),
    *("rstrip", "strip", "upper"),
}
_TYPES_ONLY: Final = {"Literal", "Annotated", "Callable", "Mapping", "dict", "tuple", "type"}
_UNTOLD: Final = {"__all__", "__slots__"}


class _Finder(ast.NodeVisitor):
    """Walks a module and finds every change, with the place where it would be made."""

    def __init__(self, source: bytes) -> None:
        self._source = source
        self._starts = [0]
        for line in source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._place = CodeLocation()
        self._is_formatted = False
        self._assigned: list[str] = []
        self.found: list[tuple[Change, CodeLocation]] = []

    # Where things stand

    def _span(self, node: Any) -> Span:
        start = self._starts[node.lineno - 1] + node.col_offset
        return start, self._starts[node.end_lineno - 1] + node.end_col_offset

    def _text(self, node: ast.AST) -> str:
        start, end = self._span(node)
        return self._source[start:end].decode()

    def _between(self, one: ast.AST, other: ast.AST) -> Span:
        return self._span(one)[1], self._span(other)[0]

    # What is walked, and what is not

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.stmt | ast.excepthandler | ast.match_case):
            self._place = self._place._replace(lines=_header(node))
        if isinstance(node, ast.stmt) and _carries_no_meaning(node):
            return
        if not self._is_formatted or self._is_placed_well(node):
            for change in _CHANGES.get(type(node), _nothing)(self, node):
                self.found.append((change, self._place))
        super().visit(node)

    def _is_placed_well(self, node: ast.AST) -> bool:
        """Tell whether a part of a formatted text stands where it says: not always so in 3.11."""
        if not isinstance(node, ast.expr) or isinstance(node, ast.Constant | ast.JoinedStr):
            return False
        try:
            again = ast.parse(self._text(node), mode="eval").body
        except (SyntaxError, UnicodeDecodeError, IndexError):
            return False
        return ast.dump(again) == ast.dump(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        outer, self._is_formatted = self._is_formatted, True
        self.generic_visit(node)
        self._is_formatted = outer

    def visit_FunctionDef(self, node: Function) -> None:
        for default in (*node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(default)
        outer, before = self._place, self._assigned
        if not outer.is_body:
            self._place = CodeLocation(_joined(outer.where, node.name), outer.lines, is_body=True)
            self._assigned = _assigned(node)
        for statement in node.body:
            self.visit(statement)
        self._place, self._assigned = outer, before

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - the name that ast asks for

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        outer = self._place
        for statement in node.body:
            self._place = outer._replace(where=_joined(outer.where, node.name))
            self.visit(statement)
        self._place = outer

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if not _is_type(node):
            self.generic_visit(node)

    def visit_arguments(self, node: ast.arguments) -> None:
        for default in (*node.defaults, *filter(None, node.kw_defaults)):
            self.visit(default)

    # The changes, by the kind of node

    def compared(self, node: ast.Compare) -> Iterator[Change]:
        sides = [node.left, *node.comparators]
        for operator, one, other in zip(node.ops, sides, sides[1:], strict=False):
            spelled, wrong = _COMPARISONS[type(operator)]
            for instead in wrong:
                yield from self._respelled("comparison", (one, other), spelled, instead)

    def _respelled(
        self, kind: str, around: tuple[ast.AST, ast.AST], spelled: str, instead: str
    ) -> Iterator[Change]:
        start, end = self._between(*around)
        found = re.search(spelled, self._source[start:end].decode())
        if found is not None:
            yield kind, (start + found.start(), start + found.end()), instead

    def joined(self, node: ast.BoolOp) -> Iterator[Change]:
        spelled, instead = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for around in zip(node.values, node.values[1:], strict=False):
            yield from self._respelled("boolean", around, rf"\b{spelled}\b", instead)
        if len(node.values) == 2:
            for kept in node.values:
                yield "boolean", self._span(node), self._text(kept)
            return
        for dropped in node.values:
            yield "boolean", self._without(node.values, dropped), ""

    def negated(self, node: ast.UnaryOp) -> Iterator[Change]:
        if isinstance(node.op, ast.Not | ast.USub):
            kind = "boolean" if isinstance(node.op, ast.Not) else "arithmetic"
            yield kind, (self._span(node)[0], self._span(node.operand)[0]), ""

    def calculated(self, node: ast.BinOp) -> Iterator[Change]:
        if type(node.op) in _ARITHMETIC:
            spelled, instead = _ARITHMETIC[type(node.op)]
            around = (node.left, node.right)
            yield from self._respelled("arithmetic", around, re.escape(spelled), instead)

    def added(self, node: ast.AugAssign) -> Iterator[Change]:
        if type(node.op) in _ARITHMETIC:
            spelled, instead = _ARITHMETIC[type(node.op)]
            around = (node.target, node.value)
            yield from self._respelled("arithmetic", around, re.escape(spelled), instead)
        yield "statement", self._span(node), "pass"

    def chosen(self, node: ast.If | ast.IfExp) -> Iterator[Change]:
        yield from self._settled(node.test)

    def repeated(self, node: ast.While) -> Iterator[Change]:
        yield "condition", self._span(node.test), "False"

    def filtered(self, node: ast.comprehension) -> Iterator[Change]:
        for test in node.ifs:
            yield from self._settled(test)

    def _settled(self, test: ast.expr) -> Iterator[Change]:
        for instead in ("True", "False"):
            yield "condition", self._span(test), instead

    def constant(self, node: ast.Constant) -> Iterator[Change]:
        value = node.value
        if isinstance(value, bool):
            yield "constant", self._span(node), str(not value)
        elif isinstance(value, int | float):
            yield "constant", self._span(node), repr(value + 1)
        elif isinstance(value, str | bytes):
            empty = value[:0] if value else type(value)().ljust(2, "X" if value == "" else b"X")
            yield "constant", self._span(node), repr(empty).replace("'", '"')

    def formatted(self, node: ast.JoinedStr) -> Iterator[Change]:
        yield "constant", self._span(node), '""'

    def returned(self, node: ast.Return) -> Iterator[Change]:
        if node.value is not None and not isinstance(node.value, ast.Constant):
            yield "result", self._span(node.value), "None"

    def done(self, node: ast.stmt) -> Iterator[Change]:
        yield "statement", self._span(node), "pass"

    def said(self, node: ast.Expr) -> Iterator[Change]:
        if not isinstance(node.value, ast.Constant):
            yield from self.done(node)

    def assigned(self, node: ast.Assign | ast.AnnAssign) -> Iterator[Change]:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        again = [t for t in targets if isinstance(t, ast.Name) and self._assigned.count(t.id) > 1]
        inside = [t for t in targets if isinstance(t, ast.Attribute | ast.Subscript)]
        if node.value is not None and (again or inside):
            yield from self.done(node)

    def called(self, node: ast.Call) -> Iterator[Change]:
        arguments: list[ast.AST] = sorted([*node.args, *node.keywords], key=self._span)
        for argument in arguments:
            is_last = len(node.args) > 1 and argument is node.args[-1]
            if is_last or (isinstance(argument, ast.keyword) and argument.arg is not None):
                yield "argument", self._without(arguments, argument), ""
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in _OPPOSITES:
            yield "call", self._span(node.func), _OPPOSITES[name]
        if name in _WRAPPERS and len(arguments) == 1 and node.args:
            yield "call", self._span(node), self._text(node.args[0])
        if isinstance(node.func, ast.Attribute) and node.func.attr in _SMOOTHING:
            yield "call", (self._span(node.func.value)[1], self._span(node)[1]), ""

    def listed(self, node: ast.Tuple | ast.List | ast.Set) -> Iterator[Change]:
        if isinstance(getattr(node, "ctx", None), ast.Store):
            return
        if len(node.elts) == 1:
            empty = {ast.Tuple: "()", ast.List: "[]", ast.Set: "set()"}
            yield "element", self._span(node), empty[type(node)]
            return
        if isinstance(node, ast.Tuple) and len(node.elts) == 2:
            for kept in reversed(node.elts):
                yield "element", self._span(node), f"({self._text(kept)},)"
            return
        for element in node.elts:
            yield "element", self._without(node.elts, element), ""

    def mapped(self, node: ast.Dict) -> Iterator[Change]:
        starts = [self._start_of_item(*item) for item in zip(node.keys, node.values, strict=True)]
        ends = [self._span(value)[1] for value in node.values]
        for number, start in enumerate(starts):
            is_last = number + 1 == len(starts)
            after = ends[number] if is_last else starts[number + 1]
            before = ends[number - 1] if is_last and number else start
            yield "element", (before, after), ""

    def _start_of_item(self, key: ast.AST | None, value: ast.AST) -> int:
        if key is not None:
            return self._span(key)[0]
        return self._source.rindex(b"**", 0, self._span(value)[0])

    def sliced(self, node: ast.Slice) -> Iterator[Change]:
        for bound in (node.lower, node.upper):
            if bound is not None:
                yield "slice", self._span(bound), ""

    def _without(self, nodes: Sequence[ast.AST], node: ast.AST) -> Span:
        """Return what to cut so that one of several is gone, and what parts it from the next."""
        number, (start, end) = list(nodes).index(node), self._span(node)
        if number + 1 < len(nodes):
            return start, self._span(nodes[number + 1])[0]
        return (self._span(nodes[number - 1])[1] if number else start), end


def _nothing(_: _Finder, __: Any) -> Iterator[Change]:
    return iter(())


_CHANGES: Final[dict[type[ast.AST], Callable[[_Finder, Any], Iterator[Change]]]] = {
    ast.AnnAssign: _Finder.assigned,
    ast.Assign: _Finder.assigned,
    ast.AugAssign: _Finder.added,
    ast.BinOp: _Finder.calculated,
    ast.BoolOp: _Finder.joined,
    ast.Break: _Finder.done,
    ast.Call: _Finder.called,
    ast.Compare: _Finder.compared,
    ast.Constant: _Finder.constant,
    ast.Continue: _Finder.done,
    ast.Delete: _Finder.done,
    ast.Dict: _Finder.mapped,
    ast.Expr: _Finder.said,
    ast.If: _Finder.chosen,
    ast.IfExp: _Finder.chosen,
    ast.JoinedStr: _Finder.formatted,
    ast.List: _Finder.listed,
    ast.Raise: _Finder.done,
    ast.Return: _Finder.returned,
    ast.Set: _Finder.listed,
    ast.Slice: _Finder.sliced,
    ast.Tuple: _Finder.listed,
    ast.UnaryOp: _Finder.negated,
    ast.While: _Finder.repeated,
    ast.comprehension: _Finder.filtered,
}


def _header(node: Any) -> range:
    """Return the lines of a statement or clause, without those of the statements within it."""
    start = node.pattern.lineno if isinstance(node, ast.match_case) else node.lineno
    within = getattr(node, "body", None) or getattr(node, "cases", None)
    if not within:
        return range(start, (node.end_lineno or start) + 1)
    return range(start, max(getattr(within[0], "lineno", start + 1), start + 1))


def _carries_no_meaning(statement: ast.stmt) -> bool:
    """Tell whether a statement only tells of types, or is a docstring."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return True
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    if not isinstance(statement, ast.Assign):
        return False
    names = {target.id for target in statement.targets if isinstance(target, ast.Name)}
    return bool(names & _UNTOLD) or (statement.col_offset == 0 and _is_type(statement.value))


def _is_type(value: ast.expr) -> bool:
    if isinstance(value, ast.Subscript):
        return isinstance(value.value, ast.Name) and value.value.id in _TYPES_ONLY
    return isinstance(value, ast.BinOp) and isinstance(value.op, ast.BitOr)


def _joined(outer: str, name: str) -> str:
    return f"{outer}.{name}" if outer else name


def _assigned(function: Function) -> list[str]:
    """Return the names that a function binds, as often as it does."""
    stored = [
        node.id
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
    return stored + [node.arg for node in ast.walk(function) if isinstance(node, ast.arg)]
