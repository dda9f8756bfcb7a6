"""One PostgreSQL server: what it is set to, who may change the log, what happens when it fails."""

from __future__ import annotations

import signal
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial

import psycopg
import pytest
from eventsourcing.persistence import IntegrityError, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

from lifecycle.audit.verify import verify
from lifecycle.composition import initialize
from lifecycle.errors import (
    InvalidArgumentError,
    StoreMissingError,
    StoreUnavailableError,
    StoreUrlError,
)
from lifecycle.log.codec import decode_event
from lifecycle.log.contract import Level, Outcome
from lifecycle.log.stores.postgres import log as store
from lifecycle.log.stores.postgres.log import PostgresLog
from lifecycle.log.stores.postgres.tables import LogTables
from lifecycle.log.stores.postgres.url import parse_url
from tests.contract.entries import event, stream
from tests.faults.children import Child
from tests.polling import wait_until
from tests.postgres_server import Server

LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")


@pytest.fixture
def url(postgres: Server) -> str:
    return postgres.new_url()


@pytest.fixture
def log(url: str) -> Iterator[PostgresLog]:
    with closing(PostgresLog(url)) as log:
        yield log


@pytest.fixture
def raw(postgres: Server) -> Iterator[psycopg.Connection]:
    """Somebody else's connection, with none of our settings."""
    with postgres.connect() as raw:
        yield raw


def place(url: str) -> LogTables:
    return parse_url(url).tables


def found(log: PostgresLog) -> dict[str, str]:
    return {setting.name: setting.found for setting in log.settings()}


def reload(server: Server, name: str, value: str) -> None:
    """Change a setting of a running server, and wait until new sessions see it."""
    server.execute(f"ALTER SYSTEM SET {name} = {value}")
    server.execute("SELECT pg_reload_conf()")
    wait_until(lambda: server.execute(f"SHOW {name}") == [(value,)])


# What it is set to


def test_every_session_has_our_limits(postgres):
    url = postgres.new_url(statement_timeout=7, lock_timeout=1.5, pool_size=3)
    with closing(PostgresLog(url)) as log:
        pool = log.recorder.datastore.connections
        sessions = [pool.take() for _ in range(3)]
        for session in sessions:
            shown = [session.tuples.execute(f"SHOW {name}").fetchone() for name in LIMITS]
            assert shown == [("7s",), ("1500ms",), ("10s",)]
            pool.put(session)


def test_a_parameter_of_libpq_reaches_it(postgres):
    with closing(PostgresLog(postgres.new_url(application_name="checkout"))) as log:
        named = "SELECT current_setting('application_name')"
        with log.recorder.datastore.get_connection() as connection:
            assert connection.execute(named.encode()).fetchone() == {"current_setting": "checkout"}


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        ("pool_size=0", "pool_size to be a number of connections"),
        ("pool_size=many", "pool_size to be a number of connections"),
        ("statement_timeout=30000", "statement_timeout to be seconds"),
        ("lock_timeout=nan", "lock_timeout to be seconds"),
        ("schema=a;b", "schema to be up to 63 letters"),
        ("prepare=maybe", "prepare to be on or off"),
        ("colour=red", "parameters of libpq, and of ours schema, pool_size"),
    ],
)
def test_an_invalid_parameter_is_refused_and_named(parameter, expected):
    with pytest.raises(StoreUrlError, match=expected):
        PostgresLog(f"postgresql://localhost/orders?{parameter}")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("postgresql://u:p@db:5433/orders", "postgresql://db:5433/orders"),
        ("postgres://u:p@db/a%20b?sslmode=require", "postgresql://db/a%20b"),
        (
            "postgresql:///orders?host=/run/pg&user=u&password=p",
            "postgresql:///orders?host=/run/pg",
        ),
        ("postgresql://one:1,two:2/orders", "postgresql://one,two:1,2/orders"),
        ("postgresql://u@db/o?schema=shop", "postgresql://db/o?schema=shop"),
    ],
)
def test_the_url_that_is_shown_holds_no_user_and_no_password(given, shown):
    target = parse_url(given)

    assert target.url == shown
    assert repr(target) == f"<Target {shown}>"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hunter2@127.0.0.1:1/orders",
        "postgresql://127.0.0.1:1/orders?user=u&password=hunter2",
        "postgresql://u:hunter2@127.0.0.1:1/orders?pool_size=0",
        "postgresql://u:hunter2@127.0.0.1:1/orders?colour=red",
        "postgresql://u:hunter2@[::1/orders",
    ],
)
def test_no_error_contains_a_password(url):
    with pytest.raises((StoreUnavailableError, StoreUrlError)) as refused:
        PostgresLog(url)

    told = "".join(traceback.format_exception(refused.value))
    assert "hunter2" not in told + repr(refused.value) + repr(vars(refused.value))


