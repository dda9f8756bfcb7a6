"""The simulated provider, on a real socket: its answers, its callbacks, its faults, its truth."""

from __future__ import annotations

import base64
import json
import signal
import socket
import subprocess
from contextlib import ExitStack, contextmanager

import httpx2
import pytest

from lifecycle import InvalidArgumentError, connect
from lifecycle.providers.instacart.simulated_scenarios import SCENARIOS
from lifecycle.providers.instacart.simulator import Settings, Simulator, hostile
from lifecycle.simulator import RunningSimulator
from lifecycle.simulator.scenarios import FAULTS
from tests.how_to import FIELDS
from tests.scenario.command_line import SCRIPT, run
from tests.serving import asgi_server

ORDERS = "/v2/fulfillment/users/kamalsingh1234/orders"
TOKEN = "/v2/oauth/token"
HOW_TO = FIELDS | {"location_code": "1003"}
SECRET = "callback-secret"
STARTS_AT = "2022-06-04T10:00:00Z"


def order(order_id="xyz123456", simulate=None, **fields):
    asked = {} if simulate is None else {"special_instructions": f"simulate: {simulate}"}
    return HOW_TO | {"order_id": order_id} | asked | fields


class Retailer:
    """A retailer's endpoints: keeps every body, answers as it is told to."""

    def __init__(self):
        self.bodies = []
        self.statuses = []
        self.tokens = 0
        self.lifetime = 3600
        self.good = True
        self.grants = True

    async def __call__(self, scope, receive, send):
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        status, answer = self._answer(scope, body)
        written = json.dumps(answer).encode()
        length = (b"content-length", str(len(written)).encode())
        await send({"type": "http.response.start", "status": status, "headers": [length]})
        await send({"type": "http.response.body", "body": written})

    def _answer(self, scope, body):
        if scope["path"] == "/oauth/token" and not self.grants:
            return 404, {}
        if scope["path"] == "/oauth/token":
            assert f"client_secret={SECRET}".encode() in body
            self.tokens += 1
            return 200, {"access_token": f"token-{self.tokens}", "expires_in": self.lifetime}
        carried = dict(scope["headers"]).get(b"authorization", b"").decode()
        if carried != f"Bearer token-{self.tokens}":
            return 401, {}
        self.bodies.append(body)
        return (self.statuses.pop(0) if self.statuses else 200), {}

    @property
    def heard(self):
        return [json.loads(body) for body in self.bodies]

    def names(self):
        return [body.get("event_name") or body["status"] for body in self.heard]


@pytest.fixture(scope="module")
def endpoint():
    """One server for all tests of this file; `app` is the retailer of the present one."""

    class Endpoint:
        app = url = None

        async def __call__(self, scope, receive, send):
            await self.app(scope, receive, send)

    found = Endpoint()
    with asgi_server(found, lifespan="off") as port:
        found.url = f"http://127.0.0.1:{port}"
        yield found


@pytest.fixture
def retailer(endpoint):
    endpoint.app = Retailer()
    return endpoint.app


@pytest.fixture
def start(retailer, endpoint):
    """A function that starts a simulator which calls the retailer back."""
    told = {"callback_url": f"{endpoint.url}/callbacks", "callback_client_secret": SECRET}
    with ExitStack() as running:

        def begin(**settings):
            simulator = Simulator(**{**told, "retry_seconds": 0.01, **settings})
            return running.enter_context(RunningSimulator(simulator))

        yield begin


def granted(url, **given):
    form = {"grant_type": "client_credentials", "client_id": "retailer"}
    return httpx2.post(
        url + TOKEN, data=form | {"client_secret": "retailer-secret"} | given, trust_env=False
    )


@contextmanager
def calling(running):
    token = granted(running.url).json()["access_token"]
    headers = {"authorization": f"Bearer {token}"}
    with httpx2.Client(
        base_url=running.url + ORDERS, headers=headers, trust_env=False, timeout=30
    ) as client:
        yield client


# Tokens


