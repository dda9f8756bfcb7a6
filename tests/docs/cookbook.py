"""The pictures of the cookbook: each story's order, as its code on the page left it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any

from lifecycle.diagram import OrderPicture, draw_order
from lifecycle.providers.instacart.recordings import ORDER
from tests.docs.fences import ROOT, blocks_of

PAGE = ROOT / "docs" / "how-to" / "cookbook.md"


def stories() -> Iterator[tuple[str, OrderPicture]]:
    """Yield the name and the picture of each story."""
    helper, *code = [b.text for b in blocks_of(PAGE.read_text()) if b.language == "python"]
    namespace: dict[str, Any] = {}
    exec(helper, namespace)
    for number, story in enumerate(code, start=1):
        with contextlib.redirect_stdout(io.StringIO()):
            exec(story, namespace)
        with namespace["orders"] as orders:
            yield f"cookbook-{number}", draw_order(orders, ORDER, "timeline")
