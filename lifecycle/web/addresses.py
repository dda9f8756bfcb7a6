"""The addresses of the pages, under whatever prefix they are mounted."""

from __future__ import annotations

from typing import Final, NamedTuple, Self
from urllib.parse import quote, urlencode

from starlette.requests import Request

_DOTS: Final = frozenset({"", ".", ".."})


class Addresses(NamedTuple):
    """Where each page is; `prefix` is where all of them are mounted, without a slash at the end.

    A browser takes `.` and `..` away from a path, so orders of such an id are asked for by `?id=`.
    """

    prefix: str

    @classmethod
    def of(cls, request: Request) -> Self:
        """Return the addresses under the prefix of a request."""
        return cls(quote(request.scope.get("root_path", "").rstrip("/")))

    def page(self, name: str, **asked: object) -> str:
        """Return the address of a page, with what is asked of it."""
        return f"{self.prefix}/{name}{_asked(asked)}"

    def order(self, provider: str, order_id: str, **asked: object) -> str:
        """Return the address of an order's page."""
        return self.of_order("orders", provider, order_id, **asked)

    def of_order(self, what: str, provider: str, order_id: str, **asked: object) -> str:
        """Return the address of something about an order, such as a picture."""
        name = "" if order_id in _DOTS else quote(order_id, safe="")
        if not name:
            asked = {"id": order_id, **asked}
        return f"{self.prefix}/{what}/{quote(provider, safe='')}/{name}{_asked(asked)}"


def _asked(asked: dict[str, object]) -> str:
    given = {name: value for name, value in asked.items() if value is not None and value != ""}
    return f"?{urlencode(given)}" if given else ""
