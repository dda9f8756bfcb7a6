"""Gates over real sockets: whom they let in, and that a forged callback leaves no trace."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from lifecycle import InvalidArgumentError, connect, connect_async
from lifecycle.audit.export import export
from lifecycle.audit.replay import replay
from lifecycle.audit.verify import verify
from lifecycle.http.receiver import (
    Basic,
    BearerTokens,
    Credentials,
    Gate,
    HmacSignatures,
    Receiver,
    ReceiverLimits,
    ReceiverPort,
    Refusal,
    Request,
    Routes,
    SignatureFormat,
    StandardWebhooks,
    StaticToken,
    StaticTokenFormat,
    SyncReceiver,
    unauthorized,
)
from lifecycle.log.codec import split
from lifecycle.log.contract import CONTROL
from tests.receiving import BODY, SETUP
from tests.serving import Answer, asgi_server, ask, bearer, connected, wsgi_server
from tests.signed_provider import Crates

SECRET = secrets.token_urlsafe(24)
NEWER = secrets.token_urlsafe(24)
WHSEC = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
NEWER_WHSEC = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
URL = "https://shop.example/provider/callbacks"
NAME = "the provider"

Signs = Callable[[bytes, str, float], dict[str, str]]


@dataclass(frozen=True)
class Way:
    """One gate, and how a provider passes it: `signs` takes body, secret and time."""

    gate: Callable[[Mapping[str, Any]], Gate]
    signs: Signs
    secret: str = SECRET
    newer: str = NEWER
    is_timed: bool = False
    is_signed: bool = True


def mac(secret: str, content: bytes, how: str = "sha256") -> bytes:
    return hmac.digest(secret.encode(), content, how)


def plain_hex(body: bytes, secret: str, _at: float) -> dict[str, str]:
    return {"X-Postmates-Signature": mac(secret, body).hex()}


def upper_hex_512(body: bytes, secret: str, _at: float) -> dict[str, str]:
    return {"X-Signature": "sha512=" + mac(secret, body, "sha512").hex().upper()}


def with_hex_key(body: bytes, secret: str, _at: float) -> dict[str, str]:
    return {"X-Signature": hmac.digest(bytes.fromhex(secret), body, "sha512").hex()}


def over_url(body: bytes, secret: str, _at: float) -> dict[str, str]:
    return {"X-Signature": base64.b64encode(mac(secret, URL.encode() + body)).decode()}


def in_fields(body: bytes, secret: str, at: float) -> dict[str, str]:
    whole = str(int(at))
    signed = mac(secret, whole.encode() + b"." + body).hex()
    return {"Shop-Signature": f"t={whole}, v0=aa, v1={'0' * 64}, v1={signed}"}


def in_headers(body: bytes, secret: str, at: float) -> dict[str, str]:
    whole = str(int(at * 1000))
    signed = mac(secret, f"{whole}:".encode() + body, "sha512")
    return {"X-Time": whole, "X-Signature": base64.b64encode(signed).decode()}


def webhook(body: bytes, secret: str, at: float) -> dict[str, str]:
    """As the specification has it, written without the library."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = hmac.digest(key, f"msg_1.{int(at)}.".encode() + body, "sha256")
    text = "v1a,bm9uZQ== v1," + base64.b64encode(signed).decode()
    return {"Webhook-Id": "msg_1", "Webhook-Timestamp": str(int(at)), "Webhook-Signature": text}


def basic(_body: bytes, secret: str, _at: float) -> dict[str, str]:
    encoded = base64.b64encode(f"{NAME}:{secret}".encode()).decode()
    return {"Authorization": f"Basic {encoded}"}


def static(_body: bytes, secret: str, _at: float) -> dict[str, str]:
    return {"Authorization": f"bearer {secret}"}


def static_header(_body: bytes, secret: str, _at: float) -> dict[str, str]:
    return {"X-Api-Key": secret}


