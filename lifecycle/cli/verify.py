"""`lifecycle verify`: nothing that is stored was changed, and nothing is gone."""

from __future__ import annotations

from lifecycle.cli.option import DEFAULT_DATABASE, Database, Json


def verify(db: Database = DEFAULT_DATABASE, json: Json = False) -> None:
    """Check."""
