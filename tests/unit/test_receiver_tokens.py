"""Tokens: any process with the keys accepts what another issued, and nothing else is accepted."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta

import jwt
import pytest

from lifecycle import InvalidArgumentError
from lifecycle.http.receiver.bearer import Tokens
from tests.receiving import CLIENT, KEY, OLD_KEY

NAME = jwt.get_unverified_header(Tokens(KEY).issue(CLIENT))["kid"]
LATER = 86_400
"""Seconds: tokens are made while tests are collected, and many tests may run before these."""
ELSEWHERE = """
import sys
from lifecycle.http.receiver.bearer import Tokens
print(Tokens(sys.stdin.read().split()).issue("instacart"))
"""


def claims(**also: object) -> dict[str, object]:
    now = int(time.time())
    return {"sub": CLIENT, "aud": "lifecycle:callbacks", "iat": now, "exp": now + 2 * LATER} | also


def made(key: str = KEY, algorithm: str = "HS256", name: str = NAME, **also: object) -> bytes:
    given = {what: value for what, value in claims(**also).items() if value is not None}
    return jwt.encode(given, key, algorithm, {"kid": name}).encode()


def unsigned(algorithm: str) -> bytes:
    head = json.dumps({"alg": algorithm, "typ": "JWT", "kid": NAME}).encode()
    parts = (base64.urlsafe_b64encode(part).rstrip(b"=") for part in (head, json_of(claims())))
    return b".".join(parts) + b"."


def json_of(value: object) -> bytes:
    return json.dumps(value).encode()


def signed(head: object, payload: bytes) -> bytes:
    """Return what is signed by the right key, whatever it says; it need not be a token."""
    parts = (base64.urlsafe_b64encode(part).rstrip(b"=") for part in (json_of(head), payload))
    said = b".".join(parts)
    signature = hmac.digest(KEY.encode(), said, "sha256")
    return said + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")


def made_of(head: object = None, raw: bytes = b"", whole: object = ..., **also: object) -> bytes:
    said = claims(**also) if whole is ... else whole
    usual = {"alg": "HS256", "typ": "JWT", "kid": NAME}
    return signed(head or usual, raw or json_of(said))


# Of every type and size that JSON has, and some that Python reads alone.
ODD_TIMES = (
    *(0, -1, -0.0, 10**400, -(10**400), 10**18, 1e300, 253402300800),
    *(float("nan"), float("inf"), float("-inf")),
    *("", "soon", str(int(time.time()) + 60), True, False, [], {}, [int(time.time()) + 60]),
)
ODD_HEADS = (
    *({"alg": "HS256", "typ": "JWT", "kid": kid} for kid in (None, 7, [], {}, "", "x" * 2000)),
    {"alg": "HS256", "typ": "JWT"},
    {"alg": None, "kid": NAME},
    {"alg": ["HS256"], "kid": NAME},
    {"alg": "hs256", "kid": NAME},
    {"alg": "RS256", "kid": NAME},
    {"alg": "HS256", "kid": NAME, "b64": False, "crit": ["b64"]},
    {"alg": "HS256", "kid": NAME, "crit": ["x"], "x": 1},
    {"kid": NAME},
    ["alg", "kid"],
    "HS256",
    7,
)


def test_a_token_signed_by_hand_is_accepted():
    """The positive control of the odd claims and heads below."""
    assert Tokens(KEY).client_of(made_of()) == CLIENT


def test_a_process_accepts_what_another_issued_before_it_started():
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE],
        input=f"{KEY} {OLD_KEY}",
        capture_output=True,
        text=True,
        check=True,
    )
    assert Tokens([KEY, OLD_KEY]).client_of(done.stdout.strip().encode()) == CLIENT


def test_a_key_is_rotated_without_a_gap():
    before = Tokens(OLD_KEY)
    during, after = Tokens([KEY, OLD_KEY]), Tokens(KEY)
    old, new = before.issue(CLIENT).encode(), during.issue(CLIENT).encode()
    assert (during.client_of(old), during.client_of(new)) == (CLIENT, CLIENT)
    assert (after.client_of(old), after.client_of(new)) == (None, CLIENT)


def test_a_token_made_as_the_receiver_makes_it_is_accepted():
    """The positive control of all that is refused below."""
    assert Tokens(KEY).client_of(made()) == CLIENT


@pytest.mark.parametrize(
    "token",
    [
        made(exp=int(time.time()) - 1),
        *(made(exp=odd) for odd in ODD_TIMES),
        *(made(iat=odd) for odd in ODD_TIMES if odd not in (0, -0.0, [])),
        *(made(nbf=odd) for odd in ODD_TIMES if odd not in (0, -0.0, [])),
        made(iat=int(time.time()) + LATER),
        *(made_of(sub=odd) for odd in (None, 7, True, [], [CLIENT], {}, {CLIENT: 1}, "x" * 3000)),
        *(made_of(aud=odd) for odd in (None, 7, True, {}, [7], [], [[]])),
        *(made_of(**{name: None}) for name in ("exp", "iat", "nbf")),
        made_of(iss=7, jti=7, crit=["x"], sub=["\ud800"]),
        made_of(whole=[]),
        made_of(whole="text"),
        made_of(whole=None),
        made_of(raw=b"not json"),
        made_of(raw=b'{"exp": ' + b"9" * 2000 + b"}"),
        made_of(raw=b"[" * 2000),
        *(made_of(head=odd) for odd in ODD_HEADS),
        made(exp=None),
        made(sub=None),
        made(aud=None),
        made(aud="another"),
        made(nbf=int(time.time()) + LATER),
        made(key=secrets.token_hex(32)),
        made(name="another"),
        made(key=KEY * 2, algorithm="HS512"),
        made(key=KEY * 2, algorithm="HS384"),
        unsigned("none"),
        unsigned("NONE"),
        unsigned("HS256"),
        made()[:-1],
        made() + b"x",
        made()[: len(made()) // 2],
        made().replace(b".", b"", 1),
        b"",
        b".",
        b"..",
        b"\xff.\xfe.\xfd",
        "é.ü.ñ".encode(),
        b"x" * 1_000_000,
        b"." * 4000,
    ],
)
def test_an_expired_forged_or_invalid_token_belongs_to_no_client(token: bytes):
    tokens = Tokens([KEY, OLD_KEY])
    tokens.issue(CLIENT)
    assert tokens.client_of(token) is None
    assert tokens.client_of(token) is None


def test_a_changed_letter_anywhere_is_found():
    tokens, token = Tokens(KEY), made()
    for place in range(len(token) - 1):  # the last letter has bits that nobody reads
        changed = token[:place] + bytes([token[place] ^ 1]) + token[place + 1 :]
        assert tokens.client_of(changed) is None, place


def test_an_accepted_token_still_expires(monkeypatch):
    tokens, token = Tokens(KEY, timedelta(seconds=30)), Tokens(KEY).issue(CLIENT).encode()
    assert tokens.client_of(token) == CLIENT
    later = time.time() + 3601
    monkeypatch.setattr("lifecycle.http.receiver.bearer.time.time", lambda: later)
    assert tokens.client_of(token) is None


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return what moves the clock of this host, by seconds from the right time."""
    right = time.time

    def move(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: right() + seconds)

    return move


