"""HTTP exchanges over the transports of httpx2; the only module that touches a socket.

It uses no client of httpx2: nothing here follows redirects, keeps cookies, looks for a
proxy, decodes bodies or logs URLs.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, Final, Protocol

from lifecycle.core.event import MAX_KEPT_BYTES
from lifecycle.errors import MissingExtraError
from lifecycle.http.client.exchange import Answer, Call, Failure

try:
    import httpx2
except ImportError:
    raise MissingExtraError("http", "httpx2") from None

SyncTransport = httpx2.BaseTransport
AsyncTransport = httpx2.AsyncBaseTransport

# Servers close idle connections after five seconds or more. A request sent at that moment
# may or may not have been read.
_IDLE_SECONDS: Final = 2.0
_CONNECT_SECONDS: Final = 5.0
_MOST_CONNECTIONS: Final = 100

_NEVER_SENT: Final = (
    (httpx2.ConnectTimeout, "the connection did not open in time"),
    (httpx2.PoolTimeout, "no connection was free in time"),
    (httpx2.ConnectError, "the connection could not be opened"),
    (httpx2.UnsupportedProtocol, "the URL's scheme is not http or https"),
)
_SENT: Final = (
    (httpx2.TimeoutException, "no answer came in time"),
    (TimeoutError, "no answer came in time"),
    (httpx2.RemoteProtocolError, "the connection closed early, or what came is not HTTP"),
)
_BROKEN: Final = "the connection broke"
_TOO_BIG: Final = Failure(f"the answer is larger than {MAX_KEPT_BYTES} bytes")
_TOO_LATE: Final = Failure("no whole answer came in time")


_in_our_exchange: Final = ContextVar("_ours", default=False)
# At DEBUG these print response headers and foreign bytes: both may hold personal data or secrets.
_LOGGERS: Final = ("connection", "http11", "http2", "proxy", "socks")


class Http(Protocol):
    """The effects of a client's flows; each call returns its result, or an awaitable of it."""

    @property
    def lock(self) -> Any:
        """A lock that one flow may hold: `acquire` is an effect, `release` a plain call."""

    @property
    def longest_seconds(self) -> float:
        """How long an exchange may take, connecting included."""

    def exchange(self, call: Call) -> Any:
        """Make one exchange, and return its `Answer` or its `Failure`."""

    def sleep(self, seconds: float) -> Any:
        """Return after so many seconds."""


class _Timeouts:
    """The time limits of an exchange."""

    def __init__(self, timeout: float) -> None:
        connect = min(_CONNECT_SECONDS, timeout)
        self.longest_seconds: float = timeout + connect
        self._extensions = {
            "timeout": {"connect": connect, "read": timeout, "write": timeout, "pool": timeout}
        }

    def _request(self, call: Call) -> httpx2.Request:
        return httpx2.Request(
            call.method,
            call.url,
            headers=dict(call.headers),
            content=call.body or None,
            extensions=self._extensions,
        )


class SyncHttp(_Timeouts):
    """Exchanges for threads.

    The limit on a whole exchange is checked whenever a part of the answer arrives.
    """

    def __init__(self, transport: SyncTransport | None, timeout: float) -> None:
        super().__init__(timeout)
        self._transport = transport or httpx2.HTTPTransport(verify=_trusted(), limits=_limits())
        self.lock: threading.Lock = threading.Lock()
        self.sleep: Callable[[float], None] = time.sleep

    def exchange(self, call: Call) -> Answer | Failure:
        """Make one exchange, and return its `Answer` or its `Failure`."""
        with _library_logs_silenced():
            try:
                return self._exchange(self._request(call))
            except (httpx2.HTTPError, OSError) as failure:
                return _failure(failure)

    def _exchange(self, request: httpx2.Request) -> Answer | Failure:
        ends_at = time.monotonic() + self.longest_seconds
        response = self._transport.handle_request(request)
        try:
            body = bytearray()
            for piece in response.iter_raw():
                body += piece
                if len(body) > MAX_KEPT_BYTES:
                    return _TOO_BIG
                if time.monotonic() > ends_at:
                    return _TOO_LATE
            return _answer(response, bytes(body))
        finally:
            response.close()

    def close(self) -> None:
        """Close every connection."""
        self._transport.close()


class AsyncHttp(_Timeouts):
    """Exchanges for the tasks of one event loop."""

    def __init__(self, transport: AsyncTransport | None, timeout: float) -> None:
        super().__init__(timeout)
        self._transport = transport or httpx2.AsyncHTTPTransport(
            verify=_trusted(), limits=_limits()
        )
        self.lock: asyncio.Lock = asyncio.Lock()
        self.sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def exchange(self, call: Call) -> Answer | Failure:
        """Make one exchange, and return its `Answer` or its `Failure`."""
        with _library_logs_silenced():
            try:
                async with asyncio.timeout(self.longest_seconds):
                    return await self._exchange(self._request(call))
            except (httpx2.HTTPError, OSError) as failure:
                return _failure(failure)

    async def _exchange(self, request: httpx2.Request) -> Answer | Failure:
        response = await self._transport.handle_async_request(request)
        try:
            body = bytearray()
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > MAX_KEPT_BYTES:
                    return _TOO_BIG
            return _answer(response, bytes(body))
        finally:
            await response.aclose()

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.aclose()


def _is_foreign(_record: logging.LogRecord) -> bool:
    return not _in_our_exchange.get()


@contextmanager
def _library_logs_silenced() -> Iterator[None]:
    """Drop the HTTP library's log lines about exchanges of this thread or task."""
    # A logger keeps a filter once, however often it is added.
    for name in _LOGGERS:
        logging.getLogger(f"httpcore2.{name}").addFilter(_is_foreign)
    before = _in_our_exchange.set(True)
    try:
        yield
    finally:
        _in_our_exchange.reset(before)


@cache
def _trusted() -> ssl.SSLContext:
    """Return whom we trust: reading the certificates takes longer than many a client lives."""
    return httpx2.create_ssl_context()


def _limits() -> httpx2.Limits:
    return httpx2.Limits(
        max_connections=_MOST_CONNECTIONS,
        max_keepalive_connections=_MOST_CONNECTIONS,
        keepalive_expiry=_IDLE_SECONDS,
    )


def _answer(response: httpx2.Response, body: bytes) -> Answer | Failure:
    if not 100 <= response.status_code <= 599:
        return Failure("what came has no HTTP status")
    return Answer(response.status_code, body, _headers(response.headers.raw))


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in raw:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _failure(failure: Exception) -> Failure:
    """Return why there is no answer; the library's own message may quote the request."""
    for kind, found in _NEVER_SENT:
        if isinstance(failure, kind):
            return Failure(found, sent=False)
    return Failure(next((found for kind, found in _SENT if isinstance(failure, kind)), _BROKEN))
