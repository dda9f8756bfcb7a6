"""The caller: each operation as a flow. What may be asked again is decided here.

| operation | after no answer, 408, 429, 5xx | after 401 |
|---|---|---|
| get | asked again, a few times | once more, with a new token |
| cancel, stage | told to the caller | once more, with a new token |
| create | told to the caller | told to the caller; the next call has a new token |

A create is sent once a call: whether to send it again is decided by `dialogue`, which
keeps the order's log.
"""

from __future__ import annotations

from functools import partial
from itertools import count

from lifecycle.providers.instacart.client.endpoint import Endpoint
from lifecycle.providers.instacart.client.exchange import Answer, Call, Failure
from lifecycle.providers.instacart.client.retries import Patience
from lifecycle.providers.instacart.client.token import Tokens
from lifecycle.providers.instacart.client.transport import Wire
from lifecycle.providers.instacart.flow import Flow
from lifecycle.providers.instacart.request import CreateOrder
from lifecycle.service.arrivals import Body


class Caller:
    """One provider, called over one wire."""

    def __init__(self, endpoint: Endpoint, wire: Wire, tokens: Tokens, patience: Patience) -> None:
        self.endpoint = endpoint
        self.patience = patience
        self._wire = wire
        self._tokens = tokens

    @property
    def longest_seconds(self) -> float:
        """How long one exchange may take from its start, the connection included."""
        return self._wire.longest_seconds

    def authorize(self) -> Flow[None]:
        """Make sure that a token is at hand."""
        yield from self._tokens.current()

    def create(self, request: bytes | CreateOrder, user_id: str | None) -> Flow[Answer]:
        """Send a create request once."""
        return self._once(self.endpoint.create(request, user_id))

    def get(self, order_id: str | int, user_id: str | None, tries: int | None) -> Flow[Answer]:
        """Ask for an order, several times if need be."""
        return self._patiently(self.endpoint.get(order_id, user_id), tries)

    def cancel(self, order_id: str | int, user_id: str | None) -> Flow[Answer]:
        """Ask to cancel an order."""
        return self._renewing(self.endpoint.cancel(order_id, user_id))

    def stage(self, order_id: str | int, body: Body, user_id: str | None) -> Flow[Answer]:
        """Say that an order is staged."""
        return self._renewing(self.endpoint.stage(order_id, body, user_id))

    def pause(self, answer: Answer | None, tried: int) -> Flow[bool]:
        """Wait as long as is fit before a create is sent again; False: it should not be."""
        seconds = self.patience.pause(answer, tried)
        if seconds is None:
            return False
        yield partial(self._wire.sleep, seconds)
        return True

    def _once(self, call: Call) -> Flow[Answer]:
        came = yield from self._exchange(call)
        if isinstance(came, Failure):
            raise came.error(call.operation)
        return came

    def _renewing(self, call: Call) -> Flow[Answer]:
        answer = yield from self._once(call)
        if answer.http_status == 401:
            answer = yield from self._once(call)
        return answer

    def _patiently(self, call: Call, tries: int | None) -> Flow[Answer]:
        renewed = False
        for tried in count(1):
            came = yield from self._exchange(call)
            if isinstance(came, Answer) and came.http_status == 401 and not renewed:
                renewed = True
                came = yield from self._exchange(call)
            answer = came if isinstance(came, Answer) else None
            seconds = self.patience.pause(answer, tried, tries)
            if seconds is None:
                break
            yield partial(self._wire.sleep, seconds)
        if isinstance(came, Failure):
            raise came.error(call.operation)
        return came

    def _exchange(self, call: Call) -> Flow[Answer | Failure]:
        token = yield from self._tokens.current()
        bearer = {"authorization": f"Bearer {token.secret.get_secret_value()}"}
        sending = call._replace(headers={**call.headers, **bearer})
        del bearer
        came: Answer | Failure = yield partial(self._wire.exchange, sending)
        if isinstance(came, Answer) and came.http_status == 401:
            self._tokens.drop(token)
        return came
