"""A proxy before a server that loses replies, or all that passes, when it is told to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from random import Random
from typing import Final

from tests.nats_server import NatsServer
from tests.postgres_server import SUPERUSER, Server

COMMITTED: Final = b"INSERT 0 "
"""How PostgreSQL says that an append of ours is committed."""

ACKNOWLEDGED: Final = b'"count":'
"""How NATS says the same."""


class Proxy:
    """Listens on loopback and passes bytes on; each way of each connection is a thread."""

    def __init__(self, address: str | tuple[str, int]) -> None:
        self._address = address
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._signs: tuple[bytes, ...] = ()
        self._cuts = 0
        self._swallows = 0
        self._chance = 0.0
        self._random = Random(0)
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._flows = threading.Event()
        self._flows.set()
        self.cut = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._listening.getsockname()[1])

    def url(self, schema: str, **parameters: object) -> str:
        """Return the URL of a log behind this proxy."""
        given = "".join(f"&{name}={value}" for name, value in parameters.items())
        return f"postgresql://{SUPERUSER}@127.0.0.1:{self.port}/postgres?schema={schema}{given}"

    def cut_replies(self, number: int, *signs: bytes) -> None:
        """Lose the next replies that hold a sign, and their connections with them."""
        self._signs = signs or (COMMITTED,)
        self._cuts = number

    def swallow_replies(self, number: int, *signs: bytes) -> None:
        """Lose the next replies to commits, and say nothing more on their connections."""
        self._signs = signs or (COMMITTED,)
        self._swallows = number

    def lose_some(self, chance: float, random: Random) -> None:
        """Lose replies to commits from now on, each by chance."""
        self._signs = (COMMITTED, b"COMMIT\x00")
        self._random = random
        self._chance = chance

    def lose_more(self, chance: float) -> None:
        """Lose replies to commits by a greater chance from now on."""
        self._chance = max(self._chance, chance)

    def leave_clients(self) -> None:
        """Close the connections to all clients; the server does not learn of it."""
        with self._lock:
            for client, _ in self._pairs:
                _shut(client)

    def hold(self, *, ends: bool) -> None:
        """Let nothing pass, either way; connections last, unless they are to end."""
        self._flows.clear()
        if ends:
            self._end_all()

    def heal(self) -> None:
        """Let everything pass again, what was held too."""
        self._flows.set()

    def close(self) -> None:
        """Close everything."""
        _shut(self._listening)
        self._flows.set()
        self._end_all()

    def _end_all(self) -> None:
        with self._lock:
            for end in chain.from_iterable(self._pairs):
                _shut(end)
            self._pairs = []

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                path = isinstance(self._address, str)
                server = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
                try:
                    server.connect(self._address)
                except OSError:
                    client.close()
                    continue
                with self._lock:
                    self._pairs.append((client, server))
                for work in (self._ask, self._answer):
                    threading.Thread(target=work, args=(client, server), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while asked := client.recv(65536):
                self._flows.wait()
                server.sendall(asked)
            _shut(server)

    def _answer(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while answered := server.recv(65536):
                self._flows.wait()
                if any(sign in answered for sign in self._signs) and self._is_to_be_lost(
                    client, server
                ):
                    return
                client.sendall(answered)
        _shut(client)

    def _is_to_be_lost(self, client: socket.socket, server: socket.socket) -> bool:
        with self._lock:
            if self._swallows:
                self._swallows -= 1
                self.cut += 1
                return True
            if not self._cuts and self._random.random() >= self._chance:
                return False
            self._cuts = max(0, self._cuts - 1)
            self.cut += 1
        _shut(client)
        _shut(server)
        return True


@contextmanager
def proxied(server: Server | NatsServer) -> Iterator[Proxy]:
    """Yield a proxy before a server."""
    is_nats = isinstance(server, NatsServer)
    proxy = Proxy(("127.0.0.1", server.port) if is_nats else str(server.folder / ".s.PGSQL.5432"))
    try:
        yield proxy
    finally:
        proxy.close()


def _shut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
