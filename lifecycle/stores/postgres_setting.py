"""The settings of a server and of our sessions: what durability rests on, read and refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lifecycle.errors import StoreUnavailableError
from lifecycle.stores.postgres_url import Limits

OLDEST_SERVER: Final = 140000
"""As `server_version_num` tells it."""

_SESSION: Final = {
    # An index serves every statement; a plan made while the table was empty must not stay.
    "enable_seqscan": "off",
    "default_transaction_isolation": "read committed",
}
_MILLISECONDS: Final = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
_READ: Final = ("fsync", "full_page_writes", "server_encoding", "server_version_num")

_REFUSED: Final[Mapping[str, tuple[str, str]]] = {
    "fsync": ("off", "a power cut or a crash can take what was acknowledged, or all of it"),
    "full_page_writes": ("off", "a power cut can tear pages that hold what was acknowledged"),
    "synchronous_commit": ("off", "a crash can take what was acknowledged in the last moments"),
}


def session_statement(limits: Limits) -> str:
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
    return f"SELECT {', '.join(parts)}"


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
            url, f"its encoding is {found.get('server_encoding')}; create a database in UTF8"
        )
    for name, (unsafe, risk) in _REFUSED.items():
        if found.get(name) == unsafe:
            raise StoreUnavailableError(url, f"its {name} is {unsafe!r}: {risk}; set it to 'on'")
