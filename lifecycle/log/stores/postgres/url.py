"""Where a log lies on a PostgreSQL server, and our limits, read from one URL.

    postgresql://user:password@host:5432/database?schema=orders&pool_size=4

What is not ours among the parameters is libpq's (`sslmode`, `host`, `application_name`, ...);
what is missing libpq takes from its environment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from lifecycle.errors import StoreUrlError
from lifecycle.log.retry_policy import RETRY_SECONDS
from lifecycle.log.stores.postgres.tables import LogTables, is_plain_name

_LONGEST_SECONDS: Final = 3600.0
_SHORTEST_SECONDS: Final = 0.05
_MOST_CONNECTIONS: Final = 1000


class TimeLimits(NamedTuple):
    """How long anything may take, in seconds, and how much of the server one log may use."""

    connect_timeout: float = 5.0
    statement_timeout: float = 30.0
    lock_timeout: float = 10.0
    idle_in_transaction_session_timeout: float = 10.0
    retry_timeout: float = RETRY_SECONDS
    pool_size: int = 8


class Target(NamedTuple):
    """What a URL names; `conninfo` may hold secrets, `url` holds none."""

    url: str
    conninfo: Mapping[str, Any]
    tables: LogTables
    limits: TimeLimits
    prepares: bool

    def __repr__(self) -> str:
        return f"<Target {self.url}>"


def parse_url(url: str) -> Target:
    """Return what a `postgresql://` URL names.

    Raises:
        StoreUrlError: it cannot be read, or a parameter is of no use.
    """
    address, _, query = url.partition("?")
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    others = "&".join(f"{name}={value}" for name, _, value in pairs if name not in _READERS)
    read = {}
    for name, _, value in pairs:
        if name in _READERS:
            reader, expected = _READERS[name]
            try:
                read[name] = reader(unquote(value))
            except (ValueError, KeyError):
                raise StoreUrlError(url, f"{name} to be {expected}") from None
    return _target(_conninfo(url, f"{address}?{others}"), read)


def _conninfo(url: str, address: str) -> dict[str, Any]:
    try:
        return conninfo_to_dict(address)
    except (ProgrammingError, ValueError):
        form = "postgresql://user@host:5432/database, parameters of libpq, and of ours "
        raise StoreUrlError(url, form + ", ".join(_READERS)) from None


def _target(conninfo: dict[str, Any], read: dict[str, Any]) -> Target:
    tables = LogTables(read.pop("schema", LogTables().schema))
    prepares = read.pop("prepare", True)
    limits = TimeLimits(**read)
    conninfo.setdefault("application_name", "lifecycle")
    conninfo["client_encoding"] = "UTF8"
    # Of libpq, in whole seconds, of which it takes at least two.
    conninfo["connect_timeout"] = max(2, round(limits.connect_timeout))
    return Target(_shown(conninfo, tables), MappingProxyType(conninfo), tables, limits, prepares)


def _shown(conninfo: Mapping[str, Any], tables: LogTables) -> str:
    """Return a URL that says where the log lies, and nothing of who logs in and how."""
    host, port = str(conninfo.get("host", "")), str(conninfo.get("port", ""))
    database = quote(str(conninfo.get("dbname", "")), safe="")
    parameters = [f"host={host}"] if "/" in host else []
    parameters += [f"schema={tables.schema}"] if tables != LogTables() else []
    authority = ("" if "/" in host else host) + (f":{port}" if port else "")
    query = f"?{'&'.join(parameters)}" if parameters else ""
    return f"postgresql://{authority}/{database}{query}"


def _between(kind: type[float | int], least: float, most: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        value = kind(text)
        if not least <= value <= most:
            raise ValueError
        return value

    return read


def _schema(text: str) -> str:
    if not is_plain_name(text):
        raise ValueError
    return text


_SECONDS: Final = (
    _between(float, _SHORTEST_SECONDS, _LONGEST_SECONDS),
    f"seconds, from {_SHORTEST_SECONDS:g} to {_LONGEST_SECONDS:g}",
)
_READERS: Final[Mapping[str, tuple[Callable[[str], Any], str]]] = {
    "schema": (_schema, "up to 63 letters, digits, or one of _ . @ -"),
    "pool_size": (
        _between(int, 1, _MOST_CONNECTIONS),
        f"a number of connections, from 1 to {_MOST_CONNECTIONS}",
    ),
    "connect_timeout": _SECONDS,
    "statement_timeout": _SECONDS,
    "lock_timeout": _SECONDS,
    "idle_in_transaction_session_timeout": _SECONDS,
    "retry_timeout": _SECONDS,
    "prepare": ({"on": True, "off": False}.__getitem__, "on or off"),
}
