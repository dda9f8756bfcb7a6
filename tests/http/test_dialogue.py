"""The creation dialogue against a real server: every outcome, and never a second order.

Every test runs with threads and with coroutines. The log's clock is the test's, so that a
minute passes when a test says so.
"""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from lifecycle import NoAnswerError, StoreUnavailableError, connect, connect_async
from lifecycle.core.view import OrderView
from lifecycle.http.create_order import (
    SETTLE_AFTER,
    Correctable,
    Created,
    Refused,
    Unknown,
    create_order,
    create_order_async,
    find_outcome,
    find_outcome_async,
)
from lifecycle.http.create_order.creation import OrderCreation
from lifecycle.http.flow import run, run_async
from lifecycle.providers.instacart import PROVIDER
from lifecycle.providers.instacart.client import AsyncClient, Client
from lifecycle.providers.instacart.request import Address, CreateOrder
from tests.http.scripted import (
    LIMIT,
    REJECTED,
    Scripted,
    answer,
    drop,
    made,
    message,
    raw,
    silence,
    unread,
)
from tests.http.sync_and_async import Sync, settings

ORDER = "xyz123456"
REQUEST = CreateOrder(
    order_id=ORDER,
    service_option_hold_id=17,
    location_code="1003",
    first_name="Kamal",
    last_name="Singh",
    user_phone="+18005550101",
    items_count=12,
    items_weight=15,
)
CORRECTED = REQUEST.model_copy(
    update={"address": Address(address_line_1="50 Beale St", postal_code="94105")}
)


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self):
        self.now = datetime(2026, 7, 7, 16, tzinfo=UTC)

    def __call__(self):
        return self.now

    def pass_by(self, span=SETTLE_AFTER):
        self.now += span


@pytest.fixture
def clock():
    return Clock()


class Shop:
    """A service: a log, a client, and the two calls of the dialogue."""

    def __init__(self, way, server, clock, url="memory:", provider=PROVIDER, **more):
        self.way = way
        self.orders = way.orders(url, clock=clock, provider=provider)
        self.client = way.client(server, **more)

    def create(self, request=REQUEST, **more):
        call = create_order_async if self.way.name == "async" else create_order
        return self.way.call(call, self.orders, self.client, request, **more)

    def find(self, order_id=ORDER):
        call = find_outcome_async if self.way.name == "async" else find_outcome
        return self.way.call(call, self.orders, self.client, order_id)

    def view(self, order_id=ORDER) -> OrderView:
        return self.way.call(self.orders.get, order_id)

    def names(self):
        return [entry.name for entry in self.way.call(self.orders.history, ORDER)]

    def stored(self):
        return [entry.key for entry in self.way.call(self.orders.history, ORDER)]


@pytest.fixture
def shop(way, server, clock):
    return Shop(way, server, clock)


def test_an_order_is_created_and_its_exchange_recorded(shop, server):
    outcome = shop.create()
    assert isinstance(outcome, Created)
    assert (outcome.view.status, outcome.view.awaiting) == ("created", ("brand_new", "canceled"))
    assert shop.names() == ["requested", "accepted"]
    assert [asked.operation for asked in server.asked] == ["token", "create"]
    assert server.asked[1].body == REQUEST.body()


def test_the_request_is_durable_before_it_is_sent(way, server, clock, tmp_path):
    seen = []
    url = f"sqlite:///{tmp_path}/orders.db"

    def look(server, link, asked):
        with connect(url, create=False) as orders:
            seen.append(orders.get(ORDER).status)
        made(answer(200, {"id": ORDER, "status": "created"}))(server, link, asked)

    server.on("create", look)
    assert isinstance(Shop(way, server, clock, url).create(), Created)
    assert seen == ["requested"]


def test_errors_to_correct_are_returned_and_the_correction_is_the_next_attempt(shop, server):
    server.on("create", answer(400, REJECTED))
    outcome = shop.create()
    assert isinstance(outcome, Correctable)
    [error] = outcome.errors
    assert (error.key, error.code, error.correctable) == ("address", 1001, True)
    assert error.message == "Required parameter missing or invalid"
    assert isinstance(created := shop.create(CORRECTED), Created)
    assert (created.view.attempt, created.view.errors) == (2, ())
    assert server.count("get") == 0, "nothing was in doubt"
    assert [step.status for step in created.view.path] == [
        "requested",
        "validation_failed",
        "resubmitted",
        "created",
    ]