@pytest.mark.parametrize("name", ["fsync", "full_page_writes", "synchronous_commit"])
def test_a_server_that_could_lose_what_it_acknowledged_is_refused_and_the_setting_named(
    dying, name
):
    reload(dying, name, "off")
    try:
        with pytest.raises(StoreUnavailableError, match=f"its {name} is off: .*; set it to on"):
            PostgresLog(dying.new_url())
    finally:
        reload(dying, name, "on")
    with closing(PostgresLog(dying.new_url())) as log:
        assert found(log)[name] == "on"


def test_a_session_keeps_the_synchronous_commit_that_it_found_safe(dying):
    with closing(PostgresLog(dying.new_url(pool_size=1))) as log:
        reload(dying, "synchronous_commit", "off")
        try:
            assert found(log)["synchronous_commit"] == "on"
        finally:
            reload(dying, "synchronous_commit", "on")


def test_a_database_in_another_encoding_is_refused(postgres):
    name = postgres.new_database("ENCODING 'LATIN1' TEMPLATE template0")

    with pytest.raises(StoreUnavailableError, match="its encoding is LATIN1"):
        PostgresLog(postgres.url(name))


def test_functions_that_insert_without_the_lock_are_refused(url, monkeypatch):
    monkeypatch.setenv("POSTGRES_ENABLE_DB_FUNCTIONS", "y")

    with pytest.raises(StoreUnavailableError, match="POSTGRES_ENABLE_DB_FUNCTIONS is set"):
        PostgresLog(url)


def test_statements_are_prepared_unless_the_url_says_not_to(postgres):
    for prepare, number in (("on", 1), ("off", 0)):
        with closing(PostgresLog(postgres.new_url(prepare=prepare, pool_size=1))) as log:
            log.append(event())
            [prepared] = log.recorder.fetch(
                "SELECT count(*) FROM pg_prepared_statements WHERE statement ~ '^WITH gate'"
            )
            assert prepared == (number,)


# The table


