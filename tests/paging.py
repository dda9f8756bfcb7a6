"""The pages for tests: asked without a socket, and read as a browser reads them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlencode, urlsplit

import pytest

from lifecycle.providers.instacart.definition import LAST_MILE
from lifecycle.web.definitions import kept_at

LOCAL = {"host": "127.0.0.1:8080"}


class Answer(NamedTuple):
    """What came back for one request."""

    status: int
    headers: Mapping[str, str]
    text: str
    cookies: list[str]

    @property
    def page(self) -> Read:
        """What a browser makes of it."""
        return Read.of(self.text)


class Read(HTMLParser):
    """Elements, and the text that is seen."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.seen: list[str] = []

    @classmethod
    def of(cls, text: str) -> Read:
        read = cls()
        read.feed(text)
        read.close()
        return read

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.seen.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.seen).split())

    def links(self) -> list[str]:
        return [named["href"] or "" for tag, named in self.elements if tag == "a"]

    def hidden(self, name: str) -> list[str]:
        found = [named for tag, named in self.elements if tag == "input"]
        return [named["value"] or "" for named in found if named.get("name") == name]


def ask(
    pages: Any,
    address: str,
    *,
    method: str = "GET",
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] = LOCAL,
    client: str = "127.0.0.1",
    prefix: str = "",
    pieces: Iterable[bytes] | None = None,
) -> Answer:
    """Ask for one address, as a server would hand it on."""
    split = urlsplit(address)
    body = [urlencode(form or {}).encode()] if pieces is None else list(pieces)
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST" if form is not None else method,
        "scheme": "http",
        "path": f"{prefix}{unquote(split.path)}",
        "root_path": prefix,
        "raw_path": split.path.encode(),
        "query_string": split.query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
        "client": (client, 50_000),
        "server": ("127.0.0.1", 8080),
    }

    async def receive() -> dict[str, Any]:
        if not body:
            await asyncio.Event().wait()  # the client stays as long as it is answered
        piece = body.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(body)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(pages(scope, receive, send))
    headers_sent = [(name.decode(), value.decode("latin-1")) for name, value in sent[0]["headers"]]
    text = b"".join(message.get("body", b"") for message in sent[1:]).decode()
    cookies = [value for name, value in headers_sent if name == "set-cookie"]
    return Answer(sent[0]["status"], dict(headers_sent), text, cookies)


@contextmanager
def kept_proof(folder: Path) -> Iterator[None]:
    """Let pages find a proof of the last mile's definition, which they need not make then."""
    obligation = {"name": "sorted", "verdict": "proved", "says": "as sorted", "checked": 1_000}
    proof = {"ok": True, "verdict": "proved", "obligations": [obligation], "findings": []}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        kept = kept_at(LAST_MILE)
        kept.parent.mkdir()
        kept.write_text(json.dumps(proof))
        yield


class Browser:
    """Keeps cookies, and sends the forms of the pages that it has seen."""

    def __init__(self, pages: Any, **headers: str) -> None:
        self.pages = pages
        self.headers = {**LOCAL, **headers}
        self.cookies: dict[str, str] = {}
        self.token = ""

    def get(self, address: str, **more: Any) -> Answer:
        return self._kept(ask(self.pages, address, headers=self._sent(), **more))

    def post(self, address: str, **form: str) -> Answer:
        filled = {"form-token": self.token, "by": "Ann", **form}
        return self._kept(ask(self.pages, address, form=filled, headers=self._sent()))

    def _sent(self) -> dict[str, str]:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return self.headers | ({"cookie": cookies} if cookies else {})

    def _kept(self, answer: Answer) -> Answer:
        for cookie in answer.cookies:
            name, _, rest = cookie.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        is_html = "html" in answer.headers.get("content-type", "")
        found = answer.page.hidden("form-token") if is_html else []
        self.token = found[0] if found else self.token
        return answer