def test_a_token_is_granted_for_a_form_a_json_body_or_basic_credentials(start):
    running = start()
    grant = {"grant_type": "client_credentials"}
    credentials = {"client_id": "retailer", "client_secret": "retailer-secret"}
    basic = base64.b64encode(b"retailer:retailer-secret").decode()
    for request in (
        {"data": grant | credentials},
        {"json": grant | credentials},
        {"data": grant, "headers": {"authorization": f"Basic {basic}"}},
    ):
        reply = httpx2.post(running.url + TOKEN, trust_env=False, **request)
        assert reply.status_code == 200
        assert reply.json()["token_type"] == "Bearer"
        assert reply.json()["expires_in"] == 3600


def test_wrong_credentials_a_wrong_grant_and_credentials_in_the_url_get_no_token(start):
    running = start()
    assert granted(running.url, client_secret="guess").status_code == 401
    assert granted(running.url, client_id="nobody").json() == {"error": "invalid_client"}
    assert granted(running.url, grant_type="password").status_code == 400
    leaking = httpx2.post(f"{running.url}{TOKEN}?client_secret=retailer-secret", trust_env=False)
    assert leaking.status_code == 403


def test_without_a_good_token_nothing_is_answered(start):
    running = start(token_seconds=0.001)
    with calling(running) as expired:
        assert expired.get("/xyz123456").status_code == 401
        assert expired.post("/last_mile", json=order()).status_code == 401
    assert running.truth == {}


# Creating


def test_a_create_is_answered_in_part_and_the_rest_comes_with_brand_new(start, retailer):
    running = start()
    with calling(running) as client:
        reply = client.post("/last_mile", json=order())
        assert reply.status_code == 200
        assert reply.json().keys() == {"id", "status", "fulfillment_details"}
        assert reply.json()["status"] == "created"
        assert reply.json()["fulfillment_details"]["store_location"] == "1003"
        running.settle()
        shown = client.get("/xyz123456").json()
    told = retailer.heard[0]
    assert told["event_name"] == "fulfillment.brand_new"
    assert told["event_metadata"]["order_url"] == shown["order_url"]
    assert shown["status"] == "delivered"


def test_a_full_answer_has_every_detail_at_once(start):
    running = start(answers="full", speed=1000)
    with calling(running) as client:
        reply = client.post("/last_mile", json=order())
    assert reply.json()["status"] == "brand_new"
    assert reply.json()["order_url"]


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"address": None}, [(1001, "address")]),
        (
            {"address": {"address_line_1": " ", "postal_code": "94105"}},
            [(1001, "address.address_line_1")],
        ),
        (
            {"address": {"address_line_1": "a", "postal_code": "ABC"}},
            [(1001, "address.postal_code")],
        ),
        ({"user_phone": ""}, [(1001, "user_phone")]),
        ({"items_count": True}, [(1001, "items_count")]),
        ({"items_weight": -1}, [(1001, "items_weight")]),
        ({"service_option_hold_id": None}, [(1001, "service_option_hold_id")]),
        ({"location_code": "99"}, [(1001, "location_code")]),
        (
            {"last_name": None, "address": None, "items_count": 0},
            [(1001, "last_name"), (1001, "items_count"), (1001, "address")],
        ),
        ({"special_instructions": "simulate: nonsense"}, [(1001, "special_instructions")]),
    ],
)
def test_validation_errors_have_the_provider_s_shape_and_can_be_corrected(start, fields, found):
    running = start(stores={"1003"})
    with calling(running) as client, connect("memory:") as orders:
        body = order(**fields)
        reply = client.post("/last_mile", json=body)
        view = (
            orders.begin_request("xyz123456", body).answered(reply.status_code, reply.content).view
        )
        assert view.status == "validation_failed"
        assert [(error.code, error.key) for error in view.errors] == found
        assert (reply.json()["error"]["code"] == 9999) == (len(found) > 1)
        assert running.truth["xyz123456"].creates == 0
        assert client.post("/last_mile", json=order()).status_code == 200


