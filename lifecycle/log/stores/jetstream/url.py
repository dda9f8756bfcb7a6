"""Where a log lies in a cluster of NATS, read from one URL.

    nats://user:password@host1:4222,host2,host3/NAME?beside=sqlite:///beside.db

`beside` is the URL of the database that keeps stored views, subscriptions, links and checkpoints.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, unquote

from lifecycle.errors import StoreUrlError
from lifecycle.log.retry_policy import RETRY_SECONDS

_FORM: Final = (
    "nats://host1,host2,host3/NAME?beside=URL, NAME of up to 32 letters, digits, _ or -; beside "
    "the database of stored views, subscriptions, links and checkpoints; and where they are "
    "needed replicas, monitoring, ca, retry_timeout"
)
_URL: Final = re.compile(
    r"nats://(?:(?P<user>[^@/?:]*)(?::(?P<password>[^@/?]*))?@)?"
    r"(?P<hosts>[A-Za-z0-9._:,\[\]-]+)/(?P<name>[A-Za-z0-9_-]{1,32})(?:\?(?P<query>.*))?"
)
_REPLICAS: Final = (1, 3, 5)
_LONGEST_SECONDS: Final = 3600.0


class Target(NamedTuple):
    """What a URL names; `user`, `password` and `beside` may hold secrets, `url` holds none.

    `replicas` is 0 where the cluster decides. `monitoring` is the port on which every server
    tells its settings by HTTP, 0 for none.
    """

    url: str
    servers: tuple[str, ...]
    name: str
    beside: str
    user: str | None = None
    password: str | None = None
    ca: str | None = None
    replicas: int = 0
    monitoring: int = 0
    retry_timeout: float = RETRY_SECONDS

    def __repr__(self) -> str:
        return f"<Target {self.url}>"


def parse_url(url: str) -> Target:
    """Return what a `nats://` URL names.

    Raises:
        StoreUrlError: it cannot be read, it names no database beside the log, or a parameter is
            of no use.
    """
    found = _URL.fullmatch(url)
    if found is None:
        raise StoreUrlError(url.partition("?")[0], _FORM)
    user, password, hosts, name, query = found.groups()
    target = Target(
        f"nats://{hosts}/{name}",
        tuple(f"nats://{host}" for host in hosts.split(",")),
        name,
        "",
        None if user is None else unquote(user),
        None if password is None else unquote(password),
    )
    try:
        target = target._replace(**_parameters(query or ""))
    except (ValueError, KeyError):
        raise StoreUrlError(target.url, _FORM) from None
    if not target.beside or target.beside.startswith("nats:") or not all(hosts.split(",")):
        raise StoreUrlError(target.url, _FORM)
    return target


def _parameters(query: str) -> dict[str, Any]:
    return {
        name: _READERS[name](value)
        for name, value in parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    }


def _text(value: str) -> str:
    if not value:
        raise ValueError
    return value


def _port(value: str) -> int:
    return _within(int(value), 1, 65535)


def _replicas(value: str) -> int:
    return _REPLICAS[_REPLICAS.index(int(value))]


def _seconds(value: str) -> float:
    seconds = float(value)
    if not 0.05 <= seconds <= _LONGEST_SECONDS:
        raise ValueError
    return seconds


def _within(number: int, least: int, most: int) -> int:
    if not least <= number <= most:
        raise ValueError
    return number


_READERS: Final[Mapping[str, Callable[[str], object]]] = {
    "beside": _text,
    "ca": _text,
    "replicas": _replicas,
    "monitoring": _port,
    "retry_timeout": _seconds,
}
