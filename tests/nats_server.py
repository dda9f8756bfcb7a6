"""A real NATS server with JetStream for the time of a test, from the binary that pip installs.

It keeps its files in a folder of its own, in memory where there is room, and is stopped with the
process that started it. `sync_interval` is `always` unless a test asks otherwise.
"""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self

from tests.postgres_server import _die_with_us

SECONDS: Final = 30.0
_numbers: Final = itertools.count(1)


class NatsServer:
    """One running server; `stop` and `start` as often as one likes."""

    def __init__(
        self,
        folder: Path,
        *,
        sync: str = "always",
        payload: str = "17MB",
        store: str = "",
        extra: str = "",
    ) -> None:
        self.folder = folder
        self.port, self.monitoring = free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._settings = {"sync": sync, "payload": payload, "store": store, "extra": extra}
        self._config = folder / "nats.conf"
        self.configure()

    def configure(self, **settings: str) -> None:
        """Write the configuration anew, with other settings, for the next start."""
        self._settings |= settings
        sync, payload, store, extra = self._settings.values()
        self._config.write_text(
            f"listen: 127.0.0.1:{self.port}\nhttp: 127.0.0.1:{self.monitoring}\n"
            f"max_payload: {payload}\n"
            f'jetstream {{ store_dir: "{self.store}", sync_interval: {sync}, {store} }}\n{extra}\n'
        )

    @property
    def store(self) -> Path:
        """Where it keeps its streams."""
        return self.folder / "js"

    @property
    def is_stopped(self) -> bool:
        """Whether it does not run."""
        return self._process is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def url(self, name: str, **parameters: object) -> str:
        """Return the URL of a log; what lies beside it is in memory unless one says otherwise."""
        return url_of([self], name, **parameters)

    def new_url(self, **parameters: object) -> str:
        """Return the URL of a log that nobody has used yet."""
        return self.url(new_name(), **parameters)

    def start(self, *before: str) -> Self:
        """Start, with a command `before` it, and wait until the server takes connections."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*before, Path(sys.executable).with_name("nats-server"), "-c", self._config],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_us,  # noqa: PLW1509 - the child does nothing but this
            )
        deadline = time.monotonic() + SECONDS
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as taken:
                taken.settimeout(5)
                if b'"jetstream":true' in taken.recv(4096):
                    return self
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise TimeoutError((self.folder / "log").read_text()[-500:])
            time.sleep(0.02)

    def send(self, what: signal.Signals) -> None:
        """Send a signal, as to stop it for a while."""
        assert self._process is not None
        self._process.send_signal(what)

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Kill it, unless another signal is named."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(SECONDS)
            self._process = None


def url_of(servers: list[NatsServer], name: str, **parameters: object) -> str:
    """Return the URL of a log on some servers."""
    hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers)
    given = {"beside": "memory:", **parameters}
    return f"nats://{hosts}/{name}?" + "&".join(f"{key}={value}" for key, value in given.items())


def new_name() -> str:
    """Return the name of a log that nobody has used yet."""
    return f"L{os.getpid()}_{next(_numbers)}"


def free_port() -> int:
    """Return a port that nobody listens on at the moment."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def running(*, on_disk: bool = False, **settings: str) -> Iterator[NatsServer]:
    """Start a server of one's own, in memory where there is room unless `on_disk`."""
    memory = Path("/dev/shm")
    place = memory if memory.is_dir() and not on_disk else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        server = NatsServer(Path(folder), **settings).start()
        try:
            yield server
        finally:
            server.stop()


def straight(_: int, port: int) -> int:
    """Have a server reach another at its own port."""
    return port


class NatsCluster:
    """Servers on loopback that hold each stream together; each stops and starts as one likes.

    `reached` returns the port at which the server of a number reaches another one's.
    """

    def __init__(
        self,
        folder: Path,
        size: int = 3,
        reached: Callable[[int, int], int] = straight,
        **settings: str,
    ) -> None:
        self.folder = folder
        ports = [free_port() for _ in range(size)]
        self.servers = []
        # No server tells others where one listens: they know their routes and no way around.
        told = '"127.0.0.1:1"' if reached is not straight else '""'
        for number, port in enumerate(ports):
            own = folder / f"n{number + 1}"
            own.mkdir()
            others = (reached(number, each) for each in ports if each != port)
            routes = ", ".join(f'"nats://127.0.0.1:{each}"' for each in others)
            listens = f'listen: "127.0.0.1:{port}", advertise: {told}'
            cluster = f"name: c, {listens}, pool_size: 1, routes: [{routes}]"
            joined = f"server_name: n{number + 1}\ncluster {{ {cluster} }}"
            self.servers.append(NatsServer(own, extra=joined, **settings))

    def start(self) -> Self:
        """Start those that do not run."""
        for server in self.servers:
            if server.is_stopped:
                server.start()
        return self

    def stop(self) -> None:
        """Kill all of them."""
        for server in self.servers:
            server.stop()

    def url(self, name: str, **parameters: object) -> str:
        """Return the URL of a log on all of them."""
        return url_of(self.servers, name, **parameters)


@contextmanager
def running_cluster(**settings: str) -> Iterator[NatsCluster]:
    """Start three servers of one's own."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        cluster = NatsCluster(Path(folder), **settings)
        try:
            yield cluster.start()
        finally:
            cluster.stop()
