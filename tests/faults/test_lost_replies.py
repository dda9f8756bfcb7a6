"""The server commits and its reply is lost: nobody sees an error, and nothing is doubled."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count

import pytest
from eventsourcing.persistence import IntegrityError, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

from lifecycle.audit.verify import verify
from lifecycle.composition import connect
from lifecycle.errors import StoreUnavailableError
from lifecycle.log.contract import QUARANTINE, Outcome
from lifecycle.log.stores.postgres.log import PostgresLog
from lifecycle.log.stores.postgres.tables import LogTables
from lifecycle.log.writer import Writer
from tests.contract.entries import event, stream, unreadable
from tests.faults.settled_batches import settle_a_batch_whose_reply_is_lost
from tests.polling import wait_until
from tests.postgres_server import Server
from tests.proxy import Proxy, proxied

_schemas = count(1)


@pytest.fixture
def proxy(postgres: Server) -> Iterator[Proxy]:
    with proxied(postgres) as proxy:
        yield proxy


@pytest.fixture
def schema() -> str:
    return f"lost_{next(_schemas)}"


@pytest.fixture
def log(proxy: Proxy, schema: str) -> Iterator[PostgresLog]:
    """A log behind the proxy, whose statement is prepared already."""
    with closing(PostgresLog(proxy.url(schema, statement_timeout=2))) as log:
        log.append(event("first"))
        yield log


@pytest.mark.parametrize("lost", [1, 2, 5])
def test_an_event_whose_reply_was_lost_is_appended_once_however_often_that_goes_on(
    log, proxy, lost
):
    proxy.cut_replies(lost, b"INSERT 0 ", b"SELECT ")

    done = log.append(event(number=2))

    assert (done.outcome, done.version) == (Outcome.APPENDED, 1)
    assert proxy.cut == lost
    assert [record.position for record in log.read(stream())] == [done.position]
    assert log.append(event(number=2)).outcome is Outcome.DUPLICATE


def test_an_expected_version_is_no_conflict_with_oneself(log, proxy):
    proxy.cut_replies(1)

    assert log.append(event(number=2), expected_version=0).version == 1


def test_a_recorded_request_whose_reply_was_lost_is_not_resumed(log, proxy, schema):
    with connect(proxy.url(schema)) as orders:
        orders.begin_request("warm", {"order_id": "warm"})
        proxy.cut_replies(1)

        sent = orders.begin_request("xyz", {"order_id": "xyz"})

        assert (sent.attempt, sent.resumed) == (1, False)


def test_an_unreadable_arrival_is_quarantined_once(log, proxy):
    proxy.cut_replies(1)

    assert log.append(unreadable()).outcome is Outcome.QUARANTINED

    assert len(log.read(QUARANTINE)) == 1


def test_control_without_a_look_for_the_written_item_it_is_quarantined_twice(
    log, proxy, monkeypatch
):
    monkeypatch.setattr(Writer, "_find", lambda *_: None)
    proxy.cut_replies(1)

    log.append(unreadable())

    assert len(log.read(QUARANTINE)) == 2


def test_control_the_library_s_own_recorder_reports_a_conflict_with_itself(log, proxy):
    port = proxy._listening.getsockname()[1]
    with closing(
        PostgresDatastore(
            "postgres",
            "127.0.0.1",
            port,
            "postgres",
            "",
            schema=f"stock_{next(_schemas)}",
            originator_id_type="text",
        )
    ) as datastore:
        log.recorder.datastore.connections.take().execute(
            f"CREATE SCHEMA {datastore.schema}".encode()
        )
        recorder = PostgresApplicationRecorder(datastore)
        recorder.create_table()
        proxy.cut_replies(1, b"COMMIT\x00")

        with pytest.raises(IntegrityError):
            recorder.insert_events([StoredEvent("a", 1, "topic", b"state")])


def test_a_batch_whose_reply_was_lost_is_settled_as_it_was_written(log, proxy):
    done = settle_a_batch_whose_reply_is_lost(log, lambda: proxy.cut_replies(1))

    assert [record.position for record in log.read(stream("a"))][1:3] == [
        done[1].position,
        done[4].position,
    ]


def test_all_tasks_that_share_a_lost_commit_get_its_error(log, proxy):
    async def record_all() -> list[Outcome]:
        proxy.cut_replies(2)
        tasks = (log.append_async(event(f"o{n % 7}", n)) for n in range(100))
        return [one.outcome for one in await asyncio.gather(*tasks)]

    assert set(asyncio.run(record_all())) == {Outcome.APPENDED}
    assert log.last_position() >= 101
    assert sum(1 for _ in log.scan()) == 101


def test_a_server_that_says_nothing_more_is_left_after_a_time(log, proxy, monkeypatch):
    monkeypatch.setattr("lifecycle.log.stores.postgres.connection._GRACE_SECONDS", 0.1)
    log.recorder.datastore.connections.close(for_good=False)
    log.append(event("again"))
    proxy.swallow_replies(1)

    done = log.append(event(number=2))

    assert (done.outcome, proxy.cut) == (Outcome.APPENDED, 1)
    assert len(log.read(stream())) == 1


@pytest.mark.parametrize("entry", [unreadable(), event(number=2)], ids=["item", "event"])
def test_an_event_that_an_abandoned_session_commits_later_is_not_written_again(
    proxy, postgres, schema, entry
):
    """The session waits for the lock while its client has gone and decides anew."""
    with (
        closing(PostgresLog(proxy.url(schema))) as log,
        ThreadPoolExecutor(1) as caller,
        postgres.connect() as other,
    ):
        lock = LogTables(schema).append_lock
        with other.transaction():
            other.execute(f"SELECT pg_advisory_xact_lock({lock})")
            told = caller.submit(log.append, entry)
            wait_until(lambda: waiting(postgres, lock) == 1)
            proxy.leave_clients()
            wait_until(lambda: waiting(postgres, lock) == 2)
        done = told.result()

        assert done.outcome in {Outcome.APPENDED, Outcome.QUARANTINED}
        assert [record.version for record in log.scan()] == [1]
        assert log.last_position() == done.position


def waiting(server: Server, lock: int) -> int:
    """Return how many sessions wait for an advisory lock."""
    [(number,)] = server.execute(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted "
        f"AND objid = {lock & 0xFFFFFFFF}"
    )
    return number


def test_a_database_that_stays_away_is_an_error_and_says_so(proxy, schema):
    with closing(PostgresLog(proxy.url(schema, retry_timeout=0.3))) as log:
        log.append(event())
        proxy.close()

        with pytest.raises(StoreUnavailableError, match="nobody answers there"):
            log.append(event(number=2))
        with pytest.raises(StoreUnavailableError, match="nobody answers there"):
            log.read(stream())


@pytest.mark.parametrize("sign", [b"INSERT 0 ", b"COMMIT\x00"], ids=["the insert", "the commit"])
@pytest.mark.parametrize("entry", [unreadable(), event(number=2)], ids=["item", "event"])
def test_a_reply_that_is_lost_while_others_are_kept_out_is_no_error_either(
    log, proxy, schema, sign, entry
):
    """The first try loses a race, so that the second takes the lock first."""
    log.append(unreadable(b"<warm>"))
    log.append(event(number=1))
    with closing(PostgresLog(proxy.url(schema))) as other:
        other.append(unreadable(b"<other>"))
        other.append(event(number=3))
    proxy.cut_replies(1, sign)

    done = log.append(entry)

    assert (done.outcome in {Outcome.APPENDED, Outcome.QUARANTINED}, proxy.cut) == (True, 1)
    assert done.version == 3
    assert len(log.read(done.stream)) == 3
    assert verify(log).ok