def test_the_library_s_own_recorder_reads_and_follows_our_table(log, postgres, url):
    log.append_many([event(f"o{n % 3}", n) for n in range(20)])
    with closing(stock_datastore(postgres, url)) as datastore:
        stock = PostgresApplicationRecorder(datastore)

        notifications = stock.select_notifications(start=1, limit=100)
        events = stock.select_events(stream("o1"))
        with stock.subscribe(gt=20) as subscription:
            wait_for(postgres, "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
            log.append(event("new"))
            followed = next(iter(subscription))

    assert [(n.id, n.originator_id, n.state) for n in notifications] == [
        (record.position, record.stream, record.state) for record in log.scan(until=20)
    ]
    assert [e.originator_version for e in events] == [1, 2, 3, 4, 5, 6, 7]
    assert (followed.id, followed.originator_id) == (21, stream("new"))


def stock_datastore(server: Server, url: str) -> PostgresDatastore:
    return PostgresDatastore(
        "postgres",
        str(server.folder),
        "5432",
        "postgres",
        "",
        schema=place(url).schema,
        originator_id_type="text",
        max_overflow=5,
    )


def test_the_library_s_methods_append_by_our_one_statement(log):
    recorder = log.recorder

    assert recorder.insert_events([StoredEvent("order:a:a", 1, "topic", b"1")]) == [1]
    assert recorder.max_notification_id() == 1
    with pytest.raises(IntegrityError):
        recorder.insert_events([StoredEvent("order:a:a", 1, "topic", b"2")])


def test_a_foreign_table_is_refused(postgres, url):
    postgres.execute(f"CREATE SCHEMA {place(url).quoted_schema}")
    with closing(stock_datastore(postgres, url)) as datastore:
        PostgresApplicationRecorder(datastore).create_table()

    with pytest.raises(StoreUnavailableError, match="its table stored_events is not of this"):
        PostgresLog(url)


def test_reading_makes_nothing(postgres, url):
    with pytest.raises(StoreMissingError):
        PostgresLog(url, create=False)
    with pytest.raises(StoreMissingError):
        PostgresLog(postgres.url("nowhere"), create=False)

    assert postgres.execute(f"SELECT to_regnamespace('{place(url).schema}')::text") == [(None,)]


def test_a_database_that_is_not_there_is_not_made(postgres):
    with pytest.raises(StoreUnavailableError, match="there is no such database; create it first"):
        PostgresLog(postgres.url("nowhere"))


def test_many_processes_may_start_at_once(postgres, url):
    def start(number: int, pipe: int) -> None:
        with closing(PostgresLog(url)) as log:
            log.append(event(number=number))

    children = [Child(partial(start, number)) for number in range(8)]

    assert [child.collect() for child in children] == [(0, b"")] * 8
    with closing(PostgresLog(url, create=False)) as log:
        assert [record.version for record in log.read(stream())] == list(range(1, 9))


def test_control_without_the_lock_two_that_start_at_once_collide(postgres, url, raw):
    """The table is made in a transaction that is still open when the other makes it."""
    statements = list(place(url).create_statements())
    postgres.execute(place(url).schema_statement())
    with ThreadPoolExecutor(1) as other, raw.transaction():
        for statement in statements:
            raw.execute(statement)
        late = other.submit(postgres.execute, statements[0])
        wait_for_lock(postgres)
    with pytest.raises(psycopg.errors.UniqueViolation):
        late.result()


def wait_for(server: Server, statement: str) -> None:
    """Wait until a statement finds a row."""
    wait_until(lambda: server.execute(statement))


def wait_for_lock(server: Server) -> None:
    """Wait until some session waits for another."""
    wait_for(server, "SELECT 1 FROM pg_locks WHERE NOT granted")


@pytest.mark.parametrize(
    "order_id", ["\U0001f600" * 63, "x" * 255, "'; DROP TABLE x; --", "a\\b%s"]
)
def test_order_ids_of_every_kind_fit(log, order_id):
    assert log.append(event(order_id)).outcome is Outcome.APPENDED
    assert log.append(event(order_id)).outcome is Outcome.DUPLICATE
    assert decode_event(log.read(stream(order_id))[0]).order_id == order_id


def test_an_order_id_beyond_the_index_fails_its_own_caller_only(log):
    long = "".join(chr(0x4E00 + n * 7919 % 20000) for n in range(8000))
    with ThreadPoolExecutor(8) as callers:
        good = [callers.submit(log.append, event(f"o{n}")) for n in range(50)]
        bad = callers.submit(log.append, event(long))

    assert {one.result().outcome for one in good} == {Outcome.APPENDED}
    with pytest.raises(InvalidArgumentError, match="what a row and its index can hold"):
        bad.result()


def test_a_batch_larger_than_a_statement_is_one_commit(log, monkeypatch):
    monkeypatch.setattr(store, "_STATEMENT_BYTES", 2000)
    log.append(event(number=1))

    done = log.append_many([event(number=n, body=b"x" * 900) for n in range(2, 30)])

    assert [one.position for one in done] == list(range(2, 30))
    with pytest.raises(InvalidArgumentError):
        log.append_many([*(event(number=n, body=b"x" * 900) for n in range(30, 60)), too_long()])
    assert len(log.read(stream())) == 29


def too_long():
    return event("".join(chr(0x4E00 + n * 7919 % 20000) for n in range(8000)))


def test_positions_may_have_gaps_and_verify_knows(log, url):
    log.append(event(number=1))
    with closing(PostgresLog(url)) as other:
        other.append(event(number=2))
    log.append(event(number=3))

    assert [record.position for record in log.scan()] == [1, 2, 4]
    assert not log.gapless
    assert verify(log).ok


# What tampering shows, and what only a checkpoint shows


TAMPERED = {
    "a body is changed": (
        "UPDATE {table} SET state = state || 'x' WHERE notification_id = 2",
        "its body was changed",
    ),
    "a header is changed": (
        "UPDATE {table} SET state = overlay(state PLACING 'X' FROM 40) WHERE notification_id = 2",
        "its header was changed",
    ),
    "a record within an order is deleted": (
        "DELETE FROM {table} WHERE notification_id = 3",
        "it is gone: versions 2 to 2 are missing",
    ),
    "a record is put in another's place": (
        """UPDATE {table} SET state = (SELECT state FROM {table} WHERE notification_id = 5)
        WHERE notification_id = 7""",
        "its header was written for version",
    ),
    "the last record of an order is deleted": (
        "DELETE FROM {table} WHERE notification_id = 19",
        None,
    ),
    "a whole order is deleted": ("DELETE FROM {table} WHERE originator_id LIKE '%o0'", None),
    "the end of the log is cut off": ("DELETE FROM {table} WHERE notification_id > 10", None),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_tampering_is_named_or_shown_by_a_checkpoint(log, raw, url, how):
    log.append_many([event(f"o{n % 2}", n) for n in range(20)])
    before = verify(log).checkpoint
    statement, named = TAMPERED[how]
    raw.execute(f"DROP TRIGGER stored_events_refuse ON {place(url).log}")
    raw.execute(statement.format(table=place(url).log))

    seen, held = verify(log), verify(log, checkpoints=[before])

    assert not held.ok
    assert seen.ok == (named is None)
    assert named is None or named in seen.findings[0].sentence


# Who may change it


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE {table} SET topic = topic",
        "DELETE FROM {table}",
        "DELETE FROM {table} WHERE false",
        "TRUNCATE {table}",
        """INSERT INTO {table} (originator_id, originator_version, topic, state)
        SELECT originator_id, originator_version, topic, state FROM {table}
        ON CONFLICT (originator_id, originator_version) DO UPDATE SET state = ''""",
    ],
)
@pytest.mark.parametrize("role", ["origin", "replica"])
def test_nobody_changes_what_is_stored_not_even_the_owner(log, raw, url, change, role):
    log.append(event())
    raw.execute(f"SET session_replication_role = {role}")

    with pytest.raises(psycopg.Error, match="the log is append-only"):
        raw.execute(change.format(table=place(url).log))

    assert verify(log).ok


