"""How values are printed: by whatever printer, as their own `repr` says."""

from __future__ import annotations

from typing import Any


class ShownByRepr:
    """What every printer shows as `repr` does: none field by field, with the bodies in them."""

    __slots__ = ()

    @property
    def __rich_repr__(self) -> Any:
        """Not there: it is what `rich` asks for the fields, also in tracebacks."""
        raise AttributeError
