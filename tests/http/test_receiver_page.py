"""The page on receiving callbacks: each of its apps is served, and receives one."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import AbstractContextManager, chdir
from pathlib import Path

import pytest
from django.core.wsgi import get_wsgi_application

from lifecycle import connect
from tests.docs.fences import ROOT, blocks_of
from tests.http import django_urls
from tests.receiving import BODY
from tests.serving import asgi_server, ask, bearer, connected, wsgi_server

PAGE = ROOT / "docs" / "how-to" / "receive-callbacks.md"
PYTHON = [block.text for block in blocks_of(PAGE.read_text()) if block.language == "python"]


def block_with(words: str) -> str:
    [block] = [text for text in PYTHON if words in text]
    return block


@pytest.fixture
def form(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Make credentials as the page does, and return what the provider sends for a token."""
    with chdir(tmp_path):
        exec(block_with("import secrets"), {})
        assert (tmp_path / "credentials.toml").stat().st_mode & 0o077 == 0
        clients = tomllib.loads((tmp_path / "credentials.toml").read_text())["clients"]
        yield {
            "grant_type": "client_credentials",
            "client_id": "instacart",
            "client_secret": clients["instacart"][0],
        }


def receives(server: AbstractContextManager[int], form: dict[str, str]) -> None:
    """Show that a callback comes in at the place that the page tells, and unread ones too."""
    with server as port, connected(port) as connection:
        token = bearer(port, "/provider", form)
        for body, headers, status in ((BODY, token, 200), (b"<html>", token, 200), (BODY, {}, 401)):
            assert ask(connection, "POST", "/provider/callbacks", body, headers).status == status
        assert ask(connection, "GET", "/provider/health").status == 200
    with connect("sqlite:///orders.db", create=False) as orders:
        assert orders.get("xyz123456").status == "brand_new"
        assert [item.body for item in orders.quarantine()] == [b"<html>"]


@pytest.fixture
def page(form) -> dict[str, object]:
    """What is defined by the page's first app, on which those for threads build."""
    found: dict[str, object] = {}
    exec(block_with("FastAPI("), found)
    return found


def test_the_asgi_app_on_the_page_receives_callbacks(page, form, capsys):
    receives(asgi_server(page["app"]), form)
    assert capsys.readouterr().out == "xyz123456 None -> brand_new\n"


def test_the_urls_of_django_on_the_page_receive_callbacks(page, form):
    django_urls.set_up()
    exec(block_with("urlpatterns"), page)
    django_urls.use(page["urlpatterns"])
    receives(wsgi_server(get_wsgi_application()), form)
    page["receiver"].orders.close()  # type: ignore[attr-defined]


def test_the_flask_app_on_the_page_receives_callbacks(page, form, capsys):
    exec(block_with("urlpatterns"), page)
    exec(block_with("Flask("), page)
    receives(wsgi_server(page["app"]), form)
    assert capsys.readouterr().out == "xyz123456 None -> brand_new\n"
    page["receiver"].orders.close()  # type: ignore[attr-defined]
