"""The attacks of `server_load`: each continues until its process is killed.

Each runs in a process of its own, so that it takes no time from the measured client:

    python -m campaigns.attacks idle PORT TOKEN
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from itertools import count, cycle
from typing import Final

CONNECTIONS: Final = 1100
SLOW_CONNECTIONS: Final = 200
FLOODS: Final = 20
COSTLY_CONNECTIONS: Final = 4
LARGEST_BODY: Final = 16 * 1024 * 1024 - 1024
HEADER_BYTES: Final = 200 * 1024 * 1024
PIECE: Final = 64 * 1024

HOST: Final = b"Host: receiver.example\r\n"
HEALTH: Final = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"

Attack = Callable[[int, bytes], Coroutine[None, None, None]]
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


def post(path: bytes, *headers: bytes) -> bytes:
    """Return the head of a request that posts something."""
    lines = b"".join(header + b"\r\n" for header in headers)
    return b"POST " + path + b" HTTP/1.1\r\n" + HOST + lines + b"\r\n"


def callback(token: bytes, body: bytes) -> bytes:
    """Return a whole callback."""
    length = b"Content-Length: %d" % len(body)
    return post(b"/callbacks", b"Authorization: Bearer " + token, length) + body


def costly_bodies() -> dict[str, bytes]:
    """Return bodies just below the limit that take as long to read as any."""
    size = LARGEST_BODY
    return {
        "deep": b"[" * (size // 2) + b"]" * (size // 2),
        "wide": b'{"id":[' + b"[]," * (size // 3 - 8) + b"[]]}",
        "numbers": b"[" + b",".join([b"9" * 399] * (size // 400 - 1)) + b"]",
        "keys": json.dumps(dict.fromkeys(map(str, range(size // 13)), 1)).encode(),
        "strings": b'{"id":"' + rb"\u00e9" * (size // 6 - 8) + b'"}',
    }


async def talking(port: int, connections: int, talk: Talk, *, pause: float = 0.1) -> None:
    """Keep so many connections open; each that ends is opened again after a pause."""

    async def again() -> None:
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                reading, writing = await asyncio.open_connection("127.0.0.1", port)
                try:
                    await talk(reading, writing)
                finally:
                    writing.transport.abort()
            await asyncio.sleep(pause)

    await asyncio.gather(*(again() for _ in range(connections)))


async def answered(reading: asyncio.StreamReader) -> None:
    """Read one answer."""
    head = await reading.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    await reading.readexactly(int(length or 0))


async def idle(port: int, _: bytes) -> None:
    """Open connections and say nothing."""

    async def talk(reading: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reading.read()

    await talking(port, CONNECTIONS, talk, pause=1)


async def huge_header(port: int, _: bytes) -> None:
    """Send one header of 200 MiB."""
    piece = b"a" * PIECE

    async def talk(_: asyncio.StreamReader, writing: asyncio.StreamWriter) -> None:
        writing.write(b"GET /health HTTP/1.1\r\nX-A: ")
        for _number in range(HEADER_BYTES // PIECE):
            writing.write(piece)
            await writing.drain()

    await talking(port, 1, talk)


async def costly(port: int, token: bytes) -> None:
    """Post bodies that take long to read, with a token."""
    requests = cycle([callback(token, body) for body in costly_bodies().values()])

    async def talk(reading: asyncio.StreamReader, writing: asyncio.StreamWriter) -> None:
        while True:
            writing.write(next(requests))
            await answered(reading)

    await talking(port, COSTLY_CONNECTIONS, talk)


def slowly(before: bytes) -> Attack:
    """Return an attack that sends one byte a second after what comes before them."""

    async def attack(port: int, token: bytes) -> None:
        async def talk(_: asyncio.StreamReader, writing: asyncio.StreamWriter) -> None:
            writing.write(before.replace(b"TOKEN", token))
            while True:
                await asyncio.sleep(1)
                writing.write(b"a")
                await writing.drain()

        await talking(port, SLOW_CONNECTIONS, talk)

    return attack


def flood(request: Callable[[], bytes]) -> Attack:
    """Return an attack that asks, and asks again as soon as it was answered."""

    async def attack(port: int, _: bytes) -> None:
        async def talk(reading: asyncio.StreamReader, writing: asyncio.StreamWriter) -> None:
            while True:
                writing.write(request())
                await answered(reading)

        await talking(port, FLOODS, talk)

    return attack


def unread(requests: int, connections: int) -> Attack:
    """Return an attack that asks so often at a time and reads no answer."""

    async def attack(port: int, _: bytes) -> None:
        async def talk(_: asyncio.StreamReader, writing: asyncio.StreamWriter) -> None:
            while True:
                writing.write(HEALTH * requests)
                await writing.drain()
                await asyncio.sleep(0.1)

        await talking(port, connections, talk)

    return attack


def tiny_chunks(token: bytes) -> Attack:
    """Return an attack that posts bodies without end in chunks of one byte, answered or not."""
    chunked = b"Transfer-Encoding: chunked"
    head = post(b"/callbacks", b"Authorization: Bearer " + token, chunked)

    async def attack(port: int, true_token: bytes) -> None:
        async def talk(_: asyncio.StreamReader, writing: asyncio.StreamWriter) -> None:
            writing.write(head.replace(b"TOKEN", true_token))
            while True:
                writing.write(b"1\r\na\r\n" * 1000)
                await writing.drain()

        await talking(port, COSTLY_CONNECTIONS, talk)

    return attack


NUMBERS: Final = count()


def bad_token() -> bytes:
    """Return a callback with a token that nobody issued."""
    return callback(b"a.b.%d" % next(NUMBERS), b"{}")


def bad_secret() -> bytes:
    """Return a token request with a secret that nobody has."""
    form = b"grant_type=client_credentials&client_id=instacart&client_secret=%d" % next(NUMBERS)
    kind = b"Content-Type: application/x-www-form-urlencoded"
    return post(b"/oauth/token", kind, b"Content-Length: %d" % len(form)) + form


ATTACKS: Final[Mapping[str, Attack]] = {
    "idle": idle,
    "huge-header": huge_header,
    "costly": costly,
    "slow-head": slowly(b"GET /health HTTP/1.1\r\nX-A: "),
    "slow-body": slowly(
        post(b"/callbacks", b"Authorization: Bearer TOKEN", b"Content-Length: 1000")
    ),
    "slow-form": slowly(post(b"/oauth/token", b"Content-Length: 1000")),
    "pipelined": unread(1000, 4),
    "unread": unread(1, SLOW_CONNECTIONS),
    "bad-tokens": flood(bad_token),
    "bad-secrets": flood(bad_secret),
    "tiny-chunks": tiny_chunks(b"TOKEN"),
    "tiny-chunks-refused": tiny_chunks(b"nobody's"),
}


def main() -> None:
    """Attack until killed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    name, port, token = sys.argv[1:]
    asyncio.run(ATTACKS[name](int(port), token.encode()))


if __name__ == "__main__":
    main()
