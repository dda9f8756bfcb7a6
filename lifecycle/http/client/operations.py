"""Calls as flows, with the rules for retries; `Calls` lists them.

A create is sent once a call; `lifecycle.http.create_order`, which has the log, decides
whether to resend it.
"""

from __future__ import annotations

from functools import partial
from itertools import count

from lifecycle.http.client.authorization import Authorization
from lifecycle.http.client.exchange import Answer, Call, Failure
from lifecycle.http.client.retries import RetryPolicy
from lifecycle.http.client.transport import Http
from lifecycle.http.flow import Flow


class Operations:
    """Sends calls to one provider."""

    def __init__(self, http: Http, authorization: Authorization, retry_policy: RetryPolicy) -> None:
        self._http = http
        self._authorization = authorization
        self._retry_policy = retry_policy

    @property
    def longest_seconds(self) -> float:
        """How long one exchange may take, connecting included."""
        return self._http.longest_seconds

    def authorize(self) -> Flow[None]:
        """Get what the next call needs."""
        yield from self._authorization.prepare()

    def pause(self, answer: Answer | None, tried: int) -> Flow[bool]:
        """Wait before a create is sent again; False: do not send it again."""
        seconds = self._retry_policy.pause(answer, tried)
        if seconds is None:
            return False
        yield partial(self._http.sleep, seconds)
        return True

    def once(self, call: Call) -> Flow[Answer]:
        """Send a call once."""
        result, _ = yield from self._exchange(call)
        if isinstance(result, Failure):
            raise result.error(call.operation)
        return result

    def renewed(self, call: Call) -> Flow[Answer]:
        """Send a call, and once more where it was not authorized."""
        result, is_renewable = yield from self._exchange(call)
        if is_renewable:
            result, _ = yield from self._exchange(call)
        if isinstance(result, Failure):
            raise result.error(call.operation)
        return result

    def retried(self, call: Call, tries: int | None) -> Flow[Answer]:
        """Send a call again and again where that may help."""
        renewed = False
        for tried in count(1):
            result, is_renewable = yield from self._exchange(call)
            if is_renewable and not renewed:
                renewed = True
                result, _ = yield from self._exchange(call)
            answer = result if isinstance(result, Answer) else None
            seconds = self._retry_policy.pause(answer, tried, tries)
            if seconds is None:
                break
            yield partial(self._http.sleep, seconds)
        if isinstance(result, Failure):
            raise result.error(call.operation)
        return result

    def _exchange(self, call: Call) -> Flow[tuple[Answer | Failure, bool]]:
        """Return what came of a call, and whether authorizing it anew may help."""
        sending = yield from self._authorization.sign(call)
        result: Answer | Failure = yield partial(self._http.exchange, sending)
        if not isinstance(result, Answer) or result.http_status != 401:
            return result, False
        return result, self._authorization.refused(sending)
