"""The receiver as a Django view: sync over `Orders`, or async over `AsyncOrders`.

    urlpatterns = [path("provider/<path:rest>", view(receiver))]

The body is read past Django's own limit for uploads, up to the receiver's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError

from lifecycle.providers.instacart.receiver.admission import Ticket
from lifecycle.providers.instacart.receiver.asynchronous import AsyncReceiver
from lifecycle.providers.instacart.receiver.message import Head, Response
from lifecycle.providers.instacart.receiver.synchronous import SyncReceiver


def view(receiver: SyncReceiver) -> Callable[..., HttpResponse]:
    """Return a view for a path that ends in `<path:rest>`; exempt from Django's CSRF check."""

    def answer(request: HttpRequest, rest: str = "") -> HttpResponse:
        try:
            response = receiver.respond(_head(request, rest), lambda limit: request.read(limit + 1))
        except UnreadablePostError:
            return HttpResponse(status=400)
        return _answered(response)

    answer.csrf_exempt = True  # type: ignore[attr-defined]
    return answer


def async_view(receiver: AsyncReceiver) -> Callable[..., Awaitable[HttpResponse]]:
    """Return the same as a coroutine function, for Django under an ASGI server."""

    async def answer(request: HttpRequest, rest: str = "") -> HttpResponse:
        async def read(limit: int, ticket: Ticket | None) -> bytes:
            body: bytes = request.read(limit + 1)
            if ticket is not None:
                ticket.take(len(body))
            return body

        return _answered(await receiver.respond(_head(request, rest), read))

    answer.csrf_exempt = True  # type: ignore[attr-defined]
    return answer


def _head(request: HttpRequest, rest: str) -> Head:
    return Head(request.method or "", f"/{rest}", request.headers)


def _answered(response: Response) -> HttpResponse:
    headers = dict(response.headers)
    return HttpResponse(response.body, status=response.status, headers=headers)
