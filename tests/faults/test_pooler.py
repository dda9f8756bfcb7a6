"""Behind PgBouncer: nothing is lost or doubled, and what needs a parameter says so."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from lifecycle import Outcome, connect
from lifecycle.audit.verify import verify
from lifecycle.composition import initialize
from lifecycle.errors import StoreUnavailableError
from tests.pooler import pooling
from tests.postgres_programs import NoServerError

_schemas = count(1)

EVENTS = 120
SESSIONS = 3


def callback(number):
    metadata = f'{{"order_id": "order-{number % 7}"}}'
    return (
        f'{{"event_id": {number}, "event_name": "delivered", '
        f'"event_timestamp": "2026-07-07T12:00:00Z", "event_metadata": {metadata}}}'
    ).encode()


@pytest.fixture
def schema(postgres):
    name = f"pooled_{next(_schemas)}"
    initialize(postgres.url(schema=name))
    return name


@pytest.fixture(params=["session", "transaction"])
def mode(request):
    return request.param


@pytest.fixture
def pooler(postgres, mode):
    try:
        with pooling(postgres, mode, SESSIONS) as pooler:
            yield pooler
    except NoServerError as why:
        pytest.skip(f"NO PGBOUNCER, so nothing about it is shown: {why}")


def parameters(mode):
    # Sessions are either few enough, or shared and prepared for nobody.
    return {"pool_size": SESSIONS} if mode == "session" else {"prepare": "off"}


def test_writers_and_readers_share_its_sessions(pooler, mode, schema):
    with connect(pooler.url(schema=schema, **parameters(mode))) as orders:

        def record_and_look(number):
            receipt = orders.record_callback(callback(number))
            return receipt, orders.get(f"order-{number % 7}")

        with ThreadPoolExecutor(12) as threads:
            sent = [*range(1, EVENTS + 1), *range(1, EVENTS + 1)]
            done = list(threads.map(record_and_look, sent))
        orders.views.rebuild()

        assert len({receipt.position for receipt, _ in done}) == EVENTS
        outcomes = [receipt.outcome for receipt, _ in done]
        assert outcomes.count(Outcome.APPENDED) == EVENTS
        assert outcomes.count(Outcome.DUPLICATE) == EVENTS
        assert {view.status for _, view in done} == {"delivered"}
        assert len(list(orders.find(status="delivered"))) == 7
        assert verify(orders.log).ok


@pytest.mark.parametrize("mode", ["transaction"])
def test_shared_sessions_without_the_parameter_say_what_is_missing(pooler, schema):
    def record_side_by_side() -> None:
        with (
            connect(pooler.url(schema=schema)) as one,
            connect(pooler.url(schema=schema)) as other,
            ThreadPoolExecutor(12) as threads,
        ):
            under_way = [
                threads.submit(orders.record_callback, callback(number))
                for number in range(1, EVENTS)
                for orders in (one, other)
            ]
            _ = [each.result() for each in under_way]

    # Whichever call is the first to meet the statement of another session.
    with pytest.raises(StoreUnavailableError, match="add prepare=off to the URL"):
        record_side_by_side()
