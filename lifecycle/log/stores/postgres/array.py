"""Arrays as PostgreSQL takes them in binary: no text to quote, no bytes to escape.

psycopg's own dumper of lists looks at every element for its type; here the type is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from struct import Struct, pack
from typing import Any, Final

from psycopg import Connection
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

# Dimensions, whether there are nulls, the elements' type, the length, the first index.
_HEAD: Final = Struct("!iiIii")
_LENGTH: Final = Struct("!i")
_BYTEA, _BIGINT, _TEXT = 17, 20, 25


class Array(bytes):
    """An array, its elements' type within; the statement says what type the array has."""

    __slots__ = ()


def text_array(values: Iterable[str]) -> Array:
    """Return texts as one parameter."""
    return _array(_TEXT, [value.encode() for value in values])


def bytea_array(values: Sequence[bytes]) -> Array:
    """Return bytes as one parameter."""
    return _array(_BYTEA, values)


def bigint_array(values: Sequence[int]) -> Array:
    """Return integers as one parameter."""
    interleaved = [part for value in values for part in (8, value)]
    head = _HEAD.pack(1, 0, _BIGINT, len(values), 1)
    return Array(head + pack("!" + "iq" * len(values), *interleaved))


def register_arrays(connection: Connection[Any]) -> None:
    """Have a connection pass these arrays on as they are."""
    connection.adapters.register_dumper(Array, _AsItIs)


def _array(element: int, values: Sequence[bytes]) -> Array:
    length = _LENGTH.pack
    parts = [_HEAD.pack(1, 0, element, len(values), 1)]
    for value in values:
        parts += (length(len(value)), value)
    return Array(b"".join(parts))


class _AsItIs(Dumper):
    format = Format.BINARY
    oid = 0

    def dump(self, obj: Any) -> Buffer:
        return obj  # type: ignore[no-any-return]