def test_several_errors_are_reported_each_with_its_field(shop, server):
    inner = [{**REJECTED, "meta": {"key": key}} for key in ("user_phone", "address")]
    nested = {"error": {"message": "several", "code": 9999, "errors": inner}, "meta": {}}
    server.on("create", answer(422, nested))
    assert [error.key for error in shop.create().errors] == ["user_phone", "address"]


@pytest.mark.parametrize("status", [400, 404, 409, 422])
def test_a_rejection_without_errors_is_correctable(shop, server, status):
    server.on("create", answer(status, b"<html>no</html>"))
    [error] = shop.create().errors
    assert (error.key, error.http_status) == (None, status)


@pytest.mark.parametrize(
    ("status", "why"), [(403, "forbidden"), (301, "redirected"), (307, "redirected")]
)
def test_a_configuration_error_is_refused_and_sent_once(shop, server, status, why):
    server.always("create", answer(status, b"", {"location": "/elsewhere"}))
    outcome = shop.create()
    assert outcome == Refused(why, status, outcome.view)
    assert outcome.view.awaiting == ("resend",)
    assert (server.count("create"), server.count("get")) == (1, 0)


def test_once_it_is_configured_the_same_call_goes_through(shop, server):
    server.on("create", answer(403))
    assert isinstance(shop.create(), Refused)
    assert isinstance(outcome := shop.create(), Created)
    assert outcome.view.attempt == 1, "the same request: the same attempt"
    assert server.orders[ORDER] == 1


def test_a_refused_token_is_renewed_and_the_order_looked_for_before_it_is_sent_again(shop, server):
    server.on("create", answer(401))
    assert isinstance(shop.create(), Created)
    told = [asked.operation for asked in server.asked]
    assert told == ["token", "create", "token", "get", "create"]
    assert len(set(shop.stored())) == len(shop.stored())


def test_a_token_that_is_refused_again_is_a_matter_of_configuration(shop, server):
    server.always("create", answer(401))
    assert (outcome := shop.create()).why == "unauthorized"
    assert isinstance(outcome, Refused)
    assert server.count("create") == 2


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (answer(401, {"error": "invalid_client"}), Refused("no_token", 401)),
        (answer(200, b"<html>"), Refused("no_token", 200)),
        (answer(503), Unknown("never_reached")),
        (drop(), Unknown("never_reached")),
    ],
)
def test_without_a_token_nothing_is_begun(shop, server, reply, outcome):
    server.always("token", reply)
    assert shop.create() == outcome
    assert server.count("create") == 0
    assert [view.order_id for view in views(shop)] == []


def views(shop):
    if shop.way.name == "sync":
        return list(shop.orders.find())

    async def main():
        return [view async for view in shop.orders.find()]

    return shop.way.call(main)


def test_too_many_requests_is_waited_out_and_sent_again_as_another_exchange(shop, server):
    server.on("create", answer(429), answer(429, b"", {"retry-after": "0"}))
    assert isinstance(outcome := shop.create(), Created)
    assert (outcome.view.attempt, server.count("create"), server.count("get")) == (1, 3, 0)
    exchanges = {key.split(":")[2] for key in shop.stored() if key.startswith("response")}
    assert len(exchanges) == 3
    assert outcome.view.errors == ()


class Careful:
    """The provider, where a request that came too often may have been carried out all the same."""

    def __getattr__(self, name):
        return getattr(PROVIDER, name)

    def read(self, arrival, body):
        said = PROVIDER.read(arrival, body)
        return said.replace(fate="unknown") if arrival.http_status == 429 else said


@pytest.mark.parametrize("making", [True, False])
def test_too_many_requests_that_may_have_been_carried_out_are_looked_at_first(
    way, server, clock, making
):
    shop = Shop(way, server, clock, provider=Careful())
    server.on("create", made(answer(429)) if making else answer(429))
    outcome = shop.create()
    assert isinstance(outcome, Created if making else Unknown)
    assert making or outcome.why == "too_many_requests"
    assert (server.count("create"), server.count("get")) == (1, 1)


def test_too_many_requests_is_not_waited_out_for_ever(shop, server, clock):
    server.always("create", answer(429))
    assert shop.create().why == "too_many_requests"
    assert server.count("create") == 3
    clock.pass_by()
    server.always("create", answer(429, b"", {"retry-after": "3600"}))
    assert (outcome := shop.create()).why == "too_many_requests"
    assert outcome.retry_after == 3600
    assert server.count("create") == 4


