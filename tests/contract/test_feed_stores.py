"""Every store of subscriptions keeps what all promise."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from threading import Timer

import pytest

from lifecycle.composition import open_log
from lifecycle.errors import StoreUnavailableError
from lifecycle.log.stores.memory.feeds import MemoryFeeds
from lifecycle.log.stores.postgres.rights import Grants
from tests.contract.feed_store_contract import FeedStoreContract, delivery, keep, record


class TestMemoryFeeds(FeedStoreContract):
    @pytest.fixture
    def store(self):
        return MemoryFeeds()


class TestSQLiteFeeds(FeedStoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        with closing(open_log(f"sqlite:///{tmp_path}/orders.db")) as log:
            yield log.feeds

    @pytest.fixture
    def rival(self, store, tmp_path):
        """Another process's connection, in the middle of writing."""
        keep(store, delivery(1))
        where = f"{tmp_path}/orders.db"
        driver = sqlite3.connect(where, isolation_level=None, check_same_thread=False)
        with closing(driver) as rival:
            rival.execute("BEGIN IMMEDIATE")
            yield rival

    def test_a_transaction_waits_for_whoever_writes(self, store, rival):
        Timer(1.5, rival.execute, ("ROLLBACK",)).start()  # later than SQLite itself would wait
        with store.settling(delivery(1), record(delivery(1)), 60):
            pass
        assert not store.has_undelivered("notify", "xyz")

    def test_a_transaction_that_can_not_begin_in_time_is_a_store_that_is_not_available(
        self, store, rival
    ):
        store.retry_timeout = 0.1
        with (
            pytest.raises(StoreUnavailableError, match="another process holds its lock"),
            store.settling(delivery(1), record(delivery(1)), 60),
        ):
            pytest.fail("somebody else writes")
        rival.execute("ROLLBACK")
        assert store.has_undelivered("notify", "xyz")


class TestPostgresFeeds(FeedStoreContract):
    @pytest.fixture
    def store(self, postgres):
        with closing(open_log(postgres.new_url())) as log:
            yield log.feeds

    def test_a_role_that_may_not_read_them_finds_no_subscriptions(self, postgres):
        url = postgres.new_url()
        with closing(open_log(url)) as log:
            log.feeds.begin("notify", 0)
            role = f"app_{log.recorder._tables.schema}"
            log.initialize(Grants(role))
            with closing(open_log(url.replace("postgres@", f"{role}@"))) as app:
                assert app.feeds.positions() == []
            assert len(log.feeds.positions()) == 1

    def test_a_transaction_that_is_refused_at_its_end_is_a_store_that_is_not_available(
        self, store, postgres
    ):
        keep(store, delivery(1))
        with (
            pytest.raises(StoreUnavailableError, match="other transactions were always first"),
            store.settling(delivery(1), record(delivery(1)), 60) as connection,
        ):
            connection.execute(
                "CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '40001'; END $$;"
                "CREATE TEMPORARY TABLE told (position bigint);"
                "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON told DEFERRABLE INITIALLY DEFERRED "
                "FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse(); INSERT INTO told VALUES (5)"
            )
        assert store.has_undelivered("notify", "xyz")

    def test_a_transaction_that_is_lost_before_its_end_is_a_store_that_is_not_available(
        self, store, postgres
    ):
        keep(store, delivery(1))
        with (
            pytest.raises(StoreUnavailableError, match="the server ended the connection"),
            store.settling(delivery(1), record(delivery(1)), 60) as connection,
        ):
            postgres.execute(f"SELECT pg_terminate_backend({connection.info.backend_pid}, 5000)")
        assert store.has_undelivered("notify", "xyz")
