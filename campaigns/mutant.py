"""Mutants: a module with one small mistake in it, each as a change of its text.

A mutant replaces one span of a source file and leaves the rest as it stands, so that its diff
reads like a slip of the hand. `campaigns/mutation_operators.py` makes them.
"""

from __future__ import annotations

import ast
from collections.abc import Container
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from campaigns.mutation_operators import Span, find_mutations

NOTHING: Final = "nothing"
"""The kind of a mutant that changes nothing: a control."""


class Mutant(NamedTuple):
    """One change of one module's source.

    The location is as in `mutation_operators.CodeLocation`; `twin` counts the earlier mutants
    with the same diff.
    """

    module: str
    where: str
    kind: str
    lines: range
    span: Span
    instead: str
    is_in_body: bool
    diff: str
    twin: int = 0

    @property
    def key(self) -> str:
        """What it is known by, wherever its lines have moved to."""
        text = "\n".join((self.module, self.where, self.diff, str(self.twin)))
        return sha256(text.encode()).hexdigest()[:16]

    def applied(self, source: bytes) -> bytes:
        """Return the module with the mistake in it."""
        start, end = self.span
        return source[:start] + self.instead.encode() + source[end:]


def mutants_of(
    root: Path, module: str, only: Container[tuple[str, str]] | None = None
) -> list[Mutant]:
    """Return every mutant of a module, in the order of its lines; each of them compiles.

    `only` looks for those of a place and a diff alone, which is quicker.
    """
    source = (root / module).read_bytes()
    found: dict[str, Mutant] = {}
    for change, place in find_mutations(source):
        kind, span, instead = change
        diff = _diff(source, span, instead)
        if only is not None and (place.where, diff) not in only:
            continue
        mutant = Mutant(module, place.where, kind, place.lines, span, instead, place.is_body, diff)
        while mutant.key in found and found[mutant.key].span != span:
            mutant = mutant._replace(twin=mutant.twin + 1)
        if kind not in _AT_RISK or _compiles(mutant.applied(source)):
            found.setdefault(mutant.key, mutant)
    return sorted(found.values(), key=lambda mutant: mutant.span)


_AT_RISK: Final = {"argument", "boolean", "call", "element", "slice"}  # of being no Python at all


def unchanged(module: str, *, is_in_body: bool) -> Mutant:
    """Return a mutant of nothing: all tests of the module must pass, in whatever order."""
    every = range(1, 1_000)
    return Mutant(module, "", NOTHING, every, (0, 0), "", is_in_body, "", int(is_in_body))


def _compiles(source: bytes) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


def _diff(source: bytes, span: Span, instead: str) -> str:
    """Return the lines that a change takes away and brings, as a diff has them."""
    start, end = span
    first = source.rfind(b"\n", 0, start) + 1
    last = source.find(b"\n", end)
    last = len(source) if last < 0 else last
    was = source[first:last].decode().splitlines()
    now = (source[first:start].decode() + instead + source[end:last].decode()).splitlines()
    while was and now and was[-1] == now[-1]:
        was.pop()
        now.pop()
    while was and now and was[0] == now[0]:
        del was[0], now[0]
    return "\n".join([*(f"-{line}" for line in was), *(f"+{line}" for line in now)])
