"""The pages as an ASGI app: run by `lifecycle serve --pages`, or mounted in your own service.

request ─→ access ─→ visit ─→ page ─→ HTML, JSON or CSV
                └→ 401, 403

app = FastAPI()
app.mount("/pages", Pages(orders))
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from datetime import timedelta
from typing import Any, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from lifecycle.audit.signed_note import PrivateKey
from lifecycle.diagram.picture import draw_definition
from lifecycle.errors import InvalidArgumentError
from lifecycle.http.receiver import Head, Refusal
from lifecycle.http.receiver.asgi import mount_path, path_under_mount
from lifecycle.service.async_orders import AsyncOrders
from lifecycle.service.attention import OVERDUE_AFTER, checked_span
from lifecycle.service.orders import Orders
from lifecycle.web import actions
from lifecycle.web.access import Access, ThisMachine
from lifecycle.web.answers import (
    FAILURES,
    FOLDER,
    Addresses,
    Form,
    Page,
    answer,
    done,
    form_asked,
    refused,
)
from lifecycle.web.attention_page import attention_page
from lifecycle.web.definitions import Prover, definition_named, definition_page, definitions_page
from lifecycle.web.files import as_svg, evidence_of, fleet_picture, order_picture
from lifecycle.web.fleet import FleetCounter, fleet_page
from lifecycle.web.live import LiveLog, stream_named
from lifecycle.web.log_source import LogSource, OrderName
from lifecycle.web.order_list import find_orders, found_page, orders_page
from lifecycle.web.order_page import OrderAt, order_page
from lifecycle.web.visit import VISIT, Visit, read_form, visit_of
from lifecycle.web.worklists import checkpoints_page, letters_page, quarantine_page, whole_number

LOG: Final = logging.getLogger("lifecycle.pages")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

Make = Callable[[LogSource, Mapping[str, str]], Page]
"""Makes a list page from the query parameters of its address."""

Act = Callable[[LogSource, Mapping[str, str], str], str]
"""Carries out the action of a form for a user, and returns the sentence for the user."""

_POLICY: Final = (
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    b"content-security-policy": _POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-store",
}


class Pages:
    """The pages of one log, as an ASGI app that can be mounted under any prefix.

    Args:
        orders: of the log; open them before, and close them after. Orders of all providers that
            are installed are shown, whatever the provider of these.
        access: who may see them, as `BasicOrToken` or `TrustedHeader` tell. Without it nobody
            but this machine may.
        overdue_after: how long an order may wait for the provider until it needs attention.
        key: signs evidence of an order, to download; without one there is none.
    """

    def __init__(
        self,
        orders: Orders | AsyncOrders,
        *,
        access: Access | None = None,
        overdue_after: timedelta = OVERDUE_AFTER,
        key: PrivateKey | None = None,
    ) -> None:
        self._source = LogSource(orders, checked_span(overdue_after))
        self._access: Access = ThisMachine() if access is None else access
        self._live, self._key = LiveLog(self._source), key
        self._counter, self._prover = FleetCounter(self._source), Prover()
        self._app = Starlette(routes=self._routes(), exception_handlers=FAILURES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; `access` decides first who may see anything."""
        if scope["type"] != "http":
            return
        root = mount_path(scope)
        below = "/" if scope["path"] == root else path_under_mount(scope)
        scope = {**scope, "root_path": root, "path": root + below}
        address = (scope.get("client") or (None,))[0]
        user = self._access.claim(Head(scope["method"], scope["path"], scope["headers"], address))
        request = Request(scope, receive)
        if isinstance(user, Refusal):
            LOG.warning("a page was refused: %s", user.why)
            await refused(user)(scope, receive, _guarded(send))
            return
        state = {**scope.get("state", {}), VISIT: Visit.of(request, user)}
        await self._app({**scope, "state": state}, receive, _guarded(send))

    def stop(self) -> None:
        """End the streams of events, so that a server that stops waits for none."""
        self._live.stop()
        self._prover.stop()

    def _routes(self) -> list[BaseRoute]:
        lists: dict[str, Make] = {
            "attention": attention_page,
            "quarantine": quarantine_page,
            "letters": letters_page,
            "checkpoints": checkpoints_page,
            "fleet": lambda source, _: fleet_page(source, self._counter),
            "definitions": lambda source, _: definitions_page(source),
        }
        acts: dict[str, Act] = {
            "attention/review": actions.review,
            "quarantine/redrive": actions.redrive_quarantine,
            "letters/redrive": actions.redrive_letters,
            "letters/drop": actions.drop_letter,
        }
        every = [(name, self._listed(make)) for name, make in lists.items()]
        return [
            Route("/", lambda asked: RedirectResponse(Addresses.of(asked).page("attention"), 303)),
            Route("/events", self._events),
            *(
                Route(f"/{name}{suffix}", endpoint)
                for name, endpoint in [*every, ("orders", self._orders)]
                for suffix in ("", ".json", ".csv")
            ),
            *(Route(f"/{name}", self._done(act), methods=["POST"]) for name, act in acts.items()),
            Route("/quarantine/unmask", self._unmask_item, methods=["POST"]),
            Route("/fleet/{provider}/{kind}.svg", self._fleet_picture),
            Route("/definitions/{fingerprint}/picture.svg", self._definition_picture),
            Route("/definitions/{fingerprint}", self._definition),
            Route("/unmask/{provider}/{order_id:path}", self._unmask, methods=["POST"]),
            Route("/orders/{provider}/{order_id:path}", self._order),
            Route("/evidence/{provider}/{order_id:path}", self._evidence),
            Route("/pictures/{kind}/{provider}/{order_id:path}", self._picture),
            Mount("/static", StaticFiles(directory=FOLDER / "static")),
        ]

    def _listed(self, make: Make) -> Callable[[Request], Response]:
        def endpoint(request: Request) -> Response:
            position = self._source.log.last_position()  # before: nothing is missed after it
            page = make(self._source, request.query_params)
            return answer(request, page._replace(seen=position))

        return endpoint

    def _done(self, act: Act) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            form, by = await own_form(request)
            told = await run_in_threadpool(act, self._source, form, by)
            return done(request, form, told)

        return endpoint

    async def _unmask(self, request: Request) -> Response:
        _, by = await own_form(request)

        def shown() -> Response:
            order, form = self._order_at(request)
            actions.unmask(self._source, order.name, by)
            return answer(request, self._order_page(order, masked=False), form)

        return await run_in_threadpool(shown)

    async def _unmask_item(self, request: Request) -> Response:
        form, by = await own_form(request)

        def shown() -> Response:
            item = whole_number(form, "item")
            actions.unmask_item(self._source, item, by)
            asked = {"all": "1", "after": str(max(item - 1, 0))}
            return answer(request, quarantine_page(self._source, asked, unmask=item))

        return await run_in_threadpool(shown)

    def _orders(self, request: Request) -> Response:
        text = request.query_params.get("q", "").strip()
        if not text:
            return self._listed(orders_page)(request)
        found = find_orders(self._source, text)
        if found.only is not None and form_asked(request) == "html":
            return RedirectResponse(Addresses.of(request).order(*found.only), 303)
        return answer(request, found_page(self._source, found))

    def _order(self, request: Request) -> Response:
        position = self._source.log.last_position()
        order, form = self._order_at(request)
        return answer(request, self._order_page(order)._replace(seen=position), form)

    def _order_page(self, order: OrderAt, *, masked: bool = True) -> Page:
        return order_page(self._source, order, masked=masked, signs=self._key is not None)

    def _evidence(self, request: Request) -> Response:
        order, _ = self._order_at(request)
        if self._key is None:
            raise HTTPException(404, "these pages were given no key to sign evidence with")
        return evidence_of(self._source, order, self._key)

    def _picture(self, request: Request) -> Response:
        order, _ = self._order_at(request)
        narrow = request.query_params.get("narrow") == "1"
        return order_picture(order, request.path_params["kind"], narrow=narrow)

    def _fleet_picture(self, request: Request) -> Response:
        provider, kind = request.path_params["provider"], request.path_params["kind"]
        counted = self._counter.latest(provider) if provider in self._source.known else None
        if counted is None:
            raise HTTPException(404, "the orders are not counted yet, or there is no such picture")
        narrow = request.query_params.get("narrow") == "1"
        definition = self._source.known[provider].definition
        return fleet_picture(definition, counted, kind, narrow=narrow)

    def _definition(self, request: Request) -> Response:
        fingerprint = request.path_params["fingerprint"].removesuffix(".json")
        return answer(request, definition_page(self._source, self._prover, fingerprint))

    def _definition_picture(self, request: Request) -> Response:
        definition, _ = definition_named(self._source, request.path_params["fingerprint"])
        narrow = request.query_params.get("narrow") == "1"
        return as_svg(draw_definition(definition, narrow=narrow).svg())

    def _order_at(self, request: Request) -> tuple[OrderAt, Form]:
        """Return the order that an address names, and the form that it asks for.

        What looks like the ending of a form may be part of the id.
        """
        provider, order_id = request.path_params["provider"], request.path_params["order_id"]
        name = OrderName(provider, order_id or request.query_params.get("id", ""))
        form, ending = form_asked(request), order_id.endswith((".json", ".csv"))
        if ending and name not in self._source.named(order_id):
            name = OrderName(provider, order_id.rpartition(".")[0])
        elif ending:
            form = "html"
        text = request.query_params.get("version", "")
        if text and not (text.isdecimal() and len(text) < 10):
            raise InvalidArgumentError("version", "the number of one of the order's events")
        return OrderAt(self._source, name, int(text) if text else None), form

    async def _events(self, request: Request) -> Response:
        seen = request.headers.get("last-event-id") or request.query_params.get("seen", "")
        stream = stream_named(request.query_params.get("order"))
        events = self._live.events(stream, int(seen) if seen.isdecimal() else None)
        return StreamingResponse(events, media_type="text/event-stream")


async def own_form(request: Request) -> tuple[dict[str, str], str]:
    """Return the fields of a form of one of our own pages, and who sent it."""
    form, visit = await read_form(request), visit_of(request)
    if not visit.allows(request, form):
        raise HTTPException(403, "this form is not from one of these pages, or too old")
    return form, actions.said_by(visit.user, form)


def _guarded(send: Send) -> Send:
    """Return a `send` that adds the headers of every answer, where it has not its own."""

    async def guarded(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            given = {name for name, _ in message["headers"]}
            more = [(name, value) for name, value in _HEADERS.items() if name not in given]
            message = {**message, "headers": [*message["headers"], *more]}
        await send(message)

    return guarded
