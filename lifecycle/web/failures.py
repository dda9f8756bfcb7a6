"""The answers to failures: one sentence, as HTML or JSON, that quotes no payload."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from lifecycle.errors import (
    InvalidArgumentError,
    LifecycleError,
    MissingExtraError,
    RequestBodyError,
    StoredFormatError,
    StoreError,
    UnknownOrderError,
)
from lifecycle.http.receiver import Refusal
from lifecycle.web.answers import Form, Page, answer, form_asked

LOG: Final = logging.getLogger("lifecycle.pages")

_CHALLENGE: Final = 'Basic realm="orders", charset="UTF-8"'


def refused(refusal: Refusal) -> Response:
    """Return the answer to a refused request."""
    response = refusal.response
    headers = {
        name: _CHALLENGE if name == "www-authenticate" else value
        for name, value in response.headers
    }
    return Response(response.body, response.status, headers)


def failure(request: Request, status: int, sentence: str) -> Response:
    """Return a page with one sentence that says what is wrong."""
    title = HTTPStatus(status).phrase.capitalize()
    shown = {"sentence": sentence}
    form: Form = "json" if form_asked(request) == "json" else "html"
    page = Page("failure.html", title, shown, {"error": sentence}, status=status)
    return answer(request, page, form)


def _failed(request: Request, raised: Exception) -> Response:
    if isinstance(raised, HTTPException):
        return failure(request, raised.status_code, raised.detail)
    if not isinstance(raised, LifecycleError):
        LOG.error("a page failed with %s", type(raised).__name__)
        return failure(request, 500, "This page could not be made; the service's log says more.")
    status = next(status for kind, status in _STATUSES.items() if isinstance(raised, kind))
    if status >= 500:
        LOG.error("a page failed: %s", raised)
    if isinstance(raised, RequestBodyError):
        status = raised.status
    return failure(request, status, str(raised))


_STATUSES: Final[Mapping[type[LifecycleError], int]] = {
    UnknownOrderError: 404,
    InvalidArgumentError: 400,
    RequestBodyError: 400,
    MissingExtraError: 501,
    StoredFormatError: 500,
    StoreError: 503,
    LifecycleError: 500,
}

FAILURES: Final[Mapping[Any, Any]] = dict.fromkeys(
    [HTTPException, LifecycleError, Exception], _failed
)
"""The answer to each exception that a page raises."""