def test_a_body_that_is_no_object_or_has_no_order_id_is_refused(start):
    running = start()
    with calling(running) as client:
        for body in (b"", b"no json", b"[]", b'{"order_id": 7}', b'{"a":1,"a":2}'):
            assert client.post("/last_mile", content=body).status_code == 400
    assert running.truth == {}


def test_a_store_takes_no_more_open_orders_than_it_can(start):
    running = start(capacity=1)
    with calling(running) as client:
        assert client.post("/last_mile", json=order("first")).status_code == 200
        full = client.post("/last_mile", json=order("second"))
        assert full.json()["meta"] == {"key": "service_option_hold_id"}
        other = client.post("/last_mile", json=order("third", location_code="1004"))
        assert other.status_code == 200
        running.settle()
        assert client.post("/last_mile", json=order("second")).status_code == 200


def test_a_repeated_order_id_is_refused_or_makes_a_second_order_and_is_counted(start, retailer):
    strict, lax = start(), start(on_repeat="create")
    with calling(strict) as client:
        client.post("/last_mile", json=order())
        assert client.post("/last_mile", json=order()).json()["meta"] == {"key": "order_id"}
    with calling(lax) as client:
        for _ in range(3):
            assert client.post("/last_mile", json=order()).status_code == 200
    assert strict.truth["xyz123456"].creates == 1
    assert strict.truth["xyz123456"].requests == 2
    assert lax.truth["xyz123456"].creates == 3


# Getting, canceling, staging


def test_an_unknown_order_or_another_user_s_is_not_found(start):
    running = start()
    with calling(running) as client:
        client.post("/last_mile", json=order())
        missing = client.get("/nobody")
        strange = client.get(f"{running.url}/v2/fulfillment/users/else/orders/xyz123456")
        elsewhere = client.get(f"{running.url}/v2/other")
    for reply in (missing, strange, elsewhere):
        assert reply.status_code == 404
        assert reply.json() == {
            "error": {"message": "Resource not found", "code": 4000},
            "meta": {},
        }


def test_a_fault_of_a_get_for_an_unknown_order_does_not_repeat_for_ever(start):
    running = start(faults={"error-503": 0.5}, seed=3)
    with calling(running) as client:
        asked = [client.get("/nobody").status_code for _ in range(30)]
    assert set(asked) == {404, 503}
    assert running.truth == {}


def test_an_order_id_with_a_slash_a_space_and_an_umlaut_is_one_path_part(start):
    running = start()
    with calling(running) as client:
        client.post("/last_mile", json=order("a/b ü?"))
        assert client.get("/a%2Fb%20%C3%BC%3F").json()["id"] == "a/b ü?"


def test_an_order_is_canceled_only_while_it_is_brand_new(start, retailer):
    running = start()
    with calling(running) as client:
        client.post("/last_mile", json=order())
        early = client.post("/xyz123456/cancel")
        assert early.status_code == 400
        running.advance(17)
        canceled = client.post("/xyz123456/cancel").json()
        assert canceled["status"] == "canceled"
        assert canceled["cancellation_reason"] == "retailer_driven"
        assert client.post("/xyz123456/cancel").status_code == 400
        running.settle()
        assert client.get("/xyz123456").json()["status"] == "canceled"
    assert retailer.names() == ["fulfillment.brand_new", "fulfillment.canceled"]


def test_a_shopper_on_the_way_makes_a_cancel_come_too_late(start):
    running = start()
    with calling(running) as client:
        client.post("/last_mile", json=order())
        running.settle()
        late = client.post("/xyz123456/cancel")
    assert late.status_code == 400
    assert running.truth["xyz123456"].status == "delivered"


def test_staging_a_brand_new_order_sends_one_staged_callback(start, retailer):
    running = start()
    with calling(running) as client:
        client.post("/last_mile", json=order())
        running.advance(17)
        assert client.post("/xyz123456/staged", json={"bags_count": 3}).json()["status"] == "staged"
        assert client.post("/xyz123456/staged").json()["status"] == "staged"
        running.settle()
    assert retailer.names().count("fulfillment.staged") == 1
    assert retailer.names()[-1] != "fulfillment.staged"


