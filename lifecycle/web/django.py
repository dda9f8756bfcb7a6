"""The pages as a Django view, under ASGI and WSGI servers.

    urlpatterns = [path("pages/", view(pages)), path("pages/<path:rest>", view(pages))]

Under WSGI a page does not change by itself: there is nobody who could tell it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse

from lifecycle.web.pages import Pages

Message = MutableMapping[str, Any]


def view(pages: Pages) -> Callable[..., Awaitable[HttpResponse | StreamingHttpResponse]]:
    """Return a view for a path that ends in `<path:rest>`; its forms have tokens of their own."""

    async def answer(request: HttpRequest, rest: str = "") -> HttpResponse | StreamingHttpResponse:
        if rest == "events" and isinstance(request, WSGIRequest):
            return HttpResponse(status=204)
        messages: asyncio.Queue[Message] = asyncio.Queue()
        bodies = [{"type": "http.request", "body": request.body}]

        async def receive() -> Message:
            while not bodies:
                await asyncio.Event().wait()
            return bodies.pop()

        task = asyncio.create_task(pages(_scope(request, rest), receive, messages.put))
        start = await messages.get()
        response = StreamingHttpResponse(_pieces(messages, task), status=start["status"])
        headers = [(name.decode(), value.decode("latin-1")) for name, value in start["headers"]]
        if ("content-type", "text/event-stream; charset=utf-8") not in headers:
            whole = b"".join([piece async for piece in _pieces(messages, task)])
            response = HttpResponse(whole, status=start["status"])
        for name, value in headers:
            if name == "set-cookie":
                response.cookies.load(value)
            else:
                response[name] = value
        return response

    answer.csrf_exempt = True  # type: ignore[attr-defined]
    return answer


def _scope(request: HttpRequest, rest: str) -> dict[str, Any]:
    headers = [(k.lower().encode(), v.encode("latin-1")) for k, v in request.headers.items()]
    return {
        "type": "http",
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.scheme,
        "path": request.path,
        "root_path": request.path.removesuffix(rest).rstrip("/"),
        "query_string": request.META.get("QUERY_STRING", "").encode("latin-1"),
        "headers": headers,
        "client": (request.META.get("REMOTE_ADDR"), 0),
    }


async def _pieces(
    messages: asyncio.Queue[Message], task: asyncio.Task[None]
) -> AsyncIterator[bytes]:
    try:
        more = True
        while more:
            message = await messages.get()
            more = message.get("more_body", False)
            yield message.get("body", b"")
    finally:
        task.cancel()
