"""Who may do what to a log in PostgreSQL, whose tables are used, and what the doctor finds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import psycopg
import pytest

from lifecycle import connect
from lifecycle.audit.tree import LogTree
from lifecycle.composition import initialize, rights_of
from lifecycle.errors import InvalidArgumentError, StoreUnavailableError
from lifecycle.log.contract import Level, Outcome, Setting
from lifecycle.log.stores.postgres.log import PostgresLog
from lifecycle.log.stores.postgres.tables import TABLES, LogTables
from lifecycle.log.stores.postgres.url import parse_url
from lifecycle.log.stores.sql.tables import BESIDE
from tests.contract.entries import event, stream
from tests.postgres_server import Server, new_name
from tests.scenario.command_line import run

BRAND_NEW = b'{"id": "xyz", "status": "brand_new"}'
ROLES = {"role": "appends", "follower": "follows", "reader": "reads"}


@pytest.fixture
def url(postgres: Server) -> str:
    return postgres.new_url()


@pytest.fixture
def own(postgres: Server) -> str:
    """The URL of a log in a database of its own, made by its owner with all three roles."""
    name = postgres.new_database()
    initialize(postgres.url(name), **ROLES)
    return postgres.url(name)


@pytest.fixture
def raw(postgres: Server) -> Iterator[psycopg.Connection]:
    with postgres.connect() as raw:
        yield raw


def place(url: str) -> LogTables:
    return parse_url(url).tables


def user(url: str, name: str) -> str:
    return url.replace("postgres@", f"{name}@")


def database(url: str) -> str:
    return url.split("/")[3].partition("?")[0]


def row(url: str, name: str) -> Setting:
    with closing(PostgresLog(url, create=False)) as log:
        return {setting.name: setting for setting in log.settings()}[name]


def made_role(server: Server, attributes: str = "") -> str:
    name = new_name("r")
    server.execute(f"CREATE ROLE {name} LOGIN {attributes}")
    return name


# Roles by task: none needs CREATE


def test_db_init_makes_every_table_that_any_role_needs(postgres, url):
    initialize(url)
    found = postgres.execute(
        f"SELECT relname FROM pg_class WHERE relnamespace = '{place(url).schema}'::regnamespace "
        "AND relkind = 'r'"
    )
    assert {name for (name,) in found} == {table.name for table in TABLES}


def in_a_year() -> datetime:
    return datetime.now(UTC) + timedelta(days=365)


def test_a_follower_builds_views_and_subscribes_and_may_create_nothing(postgres, url):
    initialize(url, **ROLES)
    with connect(user(url, "appends")) as orders:
        orders.record_callback(BRAND_NEW)
    with connect(user(url, "follows")) as orders:
        orders.views.rebuild()
        orders.views.catch_up()
        assert orders.views.status().ok
        delivered = []
        assert orders.subscription("notify", delivered.append).catch_up() == 1
        with pytest.raises(StoreUnavailableError, match="42501"):
            orders.record_callback(b'{"id": "other", "status": "brand_new"}')
    with connect(user(url, "reads"), create=False) as orders:
        assert orders.views.status().live is not None
        assert [view.order_id for view in orders.find()] == ["xyz"]
        assert [standing.name for standing in orders.log.feeds.positions()] == ["notify"]
        with pytest.raises(StoreUnavailableError, match="lifecycle db init"):
            orders.views.rebuild()
    for name in ("follows", "reads"):
        with (
            connect(user(url, name), create=False, clock=in_a_year) as orders,
            pytest.raises(StoreUnavailableError, match="42501"),
        ):
            orders.letters.prune(older_than=timedelta(days=90))
    with connect(url, clock=in_a_year) as orders:
        assert orders.letters.prune(older_than=timedelta(days=90)) == 1
    for name in ROLES.values():
        with postgres.connect(user=name) as session, pytest.raises(psycopg.Error):
            session.execute(f"CREATE TABLE {place(url).quoted_schema}.other (x int)")


def test_one_role_may_do_several_tasks(url):
    initialize(url, role="both", follower="both")
    with connect(user(url, "both")) as orders:
        orders.record_callback(BRAND_NEW)
        orders.views.rebuild()
    assert row(user(url, "both"), "role") == Setting(
        "role", "both", "it may read, append and follow, and nothing else"
    )


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        ("role", "it may read and append, and nothing else"),
        ("follower", "it may read and follow, and nothing else"),
        ("reader", "it may read, and nothing else"),
    ],
)
def test_the_doctor_says_what_each_role_may_do(url, task, sentence):
    initialize(url, **ROLES)
    found = row(user(url, ROLES[task]), "role")
    assert (found.meaning, found.level) == (sentence, Level.OK)


@pytest.mark.parametrize(
    ("grant", "told"),
    [
        ("GRANT UPDATE ON {table} TO appends", "UPDATE on stored_events"),
        ("GRANT UPDATE (topic) ON {table} TO appends", "UPDATE on stored_events"),
        ("GRANT TRIGGER ON {table} TO appends", "TRIGGER on stored_events"),
        ("GRANT CREATE ON SCHEMA {schema} TO appends", "CREATE on its schema"),
        ("GRANT INSERT ON {table} TO appends", "INSERT of a position on stored_events"),
        ("GRANT TRUNCATE ON {schema}.feeds TO appends", "TRUNCATE on feeds"),
    ],
)
def test_the_doctor_names_each_right_that_is_too_much_and_db_init_takes_it_away(
    postgres, url, grant, told
):
    initialize(url, role="appends")
    postgres.execute(grant.format(table=place(url).log, schema=place(url).quoted_schema))

    found = row(user(url, "appends"), "role")
    initialize(url, role="appends")

    assert found.level is Level.FAIL
    assert told in found.meaning
    assert row(user(url, "appends"), "role").level is Level.OK


@pytest.mark.parametrize(
    ("role", "revoke", "told"),
    [
        ("follows", "DELETE ON {schema}.order_views", "it lacks DELETE on order_views"),
        ("follows", "UPDATE ON {schema}.feeds", "it lacks UPDATE on feeds"),
        ("appends", "SELECT ON {schema}.stored_events", "it lacks SELECT on stored_events"),
    ],
)
def test_the_doctor_names_each_right_that_is_missing(postgres, url, role, revoke, told):
    initialize(url, **ROLES)
    postgres.execute(f"REVOKE {revoke.format(schema=place(url).quoted_schema)} FROM {role}")

    found = rights_of(url, role)

    assert found.level is Level.FAIL
    assert told in found.meaning
    assert "lifecycle db init" in found.meaning


@pytest.mark.parametrize("beside", ["view_generations", "feeds"])
def test_a_log_without_a_table_says_what_makes_it(postgres, url, beside):
    """As an earlier release left it, which made them when they were first needed."""
    initialize(url, **ROLES)
    postgres.execute(f"DROP TABLE {place(url).quoted_schema}.{beside}")

    with connect(user(url, "follows")) as orders:
        orders.find()
        need = orders.views.rebuild
        if beside == "feeds":
            need = orders.subscription("notify", print).catch_up
        with pytest.raises(StoreUnavailableError, match=f"no {beside}; .*lifecycle db init"):
            need()
    told = row(user(url, "follows"), "schema")
    assert (told.level, f"table {beside} is missing" in told.meaning) == (Level.FAIL, True)
    initialize(url, **ROLES)
    assert row(user(url, "follows"), "schema").level is Level.OK


def test_the_owner_of_a_log_without_tables_makes_them_when_they_are_needed(postgres, url):
    initialize(url)
    for table in BESIDE:
        postgres.execute(f"DROP TABLE {place(url).quoted_schema}.{table.name}")
    with connect(url) as orders:
        orders.record_callback(BRAND_NEW)
        orders.views.rebuild()
        assert orders.subscription("notify", lambda change: None).catch_up() == 1
        assert LogTree(orders.log).follow().size == 2
    assert row(url, "schema").level is Level.OK


# The truth about roles that no grant holds


def init(url: str, *options: str) -> str:
    """Return what `lifecycle db init` prints."""
    return run("db", "init", "--db", url, *options, cwd=Path.cwd()).out


def test_a_superuser_is_not_said_to_read_and_append_only(postgres, url):
    name = made_role(postgres, "SUPERUSER")
    told = init(url, "--role", name)
    assert f"role {name} is a superuser, who may do anything" in told
    assert "lifecycle db init --role NAME" in told
    assert "may read and append, and nothing" not in told


def test_the_owner_of_the_tables_keeps_its_rights_and_the_output_says_so(postgres):
    name = made_role(postgres)
    url = postgres.url(postgres.new_database(f"OWNER {name}"))
    initialize(user(url, name))

    told = init(url, "--role", name)

    assert f"role {name} owns the tables" in told
    with connect(user(url, name)) as orders:
        orders.record_callback(BRAND_NEW)
        orders.views.rebuild()


@pytest.mark.parametrize(
    ("attributes", "told"),
    [("BYPASSRLS", "BYPASSRLS on any table"), ("CREATEROLE", "CREATEROLE on any role")],
)
def test_a_role_with_attributes_beyond_its_grants_is_reported(postgres, url, attributes, told):
    name = made_role(postgres, attributes)
    initialize(url, role=name)
    assert told in rights_of(url, name).meaning
    assert rights_of(url, name).level is Level.FAIL


def test_a_member_of_the_owning_role_is_reported(postgres, own):
    owner, member = made_role(postgres), made_role(postgres)
    postgres.execute(f"GRANT {owner} TO {member}")
    postgres.execute(f"ALTER TABLE stored_events OWNER TO {owner}", database(own))
    assert "owns the tables, or is a member" in rights_of(own, member).meaning


def test_a_missing_role_has_no_rights_to_report(url):
    initialize(url)
    with pytest.raises(InvalidArgumentError, match="one that the server has"):
        rights_of(url, "nobody_at_all")


# Strangers


def connects(server: Server, name: str, role: str) -> bool:
    try:
        server.connect(name, role).close()
    except psycopg.OperationalError:
        return False
    return True


def test_db_init_locks_others_out_on_request_and_the_doctor_knows(postgres, own):
    stranger = made_role(postgres)
    assert connects(postgres, database(own), stranger)
    before = row(own, "others")

    initialize(own, **ROLES, revoke_public=True)

    assert not connects(postgres, database(own), stranger)
    assert all(connects(postgres, database(own), role) for role in ROLES.values())
    assert (before.level, before.found) == (Level.NOTE, "may connect")
    assert "lifecycle db init --revoke-public" in before.meaning
    assert (row(own, "others").level, row(own, "others").found) == (Level.OK, "kept out")


@pytest.mark.parametrize(
    ("grant", "told"),
    [
        ("CREATE ON SCHEMA public TO PUBLIC", "every role may CREATE in its schema"),
        ("CREATE ON SCHEMA public TO {stranger}", "role {stranger} may CREATE in its schema"),
        ("TRIGGER ON stored_events TO {stranger}", "role {stranger} may TRIGGER on stored_events"),
        ("INSERT ON feeds TO PUBLIC", "every role may INSERT on feeds"),
    ],
)
def test_the_doctor_names_strangers_who_may_do_harm(postgres, own, grant, told):
    stranger = made_role(postgres)
    postgres.execute(f"GRANT {grant.format(stranger=stranger)}", database(own))
    found = row(user(own, "reads"), "others")
    assert found.level is Level.FAIL
    assert told.format(stranger=stranger) in found.meaning


def test_a_role_that_does_not_own_the_database_cannot_lock_others_out_and_is_told_so(postgres, own):
    name = made_role(postgres, "CREATEROLE")
    postgres.execute(f"CREATE SCHEMA theirs AUTHORIZATION {name}", database(own))
    url = f"{user(own, name)}&schema=theirs"
    with pytest.raises(StoreUnavailableError, match="42501"):
        initialize(url, revoke_public=True)
    initialize(url)


# What a stranger made before us


SQUATTED = {
    "a view": "CREATE VIEW {schema}.{table} AS SELECT 'x'::text AS name, 1::bigint AS position",
    "a table": "CREATE TABLE {schema}.{table} (name text PRIMARY KEY, position bigint)",
}


@pytest.mark.parametrize("how", SQUATTED)
@pytest.mark.parametrize("table", [table.name for table in TABLES])
def test_a_table_that_a_stranger_made_first_is_never_used(postgres, url, table, how):
    stranger = made_role(postgres)
    schema = place(url).quoted_schema
    postgres.execute(f"CREATE SCHEMA {schema}")
    postgres.execute(f"GRANT CREATE, USAGE ON SCHEMA {schema} TO {stranger}")
    with postgres.connect(user=stranger) as session:
        session.execute(SQUATTED[how].format(schema=schema, table=table))

    with pytest.raises(StoreUnavailableError, match=r"not of this library|belongs to the role"):
        initialize(url)
    with postgres.connect() as owner, pytest.raises(psycopg.Error, match="not to be trusted"):
        owner.execute(init(url, "--print"))


def test_a_table_of_another_schema_is_not_taken_for_the_log(postgres, own):
    """However the server reads its catalog, whose tables of other schemas come first here."""
    postgres.execute("CREATE SCHEMA theirs", database(own))
    postgres.execute("CREATE TABLE theirs.stored_events (name text)", database(own))
    for way in ("nestloop", "indexscan", "bitmapscan"):
        postgres.execute(f"ALTER DATABASE {database(own)} SET enable_{way} = off")
    initialize(own, role="appends")
    assert row(user(own, "appends"), "role").level is Level.OK


@pytest.mark.parametrize("table", ["feeds", "order_views", "tracking"])
def test_a_table_beside_the_log_that_a_stranger_made_is_refused_by_name(postgres, url, table):
    stranger, schema = made_role(postgres), place(url).quoted_schema
    initialize(url)
    postgres.execute(f"DROP TABLE {schema}.{table}")
    postgres.execute(f"GRANT CREATE, USAGE ON SCHEMA {schema} TO {stranger}")
    with postgres.connect(user=stranger) as session:
        session.execute(SQUATTED["a view"].format(schema=schema, table=table))
        session.execute(f"GRANT ALL ON {schema}.{table} TO PUBLIC")
    with connect(url) as orders:
        orders.record_callback(BRAND_NEW)
        look = orders.log.feeds.positions if table == "feeds" else orders.views.status
        with pytest.raises(StoreUnavailableError, match=f"{table} .*to the role {stranger}"):
            look()


def test_a_guard_that_a_stranger_made_first_is_refused(postgres, url):
    stranger, schema = made_role(postgres), place(url).quoted_schema
    postgres.execute(f"CREATE SCHEMA {schema}")
    postgres.execute(f"GRANT CREATE, USAGE ON SCHEMA {schema} TO {stranger}")
    with postgres.connect(user=stranger) as session:
        session.execute(
            f"CREATE FUNCTION {schema}.stored_events_refuse() RETURNS trigger LANGUAGE plpgsql "
            "AS 'BEGIN RETURN NULL; END'"
        )
    with pytest.raises(StoreUnavailableError, match=f"belongs to the role {stranger}"):
        initialize(url)


def test_a_schema_that_a_stranger_made_first_is_refused(postgres, url):
    stranger = made_role(postgres)
    postgres.execute(f"CREATE SCHEMA {place(url).quoted_schema} AUTHORIZATION {stranger}")
    with pytest.raises(StoreUnavailableError, match=f"schema .*belongs to the role {stranger}"):
        initialize(url)
    initialize(user(url, stranger))


@pytest.mark.parametrize("as_who", ["postgres", "appends"])
def test_a_trigger_of_a_stranger_never_runs_with_the_rights_of_who_appends(postgres, url, as_who):
    initialize(url, role="appends")
    stranger, schema = made_role(postgres), place(url).quoted_schema
    postgres.execute(f"GRANT TRIGGER ON {place(url).log} TO {stranger}")
    postgres.execute(f"GRANT CREATE, USAGE ON SCHEMA {schema} TO {stranger}")
    with postgres.connect(user=stranger) as session:
        session.execute(
            f"CREATE FUNCTION {schema}.evil() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN RETURN NEW; END'"
        )
        session.execute(
            f"CREATE TRIGGER evil BEFORE INSERT ON {place(url).log} FOR EACH ROW "
            f"EXECUTE FUNCTION {schema}.evil()"
        )
    with pytest.raises(StoreUnavailableError, match=f"code of the role {stranger}"):
        PostgresLog(user(url, as_who))


def test_a_trigger_of_the_owner_s_own_is_not_in_the_way_of_those_who_append(postgres, url):
    initialize(url, role="appends")
    schema = place(url).quoted_schema
    postgres.execute(
        f"CREATE FUNCTION {schema}.noted() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN RETURN NEW; END'"
    )
    postgres.execute(
        f"CREATE TRIGGER noted BEFORE INSERT ON {place(url).log} FOR EACH ROW "
        f"EXECUTE FUNCTION {schema}.noted()"
    )
    with closing(PostgresLog(user(url, "appends"))) as log:
        assert log.append(event()).outcome is Outcome.APPENDED
    assert "trigger noted on stored_events is not of this library" in row(url, "schema").meaning


# Who holds the lock


@pytest.mark.parametrize("limits", [{"lock_timeout": 0.1}, {"statement_timeout": 0.1}])
def test_the_holder_of_the_lock_that_an_append_waits_for_is_named(postgres, limits):
    url = postgres.new_url(retry_timeout=0.2, **limits)
    initialize(url, role="appends")
    stranger = made_role(postgres)
    with (
        closing(PostgresLog(user(url, "appends"))) as log,
        psycopg.connect(postgres.url(user=stranger, application_name="nightly")) as holder,
    ):
        holder.execute("SELECT pg_advisory_lock(%s)", (place(url).append_lock,))
        with pytest.raises(StoreUnavailableError) as refused:
            log.append(event())
        pid = holder.info.backend_pid
        assert f"process {pid}, role {stranger}, application nightly" in refused.value.found
    with closing(PostgresLog(url)) as log:
        assert log.append(event()).outcome is Outcome.APPENDED


def test_the_start_of_a_lock_is_shown_to_roles_that_may_know(postgres, raw):
    url = postgres.new_url(lock_timeout=0.1, retry_timeout=0.2)
    with closing(PostgresLog(url)) as log, raw.transaction():
        raw.execute(f"SELECT pg_advisory_xact_lock({place(url).append_lock})")
        with pytest.raises(StoreUnavailableError, match=r"role postgres, since 20\d\d-"):
            log.append(event())


@pytest.mark.parametrize("lock", ["views_lock", "create_lock"])
def test_the_holder_of_any_other_lock_is_named_too(postgres, raw, lock):
    url = postgres.new_url(lock_timeout=0.1, retry_timeout=0.2)
    with connect(url) as orders, raw.transaction():
        raw.execute(f"SELECT pg_advisory_xact_lock({getattr(place(url), lock)})")
        wait = orders.views.rebuild if lock == "views_lock" else partial(initialize, url)
        with pytest.raises(StoreUnavailableError, match=f"process {raw.info.backend_pid}"):
            wait()


def test_the_holder_of_the_table_lock_is_named(postgres, raw):
    url = postgres.new_url(lock_timeout=0.1, retry_timeout=0.2)
    with closing(PostgresLog(url)) as log, raw.transaction():
        raw.execute(f"LOCK TABLE {place(url).log} IN EXCLUSIVE MODE")
        with pytest.raises(StoreUnavailableError, match=f"process {raw.info.backend_pid}"):
            log.append(event())


def test_a_lock_of_another_log_is_not_blamed(postgres, raw):
    url, other = postgres.new_url(statement_timeout=1, retry_timeout=1), postgres.new_url()
    with closing(PostgresLog(url)) as log, raw.transaction():
        raw.execute(f"SELECT pg_advisory_xact_lock({place(other).append_lock})")
        raw.execute(f"LOCK TABLE {place(url).log} IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(StoreUnavailableError) as refused:
            log.read(stream())
    assert "held by" not in refused.value.found


# The doctor compares the schema


CHANGED = {
    "ALTER TABLE {table} DROP CONSTRAINT stored_events_pkey": "PRIMARY KEY",
    "DROP INDEX {schema}.stored_events_notification_id_idx": "stored_events_notification_id_idx",
    "ALTER TABLE {table} ALTER topic DROP NOT NULL": "column stored_events.topic",
    "ALTER TABLE {table} ADD note text": "column stored_events.note",
    "ALTER TABLE {table} ALTER notification_id SET GENERATED BY DEFAULT": "notification_id",
    "ALTER TABLE {table} ALTER notification_id SET CACHE 20": "numbers of stored_events",
    "ALTER TABLE {table} ALTER notification_id SET INCREMENT -1 SET NO MINVALUE": "numbers of",
    "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY": "rows hidden",
    "ALTER TABLE {table} ADD CHECK (topic <> 'x')": "CHECK",
    "CREATE RULE quiet AS ON INSERT TO {table} DO INSTEAD NOTHING": "with rules",
    "CREATE TABLE {schema}.child () INHERITS ({table})": "inherits",
    "DROP TABLE {schema}.feed_deliveries": "table feed_deliveries is missing",
    "DROP INDEX {schema}.order_views_waiting": "order_views_waiting is missing",
    "ALTER TABLE {schema}.order_views ALTER body TYPE text USING ''": "order_views.body",
    "ALTER TABLE {schema}.feeds SET UNLOGGED": "lost in a crash",
}


@pytest.mark.parametrize("change", CHANGED)
def test_the_doctor_says_what_differs_from_what_db_init_makes(postgres, url, change):
    initialize(url, reader="reads")
    names = {"table": place(url).log, "schema": place(url).quoted_schema}
    with closing(PostgresLog(user(url, "reads"), create=False)) as log:
        postgres.execute(change.format(**names))
        found = {setting.name: setting for setting in log.settings()}["schema"]
    assert found.level is Level.FAIL
    assert CHANGED[change] in found.meaning


def test_an_added_index_is_reported_and_needs_no_action(postgres, url):
    initialize(url)
    postgres.execute(f"CREATE INDEX theirs ON {place(url).log} (topic)")
    found = row(url, "schema")
    assert (found.level, "index theirs" in found.meaning) == (Level.NOTE, True)


GUARDS = {
    "DROP TRIGGER stored_events_refuse ON {table}": "the trigger is gone",
    "ALTER TABLE {table} DISABLE TRIGGER stored_events_refuse": "the trigger is disabled",
    "ALTER TABLE {table} DISABLE TRIGGER ALL": "the trigger is disabled",
    "ALTER TABLE {table} ENABLE TRIGGER stored_events_refuse": "sessions that replicate",
    "ALTER TABLE {table} ENABLE REPLICA TRIGGER stored_events_refuse": "sessions that replicate",
    """CREATE OR REPLACE FUNCTION {schema}.stored_events_refuse() RETURNS trigger
    LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'""": "function was replaced",
    """CREATE OR REPLACE TRIGGER stored_events_refuse BEFORE TRUNCATE ON {table}
    EXECUTE FUNCTION {schema}.stored_events_refuse();
    ALTER TABLE {table} ENABLE ALWAYS TRIGGER stored_events_refuse""": "does not fire on every",
}


@pytest.mark.parametrize("change", GUARDS)
def test_a_guard_that_does_not_guard_is_reported_and_repaired(postgres, url, change):
    initialize(url, reader="reads")
    names = {"table": place(url).log, "schema": place(url).quoted_schema}
    postgres.execute(change.format(**names))

    found = row(user(url, "reads"), "append_only")
    initialize(url)

    assert (found.level, found.found) == (Level.FAIL, "off")
    assert GUARDS[change] in found.meaning
    assert row(url, "append_only").level is Level.OK


@pytest.mark.parametrize(
    "change", ["ALTER TABLE {table} SET UNLOGGED", "ALTER TABLE {table} ALTER topic TYPE varchar"]
)
def test_a_log_that_a_crash_would_empty_or_that_is_another_s_is_not_opened(postgres, url, change):
    initialize(url)
    postgres.execute(change.format(table=place(url).log))
    with pytest.raises(StoreUnavailableError, match=r"lost in a crash|not of this library"):
        PostgresLog(url)