def test_a_connection_that_never_opened_is_tried_again_at_once(way, clock):
    kind = Client if way.name == "sync" else AsyncClient
    with Scripted() as tokens, Scripted(listening=False) as server:

        class Opening(kind):
            def pause(self, answer, tried):
                server.listen()
                return super().pause(answer, tried)

        shop = Shop(way, server, clock, token_url=f"{tokens.url}/token", kind=Opening)
        assert isinstance(shop.create(), Created)
        assert (server.count("create"), server.count("get")) == (1, 0)


def test_a_connection_that_never_opens_is_given_up(way, clock):
    with Scripted() as tokens, Scripted(listening=False) as server:
        shop = Shop(way, server, clock, token_url=f"{tokens.url}/token")
        assert shop.create().why == "never_reached"
        server.listen()
        clock.pass_by()
        assert isinstance(shop.create(), Created)
        assert server.orders[ORDER] == 1


LOST = {
    "dropped": drop(),
    "never read": unread(),
    "half an answer": raw(message(200, b'{"id":"xyz123456","status":"created"}')[:-9]),
    "no HTTP": raw(b"\x16\x03\x01\r\n\r\n"),
    "408": answer(408),
    "500": answer(500, b"<html>oops</html>"),
    "503": answer(503, b"", {"retry-after": "0"}),
    "101": answer(101),
    "799": answer(799),
}


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
def test_a_lost_answer_is_found_by_asking_for_the_order(shop, server, lost):
    is_read = not hasattr(lost, "unread")
    server.on("create", made(lost) if is_read else lost)
    server.orders[ORDER] += not is_read
    assert isinstance(outcome := shop.create(), Created)
    assert outcome.view.status == "brand_new"
    assert (server.count("create"), server.count("get")) == (1, 1)


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
def test_a_lost_request_is_unknown_and_resent_only_once_it_can_no_longer_be_in_flight(
    shop, server, clock, lost
):
    server.on("create", lost)
    outcome = shop.create()
    assert isinstance(outcome, Unknown)
    assert outcome.view.awaiting != ("resend",)
    assert (again := shop.create()).why == "in_flight"
    assert 0 < again.retry_after <= SETTLE_AFTER.total_seconds()
    assert server.count("create") == 1
    clock.pass_by()
    assert isinstance(created := shop.create(), Created)
    assert (created.view.attempt, server.orders[ORDER]) == (1, 1)
    exchanges = {key.split(":")[2] for key in shop.stored() if key.startswith("response")}
    assert len(exchanges) == 2, "the same attempt, another exchange"


@pytest.mark.parametrize("making", [False, True])
def test_after_a_timeout_the_outcome_is_unknown_or_created(way, server, clock, making):
    shop = Shop(way, server, clock, timeout=1.5)
    way.call(shop.client.authorize)
    server.on("create", made(silence()) if making else silence())
    assert isinstance(shop.create(), Created if making else Unknown)
    assert server.count("create") == 1


@pytest.mark.parametrize(
    "nothing",
    [answer(500), drop(), answer(404, b"<html>no such page</html>"), answer(404, {"status": "x"})],
    ids=["500", "dropped", "a stranger's 404", "404 without an error"],
)
def test_without_an_answer_whether_the_order_exists_nothing_is_resent(shop, server, clock, nothing):
    server.on("create", drop()).always("get", nothing)
    for _ in range(3):
        assert isinstance(shop.create(), Unknown)
        clock.pass_by()
    assert server.count("create") == 1


def test_an_order_that_exists_is_returned_and_not_made_again(shop, server):
    shop.create()
    before = len(server.asked)
    assert isinstance(shop.create(), Created)
    assert isinstance(shop.create(CORRECTED), Created)
    assert len(server.asked) == before, "the log knows; nobody was asked"


def test_a_callback_that_overtook_the_answer_counts(shop, server):
    record(shop, {"id": ORDER, "status": "brand_new"})
    assert shop.create().view.status == "brand_new"
    assert server.count("create") == 0


def test_a_canceled_order_is_refused_since_its_id_is_spent(shop, server):
    server.on("create", drop())
    assert isinstance(shop.create(), Unknown)
    record(shop, {"id": ORDER, "status": "canceled", "cancellation_reason": "other"})
    assert (outcome := shop.create()).why == "canceled"
    assert outcome.view.details.cancellation_reason == "other"
    assert server.count("create") == 1


def record(shop, body):
    shop.way.call(shop.orders.record_callback, body)