def signed_by(form: SignatureFormat, **settings: Any) -> Callable[[Mapping[str, Any]], Gate]:
    return lambda clients: HmacSignatures(form, clients, **settings)


WAYS = {
    "hex": Way(signed_by(SignatureFormat("x-postmates-signature")), plain_hex),
    "hex, 512, prefix": Way(
        signed_by(SignatureFormat("X-Signature", hash="sha512", prefix="sha512=")), upper_hex_512
    ),
    "hex, 512, a key in hex": Way(
        signed_by(SignatureFormat("x-signature", hash="sha512", key="hex")),
        with_hex_key,
        secret="0123456789abcdef" * 4,
        newer="FEDCBA9876543210" * 4,
    ),
    "base64 over the URL": Way(
        signed_by(SignatureFormat("x-signature", encoding="base64", signs_url=True), url=URL),
        over_url,
    ),
    "fields with a time": Way(
        signed_by(SignatureFormat("shop-signature", field="v1", time_field="t")),
        in_fields,
        is_timed=True,
    ),
    "base64, 512, a header with milliseconds": Way(
        signed_by(
            SignatureFormat(
                "x-signature",
                hash="sha512",
                encoding="base64",
                time_header="x-time",
                separator=b":",
            )
        ),
        in_headers,
        is_timed=True,
    ),
    "standard webhooks": Way(
        StandardWebhooks, webhook, secret=WHSEC, newer=NEWER_WHSEC, is_timed=True
    ),
    "basic": Way(Basic, basic, is_signed=False),
    "static token": Way(StaticToken, static, is_signed=False),
    "static token in a header of its own": Way(
        lambda clients: StaticToken(clients, header="x-api-key", scheme=""),
        static_header,
        is_signed=False,
    ),
}


@pytest.fixture(params=WAYS, ids=str)
def way(request: pytest.FixtureRequest) -> Way:
    return WAYS[request.param]


@pytest.fixture(params=[name for name, way in WAYS.items() if way.is_timed], ids=str)
def timed(request: pytest.FixtureRequest) -> Way:
    return WAYS[request.param]


@pytest.fixture(params=[name for name, way in WAYS.items() if way.is_signed], ids=str)
def signed(request: pytest.FixtureRequest) -> Way:
    return WAYS[request.param]