def test_a_missing_guard_is_reported_and_restored(log, raw, url):
    raw.execute(f"DROP TRIGGER stored_events_refuse ON {place(url).log}")
    told = {setting.name: setting for setting in log.settings()}["append_only"]
    assert (told.found, told.level) == ("off", Level.FAIL)
    assert "lifecycle db init" in told.meaning

    initialize(url)

    assert found(log)["append_only"] == "on"


@pytest.fixture(scope="module")
def role(postgres: Server) -> str:
    """The name of a role that nobody made yet."""
    return "app-1"


@pytest.fixture
def as_role(postgres: Server, role: str) -> str:
    """The URL of a new log, as the role that may read and append."""
    schema = place(postgres.new_url()).schema
    initialize(postgres.url(schema=schema), role=role)
    return postgres.url(user=role, schema=schema)


@pytest.mark.parametrize(
    "attempt",
    [
        "UPDATE {table} SET topic = topic",
        "DELETE FROM {table}",
        "TRUNCATE {table}",
        "DROP TABLE {table}",
        "ALTER TABLE {table} DISABLE TRIGGER ALL",
        "DROP TRIGGER stored_events_refuse ON {table}",
        "LOCK TABLE {table} IN EXCLUSIVE MODE",
        "INSERT INTO {table} OVERRIDING SYSTEM VALUE VALUES ('a', 1, 'b', '', 7)",
        "SELECT setval(pg_get_serial_sequence('{table}', 'notification_id'), 99)",
        "CREATE TABLE {schema}.other (x int)",
        "SET session_replication_role = replica",
    ],
)
def test_the_role_may_do_nothing_else(postgres, as_role, role, attempt):
    with closing(PostgresLog(as_role)) as log, postgres.connect(user=role) as raw:
        log.append(event())
        names = {"table": place(as_role).log, "schema": place(as_role).quoted_schema}

        with pytest.raises(psycopg.errors.InsufficientPrivilege), raw.transaction():
            raw.execute(attempt.format(**names))

        assert "it may read and append, and nothing else" in {s.meaning for s in log.settings()}