def test_a_callback_while_a_busy_provider_is_waited_for_stops_the_next_sending(
    way, server, clock, tmp_path
):
    """It may have been made by an earlier sending: the log says so before anything is sent."""
    kind = Client if way.name == "sync" else AsyncClient

    class Told(kind):
        def pause(self, answer, tried):
            with connect(url) as other:
                other.record_callback({"id": ORDER, "status": "brand_new"})
            return super().pause(answer, tried)

    url = f"sqlite:///{tmp_path}/orders.db"
    shop = Shop(way, server, clock, url, kind=Told)
    server.on("create", answer(429))
    assert isinstance(shop.create(), Created)
    assert server.count("create") == 1


@pytest.mark.parametrize(
    "body",
    [{"id": "another", "status": "created"}, b'{"id":"xyz123456","x":"' + b"y" * 2_000_000 + b'"}'],
    ids=["another order", "too big"],
)
def test_an_answer_that_goes_to_the_quarantine_leaves_it_unknown(shop, server, body):
    server.on("create", answer(200, body))
    assert shop.create().why == "unreadable"


def test_a_corrected_request_after_a_lost_one_is_another_attempt(shop, server, clock):
    server.on("create", drop())
    assert isinstance(shop.create(), Unknown)
    clock.pass_by()
    assert isinstance(outcome := shop.create(CORRECTED), Created)
    assert (outcome.view.attempt, server.orders[ORDER]) == (2, 1)
    assert server.asked[-1].body == CORRECTED.body()


def test_find_outcome_polls_and_records_the_answer(shop, server):
    assert shop.find() == Unknown("not_found", shop.view())
    server.orders[ORDER] = 1
    assert isinstance(found := shop.find(), Created)
    assert (found.view.status, found.view.details.order_url) == ("brand_new", None)
    assert shop.names().count("brand_new") == 1
    server.status = "canceled"
    assert shop.find().why == "canceled"


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (answer(503), "no_answer"),
        (drop(), "no_answer"),
        (answer(401), "unauthorized"),
        (answer(403), "forbidden"),
        (answer(200, b"<html>"), "unreadable"),
    ],
)
def test_an_unknown_outcome_has_its_reason(shop, server, reply, why):
    server.always("get", reply)
    assert shop.find().why == why


def test_the_errors_to_correct_are_found_again(shop, server):
    server.on("create", answer(400, REJECTED))
    told = shop.create()
    assert shop.find().errors == told.errors


def test_a_store_that_fails_after_the_sending_is_an_error_and_the_order_is_found_later(
    way, server, clock, tmp_path
):
    shop = Shop(way, server, clock, f"sqlite:///{tmp_path}/orders.db")
    real = shop.orders.record_response

    def failing(*arguments, **named):
        raise StoreUnavailableError("orders.db", "the disk is full")

    shop.orders.record_response = failing
    with pytest.raises(StoreUnavailableError):
        shop.create()
    shop.orders.record_response = real
    assert isinstance(shop.create(), Created)
    assert server.orders[ORDER] == server.count("create") == 1


