"""Writes a page as HTML, JSON or CSV, as the address or `Accept` asks."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import quote, unquote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from lifecycle.core.instant import format_instant
from lifecycle.diagram.clock import lasting
from lifecycle.diagram.fleet import short
from lifecycle.diagram.harmless import harmless, spoken
from lifecycle.web.addresses import Addresses
from lifecycle.web.visit import Visit, visit_of

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
