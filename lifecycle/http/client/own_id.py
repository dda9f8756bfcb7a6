"""Calls to a provider that knows an order by an id of its own alone.

    the view tells that id ─→ GET orders/ID
    it is not known        ─→ list, page by page ─┬─→ it has the order: GET orders/ID
                                                  └─→ it has not: absent, and nothing is recorded

The list tells whether a create request that went unanswered made an order. It shows other orders
too: those are nobody's matter here, so that no page of it is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, Final, TypeVar

from lifecycle.core.strict_json import object_in
from lifecycle.core.view import OrderView
from lifecycle.errors import ProviderError
from lifecycle.http.client.calls import OrderCalls
from lifecycle.http.client.exchange import Answer
from lifecycle.http.client.url import json_call
from lifecycle.http.flow import Flow

R = TypeVar("R")

PAGE: Final = 100
MOST_PAGES: Final = 20


class OwnIdCalls(OrderCalls[R]):
    """The calls, for a provider that lists its orders by `limit` and `offset`, the newest first.

    Attributes:
        named: the fields of an order object that have our id, and the provider's.
        listed: the field of the list that has the order objects.
        detail: the field of the details that has the provider's id.
    """

    named: ClassVar[tuple[str, str]] = ("external_id", "id")
    listed: ClassVar[str] = "data"
    detail: ClassVar[str]

    def get(self, order_id: str | int, *, own_id: str | None = None, tries: int | None = None) -> R:
        """Get an order by the provider's id, else by ours; retries up to `tries` times."""
        send = partial(self._operations.retried, tries=tries)
        return self._run(self._sent(order_id, own_id, lambda known: send(self._get(known))))

    def cancel(self, order_id: str | int, *, own_id: str | None = None) -> R:
        """Cancel an order, if the provider still allows it."""
        send = self._operations.renewed
        return self._run(self._sent(order_id, own_id, lambda known: send(self._cancel(known))))

    def where(self, view: OrderView) -> Mapping[str, Any]:
        """Return the provider's id of an order."""
        return {"own_id": getattr(view.details, self.detail, None)}

    def _sent(
        self, order_id: str | int, known: str | None, send: Callable[[str], Flow[Answer]]
    ) -> Flow[Answer]:
        """Send a call about an order, or return the answer that does not show its id."""
        found = known or (yield from self._looked_up(str(order_id)))
        return found if isinstance(found, Answer) else (yield from send(found))

    def _looked_up(self, order_id: str) -> Flow[str | Answer]:
        ours, theirs = self.named
        for offset in range(0, MOST_PAGES * PAGE, PAGE):
            url = f"{self.url_of(self.orders)}?limit={PAGE}&offset={offset}"
            page = yield from self._operations.retried(json_call("list", "GET", url), None)
            listed = (object_in(page.body) or {}).get(self.listed)
            if page.http_status != 200 or type(listed) is not list:
                return page
            for each in listed:
                if type(each) is dict and each.get(ours) == order_id and each.get(theirs):
                    return str(each[theirs])
            if len(listed) < PAGE:
                return page._replace(about_order=False)
        raise ProviderError("list", f"the order is not among the newest {MOST_PAGES * PAGE}")
