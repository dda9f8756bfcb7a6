"""The log in memory keeps what every log promises."""

from lifecycle.log.stores.memory.log import MemoryLog
from tests.contract.keys import encrypted
from tests.contract.log_contract import LogContract


class TestMemoryLog(LogContract):
    def open(self, folder, clock):
        return MemoryLog(clock=clock)


class TestEncryptedMemoryLog(LogContract):
    def open(self, folder, clock):
        return encrypted(MemoryLog(clock=clock))