@pytest.fixture(params=["asgi", "wsgi"])
def mount(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def url(tmp_path) -> str:
    return f"sqlite:///{tmp_path}/orders.db"


@contextmanager
def served(mount: str, url: str, gate: Gate, **settings: Any) -> Iterator[int]:
    """Serve a receiver with a gate, and yield its port."""
    if mount == "asgi":
        with asgi_server(Receiver(connect_async(url), gate, **settings)) as port:
            yield port
        return
    with connect(url) as orders, wsgi_server(SyncReceiver(orders, gate, **settings)) as port:
        yield port


def posted(port: int, headers: Mapping[str, str], body: bytes = BODY) -> Answer:
    with connected(port) as connection:
        return ask(connection, "POST", "/callbacks", body, headers)


def stored(url: str) -> list[bytes]:
    with connect(url) as orders:
        return [split(record)[1] for record in orders.log.scan() if record.stream != CONTROL]


def test_a_callback_that_passes_the_gate_is_recorded_and_one_without_a_secret_is_not(
    way, mount, url
):
    with served(mount, url, way.gate({NAME: [way.secret]})) as port:
        answer = posted(port, way.signs(BODY, way.secret, time.time()))
        nobody = posted(port, {})
    assert (answer.status, json.loads(answer.body)) == (200, {"outcome": "appended"})
    assert nobody.status == 401
    assert nobody.headers["www-authenticate"]
    assert stored(url) == [BODY]


def test_a_forged_callback_is_401_and_never_recorded(way, mount, url, caplog):
    other = way.newer
    with served(mount, url, way.gate({NAME: [way.secret]})) as port:
        forged = [posted(port, way.signs(BODY, other, time.time()))]
        if way.is_signed:
            changed = BODY.replace(b"brand_new", b"delivered")
            forged.append(posted(port, way.signs(BODY, way.secret, time.time()), changed))
    assert {answer.status for answer in forged} == {401}
    assert stored(url) == []
    assert not [part for part in (way.secret, other, "xyz123456") if part in caplog.text]
    assert "callback refused" in caplog.text


@pytest.mark.parametrize("seconds", [-600, 600])
def test_a_signature_that_is_too_old_or_from_the_future_is_401_and_never_recorded(
    timed, mount, url, seconds
):
    with served(mount, url, timed.gate({NAME: [timed.secret]})) as port:
        stale = posted(port, timed.signs(BODY, timed.secret, time.time() + seconds))
        fresh = posted(port, timed.signs(BODY, timed.secret, time.time() + seconds / 4))
    assert (stale.status, fresh.status) == (401, 200)
    assert stored(url) == [BODY]


def test_a_rotated_secret_is_taken_beside_the_new_one_and_replay_does_not_miss_it(way, mount, url):
    second = BODY.replace(b"brand_new", b"at_store")
    with served(mount, url, way.gate({NAME: [way.newer, way.secret]})) as port:
        assert posted(port, way.signs(BODY, way.secret, time.time())).status == 200
        assert posted(port, way.signs(second, way.newer, time.time()), second).status == 200
    with served(mount, url, way.gate({NAME: [way.newer]})) as port:
        assert posted(port, way.signs(BODY, way.secret, time.time())).status == 401
    with connect(url) as orders:
        assert replay(orders.log, {orders.provider.name: orders.provider}).ok
        assert verify(orders.log).ok


HOSTILE = (
    b"",
    b"\x00",
    b"\xff\xfe",
    b"v1,",
    b",",
    b"=",
    b"v1=,t=",
    b"t=1,t=2,v1=00",
    b"t=99999999999999999999,v1=00",
    b"t=-1,v1=00",
    b"t=1e9,v1=00",
    b"t=\xc2\xb2,v1=00",
    b"Basic",
    b"Basic :::",
    b"Basic bm9ib2R5",
    b"Basic Og==",
    b"Bearer",
    b"Bearer ",
    b"Bearer a b",
    b"bearer \xff",
    b"sha512=zz",
    b"zz" * 32,
    b"00" * 33,
    b"=" * 64,
    b"v1=00," * 600,
    b"A" * 5000,
)


def test_no_hostile_header_passes_a_gate_or_breaks_it(way):
    names = {
        *way.signs(BODY, way.secret, time.time()),
        "authorization",
        "webhook-id",
        "webhook-timestamp",
        "x-time",
    }
    with connect("memory:") as orders:
        receiver = SyncReceiver(orders, way.gate({NAME: [way.secret]}))
        for name in names:
            right = way.signs(BODY, way.secret, time.time())
            for value in HOSTILE:
                wrong = [(name, value)]
                both = [*right.items(), (name, value)]
                instead = [*((n, v) for n, v in right.items() if n.lower() != name.lower()), *wrong]
                for headers in (wrong, instead, both if name in right else wrong):
                    if name in right or headers is not instead:
                        answer = receiver.handle(Request("POST", "/callbacks", headers, BODY))
                        assert answer.status in {401, 429}, (name, value)
        assert list(orders.log.scan()) == []


def test_a_signature_over_other_bytes_that_spell_the_same_json_is_refused(signed):
    spaced = json.dumps(json.loads(BODY), indent=1).encode()
    headers = signed.signs(BODY, signed.secret, time.time())
    with connect("memory:") as orders:
        receiver = SyncReceiver(orders, signed.gate({NAME: [signed.secret]}))
        assert receiver.handle(Request("POST", "/callbacks", headers, spaced)).status == 401
        assert receiver.handle(Request("POST", "/callbacks", headers, BODY)).status == 200


def test_a_gate_shows_no_secret(way):
    gate = way.gate({NAME: [way.secret]})
    assert way.secret not in repr(gate)
    assert way.secret not in repr(Credentials({NAME: [way.secret]}, [way.secret]))


@pytest.mark.parametrize("bad", [{}, {NAME: []}, {NAME: "short"}, {"": SECRET}, {NAME: [7]}])
def test_a_gate_that_would_let_anybody_in_is_refused_without_quoting_its_secret(way, bad):
    with pytest.raises(InvalidArgumentError) as refused:
        way.gate(bad)
    assert "short" not in str(refused.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: StandardWebhooks({NAME: "whsec_c2hvcnQ="}),
        lambda: StandardWebhooks({NAME: "whsec_" + "é" * 24}),
        lambda: HmacSignatures(SignatureFormat("x"), {NAME: SECRET}, tolerance=timedelta(0)),
        lambda: HmacSignatures(SignatureFormat("x"), {NAME: SECRET}, tolerance=timedelta(days=2)),
        lambda: HmacSignatures(SignatureFormat("x", signs_url=True), {NAME: SECRET}),
        lambda: SignatureFormat("x", key="octal"),
        lambda: HmacSignatures(SignatureFormat("x", key="hex"), {NAME: "no hex, but long enough"}),
        lambda: HmacSignatures(SignatureFormat("x", key="base64"), {NAME: "a" * 17}),
        lambda: SignatureFormat("x", key="hex").sign("no hex", b""),
        lambda: SignatureFormat(""),
        lambda: SignatureFormat("x", time_field="t"),
        lambda: SignatureFormat("x", field="v1", time_field="t", time_header="y"),
        lambda: SignatureFormat("x", hash="md5"),
        lambda: SignatureFormat("x", encoding="base32"),
    ],
)
def test_a_gate_that_cannot_work_is_refused(make):
    with pytest.raises(InvalidArgumentError):
        make()


