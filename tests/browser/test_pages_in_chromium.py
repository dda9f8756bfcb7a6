"""The pages as a person uses them, in a real browser: found, read, moved, reviewed, kept live.

Nothing is faked: a server on loopback, Chromium, and the log that both share. Where there is no
Chromium these tests are skipped, and say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright
from starlette.applications import Starlette
from starlette.routing import Mount

from lifecycle import connect
from lifecycle.log.contract import CONTROL
from lifecycle.providers.instacart import sample_orders
from lifecycle.providers.instacart.definition import LAST_MILE
from lifecycle.web import Pages
from tests import chromium
from tests.pictures import HOSTILE, long_story
from tests.serving import asgi_server

pytestmark = pytest.mark.skipif(
    chromium.FOUND is None,
    reason="NO BROWSER: pages are not looked at; install it: apt-get install chromium",
)
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
SECONDS = 5_000
ORDER = "/orders/instacart/demo-5-0001"
PAGES = (
    *("/attention", "/orders", "/fleet", "/quarantine", "/letters", "/checkpoints"),
    *("/orders?q=demo", "/definitions", f"/definitions/{LAST_MILE.fingerprint}"),
    *(ORDER, f"{ORDER}?version=5", "/orders/instacart/sixty", "/orders/instacart/nobody"),
)


@contextmanager
def served(count: int) -> Iterator[tuple[Any, str]]:
    """Serve the pages of a log, and yield its orders and where the pages are."""
    with connect("memory:") as orders:
        if count:
            told = sample_orders.generate(5, count)
            some = sample_orders.deliver(5, told, lost=0.03, divergent=0.05, delayed=0.2)
            orders.record_many(some.recordings)
            orders.record_many(long_story("sixty", 60))
            orders.record_callback(b"no json")
            orders.record_callback({"id": "kamala", "status": "brand_new", "name": "Kamala Nadir"})
            for number, text in enumerate(HOSTILE):
                orders.record_callback({"id": f"{text.strip() or 'x'}{number}", "status": text})
        pages = Pages(orders)
        with asgi_server(Starlette(routes=[Mount("/pages", pages)])) as port:
            try:
                yield orders, f"http://127.0.0.1:{port}/pages"
            finally:
                pages.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=chromium.FOUND, args=["--no-sandbox", "--disable-gpu"]
        )
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[Any, str]]:
    with served(20) as serving:
        yield serving


class Watched:
    """A page that notes what went wrong in it, and which hosts it asked."""

    def __init__(self, browser: Browser, **how: Any) -> None:
        self.context = browser.new_context(**{"viewport": WIDE, **how})
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(SECONDS)
        self.problems: list[str] = []
        self.hosts: set[str | None] = set()
        self.page.on("console", lambda said: self._note(said.type, said.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", lambda asked: self.hosts.add(urlsplit(asked.url).hostname))

    def _note(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"} and "404 (Not Found)" not in text:
            self.problems.append(text)

    def close(self) -> None:
        self.context.close()
        assert self.problems == []
        assert self.hosts == {"127.0.0.1"}


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    watched = Watched(browser)
    yield watched
    watched.close()


def test_an_order_is_found_opened_and_seen_as_it_was_before(shop, watched):
    _, url = shop
    page = watched.page
    page.goto(f"{url}/attention")
    page.keyboard.press("/")
    page.keyboard.type("demo-5-0001")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{url}{ORDER}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("demo-5-0001")
    pictures = page.evaluate("[...document.images].map(image => image.naturalWidth)")
    assert len(pictures) == 3
    assert min(pictures) > 0
    slider = page.get_by_role("slider")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    expect(page.get_by_text("You look at the past")).to_be_visible()
    expect(page.get_by_role("heading", name="What changed since")).to_be_visible()
    assert "version=" in page.url
    expect(slider).to_be_focused()
    page.get_by_role("link", name="Back to now").click()
    expect(page.get_by_text("This is now")).to_be_visible()


def test_what_is_about_a_person_is_masked_until_somebody_asks_which_is_recorded(shop, watched):
    orders, url = shop
    page = watched.page
    page.goto(f"{url}/orders/instacart/kamala")
    page.locator(".events summary").first.click()
    expect(page.locator(".events pre").first).to_contain_text("•••")
    assert "Kamala Nadir" not in page.content()
    page.locator("#unmask summary").click()
    page.locator("#unmask").get_by_label("Your name").fill("Ann")
    page.locator("#unmask").get_by_role("button", name="Show it").click()
    expect(page.locator(".events pre").first).to_contain_text("Kamala Nadir")
    assert "unmasked" in [record.topic for record in orders.log.walk(CONTROL)]
    page.get_by_role("link", name="Mask it again").click()
    expect(page.locator(".events pre").first).not_to_contain_text("Kamala Nadir")


def test_an_anomaly_is_reviewed_and_is_listed_no_more(shop, watched):
    orders, url = shop
    (item, *_) = (each for each in orders.attention() if each.kind == "anomaly" and each.order_id)
    page = watched.page
    page.goto(f"{url}/attention?kind=anomaly")
    listed = page.locator(".work > li")
    before = listed.count()
    listed.first.locator("summary").click()
    listed.first.get_by_label("Your name").fill("Ann")
    listed.first.get_by_label("Why it is dealt with").fill("asked the provider")
    listed.first.get_by_role("button", name="Mark as reviewed").click()
    expect(page.get_by_role("status")).to_have_text("Reviewed.")
    expect(listed).to_have_count(before - 1)
    assert item.subject not in [each.subject for each in orders.attention()]


def test_the_quarantine_is_read_again(shop, watched):
    orders, url = shop
    orders.record_callback({"status": "brand_new"})
    page = watched.page
    page.goto(f"{url}/quarantine")
    page.locator(".head").get_by_label("Your name").fill("Ann")
    page.get_by_role("button", name="Read all again").click()
    expect(page.get_by_role("status")).to_contain_text("None of the items can be read yet.")


def test_a_page_that_is_open_shows_a_callback_within_a_second(shop, watched):
    """Always shown; within a second once in three times at least, however busy the machine is."""
    orders, url = shop
    orders.record_callback({"id": "live", "status": "brand_new"})
    page = watched.page
    states = iter(
        ("staged", "acknowledged", "at store", "bags verified", "delivering", "delivered")
    )
    for address in ("/orders/instacart/live", "/orders"):
        with page.expect_response(lambda answer: "/events" in answer.url):
            page.goto(f"{url}{address}")
        page.wait_for_timeout(100)
        took = []
        for state in islice(states, 3):
            begun = perf_counter()
            orders.record_callback({"id": "live", "status": state.replace(" ", "_")})
            where = page.locator("main .badge", has_text=state).first
            expect(where).to_be_visible(timeout=30_000)
            took.append(perf_counter() - begun)
        assert min(took) < 1


def faults_of(page: Page) -> list[tuple[str, str]]:
    """Return what stands in the way of those who see or move less, if it is serious."""
    found = Axe().run(page).response["violations"]
    serious = [each for each in found if each["impact"] in {"serious", "critical"}]
    return [(each["id"], node["html"]) for each in serious for node in each["nodes"]]


def wider_by(page: Page) -> int:
    """Return how much a page is wider than its window, in pixels."""
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")


def test_what_is_open_all_day_has_no_serious_fault_for_those_who_see_or_move_less(shop, browser):
    _, url = shop
    watched = Watched(browser, color_scheme="dark")
    for address in ("/attention", ORDER):
        watched.page.goto(f"{url}{address}")
        assert faults_of(watched.page) == [], address
    watched.close()


def test_no_page_is_wider_than_a_phone(shop, browser):
    _, url = shop
    watched = Watched(browser, viewport=NARROW)
    for address in PAGES:
        watched.page.goto(f"{url}{address}", wait_until="domcontentloaded")
        assert wider_by(watched.page) <= 0, address
    watched.close()


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_no_page_has_a_serious_fault_in_any_size_or_color(shop, browser, viewport, scheme):
    _, url = shop
    watched = Watched(browser, viewport=viewport, color_scheme=scheme)
    for address in PAGES:
        watched.page.goto(f"{url}{address}")
        assert faults_of(watched.page) == [], address
        assert wider_by(watched.page) <= 0, address
    watched.close()


def test_the_search_for_faults_finds_one(shop, watched):
    """The positive control: a picture without a text, and a page that is too wide."""
    _, url = shop
    page = watched.page
    page.goto(f"{url}/attention")
    page.evaluate(
        "document.querySelector('main').innerHTML = '<img src=\"/pages/static/icon.svg\">'"
    )
    assert "image-alt" in [fault for fault, _ in faults_of(page)]
    page.evaluate("document.querySelector('main').style.width = '200vw'")
    assert wider_by(page) > 0


def test_everything_is_read_without_script(shop, browser):
    _, url = shop
    watched = Watched(browser, java_script_enabled=False)
    page = watched.page
    page.goto(f"{url}{ORDER}")
    page.get_by_role("link", name="Earlier").click()
    expect(page.get_by_text("You look at the past")).to_be_visible()
    page.locator(".events summary").first.click()
    expect(page.locator(".events pre").first).to_be_visible()
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("demo-5-0001")
    watched.close()


@pytest.mark.parametrize("count", [0, 1])
def test_a_log_with_no_order_or_one_is_shown(browser, count):
    with served(0) as (orders, url):
        if count:
            orders.record_callback({"id": "one", "status": "brand_new"})
        watched = Watched(browser)
        for address in PAGES[:6]:
            watched.page.goto(f"{url}{address}")
            expect(watched.page.get_by_role("heading", level=1)).to_be_visible()
        expected = "The quarantine is empty."
        watched.page.goto(f"{url}/quarantine")
        expect(watched.page.get_by_text(expected)).to_be_visible()
        watched.close()
