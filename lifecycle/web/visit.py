"""One visit: the user, and the token by which a form shows that it comes from our own pages.

A session is a random cookie that no script and no other site can read. The token of its forms is
a keyed hash of the cookie and the user, so it is valid in every process and nothing is stored.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from secrets import token_urlsafe
from typing import Final, NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from lifecycle.errors import RequestBodyError

VISIT: Final = "lifecycle.visit"
"""The key of the visit in a request's state."""

COOKIE: Final = "lifecycle-session"
TOKEN: Final = "form-token"  # noqa: S105 - the name of a field
MOST_FORM_BYTES: Final = 64 * 1024
_MOST_FIELDS: Final = 20
_SESSION: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_SAME_SITE: Final = frozenset({"same-origin", "none"})


class Visit(NamedTuple):
    """The user, "" without authentication, and the session, which is new if `is_new`."""

    user: str
    session: str
    is_new: bool
    by_token: bool = False

    @classmethod
    def of(cls, request: Request, user: str) -> Self:
        """Return the visit that a request belongs to, or a new one."""
        session = request.cookies.get(COOKIE, "")
        is_known = _SESSION.fullmatch(session) is not None
        by_token = request.headers.get("authorization", "").lower().startswith("bearer ")
        return cls(user, session if is_known else token_urlsafe(32), not is_known, by_token)

    @property
    def token(self) -> str:
        """The token that every form of our pages carries."""
        told = f"form\n{self.user}".encode()
        return hmac.new(self.session.encode(), told, hashlib.sha256).hexdigest()

    def remember(self, request: Request, response: Response) -> None:
        """Set the cookie of a new session."""
        if self.is_new:
            response.set_cookie(
                COOKIE,
                self.session,
                path=request.scope.get("root_path", "") or "/",
                secure=request.url.scheme == "https",
                httponly=True,
                samesite="strict",
            )

    def allows(self, request: Request, form: Mapping[str, str]) -> bool:
        """Tell whether a form comes from our own pages, in this session.

        Only programs send bearer tokens: no other site can make a browser send one.
        """
        if self.by_token:
            return True
        given = form.get(TOKEN, "").encode()
        is_ours = hmac.compare_digest(given, self.token.encode())
        return is_ours and not self.is_new and _from_here(request)


def visit_of(request: Request) -> Visit:
    """Return the visit that a request belongs to."""
    found: Visit = request.scope["state"][VISIT]
    return found


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form.

    Raises:
        RequestBodyError: it is too large, or not a form.
    """
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_FORM_BYTES:
            raise RequestBodyError(413, "it is larger than any form here")
    try:
        return dict(parse_qsl(body.decode(), max_num_fields=_MOST_FIELDS, errors="strict"))
    except ValueError:
        raise RequestBodyError(400, "it is no form") from None


def _from_here(request: Request) -> bool:
    """Tell whether, by the browser's headers, a page of this origin sent the form."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    host = request.headers.get("host", "")
    return site in _SAME_SITE and (origin is None or urlsplit(origin).netloc == host)