def test_every_answer_has_one_date_of_the_provider_s_clock(start):
    running = start(starts_at="2022-06-04T10:00:00Z")
    with calling(running) as client:
        for reply in (client.get("/nobody"), client.post("/last_mile", json=order())):
            assert reply.headers.get_list("date") == [reply.headers["date"]]
            assert reply.headers["date"].startswith("Sat, 04 Jun 2022 10:00:0")


# Callbacks


@pytest.mark.parametrize(
    "lifetime",
    [10**400, 1e300, float("nan"), -(10**400), "3600", None, []],
    ids=["huge", "large", "nan", "negative", "text", "none", "list"],
)
def test_a_token_with_an_unusual_lifetime_is_used(start, retailer, lifetime):
    retailer.lifetime = lifetime
    running = start()
    with calling(running) as client:
        client.post("/last_mile", json=order())
        running.settle()
    assert all(sent.fate == "acknowledged" for sent in running.truth["xyz123456"].callbacks)
    assert retailer.heard


def test_a_receiver_that_grants_no_token_is_named_once(start, retailer, caplog):
    retailer.grants = False
    running = start()
    with calling(running) as client:
        client.post("/last_mile", json=order("one"))
        running.settle()
    assert not retailer.heard
    (said,) = [each.getMessage() for each in caplog.records if "no callback" in each.message]
    assert "answered 404" in said
    assert "callback_token_url" in said


def test_the_token_is_fetched_once_reused_and_fetched_again_when_it_is_refused(start, retailer):
    running = start()
    with calling(running) as client:
        client.post("/last_mile", json=order("one"))
        running.settle()
        assert retailer.tokens == 1
        retailer.tokens = 7
        client.post("/last_mile", json=order("two"))
        running.settle()
    assert retailer.tokens == 8
    assert all(sent.fate == "acknowledged" for sent in running.truth["two"].callbacks)


def test_a_callback_that_is_not_acknowledged_is_retried_and_finally_given_up(start, retailer):
    running = start(retries=2)
    retailer.statuses = [503, 500, 200]
    with calling(running) as client:
        client.post("/last_mile", json=order(simulate="creation-failed"))
        running.settle()
        retailer.statuses = [503, 500, 503, 200]
        client.post("/last_mile", json=order("other", simulate="creation-failed"))
        running.settle()
    (taken,) = running.truth["xyz123456"].callbacks
    (given_up,) = running.truth["other"].callbacks
    assert [attempt.answer for attempt in taken.attempts] == [503, 500, 200]
    assert [attempt.answer for attempt in given_up.attempts] == [503, 500, 503]
    assert (taken.fate, given_up.fate) == ("acknowledged", "given_up")


def test_a_retailer_that_cannot_be_reached_is_given_up(start):
    running = start(callback_url="http://127.0.0.1:9/callbacks", retries=0)
    with calling(running) as client:
        client.post("/last_mile", json=order(simulate="canceled-later"))
        running.settle()
    assert {sent.fate for sent in running.truth["xyz123456"].callbacks} == {"given_up"}


def test_flat_callbacks_are_the_order_object_as_get_shows_it(start, retailer):
    running = start(callbacks="flat")
    with calling(running) as client:
        client.post("/last_mile", json=order())
        running.settle()
        assert retailer.heard[-1] == client.get("/xyz123456").json()
    assert "event_name" not in {key for body in retailer.heard for key in body}


def test_mixed_callbacks_come_in_both_shapes(start, retailer):
    running = start(callbacks="mixed")
    with calling(running) as client:
        for number in range(8):
            client.post("/last_mile", json=order(f"order-{number}"))
        running.settle()
    assert {("event_name" in body) for body in retailer.heard} == {True, False}


# Scenarios


WAYS = {
    "delivered": ("delivered", "brand_new"),
    "stepped-back": ("delivered", "waiting_for_delivery"),
    "rescheduled": ("delivered", "rescheduled"),
    "customer-missing": ("canceled", "delivering"),
    "canceled-later": ("canceled", "brand_new"),
    "creation-failed": ("canceled", "created"),
    "server-failed": ("canceled", "retried"),
    "server-recovered": ("delivered", "retried"),
}


