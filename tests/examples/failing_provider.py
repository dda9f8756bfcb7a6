"""Serves the checkout of an example whose provider is at another address: EXAMPLE URL.

Prints what customers are answered who order, look at their order, and order once more.
"""

from __future__ import annotations

import runpy
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import httpx2

from lifecycle.providers.instacart import client

EXAMPLE, URL = Path(sys.argv[1]), sys.argv[2]
sys.path.insert(0, str(EXAMPLE.parent))

from checkout import customer  # noqa: E402 - it stands beside the example


def order(serve: Callable[[], None], stop: Callable[[], None]) -> None:
    """Take the place of the customer who wants her order delivered."""
    serving = threading.Thread(target=serve)
    serving.start()
    try:
        with httpx2.Client(base_url=customer.URL, trust_env=False, timeout=30) as browser:
            for number in (1, 2, 3, 1):
                form = customer.FORM | {"order_id": f"order-{number}"}
                bought = browser.post("/checkout", json=form)
                seen = browser.get(f"/orders/order-{number}")
                told = f"{bought.status_code} {bought.text.strip()} {seen.status_code}"
                sys.stdout.write(f"{told}\n")
    finally:
        stop()
        serving.join()


customer.PROVIDER = SimpleNamespace(url=URL)
customer._order = order
client.Client = partial(client.Client, tries=1)
client.AsyncClient = partial(client.AsyncClient, tries=1)
runpy.run_path(str(EXAMPLE))
