"""The log in NATS JetStream keeps what every log promises."""

import pytest

from lifecycle.composition import open_log
from tests.contract.keys import encrypted
from tests.contract.log_contract import LogContract


class TestJetStreamLog(LogContract):
    @pytest.fixture(autouse=True)
    def _server(self, nats):
        self.url = nats.new_url()

    def open(self, folder, clock):
        return open_log(self.url, clock=clock)


class TestEncryptedJetStreamLog(TestJetStreamLog):
    def open(self, folder, clock):
        return encrypted(super().open(folder, clock))