def test_every_way_ends_in_its_status_and_the_library_sees_the_same(start, retailer):
    running = start()
    with calling(running) as client, connect("memory:") as orders:
        for way in WAYS:
            reply = client.post("/last_mile", json=order(way, simulate=way))
            sent = orders.begin_request(way, order(way))
            sent.answered(reply.status_code, reply.content, headers=reply.headers)
        running.settle()
        for body in retailer.bodies:
            orders.record_callback(body)
        for way, (status, passed) in WAYS.items():
            truth = running.truth[way]
            assert (truth.way, truth.status, truth.terminal) == (way, status, True)
            assert passed in [happened.name for happened in truth.history]
            assert orders.get(way).status == status
            known = {"requested", "created"}
            seen = [step.status for step in orders.get(way).path if step.status not in known]
            assert seen == [
                happened.name
                for happened in truth.history
                if happened.name not in {"created", "retried"}
            ]


def test_a_server_failure_is_retried_twice_and_then_canceled_by_a_callback(start, retailer):
    running = start()
    with calling(running) as client:
        assert client.post("/last_mile", json=order(simulate="server-failed")).status_code == 500
        assert client.get("/xyz123456").json()["status"] == "created"
        running.settle()
    history = [happened.name for happened in running.truth["xyz123456"].history]
    assert history == ["created", "retried", "retried", "canceled"]
    assert retailer.names() == ["fulfillment.canceled"]


def test_an_order_under_way_never_ends(start):
    running = start()
    with calling(running) as client:
        client.post("/last_mile", json=order(simulate="under-way"))
        running.settle()
    assert not running.truth["xyz123456"].terminal


@pytest.mark.parametrize("name", [n for n, s in SCENARIOS.items() if s.kind == "refusal"])
def test_a_forced_rejection_meets_the_first_create_and_the_correction_is_accepted(start, name):
    running = start()
    with calling(running) as client:
        assert client.post("/last_mile", json=order(simulate=name)).status_code == 400
        assert client.post("/last_mile", json=order(simulate=name)).status_code == 200
    assert running.truth["xyz123456"].creates == 1


@pytest.mark.parametrize(
    ("name", "status", "made"),
    [("error-401", 401, 0), ("error-429", 429, 0), ("error-500", 500, 1), ("error-503", 503, 0)],
)
def test_a_forced_error_is_answered_once_and_says_whether_an_order_was_created(
    start, name, status, made
):
    running = start()
    with calling(running) as client:
        assert client.post("/last_mile", json=order(simulate=name)).status_code == status
        assert running.truth["xyz123456"].creates == made
        assert client.get("/xyz123456").status_code == (200 if made else 404)


@pytest.mark.parametrize(("name", "made"), [("dropped-before", 0), ("dropped-after", 1)])
def test_a_dropped_connection_closes_without_a_byte_of_answer(start, name, made):
    running = start()
    token = granted(running.url).json()["access_token"]
    body = json.dumps(order(simulate=name)).encode()
    head = f"POST {ORDERS}/last_mile HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n"
    address = running.url.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1])), timeout=30) as raw:
        raw.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        try:
            answer = raw.recv(1000)
        except ConnectionResetError:
            answer = b""
    assert answer == b""
    assert running.truth["xyz123456"].creates == made


def test_a_slow_answer_comes_after_the_order_was_made(start):
    running = start(slow_seconds=30)
    with calling(running) as client:
        with pytest.raises(httpx2.ReadTimeout):
            client.post("/last_mile", json=order(simulate="slow"), timeout=0.5)
        assert client.get("/xyz123456").status_code == 200


def test_a_callback_overtakes_the_response(start, retailer):
    running = start(speed=100)
    with calling(running) as client:
        reply = client.post("/last_mile", json=order(simulate="overtaking"))
        assert retailer.names()[0] == "fulfillment.brand_new"
        assert reply.json()["status"] == "created"


