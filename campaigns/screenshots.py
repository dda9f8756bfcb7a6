"""Screenshots of every page, to be looked at: of no order, one, and many; light and dark.

    .venv/bin/python -m campaigns.screenshots --into pictures

Nothing is judged here but that each page answers: whoever calls it looks at what it wrote, one
picture a page, size and color, named `<orders>-<page>-<width>-<color>.png`.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import uvicorn
from playwright.sync_api import Browser, sync_playwright

from campaigns.five_orders import CANCELED, CONTRADICTING, ERASED, LATE, STUCK, five_orders
from campaigns.pages import fill
from lifecycle import connect
from lifecycle.audit.checkpoint import take
from lifecycle.audit.signed_note import PrivateKey
from lifecycle.service.orders import Orders
from lifecycle.web import Pages
from tests import chromium

WIDTHS: Final = (1280, 390)
COLORS: Final = ("light", "dark")
FIVE: Final = 5
"""The log with the five orders, encrypted, and few others."""

KEY: Final = PrivateKey("shop.example", bytes(32))

LISTS: Final = (
    *("attention", "orders", "fleet", "quarantine", "letters", "checkpoints", "definitions"),
    "orders?q=7",
)
ORDERS: Final = {
    **{
        f"order-{name}": f"orders/instacart/{order_id}"
        for name, order_id in (
            ("late", LATE),
            ("canceled", CANCELED),
            ("stuck", STUCK),
            ("contradicting", CONTRADICTING),
            ("erased", ERASED),
        )
    },
    "order-past": f"orders/instacart/{LATE}?version=5",
    "order-nobody": "orders/instacart/nobody",
}
FILTERED: Final = {
    "orders-filtered": "orders?status=canceled&heard=1d",
    "orders-none-fit": "orders?status=created&waiting=7d",
    "attention-reviewed": "attention?all=1",
}


@contextmanager
def orders_of(count: int) -> Iterator[Orders]:
    """Yield the orders of a log with so many; above one, five of them have stories."""
    if count > 1:
        with five_orders(300, encrypted=count == FIVE) as orders:
            if count > FIVE:
                fill(orders, count, seed=1)
            take(orders.log, KEY, lambda: datetime.now(UTC))
            yield orders
        return
    with connect("memory:") as orders:
        if count:
            orders.record_callback({"id": "70401", "status": "brand_new"})
            orders.views.rebuild()
        yield orders


@contextmanager
def served(orders: Orders) -> Iterator[str]:
    """Serve the pages, and yield where they are."""
    pages = Pages(orders, key=KEY)
    config = uvicorn.Config(pages, port=0, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        pages.stop()
        server.should_exit = True
        thread.join()


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the screenshots."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--into", type=Path, required=True, help="the folder")
    parser.add_argument("--orders", type=int, nargs="*", default=[0, 1, FIVE, 100_000])
    parser.add_argument("--docs", action="store_true", help="only the four that our pages show")
    parser.add_argument("--only", default="", help="pages whose name has this in it")
    options = parser.parse_args(arguments)
    options.into.mkdir(parents=True, exist_ok=True)
    if options.docs:
        options.orders = [FIVE]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium.FOUND, args=["--no-sandbox", "--disable-gpu"]
        )
        for count in options.orders:
            with orders_of(count) as orders, served(orders) as url:
                if options.docs:
                    write_docs(browser, url, options.into)
                else:
                    pages = addresses(orders, count)
                    write(browser, url, f"{options.into}/{count}", pages, options.only)
        browser.close()
    return 0


def addresses(orders: Orders, count: int) -> dict[str, str]:
    """Return the pages of a log by their names in the files."""
    fingerprint = orders.provider.definition.fingerprint
    found = {"found" if "q=" in each else each: each for each in LISTS}
    found["definition"] = f"definitions/{fingerprint}"
    if count == 1:
        found["order"] = "orders/instacart/70401"
    return {0: found, 1: found, FIVE: ORDERS}.get(count, found | FILTERED)


def write(browser: Browser, url: str, start: str, pages: dict[str, str], only: str) -> None:
    """Write every page in every size and color."""
    for width in WIDTHS:
        for color in COLORS:
            context = browser.new_context(
                viewport={"width": width, "height": 900}, color_scheme=color
            )
            page = context.new_page()
            for name, address in pages.items():
                if only in name:
                    page.goto(
                        f"{url}/{address}", wait_until="networkidle" if "fleet" in name else "load"
                    )
                    page.screenshot(path=f"{start}-{name}-{width}-{color}.png", full_page=True)
            context.close()


def write_docs(browser: Browser, url: str, into: Path) -> None:
    """Write the pictures of `docs/screenshots`, each cut to what it is about."""
    for name, address, width, height, color in (
        ("attention", "attention", 1280, 900, "light"),
        ("order", f"orders/instacart/{CONTRADICTING}", 1280, 1150, "light"),
        ("past", f"orders/instacart/{LATE}?version=5", 390, 1150, "dark"),
        ("fleet", "fleet", 1280, 1150, "dark"),
    ):
        viewport = {"width": width, "height": height}
        page = browser.new_page(viewport=viewport, color_scheme=color)
        page.goto(f"{url}/{address}")
        if name == "fleet":
            page.wait_for_selector(".figures", timeout=60_000)
            page.reload()
        page.screenshot(path=into / f"{name}.png")
        page.close()


if __name__ == "__main__":
    sys.exit(main())