@pytest.mark.parametrize("make", [Basic, StaticToken])
def test_a_guesser_has_to_wait_and_the_client_elsewhere_has_not(make):
    signs = basic if make is Basic else static
    with connect("memory:") as orders:
        receiver = SyncReceiver(orders, make({NAME: SECRET}))

        def asked(secret: str, address: str) -> int:
            headers = signs(BODY, secret, 0)
            return receiver.handle(Request("POST", "/callbacks", headers, BODY, address)).status

        guesses = {asked(f"{number:032}", "192.0.2.1") for number in range(200)}
        assert guesses == {401, 429}
        assert asked(SECRET, "192.0.2.2") == 200


def test_which_client_sent_an_event_is_stored_and_exported(way, mount, url):
    with served(mount, url, way.gate({NAME: [way.secret]})) as port:
        assert posted(port, way.signs(BODY, way.secret, time.time())).status == 200
        unreadable = way.signs(b"no JSON", way.secret, time.time())
        assert posted(port, unreadable, b"no JSON").status == 200
    with connect(url) as orders:
        lines = [json.loads(line) for line in export(orders.log, quarantine=True)]
        assert [line["client"] for line in lines] == [NAME, NAME]
        assert orders.get("xyz123456").status == "brand_new"


def test_of_several_clients_the_one_that_signed_is_known():
    clients = {"one": SECRET, "other": NEWER}
    gate = HmacSignatures(SignatureFormat("x-signature"), clients)
    for name, secret in clients.items():
        head = Request("POST", "/", {"X-Signature": mac(secret, BODY).hex()}, BODY).head
        assert gate.verify(head, BODY, str(gate.claim(head))) == name


