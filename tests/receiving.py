"""What tests of the receiver share: its credentials, token requests, and a store that obeys."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

from lifecycle import AsyncOrders
from lifecycle.http.receiver import Request, Response
from lifecycle.http.resume import resume_async
from lifecycle.log.stores.sqlite.log import SQLiteLog
from lifecycle.registry import known_providers

CLIENT = "instacart"
SECRET = secrets.token_urlsafe(24)
OLD_SECRET = secrets.token_urlsafe(24)
KEY = secrets.token_urlsafe(32)
OLD_KEY = secrets.token_urlsafe(32)
SETUP = {"clients": {CLIENT: [SECRET, OLD_SECRET]}, "signing_keys": [KEY, OLD_KEY]}

FORM = {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": SECRET}
BODY = b'{"id": "xyz123456", "status": "brand_new"}'


def orders_on(path: Path, retry_timeout: float = 30) -> AsyncOrders:
    """Return the orders of a store that gives up after so many seconds."""
    providers = known_providers()
    return AsyncOrders(
        lambda: SQLiteLog(path, retry_timeout=retry_timeout),
        providers,
        providers["instacart"],
        lambda: datetime.now(UTC),
        resume_async,
    )


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep a store from being written to, as another process may."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def token_request(
    form: Mapping[str, str] | bytes = FORM, headers: Mapping[str, str] | None = None
) -> Request:
    body = form if isinstance(form, bytes) else urlencode(form).encode()
    return Request("POST", "/oauth/token", headers, body)


def token_in(response: Response) -> str:
    assert response.status == 200, response.body
    return json.loads(response.body)["access_token"]


def callback_request(token: str, body: bytes = BODY, **headers: str) -> Request:
    return Request("POST", "/callbacks", {"authorization": f"Bearer {token}"} | headers, body)


def header(response: Response, name: str) -> str | None:
    return dict(response.headers).get(name)
