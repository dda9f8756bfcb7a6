"""One connection: uvicorn's protocol, with limits on size and time.

The server itself answers what it refuses: 400, 408, 431, 503 or 505.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from math import inf
from typing import Any, ClassVar, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lifecycle.http.server.connections import Connections
from lifecycle.http.server.limits import ServerLimits
from lifecycle.http.server.opening import Opening, framing_of, tunnels

STATE: Final = "lifecycle.server.connection"
"""The key of the connection in a request's scope."""

_VERSIONS: Final = frozenset({"1.0", "1.1"})
_LINGERING_SECONDS: Final = 2.0
_LINGERING_BYTES: Final = 1024 * 1024
_DRAINED_BYTES: Final = 64 * 1024 * 1024
_CHUNK_BYTES: Final = 256
"""A body may have one more chunk for every so many bytes."""


class _Refusal(Exception):  # noqa: N818 - an answer; it passes through the parser
    """Stops the parser: nothing further is read."""


class GuardedProtocol(HttpToolsProtocol):
    """Reads requests of one connection within the limits.

    `registry` and `limits` are set in a subclass: uvicorn makes the instances.
    """

    registry: ClassVar[Connections]
    limits: ClassVar[ServerLimits]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._opening = Opening()
        self._in_message = self._in_body = self._ended = self._framing = False
        self._heads = self._head_bytes = self._quiet_bytes = self._held = self._drained = 0
        self._chunks = self._body_bytes = 0
        self._pieces: list[bytes] = []
        self._progressed = False
        self._refusal: tuple[int, str] | None = None
        self._reading_until = self._writing_until = inf

    # What the registry asks

    @property
    def is_busy(self) -> bool:
        """Whether a request has come in whole and is being answered."""
        return self._is_answering and (bool(self.pipeline) or not self.cycle.more_body)

    @property
    def deadline(self) -> float:
        """When the current phase of this connection times out."""
        return min(self._reading_until, self._writing_until)

    def drop(self) -> None:
        """Close at once."""
        self._ended = True
        self._release()
        self.transport.abort()

    def end_late(self, now: float) -> None:
        """End a connection that timed out: 408 for an incomplete head, else without an answer."""
        if self._ended or self._in_body or self._writing_until <= now:
            self.drop()
        elif self._in_message:
            self._refuse(408, "the head takes too long to come in")
        else:
            self._ended = True
            self._reading_until = now + _LINGERING_SECONDS
            self.transport.close()

    # What the event loop calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Register this connection, or refuse it if there is no room."""
        super().connection_made(transport)
        self._reading_until = self.loop.time() + self.limits.head_seconds
        if not self.registry.add(self):
            self._ended = True
            transport.write(self._answer(503, "too many connections"))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove this connection."""
        self.registry.remove(self)
        self._release()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read received bytes."""
        self._unset_keepalive_if_required()
        if self._ended:
            self._linger(len(data))
            return
        self._progressed = False
        if (not self._in_message and tunnels(data)) or self._opening.waits:
            self._read_unknown(data)
        else:
            self._read(data)
        if not self._ended and not self._progressed:
            self._wait_for_more(data)

    def pause_writing(self) -> None:
        """Note when the client stopped reading answers."""
        super().pause_writing()
        self._writing_until = self.loop.time() + self.limits.writing_seconds

    def resume_writing(self) -> None:
        """Note that the client reads again."""
        super().resume_writing()
        self._writing_until = inf

    # What the parser calls

    def on_message_begin(self) -> None:
        """Start a request."""
        if self._framing:
            return
        super().on_message_begin()
        self.scope["state"][STATE] = self
        self._in_message, self._in_body = True, False
        self._heads = self._head_bytes = self._quiet_bytes = self._drained = 0
        self._chunks = self._body_bytes = 0
        self._reading_until = self.loop.time() + self.limits.head_seconds

    def on_url(self, url: bytes) -> None:
        """Read part of the target."""
        if self._framing:
            return
        self._count_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Read a header; trailers are ignored."""
        if self._framing:
            return
        self._heads += 1
        self._count_head(len(name) + len(value) + 4)
        if self._heads > self.limits.headers:
            self._refuse_from_parser(431, f"a request has {self.limits.headers} headers at most")
        if not self._in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start to answer."""
        if self._framing:
            return
        self._progressed = self._in_body = True
        self._release()
        if self.parser.get_http_version() not in _VERSIONS:
            self._refuse_from_parser(505, "HTTP/1.0 and HTTP/1.1 are spoken here")
        if self._is_answering and len(self.pipeline) >= self.limits.pipelined:
            self._refuse_from_parser(400, "too many requests wait on this connection")
        if not self.url.startswith(b"/") and httptools.parse_url(self.url).path is None:
            self.url = b"/"
        self._reading_until = self.loop.time() + self.limits.body_seconds
        super().on_headers_complete()
        if self._opening.method:
            self.scope["method"] = self._opening.method.decode("ascii")
        self._opening.clear()

    def on_chunk_header(self) -> None:
        """Count a chunk: each costs time, and may hold a single byte."""
        self._chunks += 1
        if self._chunks > self.limits.chunks + self._body_bytes // _CHUNK_BYTES:
            self._refuse_from_parser(400, "the body comes in too many small chunks")

    def on_body(self, body: bytes) -> None:
        """Read part of a body."""
        self._progressed = True
        self._quiet_bytes = 0
        self._body_bytes += len(body)
        if self.pipeline:
            self._hold(len(body))
        elif self.cycle.response_complete:
            self._drained += len(body)
            if self._drained > _DRAINED_BYTES:
                self._refuse_from_parser(413, "the body has no end")
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        """Note that a request is complete."""
        if self.parser.should_upgrade():
            return  # the parser says so whatever the body is: see `_read_on`
        self._hand_over()
        self._progressed = True
        self._in_message = self._in_body = False
        self._reading_until = inf if self._is_answering else self._idle_until()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Continue with the next request, or become idle."""
        super().on_response_complete()
        if self._ended:
            self.transport.close()
            self._writing_until = self.loop.time() + self.limits.writing_seconds
        elif not self._in_message and not self.pipeline:
            self._reading_until = self._idle_until()
        if not self.pipeline:
            self._release()
        if self.transport.is_closing():
            self._writing_until = self.loop.time() + self.limits.writing_seconds

    # The rest

    @property
    def _is_answering(self) -> bool:
        return bool(self.pipeline) or (self.cycle is not None and not self.cycle.response_complete)

    def _idle_until(self) -> float:
        return self.loop.time() + self.limits.idle_seconds

    def _read(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
            self._hand_over()
        except httptools.HttpParserUpgrade as upgrade:
            self._read_on(data[int(upgrade.args[0]) :])
        except httptools.HttpParserInvalidMethodError:
            self._read_unknown(data)
        except httptools.HttpParserError:
            self._refuse(*(self._refusal or (400, "it is no HTTP request")))
        self._pieces.clear()

    def _hand_over(self) -> None:
        """Pass on a body's pieces at once: uvicorn copies all waiting bytes for each piece."""
        if self._pieces:
            super().on_body(b"".join(self._pieces))
            self._pieces.clear()

    def _read_on(self, rest: bytes) -> None:
        """Continue after a head that asks for an upgrade, which is ignored (RFC 9110, 7.8).

        The parser takes what follows for another protocol, even the request's body. A new
        parser gets the length of that body, and continues.
        """
        self.parser = self._new_parser()
        self._framing = True
        self._read(framing_of(self.headers))
        self._framing = False
        if rest and not self._ended:
            self.data_received(rest)
        self._progressed = True

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        return parser

    def _read_unknown(self, data: bytes) -> None:
        """Read a request whose method the parser does not know."""
        request = None if self._is_answering else self._opening.replaced(data)
        if request is None:
            self._refuse(400, "it is no HTTP request")
            return
        self.parser = self._new_parser()
        if request:
            self._read(request)

    def _wait_for_more(self, data: bytes) -> None:
        """Count bytes that completed nothing."""
        self._quiet_bytes += len(data)
        self._hold(len(data))
        if not self._in_body and not (self._in_message and self.url):
            self._opening.keep(data)
        if self._quiet_bytes > self.limits.head_bytes:
            self._refuse(*self._too_large())

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self.limits.head_bytes:
            self._refuse_from_parser(*self._too_large())

    def _too_large(self) -> tuple[int, str]:
        return 431, f"line and headers have {self.limits.head_bytes} bytes at most"

    def _hold(self, size: int) -> None:
        self._held += size
        self.registry.hold(size)

    def _release(self) -> None:
        self.registry.held_bytes -= self._held
        self._held = 0

    def _refuse_from_parser(self, status: int, why: str) -> None:
        """Stop the parser, and note the answer."""
        self._refusal = (status, why)
        raise _Refusal

    def _refuse(self, status: int, why: str) -> None:
        """Answer a refusal, after the response in progress; then close."""
        self.registry.log.warning("request refused: %s; answered %d", why, status)
        busy = self.is_busy
        self._ended = True
        self._release()
        if busy:
            self.pipeline.clear()
            self._reading_until = inf
            return
        if self._is_answering:
            if self.cycle.response_started:
                self.drop()
                return
            self.cycle.disconnected = True  # the app sees a disconnect
            self.cycle.message_event.set()
        self.transport.write(self._answer(status, why))
        # A client that still sends would lose the answer if this end closed at once.
        self.transport.write_eof()
        self._quiet_bytes = 0
        self._reading_until = self.loop.time() + _LINGERING_SECONDS

    def _answer(self, status: int, why: str) -> bytes:
        body = json.dumps({"error": why}).encode()
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()]
        lines += [b"%b: %b" % header for header in self.server_state.default_headers]
        lines += [b"content-type: application/json", b"content-length: %d" % len(body)]
        lines += [b"cache-control: no-store", b"connection: close"]
        lines += [b"retry-after: 5"] * (status == 503)
        return b"\r\n".join([*lines, b"", body])

    def _linger(self, size: int) -> None:
        """Discard what a refused client still sends, for a short time."""
        self._quiet_bytes += size
        if self._quiet_bytes > _LINGERING_BYTES:
            self.transport.abort()
