"""An e-mail for each change, sent once: the example's outbox, its processes killed at every point.

The mail server speaks SMTP on loopback, and kills who has just handed in a mail, before the
reply. `VRFY` asks it whether it has taken a mail.
"""

from __future__ import annotations

import os
import runpy
import signal
import smtplib
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from email.message import EmailMessage
from functools import partial
from pathlib import Path

import pytest

from lifecycle import connect
from tests.faults.children import Child
from tests.mail_server import MailServer, mail_server

EXAMPLE = runpy.run_path(
    str(Path(__file__).parents[2] / "examples" / "09_send_an_email_once.py"), run_name="example"
)
ORDER_IDS = ("a", "b", "c", "d")


class Relay:
    """The mail server as the sender sees it."""

    def __init__(self, server: MailServer, *, asks: bool = True) -> None:
        self._address = server.server_address
        self._asks = asks

    def send(self, mail: EmailMessage) -> None:
        with smtplib.SMTP(*self._address, timeout=30) as session:
            session.send_message(mail, "shop@shop.example")

    def accepted(self, message_id: str) -> bool:
        if not self._asks:
            return False
        with smtplib.SMTP(*self._address, timeout=30) as session:
            return session.docmd("VRFY", message_id)[0] == 250


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture
def path(tmp_path) -> Path:
    """A log with changes, and an outbox beside it."""
    path = tmp_path / "orders.db"
    with connect(f"sqlite:///{path}") as orders:
        for order_id in ORDER_IDS:
            for status in ("created", "brand_new"):
                orders.record_callback({"id": order_id, "status": status})
    with closing(sqlite3.connect(path, isolation_level=None)) as outbox:
        outbox.execute(EXAMPLE["OUTBOX"])
    return path


def write_until_killed(path: Path, after: int) -> int:
    """Write e-mails in a process that ends in its call number `after`; return how it ended."""

    def read(_: int) -> None:
        calls: list[int] = []

        def write(change, connection) -> None:
            EXAMPLE["write"](change, connection)
            calls.append(change.position)
            if len(calls) == after:
                os.kill(os.getpid(), signal.SIGKILL)

        with connect(f"sqlite:///{path}") as orders:
            orders.subscription("e-mails", write, exactly_once=True).catch_up()

    return Child(read).collect()[0]


def send_and_be_killed(path: Path, server: MailServer, *, asks: bool) -> None:
    """Send in processes that are killed as soon as the server took a mail, until all is sent."""

    def send(_: int) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as outbox:
            EXAMPLE["send_all"](outbox, Relay(server, asks=asks))

    for _ in range(100):
        taken, died = threading.Event(), threading.Event()
        server.on_taken = partial(wait_for_death, taken, died)
        sender = Child(send)
        if not taken.wait(2):
            died.set()
            assert sender.collect() == (0, b"")
            return
        sender.kill()
        sender.collect()
        died.set()
        if len(server.taken) > 20:
            return


def wait_for_death(taken: threading.Event, died: threading.Event) -> None:
    taken.set()
    died.wait(30)


def test_every_change_is_mailed_once_though_its_processes_are_killed(path, server):
    for after in (1, 2, 3):
        assert write_until_killed(path, after) == -signal.SIGKILL
    assert write_until_killed(path, 1000) == 0
    send_and_be_killed(path, server, asks=True)
    assert server.taken == [f"<{number}@shop.example>" for number in wanted(path)]


def test_control_a_sender_that_does_not_ask_sends_again_and_again(path, server):
    assert write_until_killed(path, 1000) == 0
    send_and_be_killed(path, server, asks=False)
    assert len(server.taken) > len(set(server.taken))


def wanted(path: Path) -> list[int]:
    with connect(f"sqlite:///{path}") as orders:
        return [change.position for change in orders.changes()]
