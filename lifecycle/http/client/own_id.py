"""Calls to a provider that knows an order by an id of its own alone.

    the view tells that id ─→ GET orders/ID
    it is not known        ─→ list, or search ─┬─→ it has the order: GET orders/ID
                                               └─→ it has not: absent, and nothing is recorded

The list tells whether a create request that went unanswered made an order: a GET by our id would
be answered 404 by such a provider whatever happened, and the order be made twice. It shows other
orders too: those are nobody's matter here, so that no page of it is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar, Final, TypeVar

from lifecycle.core.details import field_in
from lifecycle.core.exchange_reader import Field, found_at
from lifecycle.core.identity import id_text
from lifecycle.core.strict_json import object_in, parse
from lifecycle.core.view import OrderView
from lifecycle.errors import JsonError, ProviderError
from lifecycle.http.client.calls import OrderCalls
from lifecycle.http.client.exchange import Answer, Call
from lifecycle.http.client.url import json_call
from lifecycle.http.flow import Flow

R = TypeVar("R")

PAGE: Final = 100
MOST_PAGES: Final = 20


class OwnIdCalls(OrderCalls[R]):
    """The calls, for a provider that lists its orders by `limit` and `offset`, the newest first.

    One that can be searched by our id has a `searches` of its own.

    Attributes:
        named: the fields of an order object that have our id, and the provider's; each is a
            path, or a function that returns the id.
        listed: the path of the field that has the list of order objects; None: the answer is
            that list.
        detail: the field of the details that has the provider's id.
    """

    named: ClassVar[tuple[Field, Field]] = ("external_id", "id")
    listed: ClassVar[str | None] = "data"
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

    def searches(self, order_id: str) -> Iterator[Call]:  # noqa: ARG002 - for those that search
        """Yield the calls of which one is answered with the order, if the provider has it.

        They are made one after the other, until one shows the order, or lists fewer than 100.
        """
        for offset in range(0, MOST_PAGES * PAGE, PAGE):
            url = f"{self.url_of(self.orders)}?limit={PAGE}&offset={offset}"
            yield json_call("list", "GET", url)

    def _sent(
        self, order_id: str | int, known: str | None, send: Callable[[str], Flow[Answer]]
    ) -> Flow[Answer]:
        """Send a call about an order, or return the answer that does not show its id."""
        found = known or (yield from self._looked_up(str(order_id)))
        return found if isinstance(found, Answer) else (yield from send(found))

    def _looked_up(self, order_id: str) -> Flow[str | Answer]:
        ours, theirs = self.named
        seen = 0
        for call in self.searches(order_id):
            page = yield from self._operations.retried(call, None)
            if self.is_absent(page):  # it says nothing about the order, and must not seem to
                raise ProviderError(call.operation, "the list of orders is not there")
            listed = self._listed(page.body)
            if page.http_status != 200 or type(listed) is not list:
                return page
            orders = [each for each in listed if type(each) is dict]
            found = [each for each in orders if id_text(found_at(each, ours)) == order_id]
            ids = [known for each in found if (known := id_text(found_at(each, theirs)))]
            if ids:
                return ids[0]
            if len(listed) < PAGE:
                return page._replace(about_order=False)
            seen += len(listed)
        raise ProviderError("list", f"the order is not among the first {seen} that were listed")

    def _listed(self, body: bytes) -> object:
        if self.listed is not None:
            answer = object_in(body)
            return None if answer is None else field_in(answer, self.listed)
        with suppress(JsonError):
            return parse(body)
        return None
