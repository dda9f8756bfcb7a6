"""The client against a real server: what is sent, what comes back, what is asked again.

Every test runs twice, with threads and with coroutines: both are drivers of one flow.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs

import pytest

from lifecycle import (
    InvalidArgumentError,
    NeverReachedError,
    NoAnswerError,
    NoTokenError,
)
from lifecycle.core.event import MAX_KEPT_BYTES
from lifecycle.http.client.exchange import Answer
from lifecycle.http.client.retries import retry_after
from lifecycle.providers.instacart.client import AsyncClient, Client
from tests.http.scripted import (
    LIMIT,
    Scripted,
    answer,
    drop,
    grant,
    message,
    raw,
    silence,
    unread,
)
from tests.http.sync_and_async import SECRET, settings

BODY = b'{"order_id":"xyz123456"}'


def test_every_operation_is_sent_where_the_provider_expects_it(server, way):
    client = way.client(server)
    assert way.call(client.create, BODY).http_status == 200
    assert json.loads(way.call(client.get, "xyz123456").body)["status"] == "brand_new"
    assert way.call(client.stage, "xyz123456", {"bags_count": 3}).http_status == 200
    assert json.loads(way.call(client.cancel, "xyz123456").body)["status"] == "canceled"
    order = "/v2/fulfillment/users/kamalsingh1234/orders"
    assert [(asked.operation, asked.target, asked.body) for asked in server.asked[1:]] == [
        ("create", f"{order}/last_mile", BODY),
        ("get", f"{order}/xyz123456", b""),
        ("staged", f"{order}/xyz123456/staged", b'{"bags_count":3}'),
        ("cancel", f"{order}/xyz123456/cancel", b""),
    ]
    for asked in server.asked[1:]:
        assert asked.headers["authorization"] == "Bearer t0ken"
        assert asked.headers["accept"] == "application/json"
        assert asked.headers["accept-encoding"] == "identity"
        assert asked.headers.get("content-type") == ("application/json" if asked.body else None)


def test_the_token_is_asked_for_in_a_form_and_used_again(server, way):
    client = way.client(server, scope="connect:fulfillment")
    for _ in range(3):
        way.call(client.get, "xyz")
    [asked] = [asked for asked in server.asked if asked.operation == "token"]
    assert asked.target == "/v2/oauth/token"
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qs(asked.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["shop"],
        "client_secret": [SECRET],
        "scope": ["connect:fulfillment"],
    }


def test_the_token_may_come_from_elsewhere(server, way):
    with Scripted() as elsewhere:
        way.call(way.client(server, token_url=f"{elsewhere.url}/login/token").get, "xyz")
        assert [asked.target for asked in elsewhere.asked] == ["/login/token"]
        assert server.count("token") == 0


@pytest.mark.parametrize("odd", ["a/b", "a?b#c", "a b", "é", "..", ".", "%2F", "a@b.example"])
def test_no_id_leaves_its_place_in_the_path(server, way, odd):
    client = way.client(server, user_id=odd)
    way.call(client.get, odd)
    parts = server.asked[-1].target.split("/")
    assert parts[:4] == ["", "v2", "fulfillment", "users"]
    assert len(parts) == 7
    assert parts[4] not in {".", ".."}
    assert parts[6] == parts[4]


def test_every_body_is_read_back_byte_for_byte(server, way):
    for body in (b"<html>502</html>", b"", b"\xff\x00{", b'{"a": 1,\r\n "a": 2}', b"x" * 2_000_000):
        server.on("create", answer(502, body, {"content-type": "text/html"}))
        came = way.call(way.client(server).create, BODY)
        assert (came.http_status, came.body) == (502, body)
        assert came.headers["content-type"] == "text/html"


def test_a_packed_body_is_not_unpacked(server, way):
    server.on("get", answer(200, b"\x1f\x8bnot really", {"content-encoding": "gzip"}))
    assert way.call(way.client(server).get, "xyz").body == b"\x1f\x8bnot really"


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 408, 429, 500, 503])
def test_a_create_is_sent_once_whatever_is_answered(server, way, status):
    server.always("create", answer(status, b"{}"))
    assert way.call(way.client(server).create, BODY).http_status == status
    assert server.count("create") == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(server, way, status):
    with Scripted() as elsewhere:
        server.always("create", answer(status, b"", {"location": f"{elsewhere.url}/last_mile"}))
        server.always("get", answer(status, b"", {"location": f"{elsewhere.url}/xyz"}))
        assert way.call(way.client(server).create, BODY).http_status == status
        assert way.call(way.client(server).get, "xyz").http_status == status
        assert elsewhere.asked == []


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_get_is_retried_where_that_may_help(server, way, status):
    server.on("get", answer(status), answer(status))
    assert way.call(way.client(server).get, "xyz").http_status == 404
    assert server.count("get") == 3


@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_a_get_that_was_answered_is_not_retried(server, way, status):
    server.always("get", answer(status))
    assert way.call(way.client(server).get, "xyz").http_status == status
    assert server.count("get") == 1


def test_a_get_returns_the_last_answer_after_its_last_try(server, way):
    server.always("get", answer(503, b"down"))
    assert way.call(way.client(server).get, "xyz").body == b"down"
    assert server.count("get") == 3
    assert way.call(way.client(server).get, "xyz", tries=1).body == b"down"
    assert server.count("get") == 4


def test_a_get_survives_a_broken_connection(server, way):
    server.on("get", drop(), raw(message(200, b"{}" * 50)[:-7]))
    assert way.call(way.client(server).get, "xyz").http_status == 404
    server.always("get", drop())
    with pytest.raises(NoAnswerError):
        way.call(way.client(server).get, "xyz")


def test_a_get_waits_as_long_as_retry_after_says(server, way):
    server.on("get", answer(429, b"", {"retry-after": "1"}))
    begun = time.monotonic()
    assert way.call(way.client(server).get, "xyz").http_status == 404
    assert time.monotonic() - begun >= 1


def test_a_get_with_a_too_long_retry_after_returns_at_once(server, way):
    server.always("get", answer(503, b"", {"retry-after": "3600"}))
    assert way.call(way.client(server).get, "xyz").http_status == 503
    assert server.count("get") == 1


NOON = "Tue, 07 Jul 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("until", "seconds"),
    [
        ("Tue, 07 Jul 2026 12:00:09 GMT", 9),
        ("Tuesday, 07-Jul-26 12:00:09 GMT", 9),
        ("Tue Jul  7 12:00:09 2026", 9),
        ("Tue, 07 Jul 2026 11:00:00 GMT", 0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None),
        ("2026-07-07T12:00:09Z", None),
    ],
)
def test_an_instant_to_wait_for_may_have_any_form_of_a_date(until, seconds):
    told = Answer(429, b"", {"retry-after": until, "date": NOON})
    assert retry_after(told) == seconds


def test_a_placeholder_is_no_clock_to_wait_by():
    told = Answer(429, b"", {"retry-after": NOON, "date": "Thu, 01 Jan 1970 00:00:00 GMT"})
    ours = retry_after(Answer(429, b"", {"retry-after": NOON}))
    assert retry_after(told) == pytest.approx(ours, abs=60)


@pytest.mark.parametrize("operation", ["cancel", "stage"])
def test_an_operation_that_changes_an_order_is_not_retried(server, way, operation):
    client = way.client(server)
    told = {"cancel": "cancel", "stage": "staged"}[operation]
    server.always(told, answer(503))
    assert way.call(getattr(client, operation), "xyz").http_status == 503
    server.always(told, drop())
    with pytest.raises(NoAnswerError):
        way.call(getattr(client, operation), "xyz")
    assert server.count(told) == 2


@pytest.mark.parametrize("operation", ["get", "cancel", "stage"])
def test_a_refused_token_is_renewed_once(server, way, operation):
    client = way.client(server)
    told = {"stage": "staged"}.get(operation, operation)
    server.on("token", grant("old"), grant("new"), grant("newer"))
    server.on(told, answer(401), answer(200, b"{}"), answer(401), answer(401))
    assert way.call(getattr(client, operation), "xyz").http_status == 200
    assert [a.headers["authorization"] for a in server.asked if a.operation == told] == [
        "Bearer old",
        "Bearer new",
    ]
    assert way.call(getattr(client, operation), "xyz").http_status == 401
    assert server.count("token") == 3


def test_the_next_create_after_a_refused_token_has_a_new_one(server, way):
    client = way.client(server)
    server.on("token", grant("old"), grant("new"))
    server.on("create", answer(401))
    assert way.call(client.create, BODY).http_status == 401
    assert way.call(client.create, BODY).http_status == 200
    assert server.asked[-1].headers["authorization"] == "Bearer new"


@pytest.mark.parametrize("expires_in", [0, -5, "0"])
def test_a_token_that_expires_at_once_is_used_once(server, way, expires_in):
    server.always("token", grant(expires_in=expires_in))
    client = way.client(server)
    way.call(client.get, "xyz")
    way.call(client.get, "xyz")
    assert server.count("token") == 2


@pytest.mark.parametrize("expires_in", [None, "soon", "3600", 10**30, True, [], 3600.5])
def test_a_token_with_an_odd_lifetime_field_is_used(server, way, expires_in):
    server.always("token", grant(expires_in=expires_in))
    client = way.client(server)
    way.call(client.get, "xyz")
    way.call(client.get, "xyz")
    assert server.count("token") == 1


@pytest.mark.parametrize(
    ("reply", "status", "temporary"),
    [
        (answer(401, {"error": "invalid_client"}), 401, False),
        (answer(400, {"error": "invalid_scope"}), 400, False),
        (answer(403, b"<html>no</html>"), 403, False),
        (answer(302, b"", {"location": "/login"}), 302, False),
        (answer(429), 429, True),
        (answer(503), 503, True),
        (drop(), None, True),
        (raw(b"garbage\r\n\r\n"), None, True),
        (answer(200, b"<html>hello</html>"), 200, False),
        (answer(200, b"[]"), 200, False),
        (answer(200, {"access_token": ""}), 200, False),
        (answer(200, {"access_token": 7}), 200, False),
        (answer(200, {"access_token": "a b"}), 200, False),
        (answer(200, {"access_token": "a\r\nx-evil: 1"}), 200, False),
        (answer(200, {"access_token": "a", "token_type": "mac"}), 200, False),
        (answer(200, {"access_token": "a" * 9000}), 200, False),
    ],
)
def test_without_a_token_nothing_is_sent(server, way, reply, status, temporary):
    server.always("token", reply)
    with pytest.raises(NoTokenError) as refused:
        way.call(way.client(server).create, BODY)
    assert (refused.value.http_status, refused.value.temporary) == (status, temporary)
    assert server.count("token") == (3 if temporary else 1)
    assert server.count("create") == 0


def test_only_known_error_codes_are_repeated(server, way):
    server.on("token", answer(401, {"error": "invalid_client"}), answer(401, {"error": "Kamal"}))
    for code in ("invalid_client", None):
        with pytest.raises(NoTokenError) as refused:
            way.call(way.client(server).authorize)
        assert refused.value.code == code
        assert "Kamal" not in str(refused.value)


def test_a_connection_that_never_opened_raises_an_error_of_its_own(way):
    with Scripted() as tokens, Scripted(listening=False) as closed:
        client = way.client(closed, token_url=f"{tokens.url}/token")
        with pytest.raises(NeverReachedError):
            way.call(client.create, BODY)
        closed.listen()
        assert way.call(client.create, BODY).http_status == 200


@pytest.mark.parametrize(
    "reply",
    [
        unread(),
        drop(),
        raw(b"HTTP/1.1 200 OK\r\ncontent-le"),
        raw(message(200, b'{"id":"xyz","status":"created"}')[:-3]),
        raw(b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"id'),
        raw(b"SSH-2.0-hello\r\n\r\n"),
        answer(799, b"{}"),
        answer(200, b"x" * (MAX_KEPT_BYTES + 1)),
    ],
    ids=["unread", "dropped", "half a head", "half a body", "half a chunk", "ssh", "799", "huge"],
)
def test_an_invalid_answer_counts_as_no_answer(server, way, reply):
    server.on("create", reply)
    with pytest.raises(NoAnswerError):
        way.call(way.client(server).create, BODY)


def test_a_body_of_exactly_the_limit_is_complete(server, way):
    server.on("create", answer(200, b"x" * MAX_KEPT_BYTES))
    assert len(way.call(way.client(server).create, BODY).body) == MAX_KEPT_BYTES


def test_a_server_that_says_nothing_is_left_in_time(server, way):
    way.call((client := way.client(server, timeout=1.5)).authorize)
    server.on("create", silence())
    begun = time.monotonic()
    with pytest.raises(NoAnswerError):
        way.call(client.create, BODY)
    assert time.monotonic() - begun < LIMIT / 2


def test_a_server_that_drips_is_left_in_time(server, way):
    """Each piece comes in time, the whole never does: the whole has a limit of its own."""

    def drip(server, link, asked):
        link.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        while not server.over.wait(0.02):
            link.sendall(b" ")

    server.on("create", drip)
    begun = time.monotonic()
    with pytest.raises(NoAnswerError):
        way.call(way.client(server, timeout=0.5).create, BODY)
    assert time.monotonic() - begun < LIMIT / 2


def slow_grant(server, link, asked):
    """Grant a token when many have had the time to ask for one."""
    gathered.wait(LIMIT)
    grant()(server, link, asked)


gathered = threading.Event()
CALLERS = 16


def test_threads_share_one_renewal(server):
    gathered.clear()
    server.on("token", slow_grant)
    with Client(**settings(server)) as client, ThreadPoolExecutor(CALLERS) as pool:
        calls = [pool.submit(client.get, f"order{n}") for n in range(CALLERS)]
        gathered.set()
        assert {call.result(LIMIT).http_status for call in calls} == {404}
    assert (server.count("token"), server.count("get")) == (1, CALLERS)


def only_the_new(server, link, asked):
    """Refuse the old token, whoever comes first."""
    status = 401 if asked.headers["authorization"] == "Bearer old" else 404
    answer(status)(server, link, asked)


def test_tasks_share_one_renewal_and_one_failure(server):
    async def main():
        async with AsyncClient(**settings(server, tries=1)) as client:
            server.on("token", answer(503), grant("old"), grant("new"))
            calls = [client.get(f"order{n}") for n in range(CALLERS)]
            failed = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(failure) for failure in failed} == {NoTokenError}
            assert server.count("token") == 1, "one asked, all others failed as it did"
            await client.get("first")
            server.always("get", only_the_new)
            calls = [client.get(f"order{n}") for n in range(CALLERS)]
            assert {got.http_status for got in await asyncio.gather(*calls)} == {404}
            assert server.count("token") == 3, "all were refused, and one renewed"

    asyncio.run(main())


def test_a_task_that_is_canceled_while_it_renews_leaves_the_lock_free(server):
    async def main():
        async with AsyncClient(**settings(server)) as client:
            server.on("token", silence())
            waiting = [asyncio.ensure_future(client.authorize()) for _ in range(2)]
            await asyncio.to_thread(server.came.wait, LIMIT)
            waiting[0].cancel()
            await asyncio.wait_for(waiting[1], LIMIT)
            assert server.count("token") == 2

    asyncio.run(main())


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "http://provider.example"},
        {"base_url": "ftp://provider.example"},
        {"base_url": "https://user:hunter2@provider.example"},
        {"base_url": "https://provider.example?key=hunter2"},
        {"base_url": "https://"},
        {"base_url": 7},
        {"token_url": "http://provider.example/token"},
        {"user_id": ""},
        {"client_id": ""},
        {"client_secret": None},
        {"timeout": 0},
        {"timeout": float("nan")},
        {"timeout": True},
        {"tries": 0},
        {"first_wait": -1},
        {"longest_wait": float("inf")},
    ],
    ids=str,
)
def test_an_invalid_setting_is_refused_at_once(server, way, wrong):
    with pytest.raises(InvalidArgumentError) as refused:
        way.client(server, **wrong)
    assert "hunter2" not in str(refused.value)


def test_a_call_without_a_user_says_what_is_missing(server, way):
    client = way.client(server, user_id=None)
    with pytest.raises(InvalidArgumentError, match="user_id"):
        way.call(client.get, "xyz")
    assert way.call(client.get, "xyz", user_id="ann").http_status == 404
    assert "/users/ann/" in server.asked[-1].target
