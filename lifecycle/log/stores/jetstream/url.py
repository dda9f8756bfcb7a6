"""Where a log lies in a cluster of NATS, read from one URL.

    nats://user:password@host1:4222,host2,host3/NAME?beside=sqlite:///beside.db

`beside` is the URL of the database that keeps stored views, subscriptions, links and checkpoints.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal, NamedTuple
from urllib.parse import parse_qsl, unquote

from msgspec import Meta, Struct, ValidationError, convert, structs

from lifecycle.errors import StoreUrlError
from lifecycle.log.contract import CONTROL
from lifecycle.log.partitioned import partition_of
from lifecycle.log.retry_policy import RETRY_SECONDS

_FORM: Final = (
    "nats://host1,host2,host3/NAME?beside=URL, NAME of up to 32 letters, digits, _ or -; beside "
    "the database of stored views, subscriptions, links and checkpoints; and where they are "
    "needed partitions, partition, replicas, monitoring, ca, creds, nkey, retry_timeout"
)
_URL: Final = re.compile(
    r"nats://(?:(?P<user>[^@/?:]*)(?P<with>:(?P<password>[^@/?]*))?@)?"
    r"(?P<hosts>[\w.:\[\]-]+(?:,[\w.:\[\]-]+)*)/(?P<name>[\w-]{1,32})(?:\?(?P<query>.*))?",
    re.ASCII,
)
_PLACE: Final = "{partition}"
_LOGIN: Final = {
    "user_credentials": "NATS_CREDS",
    "nkeys_seed": "NATS_NKEY",
    "token": "NATS_TOKEN",
    "user": "NATS_USER",
    "password": "NATS_PASSWORD",
}
"""How the client calls what lets a user in, and the variables that hold it if the URL does not."""


class Options(Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters of a URL; `beside` may hold secrets.

    `replicas` is 0 where the cluster decides. `monitoring` is the port on which every server
    tells its settings by HTTP, 0 for none. `partition` is the one that is opened alone. `creds`
    and `nkey` are files.
    """

    beside: Annotated[str, Meta(pattern="^(?!nats:).")]
    ca: str | None = None
    creds: str | None = None
    nkey: str | None = None
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
    """What a URL names; `login` and `options` may hold secrets, `url` holds none."""

    url: str
    servers: tuple[str, ...]
    name: str
    login: Mapping[str, str]
    options: Options

    @property
    def parts(self) -> list[Target]:
        """What names each of the logs that it consists of."""
        whole = self.options.partitions == 1 or self.options.partition is not None
        return [self] if whole else list(map(self.of, range(self.options.partitions)))

    def holds(self, stream: str) -> bool:
        """Tell whether this is the partition that a stream lies in; rules lie in each."""
        partitions, own = self.options.partitions, self.options.partition
        return stream == CONTROL or partition_of(stream, partitions) == (own or 0)

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
    place = f"nats://{found['hosts']}/{found['name']}"
    try:
        given = parse_qsl(found["query"] or "", keep_blank_values=True)
        options = convert(dict(given), Options, strict=False)
    except ValidationError:
        raise StoreUrlError(place, _FORM) from None
    if not options.is_whole or len(dict(given)) < len(given):
        raise StoreUrlError(place, _FORM)
    servers = tuple(f"nats://{host}" for host in found["hosts"].split(","))
    target = Target(place, servers, found["name"], _login(found, options), options)
    return target if options.partition is None else target.of(options.partition)


def _login(found: re.Match[str], options: Options) -> dict[str, str]:
    """Return what lets the user in; a name without a password is a token."""
    named = {"user_credentials": options.creds, "nkeys_seed": options.nkey}
    named["user" if found["with"] else "token"] = found["user"] and unquote(found["user"])
    named["password"] = found["password"] and unquote(found["password"])
    given = {name: value for name, value in named.items() if value}
    return given or {name: held for name, key in _LOGIN.items() if (held := os.environ.get(key))}