def sent_in(start, retailer, simulate):
    running = start()
    with calling(running) as client:
        client.post("/last_mile", json=order(simulate=simulate))
        running.settle()
    return running.truth["xyz123456"]


def test_lost_callbacks_are_never_sent_and_are_in_the_truth(start, retailer):
    truth = sent_in(start, retailer, "lost")
    assert retailer.bodies == []
    assert {sent.fate for sent in truth.callbacks} == {"lost"}
    assert truth.status == "delivered"


def test_repeated_callbacks_are_the_same_bytes_again(start, retailer):
    sent_in(start, retailer, "repeated")
    assert min(retailer.bodies.count(body) for body in retailer.bodies) >= 2


def test_divergent_callbacks_have_a_known_event_id_and_another_content(start, retailer):
    sent_in(start, retailer, "divergent")
    with connect("memory:") as orders:
        outcomes = [orders.record_callback(body).outcome.value for body in retailer.bodies]
    assert outcomes.count("divergent") == outcomes.count("appended") > 0


def test_reordered_callbacks_come_in_another_order_than_they_happened(start, retailer):
    truth = sent_in(start, retailer, "reordered")
    came = [body["event_timestamp"] for body in retailer.heard]
    assert came[0] == max(came)
    assert [sent.occurred_at for sent in truth.callbacks] == sorted(
        sent.occurred_at for sent in truth.callbacks
    )


def test_delayed_callbacks_come_at_least_half_a_minute_late(start, retailer):
    for sent in sent_in(start, retailer, "delayed").callbacks:
        assert (sent.attempts[0].sent_at - sent.occurred_at).total_seconds() >= 30


def test_a_wrong_clock_is_bounded_and_changes_no_end(start, retailer):
    truth = sent_in(start, retailer, "skewed, repeated")
    with connect("memory:") as orders:
        for body in retailer.bodies:
            orders.record_callback(body)
        assert orders.get("xyz123456").status == truth.status == "delivered"
    wrong = [
        sent
        for sent in truth.callbacks
        if sent.stamped_at != sent.model_dump(mode="json")["occurred_at"]
    ]
    assert wrong


def test_a_clock_that_is_wrong_throughout_changes_no_view(start, retailer):
    """All of one clock: a constant offset moves every time, and no verdict."""
    views = []
    for starts_at in ("2022-06-04T10:00:00Z", "2031-01-01T00:00:00Z"):
        running = start(starts_at=starts_at)
        retailer.bodies.clear()
        with calling(running) as client, connect("memory:") as orders:
            client.post("/last_mile", json=order(simulate="stepped-back"))
            running.settle()
            for body in retailer.bodies:
                orders.record_callback(body)
            views.append(orders.get("xyz123456"))
    first, second = ([step.status for step in view.path] for view in views)
    assert first == second
    assert views[0].anomalies == views[1].anomalies == ()


# Determinism, settings, the truth over HTTP


def test_the_same_seed_and_order_ids_give_the_same_truth_in_any_order_of_arrival(start, retailer):
    told = []
    for ids in (range(6), reversed(range(6))):
        running = start(
            **hostile(0.3)
            | {"seed": 5, "starts_at": STARTS_AT, "speed": 5000, "slow_seconds": 0.01}
        )
        with calling(running) as client:
            for number in ids:
                for _ in range(4):
                    try:
                        if client.post("/last_mile", json=order(f"n-{number}")).status_code == 200:
                            break
                    except httpx2.HTTPError:
                        continue
            running.settle()
        told.append(
            {
                name: (
                    truth.creates,
                    truth.way,
                    [happened.name for happened in truth.history],
                    [(sent.name, sent.marks) for sent in truth.callbacks],
                )
                for name, truth in running.truth.items()
            }
        )
    for name in told[0]:
        assert sorted(told[0][name][3]) == sorted(told[1][name][3])
        assert told[0][name][:3] == told[1][name][:3]


