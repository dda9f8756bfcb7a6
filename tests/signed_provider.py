"""A second provider, as somebody else would write it: signed callbacks, and three calls.

Everything about HTTP, faults and retries is the engines'.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeVar

from pydantic import SecretStr

from lifecycle import Arrival, Awaits, Definition, NoReading, Reading
from lifecycle.core.identity import id_text
from lifecycle.core.instant import format_instant, parse_event_time
from lifecycle.http.client import (
    Answer,
    AsyncHttpClient,
    Calls,
    FixedHeaders,
    HttpClient,
    json_call,
)
from lifecycle.http.receiver import HmacSignatures, ReceiverPort, SignatureFormat
from lifecycle.simulator import (
    Answers,
    PlannedEvent,
    PlanRequest,
    Reply,
    Request,
    Route,
    Scenario,
    Settings,
    SimulatedProvider,
    with_faults,
)

R = TypeVar("R")

CRATE = Definition.write(
    "crates.crate",
    states=("requested", "refused", "resubmitted", "booked", "rolling", "handed_over", "stopped"),
    moves=[
        *(
            {"trigger": dest, "source": source, "dest": dest}
            for source, dests in {
                "requested": ("booked", "refused", "resubmitted"),
                "refused": ("resubmitted", "booked"),
                "resubmitted": ("booked", "refused"),
                "booked": ("rolling",),
                "rolling": ("handed_over",),
            }.items()
            for dest in dests
        ),
        {"trigger": "stopped", "source": ["requested", "booked", "rolling"], "dest": "stopped"},
    ],
    terminal=("handed_over", "stopped"),
    aborts=("stopped",),
    birth=("booked",),
    main_line=("booked", "rolling"),
    informational=("failed", "poll_failed"),
    awaits={
        "requested": Awaits(("response",), ("resend",), ("booked", "stopped")),
        "refused": Awaits(("correction",)),
        "resubmitted": Awaits(("response",), ("resend",), ("booked", "stopped")),
    },
)


class Crates:
    """The provider `crates`: one shape of body, `{"crate", "state", "at", "event"}`."""

    name = "crates"
    definition = CRATE
    kept_headers: ClassVar[frozenset[str]] = frozenset()

    def read(self, arrival: Arrival, body: dict[str, Any] | None) -> Reading | NoReading:
        """Return what a body says."""
        said, status = body or {}, arrival.http_status
        order_id, state = id_text(said.get("crate")), said.get("state")
        if arrival.kind == "request":
            return Reading(order_id=order_id)
        if arrival.kind == "response":
            return self._response(status, order_id, state)
        if not isinstance(state, str) or (status is not None and status != 200):
            if arrival.kind == "poll":
                return Reading("poll_failed", "poll_failed")
            return NoReading("no_name", "the body says no state")
        at = said.get("at")
        return Reading(
            state,
            order_id=order_id,
            status=state,
            event_id=id_text(said.get("event")),
            occurred_at=parse_event_time(at) if isinstance(at, str) else None,
        )

    def _response(self, status: int | None, order_id: str | None, state: Any) -> Reading:
        if status == 201:
            return Reading("accepted", "booked", order_id=order_id, status=state)
        if status == 422:
            return Reading("rejected", "refused")
        busy = status in (401, 429)
        return Reading("failed", "failed", fate="not_reached" if busy else "unknown")


@dataclass(frozen=True)
class BookCrate:
    """A create request."""

    order_id: str
    size: int = 1

    def body(self) -> bytes:
        """Return the bytes to send."""
        return json.dumps({"crate": self.order_id, "size": self.size}).encode()


class CrateCalls(Calls[R]):
    """The calls, written once for both clients."""

    def create(self, body: bytes) -> R:
        """Book a crate."""
        return self._once(json_call("create", "POST", f"{self.base_url}/crates", body))

    def get(self, order_id: str | int, *, tries: int | None = None) -> R:
        """Look at a crate."""
        return self._retried(json_call("get", "GET", f"{self.base_url}/crates/{order_id}"), tries)

    def stop(self, order_id: str) -> R:
        """Stop a crate."""
        return self._renewed(json_call("stop", "DELETE", f"{self.base_url}/crates/{order_id}"))


class Client(HttpClient, CrateCalls[Answer]):
    def __init__(self, url: str, key: str) -> None:
        super().__init__(url, FixedHeaders({"x-key": key}), first_wait=0.01)


class AsyncClient(AsyncHttpClient, CrateCalls[Awaitable[Answer]]):
    def __init__(self, url: str, key: str) -> None:
        super().__init__(url, FixedHeaders({"x-key": key}), first_wait=0.01)


FORM = SignatureFormat("x-crate-signature", field="v1", time_field="t")
RECEIVER = ReceiverPort(FORM.gate)


class CrateSettings(Settings):
    """The settings of the simulated provider; `callback_client_secret` signs callbacks."""

    scenarios: ClassVar[Mapping[str, Scenario]] = with_faults(
        Scenario("delivered", "way", "everything goes well"),
        Scenario("too-large", "refusal", "422"),
    )
    key: SecretStr = SecretStr("the key")
    signing_secret: SecretStr = SecretStr("a secret of thirty-two letters..")


class CratePlan:
    """What becomes of a crate: booked, rolling, handed over, a minute apart."""

    def __init__(self, wanted: PlanRequest) -> None:
        self.order_id = wanted.order_id
        self.initial_order = {"crate": wanted.order_id, "state": "booked"}
        states = ("booked", "rolling", "handed_over")
        self.events = [
            self._event(wanted.at + timedelta(minutes=number), state)
            for number, state in enumerate(states)
        ]

    def unplanned(
        self, at: datetime, current: dict[str, Any], status: str, **fields: object
    ) -> PlannedEvent:
        """Return an event that the retailer caused."""
        event = self._event(at, status)
        return event._replace(order={**current, **event.order, **fields})

    def _event(self, at: datetime, state: str) -> PlannedEvent:
        whole = at.replace(microsecond=0)
        order = {"crate": self.order_id, "state": state}
        body = order | {"at": format_instant(whole), "event": f"{self.order_id}:{state}"}
        return PlannedEvent(whole, state, moves=True, order=order, body=body)


def signed(body: bytes, settings: CrateSettings) -> Mapping[str, str]:
    """Return the header that signs a callback."""
    return FORM.sign(settings.signing_secret.get_secret_value(), body)


def _route(request: Request) -> Route | None:
    match (request.method, *request.path):
        case ("POST", "crates"):
            return Route("create")
        case ("GET", "crates", order_id):
            return Route("get", order_id)
        case ("DELETE", "crates", order_id):
            return Route("stop", order_id)
        case (_, "crates", *_):
            return Route("wrong_method")
        case _:
            return None


async def _created(api: Any, created: Any) -> Reply:
    return Reply(201, created.creation.order, at=api.clock.now())


def _stop(api: Any, order: Any, created: Any) -> Reply:
    now = api.clock.now()
    created.cancel_planned(now)
    api.apply(order, created, "stopped", now)
    return api.show(created)


def _said(status: int, what: str) -> Reply:
    return Reply(status, {"problem": what})


SIMULATED = SimulatedProvider(
    settings=CrateSettings,
    route=_route,
    is_authorized=lambda request, settings: (
        request.headers.get("x-key") == settings.key.get_secret_value()
    ),
    answers=Answers.worded(
        lambda what: {"problem": what}, not_json=_said(422, "no JSON"), busy=_said(429, "later")
    ),
    order_id=lambda body: id_text(body.get("crate")),
    reject=lambda _api, _order, body, _forced: (
        _said(422, "too large") if body.get("size", 0) > 3 else None
    ),
    plan=lambda _settings, wanted: CratePlan(wanted),
    answer_created=_created,
    operations={"stop": _stop},
    status=lambda order: str(order["state"]),
    ended=frozenset({"handed_over", "stopped"}),
    stamp=lambda body: body.get("at"),
    restamped=lambda body, at: {**body, "at": format_instant(at)},
    divergent=lambda body: {**body, "gate": 9} if "event" in body else None,
    callback_headers=signed,
)


def gate(settings: CrateSettings) -> HmacSignatures:
    """Return the gate that takes what the simulated provider signs."""
    return HmacSignatures(FORM, {"crates": settings.signing_secret.get_secret_value()})