@pytest.mark.parametrize("mount", ["asgi", "wsgi"])
def test_a_client_may_speak_of_its_own_orders_alone(mount, url):
    gate = StaticToken({"north": SECRET, "south": NEWER})
    about = b'{"id": "%s-1", "status": "brand_new"}'
    asked = []

    def may_record(client: str, order_id: str | None) -> bool:
        asked.append((client, order_id))
        return order_id is not None and order_id.startswith(client)

    with served(mount, url, gate, may_record=may_record) as port:
        own = posted(port, static(b"", SECRET, 0), about % b"north")
        others = posted(port, static(b"", SECRET, 0), about % b"south")
        unreadable = posted(port, static(b"", SECRET, 0), b"no JSON")
    assert [own.status, others.status, unreadable.status] == [200, 403, 403]
    assert asked == [("north", "north-1"), ("north", "south-1"), ("north", None)]
    assert stored(url) == [about % b"north"]


class TwoInOne(Crates):
    """Its bodies are about two crates at once."""

    def read(self, arrival: Any, body: Any) -> Any:
        read = super().read
        return tuple([read(arrival, each) for each in (body or {})["both"]])


def test_a_body_about_several_orders_is_taken_only_where_each_is_the_clients():
    asked = []

    def may_record(_client: str, order_id: str | None) -> bool:
        asked.append(order_id)
        return order_id == "c-1"

    both = {"both": [{"crate": name, "state": "booked"} for name in ("c-1", "c-2")]}
    body = json.dumps(both).encode()
    with connect("memory:", provider=TwoInOne()) as orders:
        receiver = SyncReceiver(orders, Broken("", None), may_record=may_record)
        assert receiver.handle(Request("POST", "/callbacks", None, body)).status == 403
        assert asked == ["c-1", "c-2"]
        assert orders.log.last_position() == 0


class Broken:
    """A gate that is wrong in one way: it returns something else, or raises it."""

    clients = ("anybody",)

    def __init__(self, step: str, found: object) -> None:
        self.step, self.found = step, found

    def _at(self, step: str) -> Any:
        if step != self.step:
            return "anybody"
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    def claim(self, _head: object) -> Any:
        return self._at("claim")

    def verify(self, _head: object, _body: bytes, _claimed: str) -> Any:
        return self._at("verify")


WRONG = [None, "", True, b"anybody", ["anybody"], 7, KeyError("Kamal"), ValueError()]


@pytest.mark.parametrize("step", ["claim", "verify"])
@pytest.mark.parametrize("found", WRONG, ids=repr)
def test_a_gate_that_fails_or_decides_nothing_lets_nobody_in(step, found, caplog):
    with connect("memory:") as orders:
        receiver = SyncReceiver(orders, Broken(step, found))
        answer = receiver.handle(Request("POST", "/callbacks", None, BODY))
        assert (answer.status, dict(answer.headers)["retry-after"]) == (503, "5")
        assert list(orders.log.scan()) == []
        assert receiver.admission.waiting == 0
    assert "Kamal" not in caplog.text


@pytest.mark.parametrize("found", [None, 1, "yes", KeyError("Kamal")], ids=repr)
def test_only_a_plain_yes_lets_a_client_speak_of_an_order(found, caplog):
    def may_record(_client: str, _order_id: str | None) -> Any:
        if isinstance(found, Exception):
            raise found
        return found

    with connect("memory:") as orders:
        receiver = SyncReceiver(orders, Broken("", None), may_record=may_record)
        answer = receiver.handle(Request("POST", "/callbacks", None, BODY))
        assert answer.status in {403, 503}
        assert list(orders.log.scan()) == []
    assert "Kamal" not in caplog.text


class Nameless:
    clients = ()

    def claim(self, _head: object) -> str:
        return "x"

    def verify(self, _head: object, _body: bytes, _claimed: str) -> str:
        return "x"


@pytest.mark.parametrize("gate", [None, "a gate", 7, {"clients": {}}, Nameless()])
def test_what_is_no_gate_is_refused(gate):
    with connect("memory:") as orders, pytest.raises(InvalidArgumentError):
        SyncReceiver(orders, gate)


