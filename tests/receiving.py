"""What tests of the receiver share: its credentials, token requests, and a store that obeys."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from urllib.parse import urlencode

from lifecycle.providers.instacart.receiver import Request, Response

CLIENT = "instacart"
SECRET = secrets.token_urlsafe(24)
OLD_SECRET = secrets.token_urlsafe(24)
KEY = secrets.token_urlsafe(32)
OLD_KEY = secrets.token_urlsafe(32)
SETUP = {"clients": {CLIENT: [SECRET, OLD_SECRET]}, "signing_keys": [KEY, OLD_KEY]}

FORM = {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": SECRET}
BODY = b'{"id": "xyz123456", "status": "brand_new"}'


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
