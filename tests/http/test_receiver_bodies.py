"""Bodies whose end is hard to know, on real sockets: kept whole, or refused and not recorded.

What a server says of a body differs: one reads chunks and tells, one reads them before, one
leaves them to the app and says nothing. None of it may look like an empty callback.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, NamedTuple

import pytest

from lifecycle import Orders, RequestBodyError, connect
from lifecycle.http.body import read_body
from lifecycle.log.codec import split
from lifecycle.log.contract import CONTROL
from tests.http.mounts import MOUNTS, SERVERS, WSGI
from tests.polling import PATIENCE
from tests.receiving import FORM, token_request
from tests.serving import bearer, waitress_server, wsgi_server, wsgiref_server

ALL = MOUNTS | SERVERS
READS_NO_CHUNKS = {name for name in ALL if name.endswith(("on wsgiref", "on runserver"))}
# They tell the app one of several lengths, and cut the body there.
HIDES_LENGTHS = READS_NO_CHUNKS | set(WSGI)


def chunk(text: str, size: int | None = None) -> str:
    return f"{len(text) if size is None else size:x}\r\n{text}\r\n"


def as_it_is(body: str) -> str:
    return body


def in_chunks(body: str) -> str:
    return chunk(body) + LAST


class Case(NamedTuple):
    """A request that is sent by hand: lines of its head, and what is made of the body."""

    said: tuple[str, ...]
    sent: Callable[[str], str] = as_it_is
    hangs_up: bool = False


def numbered(number: int) -> str:
    """Return a callback; all are of one length."""
    return f'{{"id": "o-{number:06}", "status": "brand_new"}}'


LENGTH = len(numbered(0))
HALF = LENGTH // 2
LAST = "0\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked"
PLAIN = Case((f"Content-Length: {LENGTH}",))
IN_CHUNKS = {
    "one chunk": Case((CHUNKED,), in_chunks),
    "a size in capitals": Case((CHUNKED,), lambda b: f"00{LENGTH:X}\r\n{b}\r\n{LAST}"),
    "a chunk a byte": Case((CHUNKED,), lambda b: "".join(map(chunk, b)) + LAST),
    "another case": Case(("transfer-encoding: Chunked",), in_chunks),
}
NOT_WHOLE = {
    "neither length nor chunks": Case(()),
    "a length of zero": Case(("Content-Length: 0",), lambda _: ""),
    "no chunk": Case((CHUNKED,), lambda _: LAST),
    "a negative length": Case((f"Content-Length: -{LENGTH}",)),
    "a length with a sign": Case((f"Content-Length: +{LENGTH}",)),
    "a length in words": Case(("Content-Length: many",)),
    "a length in hexadecimal": Case((f"Content-Length: {LENGTH:#x}",)),
    "a length of 5,000 digits": Case(("Content-Length: " + "9" * 5000,)),
    "a length that is longer": Case((f"Content-Length: {LENGTH + 1}",), hangs_up=True),
    "a length, and nothing": Case(PLAIN.said, lambda _: "", hangs_up=True),
    "a chunk that is cut": Case((CHUNKED,), lambda b: chunk(b)[:HALF], hangs_up=True),
    "no last chunk": Case((CHUNKED,), chunk, hangs_up=True),
    "a last chunk that is cut": Case((CHUNKED,), lambda b: chunk(b) + "0", hangs_up=True),
    "a chunk longer than it says": Case((CHUNKED,), lambda b: chunk(b, HALF) + LAST),
    "a size that is none": Case((CHUNKED,), lambda b: f"zz\r\n{b}\r\n{LAST}"),
    "a negative size": Case((CHUNKED,), lambda b: f"-{LENGTH:x}\r\n{b}\r\n{LAST}"),
    "an unknown coding": Case(("Transfer-Encoding: gzip",), hangs_up=True),
}
EITHER = {
    "chunks and the length of the body": Case((CHUNKED, *PLAIN.said), in_chunks),
    "chunks and the length of all of them": Case(
        (CHUNKED, f"Content-Length: {len(in_chunks(numbered(0)))}"), in_chunks
    ),
    "chunks and a shorter length": Case((CHUNKED, f"Content-Length: {HALF}"), in_chunks),
    "the same length twice": Case(PLAIN.said * 2),
    "a plain coding": Case(("Transfer-Encoding: identity", *PLAIN.said)),
    "an extension and a trailer": Case(
        (CHUNKED,), lambda b: f"{LENGTH:x};a=b\r\n{b}\r\n0\r\nX-Sum: 7\r\n\r\n"
    ),
}
LENGTHS_THAT_DIFFER = Case((*PLAIN.said, f"Content-Length: {HALF}"))


def head_of(port: int, path: str, lines: tuple[str, ...]) -> bytes:
    first = (f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: close")
    return "\r\n".join((*first, *lines, "", "")).encode()


def answered(client: socket.socket) -> int | None:
    """Return the status of the final answer, None where the server hangs up."""
    received = b""
    try:
        while piece := client.recv(65536):
            received += piece
    except ConnectionError:
        pass
    statuses = [
        int(found) for found in re.findall(rb"^HTTP/1\.[01] (\d{3})", received, re.MULTILINE)
    ]
    return next((status for status in statuses if status >= 200), None)


def send(port: int, path: str, case: Case, body: str) -> int | None:
    """Send a request and return what was answered."""
    with closing(socket.create_connection(("127.0.0.1", port), PATIENCE)) as client:
        client.sendall(head_of(port, path, case.said) + case.sent(body).encode())
        if case.hangs_up:
            client.shutdown(socket.SHUT_WR)
        return answered(client)


def stored(url: str) -> list[bytes]:
    with connect(url, create=False) as orders:
        return [split(record)[1] for record in orders.log.scan() if record.stream != CONTROL]


class Mount(NamedTuple):
    """A receiver that is served somewhere, and who may call it."""

    name: str
    port: int
    below: str
    token: tuple[str, ...]
    url: str

    def call(self, case: Case) -> tuple[int | None, list[bytes]]:
        """Send a callback and return what was answered, and what was stored for it."""
        before = len(stored(self.url))
        body = numbered(before)
        path = f"{self.below}/callbacks"
        status = send(self.port, path, case._replace(said=(*self.token, *case.said)), body)
        kept = stored(self.url)[before:]
        assert kept in ([], [body.encode()]), "whole, or not at all"
        return status, kept


@pytest.fixture(scope="module", params=ALL)
def mount(request: pytest.FixtureRequest, tmp_path_factory) -> Iterator[Mount]:
    url = f"sqlite:///{tmp_path_factory.mktemp('bodies')}/orders.db"
    with ALL[request.param](url) as (port, below):
        [(name, value)] = bearer(port, below).items()
        yield Mount(request.param, port, below, (f"{name}: {value}",), url)


def is_refused(status: int | None) -> bool:
    """Tell whether nothing was acknowledged; some servers make a 500 of what they raise."""
    return status is None or 400 <= status <= 501


def test_chunks_are_read_if_the_server_marks_their_end_and_refused_otherwise(mount):
    found = {name: mount.call(case) for name, case in IN_CHUNKS.items()}
    if mount.name in READS_NO_CHUNKS:
        assert found == dict.fromkeys(IN_CHUNKS, (411, []))
    else:
        assert {name: (status, len(kept)) for name, (status, kept) in found.items()} == (
            dict.fromkeys(IN_CHUNKS, (200, 1))
        )


def test_an_incomplete_body_is_neither_recorded_nor_acknowledged(mount):
    found = {name: mount.call(case) for name, case in NOT_WHOLE.items()}
    assert {name: got for name, got in found.items() if got[1] or not is_refused(got[0])} == {}


def test_a_callback_with_a_contradictory_head_is_kept_whole_or_refused(mount):
    for name, case in EITHER.items():
        status, kept = mount.call(case)
        assert is_refused(status) if not kept else status == 200, name


def test_different_lengths_are_refused_where_the_server_passes_both(mount):
    if mount.name not in HIDES_LENGTHS:
        status, kept = mount.call(LENGTHS_THAT_DIFFER)
        assert is_refused(status)
        assert kept == []


def test_a_plain_callback_is_kept_on_the_same_mount(mount):
    """The positive control of all that is refused above."""
    status, kept = mount.call(PLAIN)
    assert (status, len(kept)) == (200, 1)


def test_a_client_that_expects_100_continue_gets_it_or_continues_by_itself(mount):
    before = len(stored(mount.url))
    body = numbered(before).encode()
    said = (*mount.token, "Expect: 100-continue", f"Content-Length: {len(body)}")
    address = ("127.0.0.1", mount.port)
    with closing(socket.create_connection(address, PATIENCE)) as client:
        client.sendall(head_of(mount.port, f"{mount.below}/callbacks", said))
        client.settimeout(0.2)
        try:
            told = client.recv(65536)
        except TimeoutError:
            told = b""
        assert not told or told.startswith(b"HTTP/1.1 100")
        client.settimeout(PATIENCE)
        client.sendall(body)
        assert answered(client) == 200
    assert stored(mount.url)[before:] == [body]


def test_a_token_request_in_chunks_is_granted_or_answered_411(mount):
    form = token_request(FORM).body.decode()
    path = f"{mount.below}/oauth/token"
    status = send(mount.port, path, Case((CHUNKED,), in_chunks), form)
    assert status == (411 if mount.name in READS_NO_CHUNKS else 200)
    assert is_refused(send(mount.port, path, Case(()), form))
    assert is_refused(send(mount.port, path, NOT_WHOLE["no chunk"], form))


WSGI_SERVERS = {"werkzeug": wsgi_server, "wsgiref": wsgiref_server, "waitress": waitress_server}


def app_of(orders: Orders) -> Any:
    """Return a WSGI app that reads bodies as the page on embedding says."""

    def receive(environ: Any, start_response: Any) -> list[bytes]:
        try:
            raw = read_body(environ, 16 * 1024 * 1024)
        except RequestBodyError as refused:
            start_response(f"{refused.status} Refused", [])
            return []
        orders.record_callback(raw)
        start_response("204 No Content", [])
        return []

    return receive


def events_in(orders: Any) -> int:
    return len(list(orders.log.scan())) - len(orders.log.read(CONTROL))


@pytest.mark.parametrize("server", WSGI_SERVERS)
def test_an_app_that_reads_bodies_with_read_body_keeps_them_whole_or_refuses_them(server, tmp_path):
    reads_chunks = server != "wsgiref"
    with (
        connect(f"sqlite:///{tmp_path}/orders.db") as orders,
        WSGI_SERVERS[server](app_of(orders)) as port,
    ):
        for number, case in enumerate((PLAIN, *IN_CHUNKS.values())):
            before = events_in(orders)
            status = send(port, "/", case, numbered(number))
            taken = case is PLAIN or reads_chunks
            assert status == (204 if taken else 411)
            assert events_in(orders) - before == taken
        before = events_in(orders)
        for name, case in NOT_WHOLE.items():
            assert is_refused(send(port, "/", case, numbered(0))), name
        assert events_in(orders) == before
