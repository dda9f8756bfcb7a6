"""Whoever may create in a schema has none of his code run by whoever uses the log.

All runs here on a server where a role without other rights laid traps: namesakes of every
function, operator, type and relation of `pg_catalog`, found before them by every session.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from eventsourcing.persistence import StoredEvent, Tracking

from lifecycle import connect
from lifecycle.audit.verify import verify
from lifecycle.cli.doctor import checks_of_log
from lifecycle.composition import initialize
from lifecycle.errors import StoreUnavailableError
from lifecycle.log.contract import Log
from lifecycle.log.stores.postgres.log import PostgresLog
from lifecycle.log.stores.postgres.qualified import qualified
from lifecycle.log.stores.sql.views import finding
from lifecycle.log.view_store import Conditions
from lifecycle.projections.recent_views import FIRST
from tests.contract.entries import event, stream
from tests.contract.feed_store_contract import FeedStoreContract
from tests.contract.log_contract import LogContract
from tests.contract.view_store_contract import ViewStoreContract
from tests.name_traps import RELATIONS, SPRUNG, TYPES, lay_traps
from tests.postgres_programs import NoServerError
from tests.postgres_server import SUPERUSER, Server, running
from tests.scenario.command_line import run

SCHEMAS = {"a schema of the path": "traps", "public": "public", "the user's own": SUPERUSER}
DIALOGUE = [
    {"kind": "request", "order_id": "xyz", "body": {"order_id": "xyz"}},
    {"kind": "response", "order_id": "xyz", "http_status": 200, "body": {"id": "xyz"}},
    {"kind": "callback", "body": {"id": "xyz", "status": "brand_new"}},
    {"kind": "callback", "body": {"id": "other", "status": "canceled"}},
    {"kind": "callback", "body": {"id": "xyz", "status": "unheard_of"}},
    {"kind": "pigeon"},
]


class Trapped:
    """A server full of traps, and what its log says since it was last looked at."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._file = server.folder / "log"
        self._seen = 0

    def database(self, schema: str = "traps") -> str:
        name = self.server.new_database()
        lay_traps(self.server, name, schema)
        return name

    def said(self) -> str:
        """Return what the server wrote since the last time."""
        with self._file.open("rb") as file:
            file.seek(self._seen)
            fresh = file.read()
        self._seen += len(fresh)
        return fresh.decode()

    def sprung(self) -> list[str]:
        """Return which traps sprang since the last time."""
        return re.findall(rf"WARNING:  {SPRUNG}: (.*)", self.said())


@pytest.fixture(scope="module")
def trapped() -> Iterator[Trapped]:
    try:
        with running(log_min_messages="warning", log_statement="all") as server:
            yield Trapped(server)
    except NoServerError as why:
        pytest.skip(f"NO POSTGRESQL SERVER, so nothing about it is shown: {why}")


@pytest.fixture(scope="module")
def database(trapped: Trapped) -> str:
    return trapped.database()


@pytest.fixture(autouse=True)
def _no_trap_sprang(request: pytest.FixtureRequest, trapped: Trapped) -> Iterator[None]:
    trapped.said()
    yield
    if "control" not in request.node.name:
        assert trapped.sprung() == []


def new_url(trapped: Trapped, database: str, **parameters: object) -> str:
    return trapped.server.new_url(**parameters).replace("/postgres?", f"/{database}?")


# What every store promises, among traps


@pytest.mark.long
class TestLogAmongTraps(LogContract):
    @pytest.fixture(autouse=True)
    def _role(self, trapped, database):
        url = new_url(trapped, database)
        initialize(url, role="appends")
        self.url = url.replace("postgres@", "appends@")

    def open(self, folder: Path, clock) -> Log:
        return PostgresLog(self.url, clock=clock)


class TestViewsAmongTraps(ViewStoreContract):
    @pytest.fixture(autouse=True)
    def _role(self, trapped, database):
        url = new_url(trapped, database)
        initialize(url, follower="follows")
        self.url = url.replace("postgres@", "follows@")

    def open(self, folder: Path) -> Log:
        return PostgresLog(self.url)


class TestFeedsAmongTraps(FeedStoreContract):
    @pytest.fixture
    def store(self, trapped, database):
        url = new_url(trapped, database)
        initialize(url, follower="follows")
        with closing(PostgresLog(url.replace("postgres@", "follows@"))) as log:
            yield log.feeds

    def test_old_records_are_pruned_a_page_at_a_time_and_the_rest_stay(self, trapped, database):
        """The owner does: nobody else may."""
        url = new_url(trapped, database)
        initialize(url)
        with closing(PostgresLog(url)) as log:
            super().test_old_records_are_pruned_a_page_at_a_time_and_the_rest_stay(log.feeds)


# Every feature, by everybody