def test_a_gate_of_ones_own_is_asked_before_the_body_is_read():
    class Loopback:
        clients = ("this machine",)

        def claim(self, head: Any) -> str | Refusal:
            if head.address == "127.0.0.1":
                return "this machine"
            return Refusal("another machine", unauthorized("only this machine", "None"))

        def verify(self, _head: Any, _body: bytes, claimed: str) -> str:
            return claimed

    def read(_limit: int) -> bytes:
        raise AssertionError

    with connect("memory:") as orders:
        receiver = SyncReceiver(orders, Loopback())
        elsewhere = Request("POST", "/callbacks", None, BODY, "192.0.2.1")
        assert receiver.respond(elsewhere.head, read).status == 401
        here = Request("POST", "/callbacks", None, BODY, "127.0.0.1")
        assert receiver.handle(here).status == 200
        no_tokens = receiver.handle(Request("POST", "/oauth/token", None, b"x"))
        assert no_tokens.status == 404


@pytest.mark.parametrize("mount", ["asgi", "wsgi"])
def test_a_route_may_carry_the_order_id(mount, url):
    routes = Routes(callbacks="/orders/{order_id}/events")
    with (
        served(mount, url, StaticToken({NAME: SECRET}), routes=routes) as port,
        connected(port) as connection,
    ):
        headers = static(b"", SECRET, 0)
        told = b'{"event_name": "fulfillment.brand_new", "event_metadata": {}}'
        found = ask(connection, "POST", "/orders/%C3%A9-1/events", told, headers)
        other = ask(connection, "POST", "/orders/o-2/events", BODY, headers)
        wrong = [
            ask(connection, "POST", path, told, headers).status
            for path in ("/orders//events", "/orders/a/b/events", "/orders/a", "/callbacks")
        ]
    assert json.loads(found.body) == {"outcome": "appended"}
    assert json.loads(other.body) == {"outcome": "quarantined"}
    assert wrong == [404] * 4
    with connect(url) as orders:
        assert orders.get("é-1").status == "brand_new"


@pytest.mark.parametrize(
    "routes",
    [
        {"callbacks": "/a/{order}"},
        {"callbacks": "/a/x{order_id}"},
        {"callbacks": "/{order_id}/{order_id}"},
        {"health": "/{order_id}"},
        {"token": "/{order_id}"},
    ],
)
def test_routes_that_name_no_order_or_two_are_refused(routes):
    with pytest.raises(InvalidArgumentError):
        Routes(**routes)


PORTS = {
    "bearer": ReceiverPort(BearerTokens.of, signing_keys=True),
    "hmac": ReceiverPort(SignatureFormat("x-signature").gate),
    "standard webhooks": ReceiverPort(StandardWebhooks.of),
    "basic": ReceiverPort(Basic.of),
    "static": ReceiverPort(StaticTokenFormat(header="x-api-key", scheme="").gate),
    "over the URL": ReceiverPort(SignatureFormat("x-signature", signs_url=True).gate),
}


@pytest.mark.parametrize("port", PORTS.values(), ids=PORTS)
def test_a_gate_is_made_from_a_file_and_from_the_environment(port, tmp_path):
    path = tmp_path / "credentials.toml"
    keys = f'signing_keys = ["{SECRET}{NEWER}"]\n' if port.signing_keys else ""
    path.write_text(f'url = "{URL}"\n{keys}[clients]\nshop = ["{WHSEC}", "{NEWER_WHSEC}"]\n')
    path.chmod(0o600)
    environment = {
        "LIFECYCLE_RECEIVER_CLIENT_ID": "shop",
        "LIFECYCLE_RECEIVER_CLIENT_SECRET": f"{WHSEC} {NEWER_WHSEC}",
        "LIFECYCLE_RECEIVER_SIGNING_KEY": SECRET + NEWER,
        "LIFECYCLE_RECEIVER_URL": URL,
    }
    for gate in (port.read(path), port.from_environment(environment)):
        assert list(gate.clients) == ["shop"]
    with pytest.raises(InvalidArgumentError, match="CLIENT_SECRET"):
        port.from_environment({"LIFECYCLE_RECEIVER_CLIENT_ID": "shop"})
    path.write_text("signing_keys = []")
    with pytest.raises(InvalidArgumentError):
        port.read(path)


