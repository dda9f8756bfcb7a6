"""What a provider says of itself, so that it can be simulated."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from lifecycle.core.details import field_in
from lifecycle.simulator.http import Reply, Request
from lifecycle.simulator.plan import Body, Plan, PlanRequest
from lifecycle.simulator.scenarios import Scenario, names_of_kind
from lifecycle.simulator.settings import Settings

if TYPE_CHECKING:
    from datetime import datetime

    from lifecycle.simulator.order import CreatedOrder, Order
    from lifecycle.simulator.order_api import OrderApi
    from lifecycle.simulator.samples import Recording, SampleOrder


LOG: Final = logging.getLogger("lifecycle.simulator")

_UNSAID: Final[tuple[Any, ...]] = (None, "", [], {})


class Route(NamedTuple):
    """What a request is about: an operation, on an order of an account.

    `create` and `get` are every provider's; others are listed in `operations`. `list` is about
    all orders of the account. `not_found` and `wrong_method` are answered so, once the caller
    is known. `account` is whose order it is: an
    order is shown to the account alone that made it.
    """

    operation: str
    order_id: str = ""
    account: str = ""


@dataclass(frozen=True)
class Answers:
    """The answers that every request may get, as the provider words them.

        Answers.worded(lambda what: {"problem": what})                   # all of them
        Answers.worded(..., unauthorized=Reply(401, {"problem": 17}))    # but for one

    `rejected` answers a create request that a refusal scenario rejects, `repeated` one with an
    order id that is taken.
    """

    unauthorized: Reply
    not_found: Reply
    wrong_method: Reply
    not_json: Reply
    too_big: Reply
    busy: Reply
    unavailable: Reply
    server_error: Reply
    rejected: Reply
    repeated: Reply

    @classmethod
    def worded(cls, word: Callable[[str], Body], **others: Reply) -> Self:
        """Return answers with the usual statuses; `word` makes a body of a sentence."""
        usual = {name: Reply(status, word(what)) for name, (status, what) in _USUAL.items()}
        return cls(**usual | others)


_USUAL: Final = {
    "unauthorized": (401, "not authorized"),
    "not_found": (404, "no such order"),
    "wrong_method": (405, "not this method"),
    "not_json": (400, "the body is no JSON object"),
    "too_big": (413, "the body is too big"),
    "busy": (429, "too many requests"),
    "unavailable": (503, "not available, try again later"),
    "server_error": (500, "an error of the server"),
    "rejected": (422, "the order cannot be taken"),
    "repeated": (409, "there is such an order"),
}


class Recorded(NamedTuple):
    """What becomes of the orders of a provider, without a socket.

    `recordings_for` returns recordings of events with these names, `generate` invents orders.
    """

    recordings_for: Callable[..., list[Recording]]
    generate: Callable[..., tuple[SampleOrder, ...]]


Stamp = str | int | None
Reject = Callable[["OrderApi", "Order", Mapping[str, Any], frozenset[str]], Reply | None]
Operation = Callable[["OrderApi", "Order", "CreatedOrder"], Reply]
Listing = Callable[[list[Body], Request], Any]
AnswerCreated = Callable[["OrderApi", "CreatedOrder"], Awaitable[Reply]]


@dataclass(frozen=True, repr=False)
class SimulatedProvider:
    """A provider to simulate; its folder exports one as `simulator.SIMULATED`.

    Attributes:
        settings: the class of its settings, which has the scenarios.
        route: `route(request)` tells what a `Request` is about, as a `Route`; None: it is none of
            the API.
        answers: the answers that every request may get.
        order_id: `order_id(body)`, our id in a create request; None: it has none.
        plan: `plan(settings, wanted)` plans an order that is made, as `wanted`, a `PlanRequest`,
            says.
        status: `status(order)`, the status in an order object.
        ended: the statuses that an order does not leave.
        token_path: where it grants tokens, split; None: it checks `is_authorized` instead.
        is_authorized: `is_authorized(request, settings)` tells whether a request may be made,
            where no tokens are granted.
        forced: `forced(body)`, the names of the scenarios that a create request asks for.
        needed: the fields that a create request is rejected without, by their paths: `to.city`
            is a field of the object in `to`. A blank text, an empty list or object says nothing.
            The logger `lifecycle.simulator` names what is missing.
        lacking: `lacking(*names)`, the answer to a request without some of them; else it is that
            to any request that is rejected.
        reject: `reject(api, order, body, forced)`, the `Reply` that rejects a create request for
            another reason, or None: then it is rejected only by a refusal that it forces, and
            where its order id is taken.
        answer_created: `await answer_created(api, created)`, the `Reply` to a create request that
            made an order; else the order.
        operations: what can be done to an order beside getting it, by name: each is called as
            `operation(api, order, created)` and returns the `Reply`. One that is called `get`
            takes the place of showing the order.
        listing: `listing(orders, request)`, the body of a list, of all orders of the account, the
            newest first: `request.page(orders)` is the part that the query asks for by `limit`
            and `offset`.
        retried_ways: the ways of an order whose create is answered with a server error.
        mixed_ways: the weights of ways for `hostile` settings.
        stamp: `stamp(body)`, the time in a callback's body, a text or an integer; None: it has
            none.
        restamped: `restamped(body, at)`, a callback's body with another time.
        divergent: `divergent(body)`, a callback's body with other content under the same event
            id; None where that cannot be.
        callback_headers: `callback_headers(raw, settings)`, what is sent with a callback beside
            its content type: a signature of its raw bytes.
        recorded: makes recordings of an order for tests, and sample orders; None: it does not.
    """

    settings: type[Settings]
    route: Callable[[Request], Route | None]
    answers: Answers
    order_id: Callable[[Mapping[str, Any]], str | None]
    plan: Callable[[Any, PlanRequest], Plan]
    status: Callable[[Body], str]
    ended: frozenset[str]
    token_path: tuple[str, ...] | None = None
    is_authorized: Callable[[Request, Any], bool] | None = None
    forced: Callable[[Mapping[str, Any]], frozenset[str]] = lambda _: frozenset()
    needed: tuple[str, ...] = ()
    lacking: Callable[..., Reply] | None = None
    reject: Reject = lambda *_: None
    answer_created: AnswerCreated | None = None
    operations: Mapping[str, Operation] = field(default_factory=dict)
    listing: Listing | None = None
    retried_ways: tuple[str, ...] = ()
    mixed_ways: Mapping[str, int] = field(default_factory=dict)
    stamp: Callable[[Mapping[str, Any]], Stamp] = lambda _: None
    restamped: Callable[[Body, datetime], Body] = lambda body, _: body
    divergent: Callable[[Body], Body | None] = lambda _: None
    callback_headers: Callable[[bytes, Any], Mapping[str, str]] = lambda *_: {}
    recorded: Recorded | None = None

    @property
    def scenarios(self) -> Mapping[str, Scenario]:
        """What can happen to an order, by name."""
        return self.settings.scenarios

    def rejection(
        self, api: OrderApi, order: Order, body: Mapping[str, Any], forced: frozenset[str]
    ) -> Reply | None:
        """Return the answer that rejects a create request, or None."""
        rejected = self.reject(api, order, body, forced)
        if rejected is not None:
            return rejected
        missing = [path for path in self.needed if not _is_said(field_in(body, path))]
        if missing:
            LOG.warning("a create request was rejected: it has no %s", ", ".join(missing))
            return self.answers.rejected if self.lacking is None else self.lacking(*missing)
        if names_of_kind(forced, "refusal", self.scenarios):
            return self.answers.rejected
        is_taken = order.created_orders and api.settings.on_repeat == "refuse"
        return self.answers.repeated if is_taken else None

    def __repr__(self) -> str:
        return f"<SimulatedProvider with {len(self.scenarios)} scenarios>"

    def hostile(self, rate: float = 0.1) -> dict[str, Any]:
        """Return settings with every fault at one rate, and orders of every way.

        A repeated order id creates a second order, which exposes a client that resends blindly.
        """
        ways = {"ways": self.mixed_ways} if self.mixed_ways else {}
        return {**self.settings.hostile(rate), **ways}


def _is_said(value: object) -> bool:
    return value not in _UNSAID and not (isinstance(value, str) and not value.strip())