def use_everything(url: str, user: str) -> None:
    """Do what the owner may do: all there is."""
    with connect(url.replace("postgres@", f"{user}@")) as orders:
        orders.record_many(DIALOGUE)
        orders.record_many(DIALOGUE)
        orders.begin_request("new", {"order_id": "new"})
        read_everything(orders)
        build_views(orders)
        follow(orders)
        assert orders.letters.prune(older_than=timedelta(days=1)) == 0
        use_the_library(orders.log.recorder, orders.log.views)


def read_everything(orders) -> None:
    log = orders.log
    assert [view.order_id for view in orders.find()] == sorted({"new", "other", "xyz"})
    assert orders.get("xyz").status
    assert list(orders.history("xyz"))
    assert list(orders.quarantine())
    assert list(orders.changes())
    assert verify(log).ok
    assert log.read(stream("none")) == []
    assert orders.log.settings()
    assert orders.views.status().ok
    assert isinstance(log.feeds.positions(), list)
    assert log.feeds.undelivered_of("xyz123456") == []


def build_views(orders) -> None:
    orders.views.rebuild()
    orders.record_callback(b'{"id": "late", "status": "brand_new"}')
    orders.views.catch_up()
    orders.views.rebuild()
    assert list(orders.views.poisoned()) == []
    assert list(orders.find(status="brand_new"))
    status = orders.views.status()
    assert status.ok
    assert orders.log.views.recent(status.live, FIRST, 1)
    assert orders.log.views.count_by_status(status.live)


def follow(orders) -> None:
    handed = []

    def fail(change, connection) -> None:
        connection.execute("CREATE TABLE IF NOT EXISTS pg_temp.kept (number pg_catalog.int8)")
        raise ValueError

    reader = orders.subscription("s", fail, exactly_once=True, attempts=2, pause=0.001)
    reader.catch_up()
    assert list(reader.letters())
    healed = orders.subscription(
        "s", lambda change, connection: handed.append(change), exactly_once=True
    )
    assert healed.redrive()
    assert list(orders.letters.list(all=True)) == []
    assert any(list(orders.letters.delivered(change.order_id)) for change in handed)
    assert len(handed) >= 1


def use_the_library(recorder, views) -> None:
    """Call what the recorders of `eventsourcing` offer, inherited by ours."""
    (position,) = recorder.insert_events([StoredEvent("order:a:a", 1, "topic", b"{}\n")])
    assert len(recorder.select_events("order:a:a", gt=0, lte=9, desc=True, limit=5)) == 1
    noted = recorder.select_notifications(position, 5, stop=position, topics=["topic"])
    assert len(noted) == 1
    assert recorder.max_notification_id() == position
    with recorder.subscribe(gt=position - 1) as subscription:
        assert next(iter(subscription)).id == position
    views.insert_tracking(Tracking("theirs", 5))
    assert views.max_tracking_id("theirs") == 5
    assert views.has_tracking_id("theirs", 5)


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_no_trap_fires_for_any_feature_or_role(trapped, schema):
    name = trapped.database(schema)
    url = new_url(trapped, name)
    trapped.said()
    for _ in range(2):
        initialize(url, role="appends", follower="follows", reader="reads", revoke_public=True)
    use_everything(url, SUPERUSER)
    with connect(url.replace("postgres@", "appends@")) as orders:
        orders.record_many(DIALOGUE)
        orders.record_callback(b'{"id": "more", "status": "brand_new"}')
    with connect(url.replace("postgres@", "follows@")) as orders:
        orders.views.catch_up()
        orders.views.rebuild()
        orders.subscription("t", lambda change: None).catch_up()
    for user in (SUPERUSER, "appends", "follows", "reads"):
        with connect(url.replace("postgres@", f"{user}@"), create=False) as orders:
            checks = {check.name: check.ok for check in checks_of_log(orders.log)}
            assert [checks[n] for n in ("schema", "append_only", "role", "others")] == [True] * 4
            assert verify(orders.log).records == orders.log.last_position()
    said = trapped.said()
    assert SPRUNG not in said
    assert set(re.findall(r"ERROR: .*", said)) == set()


def test_every_statement_of_the_stores_was_run_among_the_traps(trapped, database):
    """The traps above show nothing about a statement that nothing there runs."""
    url = new_url(trapped, database)
    initialize(url)
    use_everything(url, SUPERUSER)
    said = trapped.said()
    with closing(PostgresLog(url)) as log:
        with log.recorder.writing(exclusive=True):
            pass
        assert list(log.recorder.heads([stream()]))
        said += trapped.said()
        wanted = {
            **log.recorder.statements._asdict(),
            **log.feeds._sql._asdict(),
            **log.views._sql._asdict(),
        }
        with log.recorder.datastore.writing() as (cursor, _):
            found = finding(Conditions(status="x"))
            spelled = log.recorder.datastore.spelled(found.statement)
            cursor.execute(spelled, (1, "", *found.values, 1))

    assert SPRUNG not in said
    unrun = {name for name, statement in wanted.items() if statement not in said}
    # Run by the contracts above, which need orders that cannot be folded, and several readers.
    assert unrun <= {
        "between",
        "poison",
        "sweep_poisoned",
        "drop_view",
        "move",
    }


