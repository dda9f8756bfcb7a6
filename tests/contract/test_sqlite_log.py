"""The log in SQLite keeps what every log promises."""

from lifecycle.log.stores.sqlite.log import SQLiteLog
from tests.contract.keys import encrypted
from tests.contract.log_contract import LogContract


class TestSQLiteLog(LogContract):
    def open(self, folder, clock):
        return SQLiteLog(folder / "orders ?#%.db", clock=clock)


class TestEncryptedSQLiteLog(LogContract):
    def open(self, folder, clock):
        return encrypted(SQLiteLog(folder / "orders ?#%.db", clock=clock))
