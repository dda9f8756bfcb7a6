"""The index of links in a table beside the log; a log that never had a link may lack it."""

from __future__ import annotations

from typing import Any, Final

from lifecycle.log.link_store import LinkStore, OrderLink
from lifecycle.log.retry_policy import retried
from lifecycle.log.stores.sql.database import Database
from lifecycle.log.stores.sql.tables import LINKS

_ORDERS: Final = (
    "SELECT order_id FROM order_links WHERE provider = ? AND link = ? ORDER BY order_id LIMIT 2"
)
_PAGE: Final = (
    "SELECT provider, link, order_id FROM order_links WHERE (provider, link, order_id) > (?, ?, ?) "
    "ORDER BY provider, link, order_id LIMIT ?"
)
_BEFORE_ALL: Final = OrderLink("", "", "")


class TableLinks(LinkStore):
    """A `LinkStore` in a table of the log's database."""

    def __init__(self, database: Database) -> None:
        self.url: str = database.url
        self.retry_timeout: float = database.retry_timeout
        self._database = database
        self._is_there = False

    @retried
    def orders(self, provider: str, link: str) -> list[str]:
        """Return the orders that an id was said to be of: none, one, or the first two."""
        return [order_id for (order_id,) in self._found(_ORDERS, provider, link)]

    @retried
    def page(self, after: OrderLink | None, at_most: int) -> list[OrderLink]:
        """Return the next links after one, in their order; None: from the first on."""
        return list(map(OrderLink._make, self._found(_PAGE, *(after or _BEFORE_ALL), at_most)))

    def _found(self, statement: str, *parameters: object) -> list[Any]:
        """Return all rows of a statement; none where there never was a link."""
        self._is_there = self._is_there or self._database.holds(LINKS)
        if not self._is_there:
            return []
        return self._database.ask(self._database.spelled(statement), *parameters)
