"""What calls are put together from: checked URLs and texts, and the headers of every call."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from lifecycle.errors import InvalidArgumentError
from lifecycle.http.client.exchange import Call

HEADERS: Final[Mapping[str, str]] = {
    "accept": "application/json",
    # Bodies are kept verbatim as evidence, so they must not be compressed.
    "accept-encoding": "identity",
    "user-agent": "order-lifecycle",
}
"""The headers of every call."""


def json_call(operation: str, method: str, url: str, body: bytes = b"") -> Call:
    """Return a call with a JSON body, or with none."""
    headers = {**HEADERS, "content-type": "application/json"} if body else HEADERS
    return Call(operation, method, url, headers, body)


def token_call(url: str, client_id: str, client_secret: str, scope: str | None) -> Call:
    """Return a token request (RFC 6749, 4.4): credentials in the body, never in the URL.

    Raises:
        InvalidArgumentError: a credential is no text, or empty.
    """
    form = {
        "grant_type": "client_credentials",
        "client_id": checked_text("client_id", client_id),
        "client_secret": checked_text("client_secret", client_secret),
    }
    body = urlencode(form if scope is None else form | {"scope": scope}).encode()
    headers = {**HEADERS, "content-type": "application/x-www-form-urlencoded"}
    return Call("token", "POST", url, headers, body)


def segment(argument: str, text: str) -> str:
    """Return one part of a path; dots are escaped too, since `..` would climb out of it.

    Raises:
        InvalidArgumentError: the text is no Unicode.
    """
    try:
        escaped = quote(text, safe="")
        return escaped if text.strip(".") else escaped.replace(".", "%2E")
    except UnicodeEncodeError:
        raise InvalidArgumentError(argument, "Unicode text") from None


def checked_text(argument: str, text: Any) -> str:
    """Return a text that is not empty.

    Raises:
        InvalidArgumentError: it is none, or empty.
    """
    if isinstance(text, str) and text:
        return text
    raise InvalidArgumentError(argument, "text that is not empty")


def checked_url(argument: str, url: Any, *, secure: bool) -> str:
    """Return a URL without a trailing slash; `secure`: plain HTTP only for this machine.

    Raises:
        InvalidArgumentError: it is none, or not of that kind.
    """
    wanted = "an https URL without user, query or fragment; plain http for this machine alone"
    try:
        parts = urlsplit(url)
        fits = parts.port != 0 and bool(parts.hostname) and "@" not in parts.netloc
    except (AttributeError, TypeError, ValueError):
        raise InvalidArgumentError(argument, wanted) from None
    plain_is_fine = not secure or _is_loopback(parts.hostname or "")
    known = parts.scheme == "https" or (parts.scheme == "http" and plain_is_fine)
    if not isinstance(url, str) or not fits or not known or "?" in url or "#" in url:
        raise InvalidArgumentError(argument, wanted)
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
