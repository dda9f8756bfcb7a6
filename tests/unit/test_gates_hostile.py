"""Hostile input through every gate: strangers leave no trace, a client's bytes stay as they are."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle import connect
from lifecycle.core.event import MAX_KEPT_BYTES
from lifecycle.http.receiver import (
    Basic,
    BearerTokens,
    Gate,
    HmacSignatures,
    Request,
    SignatureFormat,
    StandardWebhooks,
    StaticToken,
    SyncReceiver,
)
from lifecycle.log.codec import split
from tests.hostile_corpus import CORPUS, sample

SECRET = secrets.token_urlsafe(24)
WHSEC = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
IN_FIELDS = SignatureFormat("x-signature", field="v1", time_field="t")
IN_BASE64 = SignatureFormat(
    "x-signature", hash="sha512", encoding="base64", time_header="x-time", prefix="v1="
)

OVER_THE_URL = SignatureFormat("x-signature", encoding="base64", signs_url=True)
URL = "https://shop.example/callbacks"

GATES: Mapping[str, Callable[[], Gate]] = {
    "bearer": lambda: BearerTokens({"shop": SECRET}, [SECRET]),
    "over the URL": lambda: HmacSignatures(OVER_THE_URL, {"shop": SECRET}, url=URL),
    "fields": lambda: HmacSignatures(IN_FIELDS, {"shop": SECRET}),
    "base64": lambda: HmacSignatures(IN_BASE64, {"shop": SECRET}),
    "standard webhooks": lambda: StandardWebhooks({"shop": WHSEC}),
    "basic": lambda: Basic({"shop": SECRET}),
    "static": lambda: StaticToken({"shop": SECRET}),
}
HEADERS = (
    "x-signature",
    "x-time",
    "authorization",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
)
PIECES = (
    b"t=1",
    b",",
    b"v1=",
    b"v1",
    b" ",
    b"Basic ",
    b"Bearer ",
    b"=",
    b"00",
    b"AA==",
    b"1e9",
    b"-1",
    b"\xff",
    b"\x00",
    b"9" * 30,
    str(int(time.time())).encode(),
    base64.b64encode(b"shop:" + b"x" * 20),
)
VALUES = st.one_of(st.lists(st.sampled_from(PIECES), max_size=8).map(b"".join), st.binary())
REQUESTS = st.lists(st.tuples(st.sampled_from(HEADERS), VALUES), max_size=8)


@pytest.mark.parametrize("kind", GATES)
@settings(max_examples=90, deadline=None)
@given(headers=REQUESTS, body=st.binary(max_size=40))
def test_a_stranger_is_always_answered_and_never_recorded(kind, headers, body):
    with connect("memory:") as orders:
        receiver = SyncReceiver(orders, GATES[kind]())
        answer = receiver.handle(Request("POST", "/callbacks", headers, body))
        assert answer.status in {400, 401, 429}
        assert orders.log.last_position() == 0
        assert receiver.admission.waiting == receiver.admission.bytes == 0


def sent(kind: str, body: bytes, receiver: SyncReceiver) -> dict[str, str]:
    """Return the headers of a client that holds the secret; written without the library."""
    at = str(int(time.time()))
    match kind:
        case "bearer":
            asked = f"grant_type=client_credentials&client_id=shop&client_secret={SECRET}"
            form = {"content-type": "application/x-www-form-urlencoded"}
            told = receiver.handle(Request("POST", "/oauth/token", form, asked.encode()))
            return {"authorization": f"Bearer {json.loads(told.body)['access_token']}"}
        case "over the URL":
            signed = hmac.digest(SECRET.encode(), URL.encode() + body, hashlib.sha256)
            return {"x-signature": base64.b64encode(signed).decode()}
        case "fields":
            signed = hmac.digest(SECRET.encode(), at.encode() + b"." + body, hashlib.sha256)
            return {"x-signature": f"t={at},v1={signed.hex()}"}
        case "base64":
            signed = hmac.digest(SECRET.encode(), at.encode() + b"." + body, hashlib.sha512)
            return {"x-time": at, "x-signature": "v1=" + base64.b64encode(signed).decode()}
        case "standard webhooks":
            key = base64.b64decode(WHSEC.removeprefix("whsec_"))
            signed = hmac.digest(key, f"m.{at}.".encode() + body, hashlib.sha256)
            told = "v1," + base64.b64encode(signed).decode()
            return {"webhook-id": "m", "webhook-timestamp": at, "webhook-signature": told}
        case "basic":
            return {
                "authorization": "Basic " + base64.b64encode(f"shop:{SECRET}".encode()).decode()
            }
        case _:
            return {"authorization": f"Bearer {SECRET}"}


def is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.long)])
def test_whatever_a_client_sends_is_kept_byte_for_byte(kind, whole):
    """The corpus as its sender signed it; Standard Webhooks signs text alone."""
    gate, corpus = GATES[kind](), list(CORPUS.values())
    bodies = corpus if whole else sample(corpus)
    with connect("memory:") as direct, connect("memory:") as orders:
        receiver = SyncReceiver(orders, gate)
        for body in bodies:
            if not 0 < len(body) <= MAX_KEPT_BYTES:
                continue
            answer = receiver.handle(
                Request("POST", "/callbacks", sent(kind, body, receiver), body)
            )
            if kind == "standard webhooks" and not is_text(body):
                assert answer.status == 401
                continue
            told = direct.record_callback(body)
            assert (answer.status, answer.receipt.outcome) == (200, told.outcome)
        stored, expected = (
            [split(record)[1] for record in log.scan()] for log in (orders.log, direct.log)
        )
        assert stored == expected
        assert len(stored) > len(bodies) / 2
