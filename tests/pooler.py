"""A real PgBouncer before a PostgreSQL server, where the machine has one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psycopg

from tests.polling import wait_until
from tests.postgres_programs import NoServerError, public_folder, somebody
from tests.postgres_server import SUPERUSER, Server

_PLACES: Final = f"{os.environ.get('PATH', '')}:/usr/sbin"

_SETTINGS: Final = """[databases]
* = host={server} user={user}

[pgbouncer]
listen_addr =
unix_socket_dir = {folder}
listen_port = {port}
auth_type = any
pool_mode = {mode}
default_pool_size = {sessions}
ignore_startup_parameters = extra_float_digits
"""
_PORT: Final = 6432


class Pooler:
    """One running PgBouncer."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def url(self, **parameters: Any) -> str:
        """Return the URL of a log behind it, with parameters of the store."""
        given = "".join(f"&{name}={value}" for name, value in parameters.items())
        return f"postgresql://{SUPERUSER}@/postgres?host={self._folder}&port={_PORT}{given}"


@contextmanager
def pooling(server: Server, mode: str, sessions: int) -> Iterator[Pooler]:
    """Start PgBouncer before a server, with so many sessions there, shared by `mode`.

    Raises:
        NoServerError: the machine has none.
    """
    program = shutil.which("pgbouncer", path=_PLACES)
    if program is None:
        raise NoServerError("there is no pgbouncer; install the package of that name")
    with ExitStack() as stack:
        folder = public_folder()
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        settings = folder / "settings.ini"
        told = {"server": server.folder, "user": SUPERUSER, "folder": folder, "port": _PORT}
        settings.write_text(_SETTINGS.format(**told, mode=mode, sessions=sessions))
        settings.chmod(0o644)  # whatever the umask: it is root's, and PgBouncer is not
        process = subprocess.Popen(
            [program, "--quiet", settings],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            **somebody(),
        )
        try:
            pooler = Pooler(folder)
            wait_until(lambda: _answers(pooler), seconds=20)
            yield pooler
        finally:
            process.kill()
            process.wait()


def _answers(pooler: Pooler) -> bool:
    with suppress(psycopg.OperationalError):
        psycopg.connect(pooler.url(), connect_timeout=5).close()
        return True
    return False
