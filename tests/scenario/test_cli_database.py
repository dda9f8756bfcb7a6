"""`lifecycle db init`, and the doctor on PostgreSQL: what an administrator does and is told."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lifecycle import StoreUrlError, connect
from lifecycle.log.stores.postgres.url import parse_url
from tests.scenario.command_line import DATABASE, run

WITHOUT = """
import sys
sys.modules[{package!r}] = None
from lifecycle import MissingExtraError, connect
try:
    connect("postgresql://localhost/orders")
except MissingExtraError as missing:
    print(missing)
"""


def test_on_sqlite_it_makes_the_log(tmp_path):
    told = run("db", "init", "--db", DATABASE, cwd=tmp_path)

    assert (told.code, told.out) == (0, f"{DATABASE} is ready, and append-only\n")
    assert run("list", "--db", DATABASE, "--json", cwd=tmp_path).value == []


@pytest.mark.parametrize("option", [("--role", "app"), ("--print",)])
def test_options_of_postgresql_are_refused_on_sqlite(tmp_path, option):
    told = run("db", "init", *option, "--db", DATABASE, cwd=tmp_path)

    assert told.code == 2
    assert "only PostgreSQL has roles" in told.err
    assert not list(tmp_path.iterdir())


def test_it_makes_a_role_that_may_record_and_says_so(tmp_path, postgres):
    url = postgres.new_url()

    told = run("db", "init", "--role", "till", "--db", url, cwd=tmp_path)

    assert told.code == 0, told.err
    assert "role till may read and append" in told.out
    with connect(url.replace("postgres@", "till@")) as orders:
        assert orders.record_callback(b'{"id": "xyz", "status": "brand_new"}').position == 2


def test_the_sql_that_it_prints_does_the_same_and_may_be_run_again(tmp_path, postgres):
    url = postgres.new_url()
    printed = run("db", "init", "--role", "till", "--print", "--db", url, cwd=tmp_path).out
    with postgres.connect() as owner:
        for _ in range(2):
            owner.execute(printed)

    with connect(url.replace("postgres@", "till@"), create=False) as orders:
        assert orders.record_callback(b'{"id": "xyz", "status": "brand_new"}').position == 2
        assert {setting.found for setting in orders.log.settings()} >= {"on", "till"}


def test_the_doctor_explains_a_server_that_is_safe(tmp_path, postgres):
    url = postgres.new_url()
    run("db", "init", "--db", url, cwd=tmp_path)

    told = run("doctor", "--json", "--db", url, cwd=tmp_path)

    checks = {check["name"]: check for check in told.value["checks"]}
    assert told.code == 0
    assert checks["fsync"]["meaning"] == "what the server says is on the disk is there"
    assert "lifecycle db init --role NAME" in checks["role"]["meaning"]
    assert checks["limits"]["found"].startswith("connect_timeout 5 s, statement_timeout 30 s")


def test_the_doctor_names_a_guard_that_is_gone(tmp_path, postgres):
    url = postgres.new_url()
    run("db", "init", "--db", url, cwd=tmp_path)
    postgres.execute(f"DROP TRIGGER stored_events_refuse ON {parse_url(url).tables.log}")

    told = run("doctor", "--json", "--db", url, cwd=tmp_path)

    assert told.code == 1
    [bad] = [check for check in told.value["checks"] if not check["ok"]]
    assert (bad["name"], "lifecycle db init" in bad["advice"]) == ("append_only", True)


def test_the_doctor_refuses_a_database_that_could_lose_events_and_says_why(tmp_path, postgres):
    name = postgres.new_database()
    postgres.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")

    told = run("doctor", "--json", "--db", postgres.url(name), cwd=tmp_path)

    assert told.code == 3
    [bad] = [check for check in told.value["checks"] if not check["ok"]]
    assert "its synchronous_commit is off: a crash can take" in bad["advice"]


@pytest.mark.parametrize("package", ["psycopg", "psycopg_pool"])
def test_without_the_extra_a_sentence_says_what_to_install(package):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(package=package)],
        capture_output=True,
        text=True,
        check=True,
    )

    assert f"package '{package}' is not installed" in done.stdout
    assert "order-lifecycle[postgres]" in done.stdout


@pytest.mark.parametrize(
    "url",
    ["postgresql:/u:hunter2@db/orders", "postgresql:u:hunter2@db", "mysql://u:hunter2@db/orders"],
)
def test_an_unreachable_url_is_reported_without_its_password(url):
    with pytest.raises(StoreUrlError) as refused:
        connect(url)

    assert "hunter2" not in str(refused.value) + refused.value.url
