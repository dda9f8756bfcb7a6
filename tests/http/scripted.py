"""A provider on a real socket that does what a test tells it to, answer by answer.

What the script does not say is done as the provider does it: tokens are granted, orders
are made and counted, and whoever asks for an order gets it.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import struct
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import unquote

LIMIT = 30.0
DATE = "Tue, 07 Jul 2026 16:05:00 GMT"


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    operation: str
    target: str
    headers: Mapping[str, str]
    body: bytes


Reply = Callable[["Scripted", socket.socket, "Asked | None"], None]


def answer(status: int, body: Any = b"", headers: Mapping[str, str] | None = None) -> Reply:
    """Answer so; a mapping is sent as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda server, link, asked: link.sendall(message(status, raw, headers))


def message(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    told = {"content-length": str(len(body)), "date": DATE, **(headers or {})}
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"HTTP/1.1 {status} Said\r\n{lines}\r\n".encode("latin-1") + body


def raw(*pieces: bytes) -> Reply:
    """Send these bytes and close."""

    def reply(server: Scripted, link: socket.socket, asked: Asked | None) -> None:
        for piece in pieces:
            link.sendall(piece)
        link.shutdown(socket.SHUT_RDWR)

    return reply


def drop() -> Reply:
    """Read the request and hang up without a word."""
    return raw()


def unread() -> Reply:
    """Hang up on a create request before any of it is read."""

    def reply(server: Scripted, link: socket.socket, asked: Asked | None) -> None:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        link.close()

    reply.unread = True  # type: ignore[attr-defined]
    return reply


def silence() -> Reply:
    """Say nothing until the test is over."""
    return lambda server, link, asked: server.over.wait(LIMIT) and None


def made(then: Reply) -> Reply:
    """Make the order, and only then do this."""

    def reply(server: Scripted, link: socket.socket, asked: Asked | None) -> None:
        if asked is not None and asked.operation == "create":
            server.make(asked)
        then(server, link, asked)

    return reply


def grant(token: str = "t0ken", **more: Any) -> Reply:
    return answer(200, {"access_token": token, "token_type": "Bearer", "expires_in": 3600, **more})


REJECTED = {
    "error": {"message": "Required parameter missing or invalid", "code": 1001},
    "meta": {"key": "address"},
}
NOT_FOUND = {"error": {"message": "Resource not found", "code": 4000}, "meta": {}}


@dataclass
class Scripted:
    """The server: a thread for each connection; `asked` holds what was read, in order."""

    asked: list[Asked] = field(default_factory=list)
    orders: Counter[str] = field(default_factory=Counter)
    status: str = "brand_new"
    came: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    listening: bool = True
    context: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        self._script: dict[str, deque[Reply]] = defaultdict(deque)
        self._forever: dict[str, Reply] = {}
        self._links: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        scheme = "https" if self.context else "http"
        self.url = f"{scheme}://127.0.0.1:{self._socket.getsockname()[1]}"
        if self.listening:
            self.listen()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for link in (self._socket, *self._links):
            # What merely closes a socket wakes nobody who reads from it.
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
            link.close()
        for thread in self._threads:
            thread.join(LIMIT)

    def listen(self) -> None:
        """Open the port; until then connections to it are refused."""
        self._socket.listen(200)
        self._start(self._accept)

    def on(self, operation: str, *replies: Reply) -> Scripted:
        """Do these things, one a request; afterwards what the provider does."""
        self._script[operation] += replies
        return self

    def always(self, operation: str, reply: Reply) -> Scripted:
        """Do this whenever the script has run out."""
        self._forever[operation] = reply
        return self

    def count(self, operation: str) -> int:
        return sum(1 for asked in self.asked if asked.operation == operation)

    def make(self, asked: Asked) -> str:
        order_id = json.loads(asked.body)["order_id"]
        self.orders[order_id] += 1
        return order_id

    def _accept(self) -> None:
        while True:
            try:
                link, _ = self._socket.accept()
            except OSError:
                return
            self._links.append(link)
            self._start(self._serve, link)

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self, link: socket.socket) -> None:
        try:
            if self.context:
                link = self.context.wrap_socket(link, server_side=True)
                self._links.append(link)
            reader = link.makefile("rb")
            while not self.over.is_set():
                if not self.context and not link.recv(1, socket.MSG_PEEK):
                    return
                first = self._script["create"][0] if self._script["create"] else None
                if getattr(first, "unread", False) and self.count("token"):
                    self.asked.append(Asked("create", "unread", {}, b""))
                    self._script["create"].popleft()(self, link, None)
                    return
                asked = _read(reader)
                if asked is None:
                    return
                self.asked.append(asked)
                self.came.set()
                self._reply(asked)(self, link, asked)
        except OSError:
            return
        finally:
            link.close()

    def _reply(self, asked: Asked) -> Reply:
        script = self._script[asked.operation]
        if script:
            return script.popleft()
        return self._forever.get(asked.operation) or getattr(self, f"_{asked.operation}")(asked)

    def _token(self, asked: Asked) -> Reply:
        return grant()

    def _create(self, asked: Asked) -> Reply:
        return answer(200, {"id": self.make(asked), "status": "created"})

    def _get(self, asked: Asked) -> Reply:
        order_id = unquote(asked.target.rpartition("/")[2])
        if not self.orders[order_id]:
            return answer(404, NOT_FOUND)
        return answer(200, {"id": order_id, "status": self.status})

    def _cancel(self, asked: Asked) -> Reply:
        return answer(200, {"id": unquote(asked.target.split("/")[-2]), "status": "canceled"})

    def _staged(self, asked: Asked) -> Reply:
        return answer(200, {"id": unquote(asked.target.split("/")[-2]), "status": "staged"})


def _read(reader: Any) -> Asked | None:
    line = reader.readline().decode("latin-1")
    if not line.strip():
        return None
    method, target, _ = line.split()
    headers = {}
    while (header := reader.readline().decode("latin-1").strip()) != "":
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    body = reader.read(int(headers.get("content-length", "0")))
    return Asked(_operation(method, target), target, headers, body)


def _operation(method: str, target: str) -> str:
    if target.endswith("/token"):
        return "token"
    if method == "GET":
        return "get"
    return {"last_mile": "create"}.get(last := re.sub(r".*/", "", target), last)