@pytest.mark.parametrize("ahead", [0, 1, 2, 5, 29])
@pytest.mark.parametrize("of", ["the token", "its reader"])
def test_a_token_is_accepted_at_once_where_two_clocks_differ_a_little(moved, ahead, of):
    moved(ahead if of == "the token" else -ahead)
    issued = Tokens(KEY).issue(CLIENT).encode()
    moved(0)
    assert Tokens(KEY).client_of(issued) == CLIENT


def test_a_token_outlives_a_clock_that_is_set_back(moved):
    tokens = Tokens(KEY)
    issued = tokens.issue(CLIENT).encode()
    moved(-20)
    assert tokens.client_of(issued) == CLIENT


@pytest.mark.parametrize(
    ("leeway", "accepted"), [(0, None), (9, None), (11, CLIENT), (300, CLIENT)]
)
def test_how_far_clocks_may_be_apart_is_a_setting(moved, leeway, accepted):
    moved(10)
    issued = Tokens(KEY).issue(CLIENT).encode()
    moved(0)
    assert Tokens(KEY, leeway=timedelta(seconds=leeway)).client_of(issued) == accepted


def test_leeway_makes_no_token_last_longer(moved):
    issued = Tokens(KEY).issue(CLIENT).encode()
    moved(3599)
    assert Tokens(KEY, leeway=timedelta(minutes=5)).client_of(issued) == CLIENT
    moved(3601)
    assert Tokens(KEY, leeway=timedelta(minutes=5)).client_of(issued) is None


@pytest.mark.parametrize("seconds", [-1, -0.001, 301])
def test_a_leeway_that_would_accept_anything_is_refused(seconds):
    with pytest.raises(InvalidArgumentError):
        Tokens(KEY, leeway=timedelta(seconds=seconds))


@pytest.mark.parametrize("lifetime", [timedelta(0), timedelta(seconds=-5), timedelta.max])
def test_a_lifetime_that_no_token_can_have_is_refused(lifetime):
    with pytest.raises(InvalidArgumentError):
        Tokens(KEY, lifetime)


@pytest.mark.parametrize("lifetime", [timedelta(seconds=1), timedelta(days=36_525)])
def test_tokens_of_every_lifetime_are_accepted(lifetime):
    tokens = Tokens(KEY, lifetime)
    assert tokens.client_of(tokens.issue(CLIENT).encode()) == CLIENT


def test_the_cache_of_tokens_is_bounded():
    tokens = Tokens(KEY)
    for number in range(600):
        assert tokens.client_of(made(n=number)) == CLIENT
    assert len(tokens._verified) <= 256


@pytest.mark.parametrize(
    "keys", [[], "", "k", "short", b"k" * 31, "k" * 31, ["k" * 32, ""], "\ud800" * 32]
)
def test_keys_that_are_too_short_are_refused(keys):
    with pytest.raises(InvalidArgumentError):
        Tokens(keys)


def test_neither_keys_nor_tokens_show():
    assert KEY not in repr(Tokens(KEY)) + str(vars(Tokens(KEY)).keys())
