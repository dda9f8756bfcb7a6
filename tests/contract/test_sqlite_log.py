"""The log in SQLite keeps what every log promises."""

from lifecycle.stores.sqlite import SQLiteLog
from tests.contract.log_contract import LogContract


class TestSQLiteLog(LogContract):
    def open(self, folder, clock):
        return SQLiteLog(folder / "orders ?#%.db", clock=clock)
