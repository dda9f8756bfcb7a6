"""A mail server for tests: it speaks SMTP on loopback, and `VRFY` asks it what it has taken."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes


class Session(socketserver.StreamRequestHandler):
    """One client of the mail server."""

    server: MailServer

    def handle(self) -> None:
        self.say(b"220 here")
        while line := self.rfile.readline():
            verb, _, rest = line.strip().partition(b" ")
            match verb.upper():
                case b"DATA":
                    self.say(b"354 go on")
                    self.take()
                case b"VRFY":
                    self.say(b"250 taken" if rest.decode() in self.server.taken else b"550 no")
                case b"QUIT":
                    self.say(b"221 goodbye")
                case _:
                    self.say(b"250 fine")

    def take(self) -> None:
        lines = []
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            lines.append(line)
        self.server.taken.append(message_from_bytes(b"".join(lines))["Message-ID"])
        self.server.on_taken()
        self.say(b"250 taken")

    def say(self, line: bytes) -> None:
        try:
            self.wfile.write(line + b"\r\n")
        except OSError:
            self.server.broken += 1


class MailServer(socketserver.ThreadingTCPServer):
    """Keeps what it took, and tells somebody before it replies."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.taken: list[str] = []
        self.broken = 0
        self.on_taken: Callable[[], object] = bool


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """Yield a mail server that runs in a thread."""
    with MailServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