def test_rights_that_a_role_had_are_taken_from_it(postgres, as_role, role):
    table = place(as_role).log
    postgres.execute(f'GRANT ALL ON {table} TO "{role}"')

    initialize(postgres.url(schema=place(as_role).schema), role=role)

    rights = f"SELECT has_table_privilege('{role}', '{table}', 'DELETE')"
    assert postgres.execute(rights) == [(False,)]


@pytest.mark.parametrize("name", ["", "a b", 'a"b', "a'b", "$", "x" * 64, "1st", "a\x00b"])
def test_a_role_name_that_needs_quoting_is_refused(url, name):
    with pytest.raises(InvalidArgumentError, match="role cannot be used"):
        initialize(url, role=name)


def test_db_init_does_not_revoke_the_rights_of_the_current_role(url):
    with pytest.raises(InvalidArgumentError, match="another than the one that logged in"):
        initialize(url, role="postgres")


def test_a_role_that_may_not_create_the_table_is_reported(postgres, as_role, role):
    with pytest.raises(StoreUnavailableError, match=r"this user may not do that \(42501\)"):
        PostgresLog(postgres.new_url().replace("postgres@", f"{role}@"))


def test_a_standby_or_a_read_only_session_reads_and_refuses_to_write(log, url):
    log.append(event())
    with closing(PostgresLog(url + "&options=-c%20default_transaction_read_only%3Don")) as reader:
        assert len(reader.read(stream())) == 1
        with pytest.raises(StoreUnavailableError, match="it can only be read"):
            reader.append(event(number=2))


# When it fails


def test_a_lock_that_others_hold_is_an_error_within_the_time_limit(postgres, raw):
    url = postgres.new_url(lock_timeout=0.1, retry_timeout=0.3)
    with closing(PostgresLog(url)) as log, raw.transaction():
        raw.execute(f"SELECT pg_advisory_xact_lock({place(url).append_lock})")
        with pytest.raises(StoreUnavailableError, match="others held its lock for too long"):
            log.append(event())
    with closing(PostgresLog(url)) as log:
        assert log.append(event()).outcome is Outcome.APPENDED


def test_a_statement_that_takes_too_long_is_an_error_within_the_time_limit(postgres, raw):
    url = postgres.new_url(statement_timeout=1, retry_timeout=1)
    with closing(PostgresLog(url)) as log:
        with raw.transaction():
            raw.execute(f"LOCK TABLE {place(url).log} IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(StoreUnavailableError, match="longer than its time limit"):
                log.read(stream())
        assert log.read(stream()) == []


def test_more_threads_than_connections_wait_for_each_other(postgres):
    with closing(PostgresLog(postgres.new_url(pool_size=1))) as log:
        log.append_many([event(number=n) for n in range(10)])
        with ThreadPoolExecutor(16) as threads:
            read = list(threads.map(lambda _: len(log.read(stream())), range(100)))
        assert set(read) == {10}


def test_threads_that_find_no_free_connection_in_time_get_an_error(postgres):
    with closing(
        PostgresLog(postgres.new_url(pool_size=1, lock_timeout=0.1, retry_timeout=0.2))
    ) as log:
        pool = log.recorder.datastore.connections
        taken = pool.take()
        with pytest.raises(StoreUnavailableError, match="all its connections are in use"):
            log.last_position()
        pool.put(taken)
        assert log.last_position() == 0


def test_terminated_sessions_are_replaced_silently(log, postgres):
    for number in range(20):
        terminate_all(postgres)
        assert log.append(event(number=number)).version == number + 1
        terminate_all(postgres)
        assert len(log.read(stream())) == number + 1


def terminate_all(server: Server) -> None:
    server.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'lifecycle'"
    )


