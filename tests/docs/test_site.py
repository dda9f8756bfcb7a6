"""The site: built without a warning, every page in its menu, every link and anchor of it holds.

`python -m zensical build --strict` builds it; here that happens in a folder of its own.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache, partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, sync_playwright

from tests import chromium
from tests.docs.fences import PAGES, ROOT

CONFIG = ROOT / "zensical.toml"
LOOKED_AT = ("how-to/draw-pictures/", "reference/metrics/")


def built(folder: Path, docs: Path = ROOT / "docs") -> subprocess.CompletedProcess[str]:
    """Build the site of some pages in a folder."""
    shutil.copy(CONFIG, folder)
    shutil.copytree(docs, folder / "docs", dirs_exist_ok=True)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = built(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout + done.stderr
    return folder / "site"


class Parts(HTMLParser):
    """The anchors of a page, its links, and what a browser loads to show it."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        loads = tag == "link" and values.get("rel") not in {"canonical", "next", "prev"}
        for name in ("href", "src", "srcset"):
            if name in values:
                (self.links if name == "href" and not loads else self.loaded).append(values[name])


@cache
def parts_of(page: Path) -> Parts:
    """Return the parts of a page."""
    parts = Parts()
    parts.feed(page.read_text(encoding="utf-8"))
    return parts


def broken(site: Path) -> list[str]:
    """Return the links within a site that lead to no file or to no anchor."""
    pages = {page: parts_of(page) for page in site.rglob("*.html")}
    found = []
    for page, parts in pages.items():
        for link in [*parts.links, *parts.loaded]:
            target = urlsplit(link)
            if target.scheme or link.startswith("//"):
                continue
            base = site if target.path.startswith("/") else page.parent
            file = (base / unquote(target.path).lstrip("/")).resolve() if target.path else page
            file = file / "index.html" if file.is_dir() else file
            anchors = pages[file].anchors if file in pages else set()
            if not file.exists() or (target.fragment and unquote(target.fragment) not in anchors):
                found.append(f"{page.relative_to(site)}: {link}")
    return found


def in_menu(entries: Iterable[Any]) -> list[str]:
    """Return the pages that a menu lists, in its order."""
    pages: list[str] = []
    for entry in entries:
        if isinstance(entry, dict):
            for below in entry.values():
                pages += in_menu([below] if isinstance(below, str) else below)
        else:
            pages.append(entry)
    return pages


def test_the_menu_lists_every_page_once():
    menu = in_menu(tomllib.loads(CONFIG.read_text())["project"]["nav"])
    pages = [str(page.relative_to(ROOT / "docs")) for page in PAGES]
    assert sorted(menu) == sorted(page for page in pages if page != "README.md")


def test_every_link_of_the_site_leads_somewhere(site):
    assert broken(site) == []


def test_a_page_loads_nothing_from_another_host(site):
    for page in site.rglob("*.html"):
        outside = [url for url in parts_of(page).loaded if urlsplit(url).netloc]
        assert outside == [], page.name


def test_what_pages_say_can_be_searched(site):
    index = json.loads((site / "search.json").read_text(encoding="utf-8"))
    text = json.dumps(index)
    assert all(words in text for words in ("The promise", "quarantine", "connect_async"))


class Quiet(SimpleHTTPRequestHandler):
    """Files over HTTP, without a line for each."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if chromium.FOUND is None:
        pytest.skip("NO BROWSER: the site is not looked at; install it: apt-get install chromium")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=chromium.FOUND, args=["--no-sandbox", "--disable-gpu"]
        )
        yield launched
        launched.close()


def serious(browser: Browser, urls: Iterable[str], **how: Any) -> list[str]:
    """Return what keeps a reader from a page: findings of axe, errors, a page too wide."""
    context = browser.new_context(**how)
    page = context.new_page()
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    for url in urls:
        page.goto(url)
        for each in Axe().run(page).response["violations"]:
            if each["impact"] in {"serious", "critical"}:
                found += [f"{url} {each['id']}: {node['html'][:120]}" for node in each["nodes"]]
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            found.append(f"{url} is wider than the window")
    context.close()
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_from_reading_a_page(browser, address, scheme):
    urls = [f"{address}{page}" for page in LOOKED_AT]
    window = {"width": 390, "height": 844}
    assert "\n".join(serious(browser, urls, color_scheme=scheme, viewport=window)) == ""


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nobody_is_kept_from_reading_any_page(browser, site, address, scheme, width):
    pages = sorted(page.relative_to(site).parent for page in site.rglob("index.html"))
    urls = [f"{address}{page}/" for page in pages]
    window = {"width": width, "height": 900}
    assert "\n".join(serious(browser, urls, color_scheme=scheme, viewport=window)) == ""


def test_a_page_that_nobody_can_read_is_found(browser):
    page = "data:text/html,<html><img src=x><p style='width:3000px;color:%23eee'>pale"
    found = serious(browser, [page])
    assert len(found) > 1


def test_a_link_that_leads_nowhere_and_a_missing_anchor_are_seen(tmp_path):
    """The positive control of both: the generator's check, and ours of what it made."""
    (docs := tmp_path / "wrong").mkdir()
    (docs / "index.md").write_text("# One\n\n[no page](none.md)\n")
    assert built(tmp_path, docs).returncode != 0

    made = tmp_path / "made"
    made.mkdir()
    (made / "index.html").write_text('<a href="#none">1</a><a href="gone/">2</a><p id="here">')
    assert broken(made.resolve()) == ["index.html: #none", "index.html: gone/"]
