"""The receiver as a Django view: sync over `Orders`, or async over `AsyncOrders`.

    urlpatterns = [path("provider/<path:rest>", view(receiver))]

The body is read past Django's own limit for uploads, up to the receiver's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError

from lifecycle.errors import RequestBodyError
from lifecycle.http.body import read_body
from lifecycle.http.receiver.asynchronous import AsyncReceiver
from lifecycle.http.receiver.message import Head, Response
from lifecycle.http.receiver.request_flow import Reserve
from lifecycle.http.receiver.synchronous import SyncReceiver

_CODING: Final = "HTTP_TRANSFER_ENCODING"


def view(receiver: SyncReceiver) -> Callable[..., HttpResponse]:
    """Return a view for a path that ends in `<path:rest>`; exempt from Django's CSRF check."""

    def answer(request: HttpRequest, rest: str = "") -> HttpResponse:
        try:
            response = receiver.respond(_head(request, rest), lambda limit: _read(request, limit))
        except UnreadablePostError:
            return HttpResponse(status=400)
        return _answered(response)

    answer.csrf_exempt = True  # type: ignore[attr-defined]
    return answer


def async_view(receiver: AsyncReceiver) -> Callable[..., Awaitable[HttpResponse]]:
    """Return the same as a coroutine function, for Django under an ASGI server."""

    async def answer(request: HttpRequest, rest: str = "") -> HttpResponse:
        async def read(limit: int, reserve: Reserve) -> bytes:
            body = _read(request, limit)
            reserve(len(body))
            return body

        return _answered(await receiver.respond(_head(request, rest), read))

    answer.csrf_exempt = True  # type: ignore[attr-defined]
    return answer


def _read(request: HttpRequest, limit: int) -> bytes:
    """Return a body verbatim; of one above `limit`, enough to show that.

    Raises:
        RequestBodyError: it was read before and not kept, or its length is unknown.
    """
    if isinstance(request, WSGIRequest):
        length, coding = (request.META.get(name) for name in ("CONTENT_LENGTH", _CODING))
        if length and coding:
            raise RequestBodyError(400, "it has both a content-length and a transfer-encoding")
        if not length:  # Django takes it for empty, and does not read it
            return read_body(request.environ, limit)
    kept: bytes | None = getattr(request, "_body", None)
    if kept is None and getattr(request, "_read_started", False):
        raise RequestBodyError(400, "it was read before")
    return request.read(limit + 1) if kept is None else kept[: limit + 1]


def _head(request: HttpRequest, rest: str) -> Head:
    address, query = request.META.get("REMOTE_ADDR"), request.META.get("QUERY_STRING", "")
    return Head(request.method or "", f"/{rest}", request.headers, address, query)


def _answered(response: Response) -> HttpResponse:
    headers = dict(response.headers)
    return HttpResponse(response.body, status=response.status, headers=headers)
