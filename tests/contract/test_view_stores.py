"""The stores of views keep what every store of views promises, and SQLite what is its own."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.sqlite import SQLiteTrackingRecorder

from lifecycle.log.contract import Log
from lifecycle.log.stores.memory.log import MemoryLog
from lifecycle.log.stores.postgres.log import PostgresLog
from lifecycle.log.stores.sql.views import finding
from lifecycle.log.stores.sqlite.log import SQLiteLog
from lifecycle.log.view_store import Batch, Conditions, StoredView
from tests.contract.keys import OwnKeys, encrypted
from tests.contract.view_store_contract import ViewStoreContract, view


class TestMemoryViews(ViewStoreContract):
    def open(self, folder: Path) -> Log:
        return MemoryLog()


class _KnownKeys(OwnKeys):
    """Knows a key for every order: the suite writes views of orders that no log holds."""

    find = OwnKeys.make


class TestEncryptedViews(ViewStoreContract):
    def open(self, folder: Path) -> Log:
        return encrypted(MemoryLog(), _KnownKeys())


class TestPostgresViews(ViewStoreContract):
    @pytest.fixture(autouse=True)
    def _server(self, postgres):
        self.url = postgres.new_url()

    def open(self, folder: Path) -> Log:
        return PostgresLog(self.url)

    def test_the_library_s_own_tracking_recorder_reads_the_position(self, store, live):
        store.write(live, Batch([view()], position=9))
        assert isinstance(store, PostgresTrackingRecorder)
        assert store.max_tracking_id(f"views:instacart:{live.number}") == 9


class TestSQLiteViews(ViewStoreContract):
    def open(self, folder: Path) -> Log:
        return SQLiteLog(folder / "orders.db")

    def test_views_outlive_their_process(self, tmp_path, store, live):
        store.write(live, Batch([view()], position=9))
        again = self.open(tmp_path)
        assert again.views.find(live, Conditions(), "", 10) == [view()]
        assert again.views.generations("instacart")[0].position == 9
        again.close()

    def test_the_library_s_own_tracking_recorder_reads_the_position(self, tmp_path, store, live):
        store.write(live, Batch([view()], position=9))
        with sqlite3.connect(tmp_path / "orders.db") as driver:
            (found,) = driver.execute(
                "SELECT notification_id FROM tracking WHERE application_name = ?",
                (f"views:instacart:{live.number}",),
            ).fetchone()
        assert found == 9
        assert isinstance(store, SQLiteTrackingRecorder)
        assert store.max_tracking_id(f"views:instacart:{live.number}") == 9

    def test_the_table_has_a_column_for_each_field_of_a_stored_view(self, tmp_path, store, live):
        with sqlite3.connect(tmp_path / "orders.db") as driver:
            columns = [row[1] for row in driver.execute("PRAGMA table_info(order_views)")]
        assert columns == ["generation", *StoredView._fields]

    def test_no_query_sorts_or_reads_orders_that_an_index_rules_out(self, tmp_path, store, live):
        store.write(live, Batch([view(str(n)) for n in range(50)], position=1))
        with sqlite3.connect(tmp_path / "orders.db") as driver:
            for wanted in (
                {},
                {"status": "created"},
                {"waiting_before": 5},
                {"anomalies": True},
                {"received_since": 5},
                {"status": "created", "waiting_before": 5, "received_before": 9},
            ):
                statement, values, index = finding(Conditions(**wanted))
                statement = store.datastore.spelled(statement, index)
                plan = driver.execute(
                    f"EXPLAIN QUERY PLAN {statement}", (live.number, "", *values, 10)
                ).fetchall()
                assert [row[3].split()[0] for row in plan] == ["SEARCH"], (wanted, plan)

    def test_appending_knows_nothing_of_views(self, tmp_path, log):
        """A log whose views were never asked for has no table of them."""
        with sqlite3.connect(tmp_path / "orders.db") as driver:
            tables = {name for (name,) in driver.execute("SELECT name FROM sqlite_master")}
        assert not {"order_views", "view_generations", "tracking"} & tables
