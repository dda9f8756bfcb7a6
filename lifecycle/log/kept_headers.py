"""Which HTTP headers of an arrival are kept: few, short, and none that holds a secret."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from lifecycle.core.event import NO_HEADERS
from lifecycle.errors import InvalidArgumentError

Headers = Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]] | None
"""HTTP headers: a mapping, or pairs of names and values, text or bytes; None is none."""

USUAL_HEADERS: Final = frozenset(
    {"content-type", "date", "user-agent", "x-request-id", "traceparent"}
)

MAX_HEADER_BYTES: Final = 1024
"""A header with a longer value is not kept: it would be stored with every event."""

_SECRET_HEADERS: Final = frozenset({"authorization", "cookie", "set-cookie"})


def keep_headers(headers: Headers, also: frozenset[str] = frozenset()) -> Mapping[str, str]:
    """Return the headers to store, names in lower case: the usual ones and those in `also`.

    Never `authorization`, `cookie` or `proxy-*`, whoever asks. Of a header that came twice
    the values are joined by a comma; what is no text, or longer than `MAX_HEADER_BYTES`, is
    left out: whatever reads a part of it would take it for the whole.

    Raises:
        InvalidArgumentError: `headers` is neither a mapping nor pairs.
    """
    if not headers:
        return NO_HEADERS
    kept: dict[str, str] = {}
    try:
        for pair_name, pair_value in _pairs(headers):
            name, value = _header_text(pair_name).lower(), _header_text(pair_value)
            if value and (name in USUAL_HEADERS or name in also) and not _is_secret(name):
                kept[name] = f"{kept[name]}, {value}" if name in kept else value
    except (TypeError, ValueError):
        raise InvalidArgumentError("headers", "a mapping, or pairs of names and values") from None
    return MappingProxyType({name: text for name, text in kept.items() if _is_short(text)})


def _pairs(headers: Any) -> Iterable[tuple[Any, Any]]:
    items = getattr(headers, "items", None)
    return items() if callable(items) else headers  # type: ignore[no-any-return]


def _header_text(value: object) -> str:
    """Return a name or a value as text that can be stored, empty where it is none."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _is_short(value: str) -> bool:
    return len(value) <= MAX_HEADER_BYTES and len(value.encode()) <= MAX_HEADER_BYTES


def _is_secret(name: str) -> bool:
    return name in _SECRET_HEADERS or name.startswith("proxy-")
