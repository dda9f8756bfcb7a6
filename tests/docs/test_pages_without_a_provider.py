"""The pages that talk to a provider, while it is out of reach, fails, or wants less to do."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Final

import pytest

from tests.docs.fences import PAGES, Block, blocks_of
from tests.docs.test_code_runs import run_python
from tests.http.scripted import Reply, Scripted, answer, drop

# What stands there of the provider, and what takes its place.
TALKING: Final = {
    "correct-and-resubmit": [('orders = connect("', 'post = post_to_trouble\norders = connect("')],
    "create-orders-over-http": [("Client(provider.url,", "Client(trouble, tries=1,")],
    "recover-a-lost-callback": [("Client(provider.url,", "Client(trouble, tries=1,")],
}
WORDLESS: Final = answer(400, {"error": {}, "meta": {}})
TROUBLES: Final[dict[str, Callable[[Scripted], object]]] = {
    "no token: 503": lambda server: server.always("token", answer(503)),
    "no token: 429": lambda server: server.always("token", answer(429)),
    "503": lambda server: everything(server, answer(503)),
    "429 without a wait": lambda server: everything(server, answer(429)),
    "429 with a wait": lambda server: everything(server, answer(429, b"", {"retry-after": "99"})),
    "hangs up": lambda server: everything(server, drop()),
    "a page": lambda server: everything(server, answer(200, b"<html>")),
    "an error without a word": lambda server: everything(server, WORDLESS),
    "403": lambda server: everything(server, answer(403)),
}


def everything(server: Scripted, reply: Reply) -> None:
    server.always("create", reply).always("get", reply)


def told_on(page: str, url: str) -> str:
    """Run a page with a provider that is at `url`, and return what its blocks print."""

    def post(body: dict[str, object]) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(
                f"{url}/last_mile", json.dumps(body).encode(), timeout=5
            ) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read()

    namespace = {"__name__": "__page__", "trouble": url, "post_to_trouble": post}
    [found] = [path for path in PAGES if path.stem == page]
    blocks = [block for block in blocks_of(found.read_text()) if block.language == "python"]
    text = "\n".join(block.text for block in blocks)
    for spoken, instead in TALKING[page]:
        assert spoken in text
        text = text.replace(spoken, instead)
    return run_python(Block("python", text, 0), page, namespace)


@pytest.mark.parametrize("page", TALKING)
def test_the_page_runs_without_a_provider(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Scripted(listening=False) as nobody:
        assert told_on(page, nobody.url)


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("page", TALKING)
def test_the_page_runs_whatever_a_provider_in_trouble_answers(page, trouble, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Scripted() as server:
        TROUBLES[trouble](server)
        assert told_on(page, server.url)


def test_every_page_that_talks_to_a_provider_is_tried():
    talking = {
        page.stem
        for page in PAGES
        for block in blocks_of(page.read_text())
        if block.language == "python"
        and ("instacart.client" in block.text or "def post(body" in block.text)
    }
    assert talking == set(TALKING)