@pytest.mark.parametrize("how", [signal.SIGQUIT, signal.SIGINT], ids=["at once", "in peace"])
def test_a_server_that_stops_and_comes_back_is_waited_for(dying, how):
    sent = [event(f"o{n % 5}", n) for n in range(400)]
    with closing(PostgresLog(dying.new_url())) as log, ThreadPoolExecutor(4) as callers:
        done = callers.map(log.append, sent)
        try:
            assert next(done).outcome is Outcome.APPENDED
            dying.stop(how)
            dying.start()
        except BaseException:
            callers.shutdown(cancel_futures=True)
            raise

        assert {one.outcome for one in done} == {Outcome.APPENDED}
        assert sorted(decode_event(r).key for r in log.scan()) == sorted(e.key for e in sent)
        assert verify(log).ok


def test_a_missing_server_is_reported_at_once(dying):
    dying.stop()
    try:
        before = time.monotonic()
        with pytest.raises(StoreUnavailableError, match="nobody answers there"):
            PostgresLog(dying.new_url())
        assert time.monotonic() - before < 20
    finally:
        dying.start()


def test_an_interrupt_leaves_the_log_usable(postgres, raw):
    """A thread that waits for the lock is let go by the server when another takes its place."""
    url = postgres.new_url()
    with closing(PostgresLog(url)) as log, ThreadPoolExecutor(1) as caller:
        with raw.transaction():
            raw.execute(f"SELECT pg_advisory_xact_lock({place(url).append_lock})")
            waiting = caller.submit(log.append, event(number=1))
            wait_for_lock(postgres)
            postgres.execute("SELECT pg_cancel_backend(pid) FROM pg_locks WHERE NOT granted")
        assert waiting.result().outcome is Outcome.APPENDED
        assert len(log.read(stream())) == 1


# What followers see


def missed(server: Server, url: str, insert: Callable[[str], str]) -> list[int]:
    """Return the positions that whoever reads `id > last` never sees.

    One writer inserts and is slow to commit; another inserts and commits meanwhile, or has
    to wait for the first.
    """
    with closing(PostgresLog(url)) as log, server.connect() as slow, ThreadPoolExecutor(1) as other:
        statement = insert(log.recorder.statements.insert)
        log.recorder.statements = log.recorder.statements._replace(insert=statement)
        with slow.transaction():
            # The same statement, by hand.
            values = ([stream("slow")], [1], ["callback"], [b"{}\n{}"])
            slow.cursor().execute(_by_hand(statement), values)
            quick = other.submit(log.append, event("quick"))
            seen = _follow_until(log, server, quick)
        quick.result()
        last = max(seen, default=0)
        seen += [record.position for record in log.scan(after=last)]
        return sorted({record.position for record in log.scan()} - set(seen))


def _by_hand(statement: str) -> str:
    for number in range(1, 5):
        statement = statement.replace(f"${number}", "%s")
    return statement


def _follow_until(log: PostgresLog, server: Server, quick) -> list[int]:
    waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    wait_until(lambda: quick.done() or server.execute(waiting))
    return [record.position for record in log.scan()]


def test_a_follower_misses_nothing_while_a_commit_is_slow(postgres, url):
    assert missed(postgres, url, lambda statement: statement) == []


def test_control_without_the_lock_a_follower_misses_an_event(postgres, url):
    def unlocked(statement: str) -> str:
        return statement.replace("pg_advisory_xact_lock", "abs")

    assert missed(postgres, url, unlocked) == [1]


def test_control_a_lock_that_the_insert_does_not_read_from_is_never_taken(postgres, url):
    def unread(statement: str) -> str:
        return statement.replace("FROM gate, ", "FROM ")

    assert missed(postgres, url, unread) == [1]


def test_an_append_notifies_those_who_listen(log, raw):
    raw.execute("LISTEN stored_events")
    log.append(event())

    told = list(raw.notifies(timeout=10, stop_after=1))

    assert [(note.channel, note.payload) for note in told] == [("stored_events", "")]
