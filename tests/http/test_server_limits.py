"""The server of `lifecycle serve` against strangers: how much, how slowly, how many at a time."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import resource
import socket
import threading
from contextlib import ExitStack, suppress
from itertools import pairwise
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

import pytest

from lifecycle import InvalidArgumentError, connect
from lifecycle.http.receiver import BearerTokens, Receiver, ReceiverLimits
from lifecycle.http.server import ServerLimits
from lifecycle.http.server.limits import FILES_FOR_OTHERS, MOST_CONNECTIONS
from lifecycle.log.codec import split
from lifecycle.log.contract import CONTROL
from tests.guarded import guarded, one_answer, raw, told
from tests.polling import wait_until
from tests.receiving import BODY, SETUP, orders_on
from tests.serving import ask, bearer, connected

HOST = b"Host: receiver.example\r\n"
HEALTH = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
LIMITS = ServerLimits()
EMPTY = [(b"content-length", b"0")]


@pytest.fixture
def receiver(tmp_path: Path) -> Receiver:
    return Receiver(orders_on(tmp_path / "orders.db"), BearerTokens(**SETUP))


def stored(tmp_path: Path) -> list[bytes]:
    with connect(f"sqlite:///{tmp_path}/orders.db") as orders:
        return [split(record)[1] for record in orders.log.scan() if record.stream != CONTROL]


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


def callback(token: dict[str, str], *more: bytes) -> bytes:
    """Return the head of a callback, without the line that ends it."""
    authorization = f"Authorization: {token['Authorization']}\r\n".encode()
    return b"POST /callbacks HTTP/1.1\r\n" + HOST + authorization + b"".join(more)


async def unhurried(_: Any, __: Any, send: Any) -> None:
    """Answer when `go_on` is set."""
    await asyncio.to_thread(go_on.wait, 60)
    await send({"type": "http.response.start", "status": 200, "headers": EMPTY})
    await send({"type": "http.response.body", "body": b""})


go_on = threading.Event()


@pytest.fixture(autouse=True)
def _nobody_goes_on() -> Any:
    go_on.clear()
    yield
    go_on.set()


# How much


@pytest.mark.parametrize(
    "begun",
    [b"GET /health HTTP/1.1\r\nX-A: ", b"GET /", b"GET /health HTTP/1.1\r\nX-", b"\r\n"],
    ids=["a value", "a target", "a name", "blank lines"],
)
def test_a_head_without_end_is_refused_and_not_kept(receiver, begun):
    more = b"\r\n" * 16_384 if begun == b"\r\n" else b"a" * 32_768
    with guarded(receiver) as server, raw(server.port) as stranger:
        stranger.sendall(begun)
        kept = 0
        for _ in range(20):
            try:
                stranger.sendall(more)
            except OSError:
                break
            kept = max(kept, server.registry.held_bytes)
        assert status_of(told(stranger)) == 431
        assert kept <= 8 * LIMITS.head_bytes
        wait_until(lambda: server.registry.held_bytes == 0)
        with connected(server.port) as connection:
            assert ask(connection, "GET", "/health").status == 200


@pytest.mark.parametrize(("size", "status"), [(60_000, 200), (LIMITS.head_bytes, 431)])
def test_a_head_that_comes_at_once_is_held_to_the_same_limit(receiver, size, status):
    with guarded(receiver) as server, raw(server.port) as caller:
        caller.sendall(HEALTH.replace(b"\r\n\r\n", b"\r\nX-A: " + b"a" * size + b"\r\n\r\n"))
        assert status_of(one_answer(caller)) == status


@pytest.mark.parametrize(("headers", "status"), [(127, 200), (128, 431)])
def test_a_request_has_so_many_headers_at_most(receiver, headers, status):
    head = HEALTH.removesuffix(b"\r\n") + b"x: y\r\n" * headers + b"\r\n"
    with guarded(receiver) as server, raw(server.port) as caller:
        caller.sendall(head)
        assert status_of(one_answer(caller)) == status


def test_a_mounted_receiver_looks_at_no_more_headers_either(receiver):
    sent = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"x", b"y")] * (ReceiverLimits().headers + 1)
    scope = {"type": "http", "method": "GET", "path": "/health", "headers": headers}
    asyncio.run(receiver(scope, send, send))
    assert sent[0]["status"] == 431


@pytest.mark.parametrize(
    "ending",
    [b"0\r\nX-A: " + b"a" * 400_000, b"1;" + b"a" * 400_000, b"0\r\n" + b"x: y\r\n" * 70_000],
    ids=["a trailer", "an extension", "trailers"],
)
def test_the_overhead_around_a_body_is_limited_too(receiver, ending, tmp_path):
    with guarded(receiver) as server, raw(server.port) as caller:
        token = bearer(server.port)
        caller.sendall(callback(token, b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"))
        for start in range(0, len(ending), 50_000):
            try:
                caller.sendall(ending[start : start + 50_000])
            except OSError:
                break
        assert status_of(told(caller)) == 431
        wait_until(lambda: receiver.admission.waiting == 0)
    assert stored(tmp_path) == []


@pytest.mark.parametrize("known", [True, False], ids=["with a token", "without one"])
def test_a_body_that_comes_byte_by_byte_in_chunks_is_cut_off(receiver, known, tmp_path):
    with guarded(receiver) as server, raw(server.port) as caller:
        token = bearer(server.port) if known else {"Authorization": "Bearer nobody"}
        caller.sendall(callback(token, b"Transfer-Encoding: chunked\r\n\r\n"))
        if not known:
            assert status_of(one_answer(caller)) == 401
        with suppress(OSError):
            caller.sendall(b"1\r\na\r\n" * 2 * LIMITS.chunks + b"0\r\n\r\n")
        assert status_of(told(caller)) == 400
        wait_until(lambda: receiver.admission.waiting == 0)
    assert stored(tmp_path) == []


def test_a_body_of_20_kb_may_come_in_the_pieces_that_a_json_encoder_yields(receiver, tmp_path):
    whole = json.dumps({"id": "xyz", "items": [["a", 1, None]] * 1_500})
    pieces = [piece.encode() for piece in json.JSONEncoder().iterencode(json.loads(whole))]
    assert (len(whole) > 20_000, len(pieces) > 5_000) == (True, True)
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    with guarded(receiver) as server, raw(server.port) as caller:
        head = callback(bearer(server.port), b"Transfer-Encoding: chunked\r\n\r\n")
        caller.sendall(head + chunks + b"0\r\n\r\n")
        assert status_of(one_answer(caller)) == 200
    assert stored(tmp_path) == [whole.encode()]


def test_a_trailer_is_no_header():
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            continue
        seen.extend(scope["headers"])
        await send({"type": "http.response.start", "status": 200, "headers": EMPTY})
        await send({"type": "http.response.body", "body": b""})

    with guarded(app) as server, raw(server.port) as caller:
        head = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
        caller.sendall(head + b"1\r\na\r\n0\r\nAuthorization: Bearer x\r\n\r\n")
        assert status_of(caller.recv(65536)) == 200
    assert [name for name, _ in seen] == [b"host", b"transfer-encoding"]


def test_requests_that_wait_behind_another_are_few_and_do_not_grow():
    with guarded(unhurried) as server, raw(server.port) as caller:
        caller.sendall(HEALTH * 2000)
        wait_until(lambda: [each for each in server.registry._unknown if each._ended])
        go_on.set()
        assert told(caller).count(b"HTTP/1.1 200") == 1


def test_a_few_requests_may_wait_behind_another_and_are_answered_in_order(receiver):
    with guarded(receiver) as server, raw(server.port) as caller:
        caller.sendall(HEALTH * 3 + HEALTH.replace(b"/health", b"/nowhere"))
        came = b""
        while came.count(b"HTTP/1.1") < 4:
            came += caller.recv(65536)
        assert [int(each[:4]) for each in came.split(b"HTTP/1.1")[1:]] == [200, 200, 200, 404]


def test_all_connections_together_hold_no_more_than_the_limit(receiver):
    most = 200_000
    with guarded(receiver, held_bytes=most) as server, ExitStack() as stack:
        strangers = [stack.enter_context(raw(server.port)) for _ in range(20)]
        for stranger in strangers:
            stranger.sendall(b"GET /health HTTP/1.1\r\nX-A: " + b"a" * 50_000)
        wait_until(lambda: len(server.registry) <= 4)
        assert server.registry.held_bytes <= most
        with connected(server.port) as connection:
            assert ask(connection, "GET", "/health").status == 200


def test_the_bodies_of_token_requests_are_counted_and_a_small_one_is_always_taken(tmp_path):
    limits = ReceiverLimits(token_bytes=100_000)
    receiver = Receiver(orders_on(tmp_path / "orders.db"), BearerTokens(**SETUP), limits=limits)
    head = b"POST /oauth/token HTTP/1.1\r\n" + HOST + b"Content-Length: 65000\r\n\r\n"
    with guarded(receiver) as server, ExitStack() as stack:
        strangers = [stack.enter_context(raw(server.port)) for _ in range(10)]
        for stranger in strangers:
            stranger.sendall(head + b"a" * 60_000)
        refused = [each for each in strangers[2:] if status_of(one_answer(each)) == 503]
        assert len(refused) >= 8
        assert receiver.admission._token_bytes <= 100_000
        assert bearer(server.port)
        for stranger in strangers:
            stranger.close()
        wait_until(lambda: receiver.admission._token_bytes == 0)


# How slowly


@pytest.mark.parametrize("begun", [b"G", b"GET /health HTTP/1.1\r\nHo", b"BRE"])
def test_an_incomplete_head_is_answered_408(receiver, begun):
    with guarded(receiver, head_seconds=0.3) as server, raw(server.port) as caller:
        caller.sendall(begun)
        assert status_of(told(caller)) == 408


def test_a_head_that_comes_a_byte_at_a_time_has_the_same_time(receiver):
    with guarded(receiver, head_seconds=0.5) as server, raw(server.port) as caller:
        begun_at = monotonic()
        caller.sendall(b"GET /")
        caller.settimeout(0.05)
        answer = b""
        while not answer and monotonic() - begun_at < 10:
            caller.sendall(b"a")
            with suppress(TimeoutError):
                answer = caller.recv(65536)
        assert status_of(answer) == 408


def test_a_silent_connection_is_closed_without_an_answer(receiver):
    with guarded(receiver, head_seconds=0.3) as server, raw(server.port) as caller:
        assert told(caller) == b""


def test_a_connection_that_is_kept_may_be_idle_for_longer_than_a_head_may_take(receiver):
    limits = {"head_seconds": 1, "idle_seconds": 3}
    with guarded(receiver, **limits) as server, raw(server.port) as caller:
        caller.sendall(HEALTH)
        assert status_of(one_answer(caller)) == 200
        begun_at = monotonic()
        assert told(caller) == b""
        assert monotonic() - begun_at > 2


def test_a_body_after_the_answer_is_not_read_for_ever(receiver):
    limits = {"body_seconds": 0.5, "idle_seconds": 60}
    with guarded(receiver, **limits) as server, raw(server.port) as caller:
        head = b"POST /callbacks HTTP/1.1\r\n" + HOST + b"Content-Length: 1000000\r\n\r\n"
        caller.sendall(head)
        assert status_of(one_answer(caller)) == 401
        begun_at = monotonic()
        assert told(caller) == b""
        assert monotonic() - begun_at < 30


def test_an_unread_answer_is_abandoned():
    async def app(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(1000):
            more = {"type": "http.response.body", "body": b"a" * 65536, "more_body": True}
            await send(more)

    with guarded(app, writing_seconds=0.3) as server, raw(server.port) as caller:
        caller.sendall(HEALTH)
        wait_until(lambda: len(server.registry) == 1)
        wait_until(lambda: len(server.registry) == 0)
        assert not len(server.registry)


# How many


def test_a_silent_connection_makes_room_for_an_active_one(receiver):
    with guarded(receiver, connections=8, head_seconds=60) as server, ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(raw(server.port))
        wait_until(lambda: len(server.registry) == 8)
        with connected(server.port) as connection:
            assert ask(connection, "GET", "/health").status == 200
        assert len(server.registry) <= 8


def test_a_connection_on_which_a_callback_was_accepted_outlives_a_flood(receiver):
    with (
        guarded(receiver, connections=8, head_seconds=60) as server,
        ExitStack() as stack,
        connected(server.port) as honest,
        connected(server.port) as curious,
    ):
        assert ask(honest, "POST", "/callbacks", BODY, bearer(server.port)).status == 200
        assert ask(curious, "GET", "/health").status == 200
        for _ in range(50):
            stack.enter_context(raw(server.port))
        wait_until(lambda: len(server.registry) == 8)
        assert ask(honest, "GET", "/health").status == 200
        assert curious.sock.recv(1) == b"", "the positive control: nothing of it was accepted"


def test_a_connection_beyond_the_limit_is_answered_503_if_all_are_busy():
    with guarded(unhurried, connections=3) as server, ExitStack() as stack:
        busy = [stack.enter_context(raw(server.port)) for _ in range(3)]
        for caller in busy:
            caller.sendall(HEALTH)
        wait_until(lambda: not list(server.registry._idle()) and len(server.registry) == 3)
        with raw(server.port) as late:
            answer = told(late)
        assert status_of(answer) == 503
        assert b"retry-after" in answer
        go_on.set()
        assert [status_of(caller.recv(65536)) for caller in busy] == [200] * 3


def test_the_number_of_connections_leaves_files_for_others(monkeypatch):
    def files(soft: int) -> None:
        monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, soft))

    for soft, most in ((1024, 1024 - FILES_FOR_OTHERS), (1_000_000, MOST_CONNECTIONS), (64, 16)):
        files(soft)
        assert ServerLimits().most_connections() == most
    assert ServerLimits(connections=5000).most_connections() == 16
    files(resource.RLIM_INFINITY)
    assert ServerLimits(connections=5000).most_connections() == 5000


def test_without_files_a_line_is_logged_and_an_idle_connection_closed(receiver, caplog):
    with guarded(receiver) as server, raw(server.port) as caller:
        wait_until(lambda: len(server.registry) == 1)
        loop = next(iter(server.registry._unknown)).loop
        context = {"exception": OSError(errno.EMFILE, "no files"), "message": "accept"}
        for _ in range(100):
            loop.call_soon_threadsafe(server.server._on_loop_error, loop, context)
        assert told(caller) == b""
    said = [each.getMessage() for each in caplog.records if "no more files" in each.getMessage()]
    assert 1 <= len(said) <= 10
    assert "Traceback" not in caplog.text


def test_other_errors_of_the_loop_are_handled_as_by_default(receiver, caplog):
    with guarded(receiver) as server, raw(server.port):
        wait_until(lambda: len(server.registry) == 1)
        loop = next(iter(server.registry._unknown)).loop
        server.server._on_loop_error(loop, {"message": "something else"})
    assert "something else" in caplog.text


@pytest.mark.parametrize(
    "wrong", [{"connections": 0}, {"head_bytes": 0}, {"head_seconds": 0}, {"pipelined": -1}]
)
def test_limits_that_would_let_nothing_through_are_refused(wrong):
    with pytest.raises(InvalidArgumentError):
        ServerLimits(**wrong)


# What it is


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ([b"BREW /callbacks HTTP/1.1\r\n", HOST, b"\r\n"], 405),
        ([b"B", b"R", b"E", b"W", b" ", b"/callbacks HTTP/1.1\r\n", HOST, b"\r\n"], 405),
        ([b"PO", b"XT /callbacks HTTP/1.1\r\n", HOST, b"\r\n"], 405),
        ([b"\r\n\r\nBREW /callbacks HTTP/1.1\r\n", HOST, b"\r\n"], 405),
        ([b"post /callbacks HTTP/1.1\r\n", HOST, b"\r\n"], 405),
        ([b"BREW /nowhere HTTP/1.1\r\n", HOST, b"\r\n"], 404),
        ([b"BREW /callbacks HTTP/1.1\r\n\r\n"], 400),
        ([b"CONNECT /callbacks HTTP/1.1\r\n", HOST, b"\r\n"], 405),
        ([b"CONNECT elsewhere:443 HTTP/1.1\r\n", HOST, b"\r\n"], 400),
        ([b"GET /health HTTP/1.1\r\n\r\n"], 400),
        ([b"GET /health HTTP/1.1\r\n", HOST, HOST, b"\r\n"], 400),
        ([b"GET /health HTTP/1.0\r\n\r\n"], 200),
        ([b"GET /health HTTP/2.0\r\n\r\n"], 505),
        ([b"GET http://elsewhere/health HTTP/1.1\r\n", HOST, b"\r\n"], 200),
        ([b"GET http://elsewhere HTTP/1.1\r\n", HOST, b"\r\n"], 404),
        ([b"GET http://elsewhere?a=b HTTP/1.1\r\n", HOST, b"\r\n"], 404),
        ([b"GET /health?a=b HTTP/1.1\r\n", HOST, b"\r\n"], 200),
        ([b"GET /%68ealth HTTP/1.1\r\n", HOST, b"\r\n"], 200),
        ([b"GET /health/ HTTP/1.1\r\n", HOST, b"\r\n"], 404),
        ([b"OPTIONS /health HTTP/1.1\r\n", HOST, b"\r\n"], 405),
        ([b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"], 400),
        ([b"B" * 33], 400),
        ([b"GET /health HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n"], 400),
    ],
)
def test_each_kind_of_request_gets_its_own_answer(receiver, pieces, status):
    with guarded(receiver) as server, raw(server.port) as caller:
        caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            caller.sendall(piece)
            threading.Event().wait(0.02 if len(pieces) > 3 else 0)
        answer = one_answer(caller)
        assert status_of(answer) == status
        assert (b"\r\nallow: " in answer) == (status == 405)


@pytest.mark.parametrize("seed", range(8))
def test_however_a_request_is_cut_into_pieces_it_is_answered_the_same(receiver, seed):
    random = Random(seed)
    with guarded(receiver) as server, raw(server.port) as caller:
        caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        token = bearer(server.port)
        chunks = b"".join(b"%x;a=b\r\n%b\r\n" % (1, BODY[n : n + 1]) for n in range(len(BODY)))
        requests = [
            (HEALTH, 200),
            (HEALTH.replace(b"GET", b"BREW"), 405),
            (HEALTH.replace(b"GET", b"CONNECT"), 405),
            (callback(token, b"Content-Length: %d\r\n\r\n" % len(BODY), BODY), 200),
            (callback(token, b"Transfer-Encoding: chunked\r\n\r\n", chunks, b"0\r\n\r\n"), 200),
            (b"\r\n" + HEALTH.replace(HOST, HOST + b"Upgrade: a\r\nConnection: upgrade\r\n"), 200),
        ]
        for _ in range(12):
            request, status = random.choice(requests)
            cuts = sorted(random.choices(range(len(request)), k=random.randrange(8)))
            for start, end in pairwise([0, *cuts, len(request)]):
                caller.sendall(request[start:end])
                threading.Event().wait(0.002)
            assert status_of(one_answer(caller)) == status, request


def test_after_an_unknown_method_the_connection_goes_on(receiver):
    with guarded(receiver) as server, raw(server.port) as caller:
        for method, status in ((b"BREW", 405), (b"GET", 200), (b"get", 405), (b"GET", 200)):
            caller.sendall(HEALTH.replace(b"GET", method))
            assert status_of(one_answer(caller)) == status


def test_the_app_gets_the_original_method():
    methods = []

    async def app(scope: Any, _: Any, send: Any) -> None:
        methods.append(scope["method"])
        await send({"type": "http.response.start", "status": 200, "headers": EMPTY})
        await send({"type": "http.response.body", "body": b""})

    with guarded(app) as server, raw(server.port) as caller:
        for method in (b"BREW", b"GET", b"CONNECT"):
            caller.sendall(HEALTH.replace(b"GET", method))
            assert status_of(caller.recv(65536)) == 200
    assert methods == ["BREW", "GET", "CONNECT"]


@pytest.mark.parametrize("pause", [False, True], ids=["at once", "after its head"])
@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "in chunks"])
def test_a_request_to_upgrade_is_answered_as_if_it_were_none_and_so_is_what_follows(
    receiver, tmp_path, chunked, pause
):
    upgrade = b"Connection: upgrade\r\nUpgrade: h2c\r\n"
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(BODY)
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY) if chunked else BODY
    with guarded(receiver) as server, raw(server.port) as caller:
        head = callback(bearer(server.port), upgrade, length, b"\r\n\r\n")
        if pause:
            caller.sendall(head)
            wait_until(lambda: receiver.admission.waiting == 1)
            caller.sendall(body)
        else:
            caller.sendall(head + body)
        assert status_of(one_answer(caller)) == 200
        caller.sendall(HEALTH.replace(HOST, HOST + upgrade) + HEALTH)
        came = b""
        while came.count(b'"wrong":[]}') < 2:
            came += caller.recv(65536)
        caller.sendall(HEALTH)
        assert status_of(one_answer(caller)) == 200
    assert stored(tmp_path) == [BODY]


def test_garbage_after_a_request_does_not_spoil_its_answer():
    with guarded(unhurried) as server, raw(server.port) as caller:
        caller.sendall(HEALTH + b"\x16\x03\x01\x02\x00")
        wait_until(lambda: len(server.registry) == 1)
        go_on.set()
        answer = told(caller)
        assert answer.count(b"HTTP/1.1") == 1
        assert status_of(answer) == 200


def test_a_body_that_is_broken_on_its_way_is_400_and_not_recorded(receiver, tmp_path):
    with guarded(receiver) as server, raw(server.port) as caller:
        token = bearer(server.port)
        caller.sendall(callback(token, b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"))
        wait_until(lambda: receiver.admission.waiting == 1)
        caller.sendall(b"zz\r\n")
        assert status_of(told(caller)) == 400
        wait_until(lambda: receiver.admission.waiting == 0)
    assert stored(tmp_path) == []


def test_a_thousand_refusals_do_not_flood_the_log(receiver, caplog):
    caplog.set_level(logging.INFO)
    with guarded(receiver) as server:
        for _ in range(100):
            with raw(server.port) as stranger:
                stranger.sendall(b"\x16\x03\x01")
                assert status_of(told(stranger)) == 400
        with connected(server.port) as stranger:
            for _ in range(300):
                assert ask(stranger, "POST", "/callbacks", BODY).status == 401
                assert ask(stranger, "POST", "/oauth/token", b"a=b").status in {400, 401}
    assert len(caplog.records) < 60
