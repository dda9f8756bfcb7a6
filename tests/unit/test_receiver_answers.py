"""What the receiver answers, asked as a plain function: the same over sync and async orders."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import Callable, Iterator
from urllib.parse import quote_plus

import pytest

from lifecycle import InvalidArgumentError, Orders
from lifecycle.core.event import MAX_KEPT_BYTES
from lifecycle.http.receiver import (
    BearerTokens,
    Receiver,
    ReceiverLimits,
    Request,
    Response,
    Routes,
    SyncReceiver,
)
from lifecycle.log.codec import split
from lifecycle.service.receipt import AsyncReceipt
from tests.receiving import (
    BODY,
    CLIENT,
    FORM,
    OLD_SECRET,
    SECRET,
    SETUP,
    callback_request,
    header,
    token_in,
    token_request,
)
from tests.without_rules import connect, connect_async

Ask = Callable[[Request], Response]


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest, tmp_path) -> Iterator[Ask]:
    url = f"sqlite:///{tmp_path}/orders.db"
    if request.param == "sync":
        with connect(url) as orders:
            yield SyncReceiver(orders, BearerTokens(**SETUP)).handle
        return
    with asyncio.Runner() as runner:
        receiver = Receiver(connect_async(url), BearerTokens(**SETUP))
        runner.run(receiver.__aenter__())
        yield lambda asked: runner.run(handled(receiver, asked))
        runner.run(receiver.__aexit__(None, None, None))


async def handled(receiver: Receiver, asked: Request) -> Response:
    """Return the answer to a request, what its receipt tells known."""
    answer = await receiver.handle(asked)
    if isinstance(answer.receipt, AsyncReceipt):
        await answer.receipt.folded()
    return answer


@pytest.fixture
def token(ask: Ask) -> str:
    return token_in(ask(token_request()))


def basic(client_id: str, secret: str) -> dict[str, str]:
    encoded = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    return {"Authorization": f"Basic {encoded}"}


def stored(tmp_path) -> list[bytes]:
    with connect(f"sqlite:///{tmp_path}/orders.db") as orders:
        return bodies(orders)


def bodies(orders: Orders) -> list[bytes]:
    return [split(record)[1] for record in orders.log.scan()]


def test_a_token_is_given_for_the_secret_in_the_form_and_a_callback_recorded_for_the_token(
    ask, tmp_path
):
    granted = ask(token_request())
    fields = json.loads(granted.body)
    assert (granted.status, fields["token_type"], fields["expires_in"]) == (200, "Bearer", 3600)
    assert header(granted, "cache-control") == "no-store"
    answer = ask(callback_request(fields["access_token"]))
    assert (answer.status, json.loads(answer.body)) == (200, {"outcome": "appended"})
    assert stored(tmp_path) == [BODY]


def test_the_receipt_comes_with_the_answer(ask, token):
    answer = ask(callback_request(token))
    assert answer.receipt is not None
    assert answer.receipt.change is not None
    assert answer.receipt.change.after == "brand_new"


def test_headers_from_an_iterator_are_read_and_kept(ask, token):
    """As Flask and others hand them out."""
    pairs = {"Authorization": f"Bearer {token}", "X-Request-Id": "r-1", "Content-Length": "42"}
    answer = ask(Request("POST", "/callbacks", iter(pairs.items()), BODY))
    assert answer.receipt is not None
    assert answer.receipt.event.headers == {"x-request-id": "r-1"}
    longer = iter((pairs | {"Content-Length": "43"}).items())
    assert ask(Request("POST", "/callbacks", longer, BODY)).status == 400


@pytest.mark.parametrize("secret", [SECRET, OLD_SECRET], ids=["new", "old"])
def test_both_secrets_are_good_while_they_are_rotated(ask, secret):
    assert ask(token_request(FORM | {"client_secret": secret})).status == 200


def test_credentials_may_come_by_http_basic(ask):
    granted = ask(token_request({"grant_type": "client_credentials"}, basic(CLIENT, SECRET)))
    assert granted.status == 200


def test_an_odd_secret_is_read_as_the_standard_encodes_it_and_as_many_send_it(tmp_path):
    odd = "s e+c%r:é/=t, and so on"
    with connect("memory:") as orders:
        receiver = SyncReceiver(
            orders, BearerTokens(clients={"a b": odd}, signing_keys=secrets.token_hex(32))
        )
        grant = {"grant_type": "client_credentials"}
        for client_id, secret in (("a b", odd), (quote_plus("a b"), quote_plus(odd))):
            assert receiver.handle(token_request(grant, basic(client_id, secret))).status == 200
        posted = grant | {"client_id": "a b", "client_secret": odd}
        assert receiver.handle(token_request(posted)).status == 200
        assert receiver.handle(token_request(grant, basic("a b", odd[:-1]))).status == 401


@pytest.mark.parametrize(
    ("form", "headers"),
    [
        (FORM | {"client_secret": SECRET[:-1]}, None),
        (FORM | {"client_secret": SECRET + "x"}, None),
        (FORM | {"client_secret": ""}, None),
        (FORM | {"client_secret": "pass é\udcff".encode("utf-8", "surrogatepass")}, None),
        (FORM | {"client_id": "somebody"}, None),
        (FORM | {"client_id": "instacärt"}, None),
        ({"grant_type": "client_credentials"}, None),
        ({"grant_type": "client_credentials"}, {"authorization": "Basic !!!"}),
        ({"grant_type": "client_credentials"}, {"authorization": "Basic"}),
        ({"grant_type": "client_credentials"}, {"authorization": "Basic bm8tY29sb24="}),
        ({"grant_type": "client_credentials"}, {"authorization": f"Bearer {SECRET}"}),
        ({"grant_type": "client_credentials"}, basic(CLIENT, "")),
    ],
)
def test_an_unknown_client_gets_no_token(ask, form, headers):
    refused = ask(token_request(form, headers))
    assert (refused.status, json.loads(refused.body)) == (401, {"error": "invalid_client"})
    assert header(refused, "www-authenticate")


@pytest.mark.parametrize("content_type", ["", "text/html", "multipart/form-data", "\x00", "é"])
def test_the_content_type_is_never_a_reason_to_refuse(ask, token, content_type, tmp_path):
    answer = ask(callback_request(token, **{"content-type": content_type}))
    assert answer.status == 200
    assert stored(tmp_path) == [BODY]


@pytest.mark.parametrize("body", [b"<html>", b"\xff\x00", b"[]", b'{"id": "x"}'])
def test_an_unreadable_callback_is_quarantined_and_answered_like_any_other(
    ask, token, body, tmp_path
):
    answer = ask(callback_request(token, body))
    assert (answer.status, json.loads(answer.body)) == (200, {"outcome": "quarantined"})
    assert stored(tmp_path) == [body]


def test_the_same_event_through_two_urls_is_stored_once(ask, token, tmp_path):
    told = [json.loads(ask(callback_request(token, body)).body)["outcome"] for body in (BODY, BODY)]
    assert told == ["appended", "duplicate"]
    assert stored(tmp_path) == [BODY]


def test_a_body_of_16_mebibytes_is_kept_and_one_byte_more_is_refused(ask, token, tmp_path):
    largest = b"x" * MAX_KEPT_BYTES
    assert ask(callback_request(token, largest + b"x")).status == 413
    lie = {"content-length": str(MAX_KEPT_BYTES + 1)}
    assert ask(callback_request(token, b"x", **lie)).status == 413
    assert stored(tmp_path) == []
    assert ask(callback_request(token, largest)).status == 200
    assert stored(tmp_path) == [largest]


def test_a_body_shorter_than_it_says_was_cut_and_is_not_recorded(ask, token, tmp_path):
    length = {"content-length": str(len(BODY) + 1)}
    assert ask(callback_request(token, BODY, **length)).status == 400
    assert stored(tmp_path) == []


@pytest.mark.parametrize("headers", [{}, {"content-length": "0"}, {"content-length": ""}])
def test_an_empty_body_is_never_acknowledged(ask, token, headers, tmp_path):
    assert ask(callback_request(token, b"", **headers)).status == 400
    assert stored(tmp_path) == []


def test_chunks_that_a_framework_did_not_read_are_no_empty_body(ask, token, tmp_path):
    answer = ask(callback_request(token, b"", **{"transfer-encoding": "chunked"}))
    assert answer.status in {400, 411}
    assert stored(tmp_path) == []


@pytest.mark.parametrize("length", ["-1", "+42", "1e3", "4_2", "0x2a", "x", "٣", "²", "42 42"])
def test_a_content_length_that_is_none_is_refused(ask, token, length, tmp_path):
    assert ask(callback_request(token, BODY, **{"content-length": length})).status == 400
    assert stored(tmp_path) == []


@pytest.mark.parametrize("length", ["0", "41", "43", "042000", "9" * 7])
def test_a_body_of_another_length_than_it_says_is_not_recorded(ask, token, length, tmp_path):
    assert ask(callback_request(token, BODY, **{"content-length": length})).status == 400
    assert stored(tmp_path) == []


def test_a_length_beyond_any_number_is_too_large(ask, token, tmp_path):
    assert ask(callback_request(token, BODY, **{"content-length": "9" * 5000})).status == 413
    assert stored(tmp_path) == []


@pytest.mark.parametrize(
    "lengths", [["42"], ["42", "42"], ["42, 42"], ["0042", "42"], [" 42 "], [""], []]
)
def test_a_length_may_be_repeated_or_absent(ask, token, lengths, tmp_path):
    said = [("authorization", f"Bearer {token}"), *(("content-length", n) for n in lengths)]
    assert ask(Request("POST", "/callbacks", said, BODY)).status == 200
    assert stored(tmp_path) == [BODY]


@pytest.mark.parametrize("lengths", [["42", "43"], ["43, 42"], ["42", "x"]])
def test_several_lengths_that_differ_are_none(ask, token, lengths, tmp_path):
    said = [("authorization", f"Bearer {token}"), *(("content-length", n) for n in lengths)]
    assert ask(Request("POST", "/callbacks", said, BODY)).status == 400
    assert stored(tmp_path) == []


def test_a_transfer_coding_overrides_a_length(ask, token, tmp_path):
    said = {"content-length": "7", "transfer-encoding": "chunked"}
    assert ask(callback_request(token, BODY, **said)).status == 200
    assert stored(tmp_path) == [BODY]


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/callbacks", 405, "POST"),
        ("PUT", "/callbacks", 405, "POST"),
        ("GET", "/oauth/token", 405, "POST"),
        ("POST", "/health", 405, "GET, HEAD"),
        ("POST", "/", 404, None),
        ("POST", "", 404, None),
        ("POST", "/callbacks/", 404, None),
        ("POST", "/callbacks/../callbacks", 404, None),
        ("é\udcff", "/callbacks", 405, "POST"),
    ],
)
def test_other_methods_get_405_and_other_paths_404(ask, method, path, status, allow):
    answer = ask(Request(method, path))
    assert (answer.status, header(answer, "allow")) == (status, allow)


def test_a_receiver_whose_store_answers_is_well(ask):
    answer = ask(Request("GET", "/health"))
    assert (answer.status, json.loads(answer.body)) == (200, {"ok": True, "wrong": []})
    head = ask(Request("HEAD", "/health"))
    assert (head.status, head.body) == (200, b"")


def test_the_paths_are_settings():
    with connect("memory:") as orders:
        receiver = SyncReceiver(
            orders, BearerTokens(**SETUP), routes=Routes(token="/t", callbacks="/c")
        )
        token = token_in(receiver.handle(Request("POST", "/t", None, token_request().body)))
        answer = receiver.handle(Request("POST", "/c", {"authorization": f"Bearer {token}"}, BODY))
        assert answer.status == 200
        assert receiver.handle(token_request()).status == 404


@pytest.mark.parametrize(
    "setup",
    [
        SETUP | {"clients": {}},
        SETUP | {"clients": {CLIENT: []}},
        SETUP | {"clients": {CLIENT: ["good" * 4, ""]}},
        SETUP | {"clients": {CLIENT: "s"}},
        SETUP | {"clients": {CLIENT: "short" * 3}},
        SETUP | {"clients": {CLIENT: [SECRET, "short" * 3]}},
        SETUP | {"clients": {CLIENT: SECRET, "other": "s"}},
        SETUP | {"clients": {CLIENT: "\ud800" * 16}},
        SETUP | {"clients": {CLIENT: [7]}},
        SETUP | {"clients": {CLIENT: b"good" * 4}},
        SETUP | {"clients": {"": "good" * 4}},
        SETUP | {"clients": {"x" * 256: "good" * 4}},
        SETUP | {"clients": {"\udcff": "good" * 4}},
        SETUP | {"signing_keys": []},
        SETUP | {"signing_keys": "k" * 31},
        SETUP | {"signing_keys": ["k" * 32, "short"]},
    ],
)
def test_a_setup_that_would_let_anybody_in_is_refused_without_quoting_it(setup):
    with connect("memory:") as orders, pytest.raises(InvalidArgumentError) as refused:
        SyncReceiver(orders, BearerTokens(**setup))
    told = str(refused.value)
    assert not [secret for secret in ("good", "short", "k" * 31) if secret in told]
    assert "secrets.token_urlsafe(32)" in told


@pytest.mark.parametrize(
    "setup",
    [
        SETUP | {"clients": {CLIENT: "s" * 32}},
        SETUP | {"clients": {CLIENT: "0101010101010101"}},
        SETUP | {"signing_keys": "k" * 32},
    ],
)
def test_a_long_placeholder_secret_is_a_warning(setup, caplog):
    with connect("memory:") as orders:
        SyncReceiver(orders, BearerTokens(**SETUP))
        assert not caplog.records
        SyncReceiver(orders, BearerTokens(**setup))
    [told] = caplog.records
    assert told.levelname == "WARNING"
    assert "easily guessed" in told.getMessage()
    assert not [letters for letters in ("ss" * 8, "01" * 8, "kk" * 8) if letters in caplog.text]


def test_the_shortest_secret_and_the_longest_client_id_get_a_token_that_is_taken():
    client_id, secret = "é" * 127, secrets.token_hex(8)
    with connect("memory:") as orders:
        receiver = SyncReceiver(
            orders, BearerTokens(clients={client_id: secret}, signing_keys=SETUP["signing_keys"])
        )
        form = FORM | {"client_id": client_id, "client_secret": secret}
        token = token_in(receiver.handle(token_request(form)))
        assert receiver.handle(callback_request(token)).status == 200


@pytest.mark.parametrize(
    "settings",
    [
        lambda: ReceiverLimits(waiting=0),
        lambda: ReceiverLimits(waiting_bytes=MAX_KEPT_BYTES),
        lambda: ReceiverLimits(store_seconds=0),
        lambda: ReceiverLimits(retry_after=-1),
        lambda: Routes(token="/callbacks"),
        lambda: Routes(health="health"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings):
    with pytest.raises(InvalidArgumentError):
        settings()


def test_nothing_of_a_request_or_an_answer_shows(ask, token):
    request = callback_request(token, b"Kamal")
    answer = ask(token_request())
    for value in (request, request.head, answer, ask(request)):
        assert not [canary for canary in (token, "Kamal", SECRET) if canary in repr(value)]


def test_of_an_internal_error_only_the_type_is_reported(caplog):
    with connect("memory:") as orders:
        receiver = SyncReceiver(orders, BearerTokens(**SETUP))
        token = token_in(receiver.handle(token_request()))
        orders.close()
        closed = receiver.handle(callback_request(token))
        orders.record_callback = lambda *_, **__: {}["Kamal"]
        broken = receiver.handle(callback_request(token))
    assert [closed.status, broken.status] == [503, 503]
    assert "StoreClosedError" in caplog.text
    assert "KeyError" in caplog.text
    assert "Kamal" not in caplog.text
