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
