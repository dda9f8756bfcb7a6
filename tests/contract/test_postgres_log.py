"""The log in PostgreSQL keeps what every log promises, for a role that may read and append only."""

import pytest

from lifecycle.composition import initialize
from lifecycle.log.stores.postgres.log import PostgresLog
from tests.contract.keys import encrypted
from tests.contract.log_contract import LogContract


class TestPostgresLog(LogContract):
    @pytest.fixture(autouse=True)
    def _role(self, postgres):
        url = postgres.new_url()
        initialize(url, role="app")
        self.url = url.replace("postgres@", "app@")

    def open(self, folder, clock):
        return PostgresLog(self.url, clock=clock)


@pytest.mark.long
class TestEncryptedPostgresLog(TestPostgresLog):
    def open(self, folder, clock):
        return encrypted(super().open(folder, clock))
