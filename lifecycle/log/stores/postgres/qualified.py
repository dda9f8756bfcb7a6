"""Statements whose every name is found in `pg_catalog`, whatever `search_path` a session has.

Whoever may create in a schema of the `search_path`, or has a temporary schema, could
otherwise define a function, an operator or a type of the same name, and have it run with the
rights of whoever uses the log. The path is not pinned instead: behind a pool that hands
sessions on, a setting gets lost and reaches others; and handlers keep their own.

Written out, the statements could hardly be read, so this is done to them once. An
`OPERATOR(...)` binds as loosely as any other: whoever mixes two writes parentheses. What is
looked up by name without being named (`IN` with a list, `BETWEEN`, `LIKE`, `NULLIF`, `USING`,
`CASE x WHEN`, `IS DISTINCT FROM`) has no qualified form and is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import count
from typing import Final

from lifecycle.log.stores.sql.tables import BESIDE, KEYS, LINKS

_TOKEN: Final = re.compile(
    r"""(?P<quoted> '(?:[^']|'')*' | "[^"]*" | %\(\w+\)s )
    | (?P<refused> \b(?: BETWEEN | I?LIKE | NULLIF | USING | DISTINCT\s+FROM | SIMILAR
        | CASE (?! \s+ WHEN\b ) | IN (?= \s*\( (?!\s*SELECT\b) ) )\b )
    | (?P<within> \bIN (?=\s*\(\s*SELECT\b) )
    | :: \s* (?P<type> \w+ )
    | (?P<collation> \bCOLLATE\s+ (?=") )
    | (?<![\w."]) (?P<function> [a-z_]\w* ) (?=\()
    | (?P<clause> \b(?: SET | WHERE | RETURNING )\b )
    | \s* (?P<operator> <> | <= | >= | \|\| | [<>=+&] | (?<=\s)-(?=\s) ) \s*
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SYNTAX: Final = frozenset({"any", "coalesce", "exists", "position", "substring"})
_TYPES_OF_THE_GRAMMAR: Final = frozenset({"bigint", "boolean", "integer"})

# A table is named as such after FROM, INTO or UPDATE; elsewhere its name is a column's.
_BESIDE: Final = "|".join(table.name for table in (*BESIDE, *KEYS, *LINKS))
_TABLE: Final = re.compile(rf"(?<=FROM )(?:{_BESIDE})\b|(?<=INTO |DATE )(?:{_BESIDE})\b")


@cache
def qualified(statement: str) -> str:
    """Return a statement with its functions, operators, types and collations qualified.

    Raises:
        ValueError: it looks something up that cannot be named.
    """
    return "".join(_parts(statement))


def translated(statement: str, schema: str) -> str:
    """Return a statement written for SQLite as PostgreSQL takes it, its tables in a schema.

    Every name is qualified, and each `?` numbered.
    """
    numbers = count(1)
    placed = _TABLE.sub(lambda found: f"{schema}.{found[0]}", statement)
    return qualified(re.sub(r"\?", lambda _: f"${next(numbers)}", placed))


def _parts(statement: str) -> Iterator[str]:
    end, assigns = 0, False
    for token in _TOKEN.finditer(statement):
        yield statement[end : token.start()]
        kind, text = token.lastgroup, token[0]
        if kind == "refused":
            raise ValueError(text)
        if kind == "clause":
            assigns = text.upper() == "SET"
        yield text if kind == "operator" and assigns and token["operator"] == "=" else _named(token)
        end = token.end()
    yield statement[end:]


def _named(token: re.Match[str]) -> str:
    kind, text = token.lastgroup, token[0]
    if kind == "operator":
        return f" OPERATOR(pg_catalog.{token['operator']}) "
    if kind == "within":
        return "OPERATOR(pg_catalog.=) ANY"
    if kind == "type" and token["type"] not in _TYPES_OF_THE_GRAMMAR:
        return f"::pg_catalog.{token['type']}"
    if kind == "collation":
        return f"{text}pg_catalog."
    if kind == "function" and text.lower() not in _SYNTAX:
        return f"pg_catalog.{text}"
    return text
