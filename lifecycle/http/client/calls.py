"""The clients that a provider's calls stand on: for threads, and for the tasks of an event loop.

class ShopCalls(Calls[R]):
    def get(self, order_id: str, *, tries: int | None = None) -> R:
        return self._retried(json_call("get", "GET", self.url_of("orders", order_id)), tries)

class Client(HttpClient, ShopCalls[Answer]): ...
class AsyncClient(AsyncHttpClient, ShopCalls[Awaitable[Answer]]): ...
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from typing import Any, ClassVar, Final, Generic, NamedTuple, Self, TypedDict, TypeVar, Unpack

from lifecycle.core.strict_json import object_in
from lifecycle.core.view import OrderView
from lifecycle.http.client.authorization import Authorization
from lifecycle.http.client.exchange import Answer, Call, Failure
from lifecycle.http.client.retries import RetryPolicy, checked_seconds
from lifecycle.http.client.transport import (
    AsyncHttp,
    AsyncTransport,
    Http,
    SyncHttp,
    SyncTransport,
)
from lifecycle.http.client.url import checked_url, json_call, segment
from lifecycle.http.flow import Flow, run, run_async

TIMEOUT: Final = 20.0
TRIES: Final = 3
FIRST_WAIT: Final = 0.25
LONGEST_WAIT: Final = 10.0

AuthorizationOf = Callable[[Http, RetryPolicy], Authorization]
"""Makes the authorization of a client, which may exchange something over its connections."""


class Operations:
    """Sends calls to one provider, with the rules for retries.

    A create is sent once a call; `lifecycle.http.create_order`, which has the log, decides
    whether to resend it.
    """

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


R = TypeVar("R")


class Access(NamedTuple):
    """Where a provider's API is for us, and how calls are authorized."""

    base_url: str
    authorize: AuthorizationOf | Authorization

    def __repr__(self) -> str:
        return f"<Access to {self.base_url}>"


class Pacing(TypedDict, total=False):
    """How long a client waits, and how often it tries.

    Attributes:
        timeout: seconds to wait for any one part of an answer; 20. Opening a connection takes 5
            at most, a whole exchange both; with threads that is checked as parts arrive.
        tries: how often a get is tried, and a create that was not carried out; 3.
        first_wait: seconds before the second try; 0.25. Each later one waits twice as long,
            with random jitter down to half.
        longest_wait: seconds; 10. An answer that asks to wait longer is returned instead.
    """

    timeout: float
    tries: int
    first_wait: float
    longest_wait: float


class Calls(Generic[R]):
    """What the calls of a provider are made of; `R` is an `Answer`, or an awaitable of one.

    `base_url` is that of the client, without a slash at its end.

    | call | after no answer, 408, 429, 5xx | after 401 |
    |---|---|---|
    | `_retried` | retried | retried once, authorized anew |
    | `_renewed` | returned or raised | retried once, authorized anew |
    | `_once` | returned or raised | returned; the next call is authorized anew |
    """

    context_arguments: ClassVar[frozenset[str]] = frozenset()
    """Names of the arguments of calls that are kept with a create request, to go on with it."""

    _operations: Operations
    base_url: str

    @abstractmethod
    def _run(self, flow: Flow[Answer]) -> R: ...

    @property
    def longest_seconds(self) -> float:
        """How long one exchange may take, connecting included."""
        return self._operations.longest_seconds

    def where(self, view: OrderView) -> Mapping[str, Any]:  # noqa: ARG002 - for those that need it
        """Return what `get` takes beside the id of this order, as its view tells; often nothing."""
        return {}

    def url_of(self, *parts: str | int) -> str:
        """Return the URL of a path under `base_url`; each part is escaped.

        Raises:
            InvalidArgumentError: a part is no Unicode.
        """
        return "/".join(
            (self.base_url, *(segment("a part of a path", str(part)) for part in parts))
        )

    def is_absent(self, answer: Answer) -> bool:
        """Tell whether an answer to a get says that the provider has no such order.

        A 404 whose body is no JSON object comes from a proxy or another server.
        """
        is_unknown = answer.http_status == 404 and object_in(answer.body) is not None
        return is_unknown or not answer.about_order

    def _once(self, call: Call) -> R:
        return self._run(self._operations.once(call))

    def _renewed(self, call: Call) -> R:
        return self._run(self._operations.renewed(call))

    def _retried(self, call: Call, tries: int | None = None) -> R:
        return self._run(self._operations.retried(call, tries))


