"""demo"""

from __future__ import annotations

from lifecycle.cli.option import Json


def demo(json: Json = False) -> None:
    """Demo."""
