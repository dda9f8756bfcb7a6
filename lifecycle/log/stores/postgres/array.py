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


class TextArray(bytes):
    """A `text[]`."""

    __slots__ = ()


class BigintArray(bytes):
    """A `bigint[]`."""

    __slots__ = ()


class ByteaArray(bytes):
    """A `bytea[]`."""

    __slots__ = ()


def text_array(values: Iterable[str]) -> TextArray:
    """Return texts as one parameter."""
    return TextArray(_array(_TEXT, [value.encode() for value in values]))


def bytea_array(values: Sequence[bytes]) -> ByteaArray:
    """Return bytes as one parameter."""
    return ByteaArray(_array(_BYTEA, values))


def bigint_array(values: Sequence[int]) -> BigintArray:
    """Return integers as one parameter."""
    interleaved = [part for value in values for part in (8, value)]
    head = _HEAD.pack(1, 0, _BIGINT, len(values), 1)
    return BigintArray(head + pack("!" + "iq" * len(values), *interleaved))


def register_arrays(connection: Connection[Any]) -> None:
    """Have a connection pass these arrays on as they are."""
    for made, dumper in _DUMPERS.items():
        connection.adapters.register_dumper(made, dumper)


def _array(element: int, values: Sequence[bytes]) -> bytes:
    length = _LENGTH.pack
    parts = [_HEAD.pack(1, 0, element, len(values), 1)]
    for value in values:
        parts += (length(len(value)), value)
    return b"".join(parts)


class _AsItIs(Dumper):
    format = Format.BINARY

    def dump(self, obj: Any) -> Buffer:
        return obj  # type: ignore[no-any-return]


class _TextArrayDumper(_AsItIs):
    oid = 1009


class _BigintArrayDumper(_AsItIs):
    oid = 1016


class _ByteaArrayDumper(_AsItIs):
    oid = 1001


_DUMPERS: Final[dict[type, type[Dumper]]] = {
    TextArray: _TextArrayDumper,
    BigintArray: _BigintArrayDumper,
    ByteaArray: _ByteaArrayDumper,
}
