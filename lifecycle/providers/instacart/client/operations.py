"""The operations of a client, as flows, with the rules for retries.

| operation | after no answer, 408, 429, 5xx | after 401 |
|---|---|---|
| get | retried | retried once, with a new token |
| cancel, stage | returned or raised | retried once, with a new token |
| create | returned or raised | returned; the next call has a new token |

Each call sends a create once; `dialogue`, which has the log, decides whether to resend it.
"""

from __future__ import annotations

from functools import partial
from itertools import count

from lifecycle.http.flow import Flow
from lifecycle.providers.instacart.client.endpoint import Endpoint
from lifecycle.providers.instacart.client.exchange import Answer, Call, Failure
from lifecycle.providers.instacart.client.retries import RetryPolicy
from lifecycle.providers.instacart.client.token import Tokens
from lifecycle.providers.instacart.client.transport import Http
from lifecycle.providers.instacart.request import CreateOrder
from lifecycle.service.arrival_reader import Body


class Operations:
    """The operations at one provider."""

    def __init__(
        self, endpoint: Endpoint, http: Http, tokens: Tokens, retry_policy: RetryPolicy
    ) -> None:
        self.endpoint = endpoint
        self.retry_policy = retry_policy
        self._http = http
        self._tokens = tokens

    @property
    def longest_seconds(self) -> float:
        """How long one exchange may take, connecting included."""
        return self._http.longest_seconds

    def authorize(self) -> Flow[None]:
        """Fetch a token unless there is one."""
        yield from self._tokens.current()

    def create(self, request: bytes | CreateOrder, user_id: str | None) -> Flow[Answer]:
        """Send a create request once."""
        return self._once(self.endpoint.create(request, user_id))

    def get(self, order_id: str | int, user_id: str | None, tries: int | None) -> Flow[Answer]:
        """Get an order, with retries."""
        return self._with_retries(self.endpoint.get(order_id, user_id), tries)

    def cancel(self, order_id: str | int, user_id: str | None) -> Flow[Answer]:
        """Cancel an order."""
        return self._with_new_token(self.endpoint.cancel(order_id, user_id))

    def stage(self, order_id: str | int, body: Body, user_id: str | None) -> Flow[Answer]:
        """Report an order as staged."""
        return self._with_new_token(self.endpoint.stage(order_id, body, user_id))

    def pause(self, answer: Answer | None, tried: int) -> Flow[bool]:
        """Wait before a create is sent again; False: do not send it again."""
        seconds = self.retry_policy.pause(answer, tried)
        if seconds is None:
            return False
        yield partial(self._http.sleep, seconds)
        return True

    def _once(self, call: Call) -> Flow[Answer]:
        result = yield from self._exchange(call)
        if isinstance(result, Failure):
            raise result.error(call.operation)
        return result

    def _with_new_token(self, call: Call) -> Flow[Answer]:
        answer = yield from self._once(call)
        if answer.http_status == 401:
            answer = yield from self._once(call)
        return answer

    def _with_retries(self, call: Call, tries: int | None) -> Flow[Answer]:
        renewed = False
        for tried in count(1):
            result = yield from self._exchange(call)
            if isinstance(result, Answer) and result.http_status == 401 and not renewed:
                renewed = True
                result = yield from self._exchange(call)
            answer = result if isinstance(result, Answer) else None
            seconds = self.retry_policy.pause(answer, tried, tries)
            if seconds is None:
                break
            yield partial(self._http.sleep, seconds)
        if isinstance(result, Failure):
            raise result.error(call.operation)
        return result

    def _exchange(self, call: Call) -> Flow[Answer | Failure]:
        token = yield from self._tokens.current()
        bearer = {"authorization": f"Bearer {token.secret.get_secret_value()}"}
        sending = call._replace(headers={**call.headers, **bearer})
        del bearer
        result: Answer | Failure = yield partial(self._http.exchange, sending)
        if isinstance(result, Answer) and result.http_status == 401:
            self._tokens.discard(token)
        return result
