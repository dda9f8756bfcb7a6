"""The log in PostgreSQL keeps what every log promises."""

import pytest

from lifecycle.stores.postgres import PostgresLog
from tests.contract.log_contract import LogContract


class TestPostgresLog(LogContract):
    @pytest.fixture(autouse=True)
    def _server(self, postgres):
        self.url = postgres.new_url()

    def open(self, folder, clock):
        return PostgresLog(self.url, clock=clock)
