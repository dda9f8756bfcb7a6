"""Statements written for SQLite, as PostgreSQL takes them: placed, numbered and qualified."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import count

from lifecycle.log.stores.postgres.qualified import qualified


def placed(statement: str, place: str, tables: Iterable[str]) -> str:
    """Return a statement with every name qualified, its tables at `place`, each `?` numbered.

    A table is named as such after FROM, INTO or UPDATE; elsewhere its name is a column's.
    """
    names = "|".join(tables)
    named = re.sub(
        rf"(?<=FROM )(?:{names})\b|(?<=INTO |DATE )(?:{names})\b",
        lambda found: f"{place}.{found[0]}",
        statement,
    )
    numbers = count(1)
    return qualified(re.sub(r"\?", lambda _: f"${next(numbers)}", named))
