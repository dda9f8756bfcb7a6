"""Log lines that anybody can cause: so many of a kind in a while, and how many there were more."""

from __future__ import annotations

import logging

from lifecycle.http.log_limit import LimitedLines, LimitedLogger, LineLimit


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_lines_of_a_kind_are_limited_and_the_next_counts_the_dropped_ones():
    clock = Clock()
    limit = LineLimit(3, 10, clock)
    assert [limit.dropped_before("a") for _ in range(6)] == [0, 0, 0, None, None, None]
    assert limit.dropped_before("b") == 0
    clock.now = 10
    assert [limit.dropped_before("a") for _ in range(4)] == [3, 0, 0, None]
    clock.now = 20
    assert limit.dropped_before("a") == 1
    clock.now = 100
    assert limit.dropped_before("a") == 0


def test_beyond_the_limit_all_kinds_share_one_limit():
    limit = LineLimit(1, 10, Clock())
    written = [limit.dropped_before(f"kind {number}") for number in range(10_000)]
    assert written.count(0) <= 201
    assert len(limit._kinds) <= 201
    assert limit.dropped_before("x" * 10_000_000) is None
    assert max(map(len, limit._kinds)) <= 200


def test_a_logger_counts_dropped_lines_in_its_next_line(caplog):
    clock = Clock()
    log = LimitedLogger(logging.getLogger("tried"), LineLimit(2, 10, clock))
    for number in range(5):
        log.warning("refused %d", number)
    clock.now = 11
    log.error("refused %d", 5)
    said = [(each.levelname, each.getMessage()) for each in caplog.records]
    assert said == [
        ("WARNING", "refused 0"),
        ("WARNING", "refused 1"),
        ("ERROR", "refused 5; 3 more of these were not written"),
    ]
    assert caplog.records[0].filename == "test_log_limit.py"


def test_a_handler_with_the_filter_limits_the_lines_of_every_logger():
    said = []

    class Keeping(logging.Handler):
        def emit(self, record):
            said.append(record.getMessage())

    clock = Clock()
    handler = Keeping()
    handler.addFilter(LimitedLines(LineLimit(1, 10, clock)))
    for name in ("one", "two"):
        for number in range(3):
            handler.handle(line(name, number))
    clock.now = 10
    handler.handle(line("one", 3))
    assert said == ["100 % 0", "100 % 0", "100 % 3; 2 more of these were not written"]


def line(name: str, number: int) -> logging.LogRecord:
    return logging.LogRecord(name, logging.INFO, "", 1, "%s %d", ("100 %", number), None)