class Crash(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("arrived", [False, True])
def test_a_crash_between_sending_and_recording_makes_no_second_order(
    way, server, clock, tmp_path, arrived
):
    kind = Client if way.name == "sync" else AsyncClient

    class Crashing(kind):
        def create(self, request, *, user_id=None):
            if arrived:
                super_create(self, request)
            raise Crash

    def super_create(client, request):
        with Client(**settings(server)) as dying:
            dying.create(request)

    url = f"sqlite:///{tmp_path}/orders.db"
    with pytest.raises(Crash):
        Shop(way, server, clock, url, kind=Crashing).create()
    survivor = Shop(way, server, clock, url)
    if not arrived:
        assert survivor.create().why == "in_flight"
        clock.pass_by()
    assert isinstance(outcome := survivor.create(), Created)
    assert (server.orders[ORDER], outcome.view.attempt) == (1, 1)


DYING = """
import sys
from tests.http.test_dialogue import REQUEST
from lifecycle import connect
from lifecycle.providers.instacart.client import Client
from lifecycle.http.create_order import create_order

url, base = sys.argv[1:]
with connect(url) as orders, Client(
    base, client_id="a", client_secret="b", user_id="c"
) as client:
    create_order(orders, client, REQUEST)
"""


@pytest.mark.parametrize("made_first", [False, True])
def test_a_killed_process_makes_no_second_order(server, clock, tmp_path, made_first):
    """The process is killed while the provider holds its answer back."""
    held = threading.Event()

    def hold(server, link, asked):
        if made_first:
            server.make(asked)
        held.set()
        server.over.wait(LIMIT)

    server.on("create", hold)
    url = f"sqlite:///{tmp_path}/orders.db"
    dying = subprocess.Popen([sys.executable, "-c", DYING, url, server.url])
    try:
        assert held.wait(LIMIT)
    finally:
        dying.send_signal(signal.SIGKILL)
        dying.wait(LIMIT)
    clock.now = datetime.now(UTC) + SETTLE_AFTER
    way = Sync()
    assert isinstance(Shop(way, server, clock, url).create(), Created)
    assert server.orders[ORDER] == 1
    way.close()


def test_many_threads_that_create_one_order_make_one(server, tmp_path):
    with connect(f"sqlite:///{tmp_path}/orders.db") as orders, Client(**settings(server)) as client:
        barrier = threading.Barrier(12)

        def create(_):
            barrier.wait(LIMIT)
            return create_order(orders, client, REQUEST)

        with ThreadPoolExecutor(12) as pool:
            outcomes = list(pool.map(create, range(12)))
    assert server.orders[ORDER] == server.count("create") == 1
    assert {getattr(outcome, "why", "created") for outcome in outcomes} <= {"created", "in_flight"}


def test_many_tasks_that_take_up_a_crashed_request_send_it_once(server, tmp_path):
    assert resumed_by_many(server, tmp_path, OrderCreation) == 1


def test_without_the_claim_several_would_send_it(server, tmp_path):
    """The positive control: it is the claim in the log that lets one of them through."""

    class Unclaimed(OrderCreation):
        def _claim(self, standing, attempt):
            yield lambda: asyncio.sleep(0)
            return standing, f"exchange-{random.random()}"

    assert resumed_by_many(server, tmp_path, Unclaimed) > 1


def resumed_by_many(server, tmp_path, kind):
    """Return how many of eight tasks sent a request that was begun an hour ago."""
    url = f"sqlite:///{tmp_path}/orders.db"
    with connect(url, clock=lambda: datetime.now(UTC) - timedelta(hours=1)) as orders:
        orders.begin_request(ORDER, REQUEST.body())

    async def main():
        async with connect_async(url) as orders, AsyncClient(**settings(server)) as client:
            await client.authorize()
            creations = [
                kind.of(orders, client, ORDER, {}, SETTLE_AFTER).create(REQUEST) for _ in range(8)
            ]
            return await asyncio.gather(*(run_async(creation) for creation in creations))

    outcomes = asyncio.run(main())
    assert any(isinstance(outcome, Created) for outcome in outcomes)
    return server.count("create")


FAULTS = [drop(), unread(), answer(500), answer(503), answer(429), answer(401), LOST["no HTTP"]]
ROUNDS = 25


def faulty(seed, server):
    """Script a provider that fails in seeded ways, before and after it made the order."""
    chance = random.Random(seed)
    for _ in range(chance.randrange(1, 7)):
        fault = chance.choice(FAULTS)
        makes = chance.random() < 0.5 and not hasattr(fault, "unread")
        never_made = fault in (FAULTS[4], FAULTS[5])  # 429 and 401 make none
        server.on("create", made(fault) if makes and not never_made else fault)
    for _ in range(chance.randrange(4)):
        server.on("get", chance.choice([drop(), answer(500), answer(404, b"<html>")]))


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_whatever_fails_repeating_the_call_creates_one_order(way, clock, seed):
    with Scripted() as server:
        faulty(seed, server)
        shop = Shop(way, server, clock)
        for _ in range(40):
            outcome = shop.create()
            if isinstance(outcome, Created):
                break
            clock.pass_by(timedelta(seconds=45))
        assert isinstance(outcome, Created)
        assert server.orders[ORDER] == 1


def test_a_service_that_resends_after_a_timeout_creates_two_orders(clock):
    """The positive control: under the same faults, what everybody writes first is caught."""
    twice = 0
    for seed in range(ROUNDS):
        with Scripted() as server, Client(**settings(server)) as client:
            faulty(seed, server)
            for _ in range(40):
                try:
                    if client.create(REQUEST).http_status == 200:
                        break
                except NoAnswerError:
                    continue
            twice += server.orders[ORDER] > 1
    assert twice > 0


def test_a_user_of_its_own_goes_into_every_path(shop, server):
    server.on("create", made(drop()))
    assert isinstance(shop.create(user_id="ann"), Created)
    targets = [asked.target for asked in server.asked if asked.operation != "token"]
    assert all("/users/ann/" in target for target in targets)
    assert len(targets) == 2


def test_a_driver_passes_on_what_a_flow_raises_and_returns():
    def flow():
        try:
            yield lambda: 1 / 0
        except ZeroDivisionError:
            got = yield lambda: 7
        return got

    assert run(flow()) == 7
