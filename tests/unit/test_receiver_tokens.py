"""Tokens: any process with the keys accepts what another issued, and nothing else is accepted."""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
import sys
import time
from datetime import timedelta

import jwt
import pytest

from lifecycle import InvalidArgumentError
from lifecycle.providers.instacart.receiver.tokens import Tokens
from tests.receiving import CLIENT, KEY, OLD_KEY

NAME = jwt.get_unverified_header(Tokens(KEY).issue(CLIENT))["kid"]
ELSEWHERE = """
import sys
from lifecycle.providers.instacart.receiver.tokens import Tokens
print(Tokens(sys.stdin.read().split()).issue("instacart"))
"""


def claims(**also: object) -> dict[str, object]:
    now = int(time.time())
    return {"sub": CLIENT, "aud": "lifecycle:callbacks", "iat": now, "exp": now + 60} | also


def made(key: str = KEY, algorithm: str = "HS256", name: str = NAME, **also: object) -> bytes:
    given = {what: value for what, value in claims(**also).items() if value is not None}
    return jwt.encode(given, key, algorithm, {"kid": name}).encode()


def unsigned(algorithm: str) -> bytes:
    head = json.dumps({"alg": algorithm, "typ": "JWT", "kid": NAME}).encode()
    parts = (base64.urlsafe_b64encode(part).rstrip(b"=") for part in (head, json_of(claims())))
    return b".".join(parts) + b"."


def json_of(value: object) -> bytes:
    return json.dumps(value).encode()


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
        made(exp=None),
        made(sub=None),
        made(aud=None),
        made(aud="another"),
        made(nbf=int(time.time()) + 60),
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
def test_a_token_that_is_expired_forged_or_none_is_nobodys(token: bytes):
    tokens = Tokens([KEY, OLD_KEY])
    tokens.issue(CLIENT)
    assert tokens.client_of(token) is None
    assert tokens.client_of(token) is None


def test_a_changed_letter_anywhere_is_found():
    tokens, token = Tokens(KEY), made()
    for place in range(len(token) - 1):  # the last letter has bits that nobody reads
        changed = token[:place] + bytes([token[place] ^ 1]) + token[place + 1 :]
        assert tokens.client_of(changed) is None, place


def test_a_token_that_was_accepted_ends_all_the_same(monkeypatch):
    tokens, token = Tokens(KEY, timedelta(seconds=30)), Tokens(KEY).issue(CLIENT).encode()
    assert tokens.client_of(token) == CLIENT
    later = time.time() + 3601
    monkeypatch.setattr("lifecycle.providers.instacart.receiver.tokens.time.time", lambda: later)
    assert tokens.client_of(token) is None


def test_what_is_remembered_of_tokens_is_bounded():
    tokens = Tokens(KEY)
    for number in range(600):
        assert tokens.client_of(made(n=number)) == CLIENT
    assert len(tokens._verified) <= 256


@pytest.mark.parametrize("keys", [[], "short", b"k" * 31, ["k" * 32, ""]])
def test_keys_that_are_too_short_are_refused(keys):
    with pytest.raises(InvalidArgumentError):
        Tokens(keys)


def test_neither_keys_nor_tokens_show():
    assert KEY not in repr(Tokens(KEY)) + str(vars(Tokens(KEY)).keys())
