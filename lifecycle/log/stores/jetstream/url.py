"""Where a log lies in a cluster of NATS, read from one URL.

    nats://user:password@host1:4222,host2,host3/NAME?beside=sqlite:///beside.db

`beside` is the URL of the database that keeps stored views, subscriptions, links and checkpoints.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, NamedTuple
from urllib.parse import parse_qsl, unquote

from msgspec import Meta, Struct, ValidationError, convert, structs

from lifecycle.errors import StoreUrlError
from lifecycle.log.retry_policy import RETRY_SECONDS

_FORM: Final = (
    "nats://host1,host2,host3/NAME?beside=URL, NAME of up to 32 letters, digits, _ or -; beside "
    "the database of stored views, subscriptions, links and checkpoints; and where they are "
    "needed partitions, partition, replicas, monitoring, ca, retry_timeout"
)
_URL: Final = re.compile(
    r"nats://(?:(?P<user>[^@/?:]*)(?::(?P<password>[^@/?]*))?@)?"
    r"(?P<hosts>[\w.:\[\]-]+(?:,[\w.:\[\]-]+)*)/(?P<name>[\w-]{1,32})(?:\?(?P<query>.*))?",
    re.ASCII,
)
_PLACE: Final = "{partition}"


class Options(Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters of a URL; `beside` may hold secrets.

    `replicas` is 0 where the cluster decides. `monitoring` is the port on which every server
    tells its settings by HTTP, 0 for none. `partition` is the one that is opened alone.
    """

    beside: Annotated[str, Meta(pattern="^(?!nats:).")]
    ca: str | None = None
    partitions: Annotated[int, Meta(ge=1, le=64)] = 1
    partition: Annotated[int, Meta(ge=0, le=63)] | None = None
    replicas: Literal[0, 1, 3, 5] = 0
    monitoring: Annotated[int, Meta(ge=0, le=65535)] = 0
    retry_timeout: Annotated[float, Meta(ge=0.05, le=3600)] = RETRY_SECONDS

    @property
    def is_whole(self) -> bool:
        """Whether another database lies beside each partition, and the one to open is there."""
        if self.partitions == 1:
            return self.partition is None
        parted = _PLACE in self.beside or self.beside == "memory:"
        return parted and (self.partition or 0) < self.partitions


class Target(NamedTuple):
    """What a URL names; `user`, `password` and `options` may hold secrets, `url` holds none."""

    url: str
    servers: tuple[str, ...]
    name: str
    user: str | None
    password: str | None
    options: Options

    @property
    def is_parted(self) -> bool:
        """Whether it names several logs."""
        return self.options.partitions > 1 and self.options.partition is None

    @property
    def parts(self) -> list[Target]:
        """What names each of the logs."""
        return list(map(self.of, range(self.options.partitions))) if self.is_parted else [self]

    def of(self, partition: int) -> Target:
        """Return what this URL names for one of several partitions."""
        beside = self.options.beside.replace(_PLACE, str(partition))
        options = structs.replace(self.options, beside=beside, partition=partition)
        url, name = f"{self.url}-{partition}", f"{self.name}-{partition}"
        return self._replace(url=url, name=name, options=options)

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
    try:
        given = dict(parse_qsl(query or "", keep_blank_values=True))
        options = convert(given, Options, strict=False)
    except ValidationError:
        raise StoreUrlError(f"nats://{hosts}/{name}", _FORM) from None
    if not options.is_whole:
        raise StoreUrlError(f"nats://{hosts}/{name}", _FORM)
    servers = tuple(f"nats://{host}" for host in hosts.split(","))
    user, password = (each and unquote(each) for each in (user, password))
    target = Target(f"nats://{hosts}/{name}", servers, name, user, password, options)
    return target if options.partition is None else target.of(options.partition)