def test_a_body_that_nobody_signed_for_is_bounded_in_memory(url):
    gate = HmacSignatures(SignatureFormat("x-signature"), {NAME: SECRET})
    limits = ReceiverLimits(waiting=1)
    receiver = Receiver(connect_async(url), gate, limits=limits)
    with asgi_server(receiver) as port, connected(port) as slow:
        slow.putrequest("POST", "/callbacks")
        slow.putheader("X-Signature", "00" * 32)
        slow.putheader("Content-Length", "10")
        slow.endheaders(b"12345")
        deadline = time.monotonic() + 10
        while receiver.admission.waiting == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert posted(port, plain_hex(BODY, SECRET, 0) | {"X-Signature": "00"}).status == 503


def test_the_receiver_of_tokens_takes_no_other_secret(url):
    with served("asgi", url, BearerTokens(**SETUP)) as port:
        assert posted(port, bearer(port)).status == 200
        digest = hashlib.sha256(BODY).hexdigest()
        for headers in (static(BODY, SECRET, 0), {"X-Signature": digest}):
            assert posted(port, headers).status == 401


@pytest.mark.parametrize(
    ("form", "signs", "secret"),
    [
        (SignatureFormat("X-Postmates-Signature"), plain_hex, SECRET),
        (SignatureFormat("X-Signature", hash="sha512", key="hex"), with_hex_key, "0a" * 32),
        (SignatureFormat("X-Signature", encoding="base64", signs_url=True), over_url, SECRET),
    ],
    ids=["hex", "a key in hex", "the URL"],
)
def test_a_format_signs_as_the_provider_does(form, signs, secret):
    assert form.sign(secret, BODY, url=URL) == signs(BODY, secret, 0)


@pytest.mark.parametrize(
    "form",
    [
        SignatureFormat("shop-signature", field="v1", time_field="t", prefix="hmac="),
        SignatureFormat("x-signature", encoding="base64", key="base64", time_header="x-time"),
    ],
)
def test_what_a_format_signs_passes_its_own_gate_until_it_is_too_old(form):
    secret = base64.b64encode(SECRET.encode()).decode()
    gate = HmacSignatures(form, {NAME: secret})
    with connect("memory:") as orders:
        receiver = SyncReceiver(orders, gate)

        def status(headers: Mapping[str, str]) -> int:
            return receiver.handle(Request("POST", "/callbacks", headers, BODY)).status

        assert status(form.sign(secret, BODY)) == 200
        assert status(form.sign(secret, BODY, at=time.time() - 3600)) == 401
        assert status(form.sign(secret, BODY + b" ")) == 401


class Counting(Crates):
    """Counts how often it reads."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []

    def read(self, arrival: Any, body: Any) -> Any:
        self.bodies.append(body)
        return super().read(arrival, body)


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("asks", [True, False])
def test_a_callback_is_read_once_whoever_is_asked(allowed, asks):
    body = b'{"crate": "c-1", "state": "booked"}'
    may_record = (lambda _client, _order_id: allowed) if asks else None

    async def run(provider: Any) -> int:
        async with connect_async("memory:", provider=provider) as orders:
            receiver = Receiver(orders, Broken("", None), may_record=may_record)
            return (await receiver.handle(Request("POST", "/callbacks", None, body))).status

    threads, tasks = Counting(), Counting()
    with connect("memory:", provider=threads) as orders:
        receiver = SyncReceiver(orders, Broken("", None), may_record=may_record)
        status = receiver.handle(Request("POST", "/callbacks", None, body)).status
        assert receiver.health.probe_now(orders.log) == []
    assert status == asyncio.run(run(tasks)) == (200 if allowed or not asks else 403)
    assert len(threads.bodies) == len(tasks.bodies) == 1
