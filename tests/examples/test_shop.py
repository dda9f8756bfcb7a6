"""The shop of the examples, as a process: killed between a mail and the record of it, and again."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from lifecycle import connect
from lifecycle.log.stores.sql.tables import FEEDS, LINKS, TREE, VIEWS
from lifecycle.testing import simulated
from tests.mail_server import MailServer, mail_server
from tests.polling import wait_until

SHOP = Path(__file__).parents[2] / "examples" / "shop"
SECRET = secrets.token_urlsafe(32)
FORM = {
    "service_option_hold_id": 42,
    "location_code": "1003",
    "locale": "en-US",
    "first_name": "Kamal",
    "last_name": "Singh",
    "user_phone": "+18005550101",
    "items_count": 12,
    "items_weight": 15,
    "user_id": "kamal",
    "email": "kamal@example.com",
}


def form(order_id: str, postal_code: str = "94105", **more: str) -> dict[str, Any]:
    address = {"address_line_1": "50 Beale St", "postal_code": postal_code}
    return FORM | {"order_id": order_id, "address": address} | more


class Shop:
    """The shop's process, which may be killed and started again."""

    def __init__(self, folder: Path, port: int, provider: str, mail: MailServer) -> None:
        self.port = port
        self.database = folder / "shop.db"
        self._environment = os.environ | {
            "PROVIDER_URL": provider,
            "PROVIDER_SECRET": "retailer-secret",
            "CALLBACK_SECRET": SECRET,
            "SIGNING_KEY": secrets.token_urlsafe(32),
            "SHOP_DB": f"sqlite:///{self.database}",
            "SHOP_RESUMES_EVERY": "0.2",
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(mail.server_address[1]),
        }

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "--port", str(self.port), "shop:service"],
            cwd=SHOP,
            env=self._environment,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        wait_until(lambda: self._process.poll() is not None or self.answers())
        assert self._process.poll() is None

    def answers(self) -> bool:
        try:
            return self.ask("GET", "/health")[0] == 200
        except OSError:
            return False

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            sent = None if body is None else json.dumps(body)
            connection.request(method, path, sent, {"content-type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def shows(self, order_id: str, status: str) -> bool:
        return f"{order_id}: {status}</h1>" in self.ask("GET", f"/shop/orders/{order_id}")[1]


@contextmanager
def free_port() -> Iterator[int]:
    """Yield a port that stays ours: the provider is told of it before the shop runs."""
    with closing(socket.socket()) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def ordered_in_vain(shop: Shop, order: dict[str, Any]) -> None:
    """Order at a shop that is killed meanwhile."""
    with pytest.raises((OSError, EOFError)):
        shop.ask("POST", "/shop/orders", order)


@contextmanager
def opened(folder: Path, mail: MailServer) -> Iterator[tuple[Shop, Any]]:
    """Yield the running shop and its provider."""
    with free_port() as port:
        pass
    settings = {
        "callback_url": f"http://127.0.0.1:{port}/callbacks",
        "callback_client_id": "instacart",
        "callback_client_secret": SECRET,
        "retries": 20,
        "longest_retry_seconds": 0.5,
        "slow_seconds": 60,
        "on_repeat": "create",
    }
    with simulated(**settings) as provider:
        shop = Shop(folder, port, provider.url, mail)
        shop.start()
        try:
            yield shop, provider
        finally:
            shop.kill()


def test_the_shop_mails_every_change_once_and_loses_no_order_though_it_is_killed(tmp_path):
    with mail_server() as mail, opened(tmp_path, mail) as (shop, provider):
        refused = shop.ask("POST", "/shop/orders", form("first", "nowhere"))
        assert refused[0] == 422
        assert "postal_code" in refused[1]

        taken, killed = Event(), Event()

        def hold() -> None:
            taken.set()
            killed.wait(60)

        mail.on_taken = hold
        assert shop.ask("POST", "/shop/orders", form("first"))[0] == 200
        slow = form("second", special_instructions="simulate: slow")
        buyer = Thread(target=ordered_in_vain, args=(shop, slow))
        buyer.start()
        wait_until(lambda: "second" in provider.truth and taken.is_set())
        shop.kill()  # a mail is accepted and not recorded, and a request is on its way
        killed.set()
        buyer.join()
        mail.on_taken = bool

        shop.start()
        wait_until(lambda: shop.shows("second", "created"))
        provider.settle()
        wait_until(lambda: shop.shows("first", "delivered") and shop.shows("second", "delivered"))
        with connect(f"sqlite:///{shop.database}", create=False) as orders:
            wait_until(lambda: not list(orders.letters.list(all=True)) and at_the_end(orders))
            changes = {f"<{change.position}@shop.example>" for change in orders.changes()}
        assert Counter(mail.taken) == dict.fromkeys(changes, 1)
        assert {order: truth.creates for order, truth in provider.truth.items()} == {
            "first": 1,
            "second": 1,
        }
        known = {table.name for table in (*VIEWS, *FEEDS, *TREE, *LINKS)} | {"stored_events"}
        assert tables(shop.database) <= known, "it keeps nothing itself"


def test_the_shop_is_about_a_hundred_lines():
    assert len((SHOP / "shop.py").read_text().splitlines()) <= 108


def at_the_end(orders: Any) -> bool:
    (mails,) = orders.log.feeds.positions()
    return bool(mails.position == orders.log.last_position())


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {name for (name,) in rows}
