"""The simulator's HTTP: reads requests, sends replies, cuts connections."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import parse_qsl, unquote

from lifecycle.core.strict_json import object_in

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

TRANSPORT: Final = "transport"
"""The key in the scope's state under which the server puts its transport."""

_MOST_BYTES: Final = 1 << 20
_USUAL_PAGE: Final = 10

T = TypeVar("T")


class Reply(NamedTuple):
    """A reply; status 0: no reply, the connection is cut.

    `at` is its `Date`, by the provider's clock; None: the time when it is sent.
    """

    status: int
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()
    at: datetime | None = None

    def __repr__(self) -> str:
        return f"<Reply {self.status}>"


CUT: Final = Reply(0)


class Request(NamedTuple):
    """One request: `path` is split and decoded, header names are lower case."""

    method: str
    path: tuple[str, ...]
    query: str
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"<Request {self.method}>"

    def json(self) -> dict[str, Any] | None:
        """Return the body if it is a JSON object."""
        return object_in(self.body)

    def fields(self) -> dict[str, str]:
        """Return the fields of a form or of a JSON object, texts alone."""
        if self.body.lstrip().startswith(b"{"):
            found = self.json() or {}
            return {name: value for name, value in found.items() if isinstance(value, str)}
        return dict(parse_qsl(self.body.decode("utf-8", "replace")))

    def page(self, listed: list[T]) -> list[T]:
        """Return the part of a list that the query asks for by `limit`, else ten, and `offset`."""
        asked = {name: text for name, text in parse_qsl(self.query) if text.isdecimal()}
        start = int(asked.get("offset", 0))
        return listed[start : start + int(asked.get("limit", _USUAL_PAGE))]

    def basic(self) -> tuple[str, str] | None:
        """Return the client id and secret of an `Authorization: Basic` header."""
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            decoded = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        name, _, secret = decoded.partition(":")
        return unquote(name), unquote(secret)


def http_date(at: datetime) -> str:
    """Return an instant as an HTTP `Date`, whatever its zone and the locale."""
    return format_datetime(at.astimezone(UTC), usegmt=True)


async def read_request(scope: Scope, receive: Receive) -> Request | None:
    """Return the request; None if its body is too big or its sender disconnected."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > _MOST_BYTES:
            return None
        if not message.get("more_body", False):
            break
    raw = scope.get("raw_path") or scope["path"].encode()
    parts = raw.partition(b"?")[0].decode("latin-1").split("/")
    return Request(
        scope["method"],
        tuple(unquote(part) for part in parts[1:]),
        scope.get("query_string", b"").decode("latin-1"),
        {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        },
        bytes(body),
    )


async def send_reply(reply: Reply, date: str, send: Send) -> None:
    """Send a reply with the provider's `Date`."""
    body = b"" if reply.body is None else json.dumps(reply.body, ensure_ascii=False).encode()
    headers = {
        "date": date,
        "content-type": "application/json",
        "content-length": str(len(body)),
        **dict(reply.headers),
    }
    await send(
        {
            "type": "http.response.start",
            "status": reply.status,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def cut(scope: Scope, receive: Receive, send: Send) -> None:
    """Close the connection without a reply; under another server, within the reply."""
    transport = (scope.get("state") or {}).get(TRANSPORT)
    if transport is None:
        start = {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-length", b"9")],
        }
        await send(start)
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        return
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        continue
