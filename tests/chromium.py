"""A real browser that measures pictures: Chromium, run once for a page of many.

It is a program of the machine: `apt-get install chromium`. It runs without a network, in a
profile of its own, and prints the page's text after a script of ours has measured it.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
FOUND = next(
    (p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))),
    None,
)

# Each text by its drawn box; the page's edges by the SVG's own. Lines of foreign text are
# told with their boxes, so that a failure names them.
_MEASURE = """
const slack = 0.75, found = {};
for (const figure of document.querySelectorAll("figure")) {
  const svg = figure.querySelector("svg"), page = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll("text")].map(text => {
    const {left, top, right, bottom} = text.getBoundingClientRect();
    return {left, top, right, bottom, said: text.textContent};
  }).sort((one, other) => one.top - other.top);
  const problems = [];
  texts.forEach((one, number) => {
    if (one.right - one.left < 0.5 && one.said.trim()) problems.push(`${one.said} is not drawn`);
    if (one.left < page.left - slack || one.right > page.right + slack ||
        one.top < page.top - slack || one.bottom > page.bottom + slack)
      problems.push(`${one.said} leaves the page`);
    for (const other of texts.slice(number + 1)) {
      if (other.top > one.bottom) break;
      if (Math.min(one.right, other.right) - Math.max(one.left, other.left) > slack &&
          Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top) > slack)
        problems.push(`${one.said} overlaps ${other.said}`);
    }
  });
  found[figure.id] = {texts: texts.length, problems};
}
const told = document.createElement("pre");
told.id = "told";
told.textContent = JSON.stringify(found);
document.body.replaceChildren(told);
"""


def measured(pictures: Mapping[str, str], folder: Path, *, font: str = "") -> dict[str, dict]:
    """Return what the browser finds in each SVG: how many texts, and what is wrong.

    With `font`, every text is asked to be drawn with that one instead of its own.
    """
    figures = "".join(
        f'<figure id="{html.escape(name, quote=True)}">{svg}</figure>\n'
        for name, svg in pictures.items()
    )
    forced = f"<style>svg text {{ font-family: {font} !important }}</style>" if font else ""
    page = folder / "page.html"
    page.write_text(
        f'<!doctype html><meta charset="utf-8">{forced}<body>{figures}'
        f"<script>{_MEASURE}</script></body>",
        encoding="utf-8",
    )
    told = re.search(r'<pre id="told">(.*?)</pre>', _dumped(page), re.DOTALL)
    assert told, "the page's script did not come to its end"
    return json.loads(html.unescape(told[1]))


def _dumped(page: Path) -> str:
    """Return a page as it is after its scripts ran."""
    assert FOUND
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        done = subprocess.run(
            [FOUND, *FLAGS, f"--user-data-dir={profile}", "--dump-dom", page.as_uri()],
            capture_output=True,
            check=True,
            timeout=240,
        )
    return done.stdout.decode()
