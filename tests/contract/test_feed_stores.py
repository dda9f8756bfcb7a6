"""Every store of subscriptions keeps what all promise."""

from __future__ import annotations

from contextlib import closing

import pytest

from lifecycle.connect import open_log
from lifecycle.stores.memory_feeds import MemoryFeeds
from tests.contract.feed_store_contract import FeedStoreContract


class TestMemoryFeeds(FeedStoreContract):
    @pytest.fixture
    def store(self):
        return MemoryFeeds()


class TestSQLiteFeeds(FeedStoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        with closing(open_log(f"sqlite:///{tmp_path}/orders.db")) as log:
            yield log.feeds


class TestPostgresFeeds(FeedStoreContract):
    @pytest.fixture
    def store(self, postgres):
        with closing(open_log(postgres.new_url())) as log:
            yield log.feeds

    def test_a_role_that_may_not_read_them_finds_no_subscriptions(self, postgres):
        url = postgres.new_url()
        with closing(open_log(url)) as log:
            log.feeds.begin("notify", 0)
            role = f"app_{log.recorder._place.schema}"
            log.recorder.initialize(role)
            with closing(open_log(url.replace("postgres@", f"{role}@"))) as app:
                assert app.feeds.standings() == []
            assert len(log.feeds.standings()) == 1
