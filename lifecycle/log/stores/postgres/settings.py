"""The settings of a server and of our sessions: what durability rests on, read and refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from lifecycle.errors import StoreUnavailableError
from lifecycle.log.contract import Level, Setting
from lifecycle.log.stores.postgres.qualified import qualified
from lifecycle.log.stores.postgres.url import TimeLimits

OLDEST_SERVER: Final = 140000
"""As `server_version_num` tells it."""

_SESSION: Final = {
    # An index serves every statement; a plan made while the table was empty must not stay.
    "enable_seqscan": "off",
    "default_transaction_isolation": "read committed",
}
_MILLISECONDS: Final = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
_READ: Final = ("fsync", "full_page_writes", "server_encoding", "server_version_num")

_MEANINGS: Final[Mapping[str, tuple[str, str]]] = {
    "fsync": (
        "what the server says is on the disk is there",
        "a power cut can take what was acknowledged, or the whole database",
    ),
    "full_page_writes": (
        "pages that a power cut tears are mended",
        "a power cut can tear pages that hold what was acknowledged",
    ),
    "synchronous_commit": (
        "a commit is on the disk when it returns",
        "a crash can take what was acknowledged in the last moments",
    ),
}
"""What a setting means, and what may happen where it is off."""

REPORT: Final = qualified(
    """SELECT
    current_setting('server_version') AS server,
    current_setting('fsync') AS fsync,
    current_setting('full_page_writes') AS full_page_writes,
    current_setting('synchronous_commit') AS synchronous_commit,
    pg_is_in_recovery() AS is_standby,
    current_user::text AS role,
    (SELECT count(*) FROM pg_catalog.pg_stat_activity
     WHERE backend_type = 'client backend') AS sessions,
    current_setting('max_connections')::integer AS most_sessions
"""
)
"""Asks for what `settings_of` tells."""


def idle_statement(seconds: float) -> str:
    """Return the statement that lets a transaction wait for whoever writes in it."""
    milliseconds = round(seconds * 1000)
    return f"SET LOCAL idle_in_transaction_session_timeout = {milliseconds:d}"


def session_statement(limits: TimeLimits) -> str:
    """Return the statement that sets a session's limits and reads the server's settings.

    `synchronous_commit` is set to what it is: no change of the server's configuration
    reaches a session that found it safe.
    """
    settings = _SESSION | {
        name: str(max(1, round(getattr(limits, name) * 1000))) for name in _MILLISECONDS
    }
    parts = [f"set_config('{name}', '{value}', false)" for name, value in settings.items()]
    parts += [f"current_setting('{name}') AS {name}" for name in _READ]
    parts.append(
        "set_config('synchronous_commit', current_setting('synchronous_commit'), false) "
        "AS synchronous_commit"
    )
    return qualified(f"SELECT {', '.join(parts)}")


def check_settings(url: str, found: Mapping[str, Any]) -> None:
    """Refuse a server that could lose what it acknowledged, or cannot hold what comes.

    Raises:
        StoreUnavailableError: it is not safe; the sentence says why.
    """
    version = int(found.get("server_version_num", 0))
    if version < OLDEST_SERVER:
        oldest = OLDEST_SERVER // 10000
        raise StoreUnavailableError(
            url, f"it is PostgreSQL {version // 10000}, and {oldest} is the oldest that will do"
        )
    if found.get("server_encoding") != "UTF8":
        raise StoreUnavailableError(
            url, f"its encoding is {found.get('server_encoding')}, and only UTF8 will do"
        )
    for name, (_, risk) in _MEANINGS.items():
        if found.get(name) == "off":
            raise StoreUnavailableError(url, f"its {name} is off: {risk}; set it to on")


def settings_of(
    limits: TimeLimits, found: Mapping[str, Any], looked_at: Iterable[Setting]
) -> Iterator[Setting]:
    """Yield what a server and our sessions are set to, given the answer to `REPORT`.

    `looked_at` is what else was looked at: the tables, the roles.
    """
    yield Setting("server", f"PostgreSQL {found['server']}", _writable(found))
    for name, (meaning, risk) in _MEANINGS.items():
        if found[name] == "off":
            yield Setting(name, "off", f"{risk}; set it to on", Level.FAIL)
        else:
            yield Setting(name, found[name], meaning)
    yield from looked_at
    seconds = [f"{name} {value:g} s" for name, value in limits._asdict().items()][:-1]
    yield Setting("limits", ", ".join(seconds), "parameters of the URL set them otherwise")
    yield Setting(
        "sessions",
        f"{found['sessions']} of {found['most_sessions']} in use",
        f"each process that opens the log takes up to {limits.pool_size}",
    )


def _writable(found: Mapping[str, Any]) -> str:
    return "a standby, which can only be read" if found["is_standby"] else "it can be written to"