class OrderCalls(Calls[R]):
    """The calls of a provider whose orders have a URL each, by the id that they are created under.

    class ShopCalls(OrderCalls[R]):
        orders, cancels = "deliveries", ("PUT", "cancel")

    `orders` is the path to which create requests are posted; an order is below. `cancels` is the
    method that cancels one, and what follows its path.
    """

    orders: ClassVar[str] = "orders"
    cancels: ClassVar[tuple[str, ...]] = ("DELETE",)

    def create(self, request: bytes) -> R:
        """Send a create request once; `create_order` is what sends it again."""
        return self._once(json_call("create", "POST", self.url_of(self.orders), request))

    def get(self, order_id: str | int, *, tries: int | None = None) -> R:
        """Get an order; retries up to `tries` times where that may help."""
        return self._retried(self._get(order_id), tries)

    def cancel(self, order_id: str | int) -> R:
        """Cancel an order, if the provider still allows it."""
        return self._renewed(self._cancel(order_id))

    def _get(self, order_id: str | int) -> Call:
        return json_call("get", "GET", self.url_of(self.orders, order_id))

    def _cancel(self, order_id: str | int) -> Call:
        method, *after = self.cancels
        return json_call("cancel", method, self.url_of(self.orders, order_id, *after))


def context_arguments(client: object) -> frozenset[str]:
    """Return what calls of a client take of a request's context; nothing where it names none."""
    names: frozenset[str] = getattr(client, "context_arguments", Calls.context_arguments)
    return names


def shown_arguments(client: object, view: OrderView) -> Mapping[str, Any]:
    """Return what calls of a client about an order take, as its view tells; often nothing."""
    where: Callable[[OrderView], Mapping[str, Any]] | None = getattr(client, "where", None)
    return {} if where is None else where(view)


def kept_arguments(client: object, context: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a request's context holds for the calls of a client: texts alone."""
    found = {name: context.get(name) for name in context_arguments(client)}
    return {name: value for name, value in found.items() if isinstance(value, str)}


class _Connected:
    """What both clients share."""

    _operations: Operations
    base_url: str

    def _connect(self, authorize: AuthorizationOf | Authorization, http: Http, pacing: Any) -> None:
        policy = _policy(pacing)
        authorization = authorize(http, policy) if callable(authorize) else authorize
        self._operations = Operations(http, authorization, policy)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.base_url}>"


class HttpClient(_Connected):
    """A client for threads: any number of them may share one.

    Args:
        base_url: an https URL; plain http for this machine alone.
        authorize: what signs each call, or a function that makes it of the client's connections.
        transport: an `httpx2` transport; it is then responsible for TLS.
        pacing: the time limits and retries of `Pacing`.

    Raises:
        InvalidArgumentError: a setting is invalid.
        MissingExtraError: the extra `http` is not installed.
    """

    def __init__(
        self,
        base_url: str,
        authorize: AuthorizationOf | Authorization,
        transport: SyncTransport | None = None,
        **pacing: Unpack[Pacing],
    ) -> None:
        self.base_url: str = checked_url("base_url", base_url, secure=transport is None)
        self._http = SyncHttp(transport, _timeout(pacing))
        self._connect(authorize, self._http, pacing)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def authorize(self) -> None:
        """Fetch a token unless there is one, so that the next call is sent at once.

        Raises:
            NoTokenError: the provider grants none.
        """
        run(self._operations.authorize())

    def pause(self, answer: Answer | None, tried: int) -> bool:
        """Wait before a create is sent again; False: do not send it again."""
        return run(self._operations.pause(answer, tried))

    def _run(self, flow: Flow[Answer]) -> Answer:
        return run(flow)


class AsyncHttpClient(_Connected):
    """As `HttpClient`, for the tasks of one event loop."""

    def __init__(
        self,
        base_url: str,
        authorize: AuthorizationOf | Authorization,
        transport: AsyncTransport | None = None,
        **pacing: Unpack[Pacing],
    ) -> None:
        self.base_url: str = checked_url("base_url", base_url, secure=transport is None)
        self._http = AsyncHttp(transport, _timeout(pacing))
        self._connect(authorize, self._http, pacing)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._http.close()

    async def authorize(self) -> None:
        """As `HttpClient.authorize`."""
        await run_async(self._operations.authorize())

    async def pause(self, answer: Answer | None, tried: int) -> bool:
        """As `HttpClient.pause`."""
        return await run_async(self._operations.pause(answer, tried))

    async def _run(self, flow: Flow[Answer]) -> Answer:
        return await run_async(flow)


def _policy(pacing: Pacing) -> RetryPolicy:
    return RetryPolicy.of(
        pacing.get("tries", TRIES),
        pacing.get("first_wait", FIRST_WAIT),
        pacing.get("longest_wait", LONGEST_WAIT),
    )


def _timeout(pacing: Pacing) -> float:
    unknown: Any = set(pacing) - Pacing.__annotations__.keys()
    if unknown:
        raise TypeError(f"unexpected keyword arguments: {', '.join(sorted(unknown))}")
    return checked_seconds("timeout", pacing.get("timeout", TIMEOUT))
