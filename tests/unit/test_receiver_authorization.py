"""What RFC 6749 asks of a token endpoint and RFC 6750 of whoever takes tokens, rule by rule."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from urllib.parse import quote_plus

import pytest

from lifecycle import connect
from lifecycle.http.receiver import BearerTokens, Request, Response, SyncReceiver
from tests.receiving import (
    BODY,
    CLIENT,
    FORM,
    SECRET,
    SETUP,
    callback_request,
    header,
    token_in,
    token_request,
)

GRANT = {"grant_type": "client_credentials"}
INVALID_TOKEN = 'Bearer realm="callbacks", error="invalid_token"'
INVALID_REQUEST = 'Bearer realm="callbacks", error="invalid_request"'
NO_CODE = 'Bearer realm="callbacks"'


@pytest.fixture
def receiver() -> Iterator[SyncReceiver]:
    with connect("memory:") as orders:
        yield SyncReceiver(orders, BearerTokens(**SETUP))


def basic(client_id: str, secret: str, scheme: str = "Basic") -> dict[str, str]:
    encoded = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    return {"Authorization": f"{scheme} {encoded}"}


def wire(form: dict[str, str]) -> bytes:
    return "&".join(f"{name}={quote_plus(value)}" for name, value in form.items()).encode()


def error_in(answer: Response, status: int) -> str:
    """Return the error of an answer that has all that RFC 6749, 5.2, asks of one."""
    assert answer.status == status, answer.body
    assert header(answer, "content-type") == "application/json"
    assert header(answer, "cache-control") == "no-store"
    told = json.loads(answer.body)
    assert not {"access_token", "token_type"} & set(told)
    return told["error"]


def test_no_cache_may_store_a_granted_token(receiver):
    """RFC 6749, 5.1."""
    granted = receiver.handle(token_request())
    assert header(granted, "content-type") == "application/json"
    assert (header(granted, "cache-control"), header(granted, "pragma")) == ("no-store", "no-cache")
    assert set(json.loads(granted.body)) == {"access_token", "token_type", "expires_in"}


@pytest.mark.parametrize(
    "more",
    [
        b"&scope=callbacks&resource=https%3A%2F%2Fshop.example&resource=https%3A%2F%2Fb.example",
        b"".join(b"&x%d=%d" % (number, number) for number in range(2000)),
        b"&x=" + b"y" * 60_000,
        b"&grant_type=&client_id=&client_secret=",
        b"&grant_type&client_id&client_secret",
        b"&scope=",
        b"&" * 5000,
        b"&=&==&",
        b"&audience=\xff%FF%zz%",
        b"&a+b=%F0%9F%8D%8C",
    ],
    ids=["known", "2000", "long", "empty", "bare", "no scope", "&", "=", "bytes", "letters"],
)
def test_parameters_that_are_unknown_or_without_a_value_change_nothing(receiver, more):
    """RFC 6749, 3.2: unrecognized ones are ignored, and without a value they count as omitted."""
    assert receiver.handle(token_request(wire(FORM) + more)).status == 200
    assert receiver.handle(token_request(more.lstrip(b"&") + b"&" + wire(FORM))).status == 200
    by_header = token_request(wire(GRANT) + more, basic(CLIENT, SECRET))
    assert receiver.handle(by_header).status == 200


@pytest.mark.parametrize("name", ["grant_type", "client_id", "client_secret", "scope", "x"])
@pytest.mark.parametrize("again", ["as it was", "another", "encoded"])
def test_a_parameter_that_comes_twice_breaks_the_rules(receiver, name, again):
    """RFC 6749, 3.2: parameters MUST NOT be included more than once."""
    form = FORM | {"scope": "s", "x": "1"}
    value = "another" if again == "another" else form[name]
    spelled = name.replace("e", "%65").replace("x", "%78") if again == "encoded" else name
    twice = wire(form) + f"&{spelled}={value}".encode()
    assert error_in(receiver.handle(token_request(twice)), 400) == "invalid_request"


@pytest.mark.parametrize(
    ("form", "error"),
    [
        (wire(FORM | {"grant_type": "password"}), "unsupported_grant_type"),
        (wire(FORM | {"grant_type": "CLIENT_CREDENTIALS"}), "unsupported_grant_type"),
        (wire(FORM | {"grant_type": "client_credentials "}), "unsupported_grant_type"),
        (wire(FORM | {"grant_type": ""}), "invalid_request"),
        (wire({name: FORM[name] for name in ("client_id", "client_secret")}), "invalid_request"),
        (b"grant_type&" + wire(FORM).partition(b"&")[2], "invalid_request"),
        (b"", "invalid_request"),
        (b"=", "invalid_request"),
        (b"hello", "invalid_request"),
        (json.dumps(FORM).encode(), "invalid_request"),
        (b"<html>", "invalid_request"),
        (b"\xff\xfe\x00", "invalid_request"),
        (b"client_secret=" + b"x" * 70_000, "invalid_request"),
    ],
    ids=map(str, range(13)),  # the secret is made anew in every process
)
def test_a_token_request_that_breaks_a_rule_is_answered_with_that_rule(receiver, form, error):
    answer = receiver.handle(token_request(form))
    assert error_in(answer, 400) == error
    assert header(answer, "www-authenticate") is None


def test_an_invalid_form_is_refused_for_every_client(receiver):
    for body in (b"", b"hello", json.dumps(GRANT).encode()):
        answer = receiver.handle(token_request(body, basic(CLIENT, SECRET)))
        assert error_in(answer, 400) == "invalid_request"


@pytest.mark.parametrize(
    ("form", "headers"),
    [
        (GRANT, basic(CLIENT, SECRET)),
        (GRANT | {"client_id": CLIENT}, basic(CLIENT, SECRET)),
        (GRANT | {"client_secret": ""}, basic(CLIENT, SECRET)),
        (GRANT, basic(CLIENT, SECRET, "bAsIc")),
        (GRANT, basic(CLIENT, quote_plus(SECRET))),
        (GRANT, basic("".join(f"%{ord(letter):02X}" for letter in CLIENT), SECRET)),
        (FORM, {}),
    ],
)
def test_a_client_is_known_by_either_way_of_its_credentials(receiver, form, headers):
    """RFC 6749, 2.3.1."""
    assert receiver.handle(token_request(wire(form), headers)).status == 200


@pytest.mark.parametrize(
    ("form", "headers"),
    [
        (FORM, basic(CLIENT, SECRET)),
        (FORM, basic("somebody", "else")),
        (FORM, {"Authorization": "Basic !!!"}),
        (FORM, {"Authorization": f"Bearer {SECRET}"}),
        (GRANT | {"client_secret": SECRET}, basic(CLIENT, SECRET)),
        (GRANT | {"client_id": "another"}, basic(CLIENT, SECRET)),
        (GRANT, {"Authorization": ", ".join([basic(CLIENT, SECRET)["Authorization"]] * 2)}),
    ],
)
def test_credentials_in_two_places_break_the_rules(receiver, form, headers):
    """RFC 6749, 2.3: a client MUST NOT use more than one way in each request."""
    assert error_in(receiver.handle(token_request(wire(form), headers)), 400) == "invalid_request"


def test_two_headers_with_credentials_break_the_rules(receiver):
    [pair] = basic(CLIENT, SECRET).items()
    asked = Request("POST", "/oauth/token", [pair, pair], wire(GRANT))
    assert error_in(receiver.handle(asked), 400) == "invalid_request"


@pytest.mark.parametrize(
    "headers",
    [
        basic(CLIENT, SECRET[:-1]),
        basic("somebody", SECRET),
        basic("", ""),
        {"Authorization": "Basic"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic é"},
        {"Authorization": "Basic bm8tY29sb24="},
        {"Authorization": f"Bearer {SECRET}"},
        {"Authorization": ""},
        {},
    ],
)
@pytest.mark.parametrize("grant", ["client_credentials", "password"])
def test_an_unknown_client_is_told_how_to_authenticate(receiver, headers, grant):
    """RFC 6749, 5.2; before whether what it asks for is supported."""
    answer = receiver.handle(token_request({"grant_type": grant}, headers))
    assert error_in(answer, 401) == "invalid_client"
    assert header(answer, "www-authenticate") == 'Basic realm="token"'


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_a_token_is_asked_for_by_post_alone(receiver, method):
    """RFC 6749, 3.2."""
    asked = Request(method, "/oauth/token", basic(CLIENT, SECRET), wire(GRANT))
    assert receiver.handle(asked).status == 405


@pytest.mark.parametrize(
    ("authorization", "status", "challenge"),
    [
        (None, 401, NO_CODE),
        ("", 401, NO_CODE),
        ("{token}", 401, NO_CODE),
        ("Bearer{token}", 401, NO_CODE),
        ("Basic {token}", 401, NO_CODE),
        ("Token {token}", 401, NO_CODE),
        ("Bearer", 400, INVALID_REQUEST),
        ("bearer   ", 400, INVALID_REQUEST),
        ("Bearer {token} {token}", 400, INVALID_REQUEST),
        ("Bearer {token},", 400, INVALID_REQUEST),
        ("Bearer {token}, Bearer {token}", 400, INVALID_REQUEST),
        ("Bearer nonsense", 401, INVALID_TOKEN),
        ("Bearer é.ü.ñ", 401, INVALID_TOKEN),
        ("Bearer {token}x", 401, INVALID_TOKEN),
        ("Bearer =", 401, INVALID_TOKEN),
        ("Bearer " + "x" * 100_000, 401, INVALID_TOKEN),
    ],
)
def test_a_callback_without_a_valid_token_is_refused_with_the_reason_and_not_recorded(
    receiver, authorization, status, challenge
):
    """RFC 6750, 3.1: no error code where no bearer token was sent."""
    token = token_in(receiver.handle(token_request()))
    headers = {} if authorization is None else {"authorization": authorization.format(token=token)}
    refused = receiver.handle(Request("POST", "/callbacks", headers, BODY))
    assert (refused.status, header(refused, "www-authenticate")) == (status, challenge)
    assert header(refused, "cache-control") == "no-store"
    assert receiver.orders.log.last_position() == 0


@pytest.mark.parametrize("others", [["Bearer {token}"], ["Basic x"], ["Bearer"], [""]])
def test_a_token_among_several_headers_is_none(receiver, others):
    token = token_in(receiver.handle(token_request()))
    values = [f"Bearer {token}", *(other.format(token=token) for other in others)]
    pairs = [("authorization", value) for value in values]
    refused = receiver.handle(Request("POST", "/callbacks", pairs, BODY))
    assert (refused.status, header(refused, "www-authenticate")) == (400, INVALID_REQUEST)
    assert receiver.orders.log.last_position() == 0


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR", "Bearer  "])
def test_the_scheme_is_read_whatever_its_case(receiver, scheme):
    """RFC 9110, 11.1."""
    token = token_in(receiver.handle(token_request()))
    answer = receiver.handle(
        Request("POST", "/callbacks", {"AUTHORIZATION": f"{scheme} {token}"}, BODY)
    )
    assert answer.status == 200


def test_a_token_in_the_body_is_none(receiver):
    """RFC 6750, 2.2: only where a server supports it."""
    token = token_in(receiver.handle(token_request()))
    kind = {"content-type": "application/x-www-form-urlencoded"}
    answer = receiver.handle(Request("POST", "/callbacks", kind, f"access_token={token}".encode()))
    assert (answer.status, header(answer, "www-authenticate")) == (401, NO_CODE)


def test_a_client_that_was_taken_out_is_refused_at_once():
    with connect("memory:") as orders:
        both = SETUP | {"clients": {CLIENT: SECRET, "other": SECRET[::-1]}}
        token = token_in(SyncReceiver(orders, BearerTokens(**both)).handle(token_request()))
        after = SyncReceiver(orders, BearerTokens(**SETUP | {"clients": {"other": SECRET[::-1]}}))
        refused = after.handle(callback_request(token))
        assert (refused.status, header(refused, "www-authenticate")) == (401, INVALID_TOKEN)