@pytest.mark.parametrize(
    "fields",
    [
        {"faults": {"lost": 2}},
        {"faults": {"nonsense": 0.1}},
        {"ways": {"delivered": 0}},
        {"ways": {"nonsense": 1}},
        {"speed": 0},
        {"client_secret": ""},
        {"starts_at": "2022-06-04T10:00:00"},
        {"unknown": 1},
    ],
)
def test_invalid_settings_are_refused_by_name(fields):
    with pytest.raises(InvalidArgumentError) as refused:
        Simulator(**fields)
    assert refused.value.argument == next(iter(fields)) or "." in refused.value.argument


def test_no_secret_shows_when_settings_or_a_simulator_are_printed():
    settings = Settings(client_secret="hush-1", callback_client_secret="hush-2")
    for shown in (
        repr(settings),
        str(settings),
        repr(Simulator(settings)),
        settings.model_dump_json(),
    ):
        assert "hush" not in shown


def test_hostile_settings_have_every_fault():
    assert Settings(**hostile(0.2)).faults == dict.fromkeys(FAULTS, 0.2)


def test_the_truth_can_be_asked_and_the_clock_moved_over_http(start):
    running = start()
    with calling(running) as client:
        client.post("/last_mile", json=order())
        assert (
            client.post(f"{running.url}/simulator/advance", json={"seconds": 17}).status_code == 200
        )
        told = client.get(f"{running.url}/simulator/orders/xyz123456").json()
        assert told["status"] == "brand_new"
        for wrong in ({"seconds": -1}, {"seconds": "1"}, {}, {"seconds": 1e300}):
            refused = client.post(f"{running.url}/simulator/advance", json=wrong)
            assert refused.status_code == 400
        client.post(f"{running.url}/simulator/settle", json={"advance": True})
        (told,) = client.get(f"{running.url}/simulator/orders").json()
        assert told["status"] == "delivered"
        assert {sent["fate"] for sent in told["callbacks"]} == {"acknowledged"}
        assert client.get(f"{running.url}/simulator/orders/nobody").status_code == 404


def test_settling_takes_no_longer_than_it_may(start):
    running = start()
    with calling(running) as client:
        client.post("/last_mile", json=order())
    with pytest.raises(TimeoutError):
        running.settle(advance=False, timeout=0.05)


# The command


def test_the_command_lists_scenarios_and_settings(tmp_path):
    listed = run("simulate", "--scenarios", cwd=tmp_path)
    assert listed.code == 0
    assert all(name in listed.out for name in SCENARIOS)
    listed = run("simulate", "--settings", cwd=tmp_path)
    assert all(name in listed.out for name in Settings.model_fields)
    assert "retailer-secret" in listed.out, "a default that everybody needs is no secret"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--fault", "lost"),
        ("--fault", "lost=x"),
        ("--fault", "lost=2"),
        ("--way", "nonsense=1"),
        ("--set", "speed=0"),
        ("--set", "nonsense=1"),
        ("--port", "70000"),
        ("--provider", "nobody", "--scenarios"),
    ],
)
def test_the_command_refuses_invalid_settings_in_one_sentence(tmp_path, arguments):
    refused = run("simulate", *arguments, cwd=tmp_path)
    assert refused.code == 2
    assert refused.err.count("\n") == 1


def test_the_command_says_where_it_listens_and_ends_when_it_is_interrupted(tmp_path):
    command = [SCRIPT, "simulate", "--port", "0", "--set", "client_secret=hush-hush"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    told = process.stderr.readline()
    url = next(word.strip(";") for word in told.split() if word.startswith("http"))
    assert granted(url, client_secret="hush-hush").status_code == 200
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.count("\n") == 1
    assert "hush" not in told + err


# The fixture


def test_the_fixture_starts_providers_with_settings_of_their_own(lifecycle_simulator):
    one, other = lifecycle_simulator(seed=1), lifecycle_simulator(capacity=0)
    for provider, status in ((one, 200), (other, 400)):
        with calling(provider) as client:
            assert client.post("/last_mile", json=order()).status_code == status
    one.settle()
    assert one.truth["xyz123456"].status == "delivered"
    assert one.url != other.url
