"""Guessing a secret is slow, costs a bounded memory, and locks out nobody who knows it."""

from __future__ import annotations

import asyncio
import io
import secrets
from collections import Counter
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest

from lifecycle import connect, connect_async
from lifecycle.http.receiver import BearerTokens, Receiver, Request, SyncReceiver
from lifecycle.http.receiver.guarded_clients import (
    FREE_GUESSES,
    LANES,
    MOST_KEPT,
    Guesses,
    source_of,
)
from tests.receiving import CLIENT, FORM, SECRET, SETUP, header, token_request

WRONG = b"grant_type=client_credentials&client_id=instacart&client_secret=wrong"
GUESSER, OWNER = "203.0.113.7", "198.51.100.1"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(Guesses.__init__, "__defaults__", (clock,))
    return clock


@pytest.fixture
def receiver(clock: Clock) -> Iterator[SyncReceiver]:
    with connect("memory:") as orders:
        yield SyncReceiver(orders, BearerTokens(**SETUP))


def asked(receiver: SyncReceiver, secret: str, address: str | None = GUESSER, **form: str) -> int:
    body = token_request(FORM | {"client_secret": secret} | form).body
    answer = receiver.handle(Request("POST", "/oauth/token", None, body, address))
    if answer.status == 429:
        assert header(answer, "retry-after") == "1"
        assert header(answer, "cache-control") == "no-store"
    return answer.status


def guess(receiver: SyncReceiver, times: int, **also: str) -> Counter[int]:
    return Counter(asked(receiver, secrets.token_urlsafe(32), **also) for _ in range(times))


def test_the_first_guesses_are_free_and_then_each_second_allows_a_few(receiver, clock):
    assert guess(receiver, FREE_GUESSES) == {401: FREE_GUESSES}
    for _ in range(5):
        looked_at = guess(receiver, 5000)[401]
        assert 0 < looked_at <= LANES
        clock.now += 1


def test_a_service_that_sends_one_wrong_secret_is_looked_at_once_a_second(receiver, clock):
    wrong = secrets.token_urlsafe(32)
    for _ in range(FREE_GUESSES):
        assert asked(receiver, wrong) == 401
    for _ in range(3):
        assert [asked(receiver, wrong) for _ in range(3)].count(429) >= 2
        clock.now += 1.001


def test_a_right_secret_is_taken_a_second_after_any_number_of_guesses(receiver, clock):
    guess(receiver, 5000)
    clock.now += 1
    assert asked(receiver, SECRET) == 200


def test_a_right_secret_is_accepted_during_guesses_from_the_same_address(receiver, clock):
    """As all do behind a proxy: of ten tries a second apart, most succeed beside 100 guesses."""
    guess(receiver, 1000)
    taken = 0
    for _ in range(100):
        for _ in range(10):
            clock.now += 0.1
            guess(receiver, 3)
        taken += asked(receiver, SECRET) == 200
    assert taken >= 30


def test_a_right_secret_at_another_address_never_waits(receiver):
    guess(receiver, 5000)
    assert asked(receiver, SECRET, OWNER) == 200


def test_guesses_at_one_client_id_make_no_other_wait(clock):
    other = secrets.token_urlsafe(32)
    with connect("memory:") as orders:
        setup = SETUP | {"clients": {CLIENT: SECRET, "other": other}}
        receiver = SyncReceiver(orders, BearerTokens(**setup))
        guess(receiver, 5000)
        guess(receiver, 5000, client_id="nobody")
        assert asked(receiver, other, client_id="other") == 200


def test_unknown_ids_are_counted_together(receiver):
    told = Counter(asked(receiver, "x" * 16, client_id=f"client-{n}") for n in range(500))
    assert told[401] <= FREE_GUESSES + 1
    assert len(receiver.gate.secrets.guesses) == 2


def test_a_guess_by_http_basic_counts_alike(receiver):
    headers = {"authorization": "Basic aW5zdGFjYXJ0Ondyb25n"}
    body = b"grant_type=client_credentials"
    answers = [
        receiver.handle(Request("POST", "/oauth/token", headers, body, GUESSER)).status
        for _ in range(50)
    ]
    assert answers == [401] * FREE_GUESSES + [429] * (50 - FREE_GUESSES)


def asked_by_wsgi(app: SyncReceiver, address: str) -> str:
    told: list[str] = []
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/oauth/token",
        "CONTENT_LENGTH": str(len(WRONG)),
        "REMOTE_ADDR": address,
        "wsgi.input": io.BytesIO(WRONG),
    }
    app(environ, lambda status, _: told.append(status))
    return told[0][:3]


async def asked_by_asgi(app: Receiver, address: str) -> str:
    told: list[MutableMapping[str, Any]] = []
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/oauth/token",
        "headers": [],
        "client": (address, 4711),
    }

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": WRONG}

    async def send(message: MutableMapping[str, Any]) -> None:
        told.append(message)

    await app(scope, receive, send)
    return str(told[0]["status"])


def test_a_wsgi_app_counts_guesses_by_the_address_of_the_caller(receiver):
    answers = [asked_by_wsgi(receiver, GUESSER) for _ in range(FREE_GUESSES + 5)]
    assert answers == ["401"] * FREE_GUESSES + ["429"] * 5
    assert asked_by_wsgi(receiver, OWNER) == "401"


def test_an_asgi_app_counts_guesses_by_the_address_of_the_caller(clock):
    async def guessed() -> tuple[list[str], str]:
        async with Receiver(connect_async("memory:"), BearerTokens(**SETUP)) as app:
            answers = [await asked_by_asgi(app, GUESSER) for _ in range(FREE_GUESSES + 5)]
            return answers, await asked_by_asgi(app, OWNER)

    answers, elsewhere = asyncio.run(guessed())
    assert answers == ["401"] * FREE_GUESSES + ["429"] * 5
    assert elsewhere == "401"


def test_a_malformed_token_request_does_not_count_as_a_guess(receiver):
    for _ in range(200):
        receiver.handle(Request("POST", "/oauth/token", None, b"hello", GUESSER))
    assert asked(receiver, secrets.token_urlsafe(32)) == 401


def test_a_secret_that_is_right_is_never_counted(receiver):
    assert {asked(receiver, SECRET) for _ in range(200)} == {200}
    assert len(receiver.gate.secrets.guesses) == 0


def test_the_memory_of_guesses_is_bounded_and_forgets_recovered_sources():
    clock = Clock()
    guesses = Guesses(clock)
    for number in range(2 * MOST_KEPT):
        guesses.note(source_of(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", None), b"x")
    assert len(guesses) <= MOST_KEPT
    clock.now += 3600
    guesses.note(source_of(GUESSER, None), b"x")
    assert len(guesses) == 2


def test_a_recovered_source_has_all_free_guesses_again(receiver, clock):
    guess(receiver, 500)
    clock.now += FREE_GUESSES
    assert guess(receiver, FREE_GUESSES) == {401: FREE_GUESSES}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("203.0.113.7", "203.0.113.7", True),
        ("203.0.113.7", "203.0.113.8", False),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:203.0.113.7", "203.0.113.7", True),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        (None, "", True),
        ("unix:", "no address", True),
        (None, "203.0.113.7", False),
    ],
)
def test_a_source_is_an_address_or_the_network_of_one(one, other, same):
    assert (source_of(one, CLIENT) == source_of(other, CLIENT)) is same
