"""The answers of the pages: as HTML, JSON or CSV, as the address or `Accept` asks.

A failure is one sentence that quotes no payload.
"""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Self
from urllib.parse import quote, unquote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from lifecycle.core.instant import format_instant
from lifecycle.diagram.clock import lasting
from lifecycle.diagram.harmless import harmless, spoken
from lifecycle.diagram.stats_picture import short
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
from lifecycle.web.visit import Visit, visit_of

LOG: Final = logging.getLogger("lifecycle.pages")

_CHALLENGE: Final = 'Basic realm="orders", charset="UTF-8"'
_DOTS: Final = frozenset({"", ".", ".."})


class Addresses(NamedTuple):
    """Where each page is; `prefix` is where all of them are mounted, without a slash at the end.

    A browser takes `.` and `..` away from a path, so orders of such an id are asked for by `?id=`.
    """

    prefix: str

    @classmethod
    def of(cls, request: Request) -> Self:
        """Return the addresses under the prefix of a request."""
        return cls(quote(request.scope.get("root_path", "").rstrip("/")))

    def page(self, name: str, **asked: object) -> str:
        """Return the address of a page, with what is asked of it."""
        return f"{self.prefix}/{name}{_asked(asked)}"

    def order(self, provider: str, order_id: str, **asked: object) -> str:
        """Return the address of an order's page."""
        return self.of_order("orders", provider, order_id, **asked)

    def of_order(self, what: str, provider: str, order_id: str, **asked: object) -> str:
        """Return the address of something about an order, such as a picture."""
        name = "" if order_id in _DOTS else quote(order_id, safe="")
        if not name:
            asked = {"id": order_id, **asked}
        return f"{self.prefix}/{what}/{quote(provider, safe='')}/{name}{_asked(asked)}"


def _asked(asked: dict[str, object]) -> str:
    given = {name: value for name, value in asked.items() if value is not None and value != ""}
    return f"?{urlencode(given)}" if given else ""


FOLDER: Final = Path(__file__).parent
Form = Literal["html", "json", "csv"]

TOLD: Final = "lifecycle-told"
"""The cookie that carries the result of an action to the next page."""

_SUFFIXES: Final[Mapping[str, Form]] = {".json": "json", ".csv": "csv"}
_TYPES: Final[Mapping[str, Form]] = {"application/json": "json", "text/csv": "csv"}
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class Table(NamedTuple):
    """A list for CSV."""

    headings: Sequence[str]
    rows: Iterable[Sequence[Any]]


class Page(NamedTuple):
    """The content of a page: `shown` for its template, `told` for JSON.

    `live` names the order that changes it, `*` for any; `seen` is the position it was made at.
    """

    template: str
    title: str
    shown: Mapping[str, Any]
    told: Any
    table: Table | None = None
    status: int = 200
    live: str = ""
    seen: int = 0


def form_asked(request: Request) -> Form:
    """Return the form that the address asks for, else the one that the client accepts."""
    for suffix, form in _SUFFIXES.items():
        if request.url.path.endswith(suffix):
            return form
    accepted = request.headers.get("accept", "")
    named = [form for media, form in _TYPES.items() if media in accepted]
    return named[0] if named and "text/html" not in accepted else "html"


def answer(request: Request, page: Page, form: Form | None = None) -> Response:
    """Return a page in the requested form; a page that is not a list has no CSV: 406."""
    match form or form_asked(request):
        case "json":
            text = json.dumps(
                page.told, ensure_ascii=False, separators=(",", ":"), default=_as_json
            )
            return Response(text, page.status, media_type="application/json")
        case "csv" if page.table is not None:
            return Response(_csv(page.table), page.status, media_type="text/csv")
        case "csv":
            return Response("this is no list\n", 406, media_type="text/plain")
    visit = visit_of(request)
    response = Response(_html(request, page, visit), page.status, media_type="text/html")
    visit.remember(request, response)
    if TOLD in request.cookies:
        response.delete_cookie(TOLD, path=Addresses.of(request).prefix or "/")
    return response


def done(request: Request, form: Mapping[str, str], told: str) -> Response:
    """Return the answer to an action: a sentence for programs, a redirect for a browser."""
    if form_asked(request) == "json":
        return Response(json.dumps({"done": told}), media_type="application/json")
    addresses, back = Addresses.of(request), form.get("back", "")
    is_ours = back.startswith(f"{addresses.prefix}/") and back[1:2] not in {"/", "\\"}
    response = RedirectResponse(back if is_ours else addresses.page("attention"), 303)
    response.set_cookie(
        TOLD,
        quote(told),
        max_age=20,
        path=addresses.prefix or "/",
        httponly=True,
        samesite="strict",
    )
    return response


def _html(request: Request, page: Page, visit: Visit) -> str:
    shown = {
        "page": page,
        "to": Addresses.of(request),
        "visit": visit,
        "address": str(request.url.replace(scheme="", netloc="")),
        "query": request.query_params,
        "told": unquote(request.cookies.get(TOLD, "")),
        "now": datetime.now(UTC),
        **page.shown,
    }
    return TEMPLATES.get_template(page.template).render(shown)


def moment(at: datetime | None) -> Markup:
    """Return an instant as HTML, in UTC, to the second."""
    if at is None:
        return Markup('<span class="none">unknown</span>')
    text = at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    return Markup('<time datetime="{}">{}</time>').format(format_instant(at), text)


def ago(at: datetime, now: datetime) -> str:
    """Return how long ago something was."""
    return f"{lasting(now - at)} ago" if at <= now else f"in {lasting(at - now)}"


def _csv(table: Table) -> str:
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(table.headings)
    writer.writerows([_cell(value) for value in row] for row in table.rows)
    return written.getvalue()


def _cell(value: Any) -> Any:
    """Return a value that spreadsheets do not read as a formula."""
    if isinstance(value, datetime):
        return format_instant(value)
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value


def _as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return format_instant(value)
    return value.model_dump(mode="json")


def _shown(value: Any) -> Any:
    """Return a value as it is printed: text from outside is made harmless."""
    return harmless(value) if type(value) is str else value


def _templates() -> Environment:
    templates = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"moment": moment, "spoken": spoken, "lasting": lasting}
    templates.globals |= {"ago": ago, "span": short}
    return templates


TEMPLATES: Final = _templates()


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
