"""The JetStream stream that a log lies in: how it is made, and what must be true of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from typing import Any, Final
from urllib.request import ProxyHandler, build_opener

from msgspec import MsgspecError, json

from lifecycle.errors import StoreMissingError, StoreUnavailableError
from lifecycle.log.contract import Level, Setting
from lifecycle.log.stores.jetstream.connection import Connection
from lifecycle.log.stores.jetstream.fault import STREAM_NOT_FOUND, ApiError
from lifecycle.log.stores.jetstream.message import subjects_of
from lifecycle.log.stores.jetstream.url import Target

OLDEST_SERVER: Final = (2, 12)
ASKED_PAYLOAD: Final = 17 * 1024 * 1024
"""The largest body that is kept is 16 MiB."""

_MADE_REPLICAS: Final = 3
_MONITOR_SECONDS: Final = 2.0
_open: Final = build_opener(ProxyHandler({})).open
_REQUIRED: Final[Mapping[str, Any]] = {
    "retention": "limits",
    "storage": "file",
    "discard": "new",
    "max_msgs": -1,
    "max_bytes": -1,
    "max_age": 0,
    "max_msgs_per_subject": -1,
    "max_msg_size": -1,
    "deny_delete": True,
    "deny_purge": True,
    "allow_atomic": True,
    "allow_direct": True,
    "allow_rollup_hdrs": False,
    "allow_msg_ttl": False,
}
_PARTITIONS: Final = "lifecycle.partitions"
_ABSENT: Final = ("mirror", "sources", "subject_transform")

_ALWAYS: Final = "every server has a message on its disk before it is acknowledged"
_RISK: Final = "a power cut can take what was acknowledged"
_ADVICE: Final = "set sync_interval to always in the jetstream section of each server"
_TOO_SMALL: Final = "larger bodies are refused; set max_payload to 17 MiB on each server"
_UNSEEN: Final = Setting(
    "sync_interval",
    "not visible",
    f"without always, {_RISK}; to have it read back, add monitoring=PORT to the URL",
    Level.NOTE,
)


async def prepare(connection: Connection, target: Target, *, create: bool) -> Mapping[str, Any]:
    """Return what the server tells of the JetStream stream; where there is none, `create` it.

    Raises:
        StoreMissingError: it is not there.
        StoreUnavailableError: it is not safe to use.
    """
    version = connection.client.connected_server_version
    if (version.major, version.minor) < OLDEST_SERVER:
        found = f"it is NATS {version.major}.{version.minor}, and 2.12 is the oldest that will do"
        raise StoreUnavailableError(target.url, found)
    try:
        info = await info_of(connection, target)
    except ApiError as refused:
        if refused.code != STREAM_NOT_FOUND:
            raise
        if not create:
            raise StoreMissingError(target.url) from None
        await _make(connection, target)
        info = await info_of(connection, target)
    for name, found, expected in _wrong(target, info["config"]):
        told = f"the {name} of its stream is {found}, expected {expected}"
        raise StoreUnavailableError(target.url, f"{told}; set it so, or take another stream")
    return info


async def info_of(connection: Connection, target: Target, **asked: object) -> Mapping[str, Any]:
    """Return what the leader of the JetStream stream tells of it."""
    found: Mapping[str, Any] = await connection.ask(f"STREAM.INFO.{target.name}", asked)
    return found


async def _make(connection: Connection, target: Target) -> None:
    replicas = target.options.replicas or (
        _MADE_REPLICAS if connection.server.get("cluster") else 1
    )
    wanted = {
        "name": target.name,
        "subjects": subjects_of(target.name),
        "num_replicas": replicas,
        "metadata": {_PARTITIONS: str(target.options.partitions)},
    }
    try:
        await connection.ask(f"STREAM.CREATE.{target.name}", {**_REQUIRED, **wanted})
    except ApiError as refused:
        found = f"its stream of {replicas} replicas cannot be made (error {refused.code})"
        raise StoreUnavailableError(target.url, found) from None


def _wrong(target: Target, config: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for name, expected in _REQUIRED.items():
        if config.get(name, False) != expected:
            yield name, config.get(name), expected
    subjects = subjects_of(target.name)
    if sorted(config.get("subjects", ())) != sorted(subjects):
        yield "subjects", "another", " ".join(subjects)
    partitions = (config.get("metadata") or {}).get(_PARTITIONS)
    if partitions != str(target.options.partitions):
        yield "number of partitions", partitions, target.options.partitions
    for name in _ABSENT:
        if config.get(name):
            yield name, "set", "none"


def sync_settings(target: Target) -> list[Setting]:
    """Return when each server writes to its disk, asked by HTTP; none where no port is known.

    A server that does not answer is a note: those that run may be safe without it.
    """
    port = target.options.monitoring
    return [_sync_setting(server, port) for server in target.servers] if port else []


def _sync_setting(server: str, port: int) -> Setting:
    host = re.sub(r":\d*$", "", server.removeprefix("nats://"))
    name = f"sync_interval of {host}"
    try:
        with _open(f"http://{host}:{port}/jsz", timeout=_MONITOR_SECONDS) as answer:
            config = json.decode(answer.read())["config"]
    except (HTTPException, OSError, MsgspecError, KeyError, ValueError):
        return Setting(name, "unknown", "it does not answer at this port", Level.NOTE)
    if config.get("sync_always"):
        return Setting(name, "always", _ALWAYS)
    seconds = config.get("sync_interval", 0) / 1e9
    return Setting(name, f"{seconds:g} s", f"{_RISK}; {_ADVICE}", Level.FAIL)


def refuse_unsynced(target: Target) -> None:
    """Refuse a cluster of which a server is seen to acknowledge before it writes to its disk.

    Raises:
        StoreUnavailableError: there is such a server.
    """
    for setting in sync_settings(target):
        if setting.level is Level.FAIL:
            raise StoreUnavailableError(
                target.url, f"the {setting.name} is {setting.found}: {setting.meaning}"
            )


def settings_of(
    connection: Connection, target: Target, info: Mapping[str, Any]
) -> Iterator[Setting]:
    """Yield what durability rests on, as the servers tell it."""
    yield Setting("server", f"NATS {connection.server.get('version')}", "it can be written to")
    yield _replicas(info)
    wrong = [f"{name} {found}" for name, found, _ in _wrong(target, info["config"])]
    if wrong:
        said = "records may go or be refused; set it as the how-to page says"
        yield Setting("stream", ", ".join(wrong), said, Level.FAIL)
    else:
        kept = "nothing of it can be deleted, and nothing goes by age or size"
        yield Setting("stream", f"{target.name}, in files", kept)
    most = connection.client.max_payload
    fits = most >= ASKED_PAYLOAD
    meaning = "the largest body that is kept fits" if fits else _TOO_SMALL
    level = Level.OK if fits else Level.FAIL
    yield Setting("max_payload", f"{most / 1024**2:g} MiB", meaning, level)
    yield from sync_settings(target) or [_UNSEEN]


def _replicas(info: Mapping[str, Any]) -> Setting:
    count = info["config"]["num_replicas"]
    if count == 1:
        alone = "a lone server: where its disk is lost, the log is; three servers keep it"
        return Setting("replicas", "1", alone, Level.NOTE)
    others = info.get("cluster", {}).get("replicas") or ()
    away = sum(bool(each.get("offline")) or not each.get("current") for each in others)
    if away:
        behind = "the log bears the loss of fewer servers until they are back"
        return Setting("replicas", f"{count}, {away} of them away", behind, Level.ATTENTION)
    return Setting("replicas", f"{count}", "a record is on most of them when it is acknowledged")
