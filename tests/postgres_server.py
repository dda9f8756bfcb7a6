"""A real PostgreSQL server for the time of a test, from the binaries that pip installs.

It listens on a socket in a folder of its own, in memory where there is room, and is stopped
with the process that started it. `fsync` stays on: the store refuses a server without it.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self

import psycopg

from tests.postgres_programs import NoServerError, binary, public_folder, somebody

SUPERUSER: Final = "postgres"
SECONDS: Final = 60.0

_QUICK: Final = {
    "listen_addresses": "",
    "max_connections": "200",
    "dynamic_shared_memory_type": "mmap",  # in its folder: it goes with that
    "shared_buffers": "32MB",
    "max_wal_size": "4GB",
    "log_min_messages": "fatal",
}
_PR_SET_PDEATHSIG: Final = 1
_numbers: Final = itertools.count(1)


def new_name(letter: str) -> str:
    """Return a name that nobody in a server has yet."""
    return f"{letter}{os.getpid()}_{next(_numbers)}"


class Server:
    """One running server; `stop` and `start` as often as one likes."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self._settings = {**_QUICK, **settings}
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def made_in(cls, folder: Path, **settings: str) -> Self:
        """Return a server on a new set of databases, not yet started."""
        server = cls(folder, **settings)
        options = ("--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
        made = subprocess.run(
            [binary("initdb"), "-D", server.data, "-U", SUPERUSER, *options],
            capture_output=True,
            check=False,
            cwd="/",
            **somebody(),
        )
        if made.returncode:
            raise NoServerError(f"initdb failed: {made.stderr.decode()[-300:]}")
        return server

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self, database: str = "postgres", *, user: str = SUPERUSER, **parameters: Any) -> str:
        """Return the URL of a database, with parameters of libpq or of the store."""
        given = "".join(f"&{name}={value}" for name, value in parameters.items())
        return f"postgresql://{user}@/{database}?host={self.folder}{given}"

    def new_url(self, **parameters: Any) -> str:
        """Return the URL of a log that nobody has used yet: a schema of its own."""
        return self.url(schema=new_name("s"), **parameters)

    def new_database(self, *options: str) -> str:
        """Make an empty database and return its name."""
        name = new_name("d")
        self.execute(f"CREATE DATABASE {name} {' '.join(options)}")
        return name

    def connect(self, database: str = "postgres", user: str = SUPERUSER) -> psycopg.Connection:
        """Return somebody else's connection, with none of the store's settings."""
        return psycopg.connect(self.url(database, user=user), autocommit=True, connect_timeout=10)

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement as the superuser, and return its rows."""
        with self.connect(database) as connection:
            done = connection.execute(statement)  # type: ignore[call-overload]
            return done.fetchall() if done.description else []

    def start(self) -> Self:
        """Start, and wait until the server takes connections."""
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [binary("postgres"), "-D", self.data, "-k", self.folder, *settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                preexec_fn=_die_with_us,  # noqa: PLW1509 - the child does nothing but this
                **somebody(),
            )
        self._wait()
        return self

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """Stop at once, as after a crash; SIGINT and SIGTERM stop in peace."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(SECONDS)
            self._process = None

    def _wait(self) -> None:
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError:
                if self._process is None or self._process.poll() is not None:
                    raise NoServerError((self.folder / "log").read_text()[-300:]) from None
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return


@contextmanager
def running(*, on_disk: bool = False, **settings: str) -> Iterator[Server]:
    """Start a server of one's own, in memory unless `on_disk`.

    Raises:
        NoServerError: none can be started here.
    """
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(_folder(on_disk=on_disk))
            server = Server.made_in(folder, **settings).start()
        except OSError as why:
            raise NoServerError(str(why)) from why
        stack.callback(server.stop)
        yield server


@contextmanager
def following(primary: Server) -> Iterator[Server]:
    """Start a standby that takes in what its primary commits, until it is promoted."""
    with _folder(on_disk=False) as folder:
        standby = Server(folder)
        options = ("-U", SUPERUSER, "--write-recovery-conf", "--checkpoint=fast", "--no-sync")
        made = subprocess.run(
            [binary("pg_basebackup"), "-D", standby.data, "-h", primary.folder, *options],
            capture_output=True,
            check=False,
            cwd="/",
            **somebody(),
        )
        if made.returncode:
            raise NoServerError(f"pg_basebackup failed: {made.stderr.decode()[-300:]}")
        try:
            yield standby.start()
        finally:
            standby.stop()


@contextmanager
def server_if_any(*, on_disk: bool = False) -> Iterator[Server | None]:
    """Start a server of one's own; None, and a word on stderr, where none can be started."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(running(on_disk=on_disk))
        except NoServerError as why:
            sys.stderr.write(f"NO POSTGRESQL SERVER, so nothing about it is shown: {why}\n")
            server = None
        yield server


@contextmanager
def _folder(*, on_disk: bool) -> Iterator[Path]:
    quick = "/dev/shm"
    roomy = os.access(quick, os.W_OK) and shutil.disk_usage(quick).free > 2**30
    where = quick if roomy and not on_disk else None
    folder = public_folder(where)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _die_with_us() -> None:
    """Have the kernel stop the server if this process is killed; on Linux alone."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)
