"""A standby shows what its primary holds, takes no events, and takes over when the primary dies."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psycopg
import pytest

from lifecycle import Outcome, connect
from lifecycle.audit.verify import verify
from lifecycle.errors import StoreMissingError, StoreUnavailableError
from lifecycle.log.contract import CONTROL
from tests.polling import wait_until
from tests.postgres_programs import NoServerError
from tests.postgres_server import SUPERUSER, following, running

SCHEMA = "failing_over"


def callback(number, name="brand_new"):
    metadata = f'{{"order_id": "order-{number % 5}"}}'
    return (
        f'{{"event_id": {number}, "event_name": "{name}", '
        f'"event_timestamp": "2026-07-07T12:00:00Z", "event_metadata": {metadata}}}'
    ).encode()


@pytest.fixture
def pair():
    try:
        with running(synchronous_commit="on") as primary, following(primary) as standby:
            yield primary, standby
    except NoServerError as why:
        pytest.skip(f"NO POSTGRESQL SERVER, so nothing of a standby is shown: {why}")


def test_a_standby_shows_the_log_and_refuses_to_write(pair):
    primary, standby = pair
    with pytest.raises(StoreMissingError):
        connect(standby.url(schema=SCHEMA), create=False)
    with pytest.raises(StoreUnavailableError, match="it can only be read"):
        connect(standby.url(schema=SCHEMA))
    with connect(primary.url(schema=SCHEMA)) as orders:
        orders.record_many({"kind": "callback", "body": callback(n)} for n in range(1, 21))
        orders.views.rebuild()
        last = orders.log.last_position()
        views = list(orders.find())

    def has_followed():
        with suppress(StoreMissingError), connect(standby.url(schema=SCHEMA), create=False) as here:
            standing = here.views.status()
            return standing.live is not None and standing.end == last and not standing.behind

    wait_until(has_followed)
    with connect(standby.url(schema=SCHEMA), create=False) as orders:
        assert list(orders.find()) == views
        assert verify(orders.log).ok
        (server,) = [each for each in orders.log.settings() if each.name == "server"]
        assert server.meaning == "a standby, which can only be read"
        with pytest.raises(StoreUnavailableError, match="it can only be read"):
            orders.record_callback(callback(21))


def test_writers_go_on_at_the_standby_that_takes_over(pair):
    primary, standby = pair
    with connect(primary.url(schema=SCHEMA)):
        pass
    # As an operator would who must not lose a moment: commits wait for the standby.
    primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
    primary.execute("SELECT pg_reload_conf()")
    wait_until(
        lambda: primary.execute("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'")
    )
    hosts = f"{primary.folder},{standby.folder}"
    url = (
        f"postgresql://{SUPERUSER}@/postgres?host={hosts}&target_session_attrs=read-write"
        f"&schema={SCHEMA}&retry_timeout=60"
    )
    with connect(url) as orders, ThreadPoolExecutor(4) as threads:
        before = [orders.record_callback(callback(n)) for n in range(1, 21)]
        primary.stop()
        under_way = [threads.submit(orders.record_callback, callback(n)) for n in range(15, 41)]
        with suppress(psycopg.OperationalError):  # sessions end when it is promoted
            standby.execute("SELECT pg_promote()")
        after = [each.result(60) for each in under_way]

        assert {receipt.outcome for receipt in before} == {Outcome.APPENDED}
        assert [receipt.outcome for receipt in after] == [Outcome.DUPLICATE] * 6 + [
            Outcome.APPENDED
        ] * 20
        assert [receipt.position for receipt in after[:6]] == [
            receipt.position for receipt in before[14:]
        ]
        assert verify(orders.log).ok
        assert orders.log.read(CONTROL)[0].position == 1
        assert sum(1 for _ in orders.log.scan()) == 1 + 40