def test_the_sql_that_is_printed_springs_no_trap(trapped, tmp_path):
    url = new_url(trapped, trapped.database())
    options = ("--role", "appends", "--follower", "follows", "--reader", "reads")
    printed = run("db", "init", *options, "--revoke-public", "--print", "--db", url, cwd=tmp_path)
    database = url.split("/")[3].partition("?")[0]
    trapped.said()

    with trapped.server.connect(database) as owner:
        for _ in range(2):
            owner.execute(printed.out)
    with connect(url.replace("postgres@", "appends@"), create=False) as orders:
        assert orders.record_callback(b'{"id": "xyz", "status": "brand_new"}').position == 2
        orders.log.settings()


def test_objects_in_a_handlers_temporary_schema_are_never_used(trapped, database):
    """Types and relations are looked for in the session's temporary schema first of all."""
    url = new_url(trapped, database, pool_size=1)
    with connect(url) as orders:
        orders.record_many(DIALOGUE)

        def lay(change, connection) -> None:
            connection.execute("SET search_path = pg_catalog, pg_temp")
            connection.execute(
                f"CREATE OR REPLACE FUNCTION pg_temp.spring(what text) RETURNS boolean LANGUAGE "
                f"plpgsql AS $$ BEGIN RAISE WARNING '{SPRUNG}: %', what; RETURN true; END $$"
            )
            for part in (TYPES, RELATIONS):
                named = part.replace("{schema}.", "pg_temp.").replace("{spring}", "pg_temp.spring")
                connection.execute(named.replace("{temporary}", "TEMPORARY"))
            (laid,) = connection.execute(
                "SELECT count(*) FROM pg_catalog.pg_class WHERE relnamespace = pg_my_temp_schema()"
            ).fetchall()
            assert laid["count"] >= 100
            connection.execute("RESET search_path")

        orders.subscription("s", lay, exactly_once=True).catch_up()
        use_the_library(orders.log.recorder, orders.log.views)
        orders.record_callback(b'{"id": "more", "status": "brand_new"}')
        build_views(orders)
        orders.log.settings()


# Controls: these traps would spring


@pytest.mark.parametrize(
    ("statement", "trap"),
    [
        ("SELECT format_type(25::pg_catalog.oid, NULL)", "function format_type"),
        ("SELECT 1 FROM unnest('{a}'::pg_catalog.text[])", "function unnest"),
        ("SELECT has_table_privilege('pg_catalog.pg_class', 'SELECT')", "has_table_privilege"),
        ("SELECT pg_advisory_xact_lock(1)", "function pg_advisory_xact_lock"),
        ("SELECT set_config('lock_timeout', '1', false)", "function set_config"),
        ("SELECT max(x) FROM (VALUES (1)) AS v (x)", "function max"),
        ("SELECT count(*)", "function count"),
        ("SELECT 1 = 1", "operator ="),
        ("SELECT 'a' IN ('a', 'b')", "operator ="),
        ("SELECT CASE 1 WHEN 1 THEN 2 END", "operator ="),
        ("SELECT NULLIF(1, 1)", "operator ="),
        ("SELECT 'x'::text", "type text"),
        ("SELECT 'pg_catalog.pg_class'::regclass", "type regclass"),
        ("SELECT 1 FROM pg_class LIMIT 1", "relation pg_class"),
    ],
)
def test_control_a_name_that_is_not_qualified_springs_a_trap(trapped, database, statement, trap):
    with trapped.server.connect(database) as session, suppress(psycopg.errors.RaiseException):
        session.execute(statement)

    assert any(trap in sprung for sprung in trapped.sprung())


@pytest.mark.parametrize("name", ["insert", "heads", "streams", "last_position"])
def test_control_our_statements_without_their_qualification_spring_traps(trapped, database, name):
    with closing(PostgresLog(new_url(trapped, database))) as log:
        log.append(event())
        statements = log.recorder.statements
        plain = re.sub(r"OPERATOR\(pg_catalog\.(.*?)\)", r"\1", getattr(statements, name))
        plain = plain.replace("pg_catalog.", "")
        assert qualified(plain) == getattr(statements, name)
        log.recorder.statements = statements._replace(**{name: plain})
        trapped.said()
        with pytest.raises(StoreUnavailableError, match="P0001"):
            _run_all(log)

    assert trapped.sprung()


def _run_all(log: PostgresLog) -> None:
    list(log.scan())
    list(log.streams())
    log.last_position()
    list(log.recorder.heads([stream()]))
    log.append(event(number=2))
