"""Scenarios: the events of an order, in the order in which they happen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

from .recordings import (
    INFORMATION,
    MISSING_PHONE,
    ORDER,
    OWN_WORDS,
    SERVER_ERROR,
    SHOPPER,
    STATES,
    STRANGE_WORDS,
    TWO_ERRORS,
    Recording,
    accepted,
    at,
    callback,
    error,
    everything,
    flat,
    http_date,
    order,
    poll,
    request,
    response,
    window,
)

Scenario = Callable[[Random, str], list[Recording]]


def steps(rng: Random, order_id: str, names: Iterable[str], first: float = 60) -> list[Recording]:
    """Return one callback for each name, seconds apart; ties within one second are common."""
    second, told = first, []
    for name in names:
        spelled = rng.choice((name, f"fulfillment.{name}", name.upper()))
        event_id = rng.randrange(10**18, 2**63)
        told.append(callback(order_id, event_id, spelled, at(second)))
        second += rng.choice((0, 0, 1, 30))
    return told


def born(rng: Random, order_id: str) -> list[Recording]:
    """Return the request, its answer and the Brand New callback of one shape or the other."""
    flat_one = flat(order_id, "brand_new", **everything("born"))
    enveloped = callback(order_id, 1201895966044343904, "fulfillment.brand_new", at(9))
    return [
        request(order_id),
        accepted(order_id, fulfillment_details=window(11)),
        rng.choice((flat_one, enveloped)),
    ]


def happy(rng: Random, order_id: str) -> list[Recording]:
    """Everything goes well; some callbacks are not enabled."""
    walk = [name for name in ("staged", *SHOPPER) if rng.random() < 0.8]
    return born(rng, order_id) + steps(rng, order_id, [*walk, "delivered"])


def all_flat(rng: Random, order_id: str) -> list[Recording]:
    """An account with flat callbacks only."""
    walk = ["brand_new", *SHOPPER, "delivered"]
    tokens = [f"t{place}" for place in range(len(walk))]
    told = [
        flat(order_id, name, **everything(token)) for name, token in zip(walk, tokens, strict=True)
    ]
    return [request(order_id), accepted(order_id), *told[: rng.randint(1, len(told))]]


def corrected(rng: Random, order_id: str) -> list[Recording]:
    """The request is refused, corrected and sent again."""
    refusal = rng.choice((MISSING_PHONE, TWO_ERRORS))
    return [
        request(order_id),
        response(order_id, rng.choice((400, 422)), refusal),
        request(order_id, 2, user_phone="+14155550101"),
        accepted(order_id, 2),
        flat(order_id, "brand_new", **everything("corrected")),
    ]


def canceled(rng: Random, order_id: str) -> list[Recording]:
    """The order is canceled, with Brand New behind it or never."""
    told = born(rng, order_id)[: rng.randint(2, 3)]
    reason = rng.choice(("customer_driven", "instacart_driven", "a new reason"))
    dated = callback(order_id, 88, "canceled", at(300), cancellation_reason=reason)
    snapshot = flat(order_id, "cancelled", cancellation_reason=reason)
    return [*told, rng.choice((dated, snapshot))]


def server_error(rng: Random, order_id: str) -> list[Recording]:
    """The server fails, and cancels the order in the end."""
    told = [request(order_id), response(order_id, rng.choice((500, 503)), SERVER_ERROR)]
    end = callback(order_id, 89, "fulfillment.canceled", at(600))
    return [*told, end] if rng.random() < 0.5 else told


def timeout_and_retry(rng: Random, order_id: str) -> list[Recording]:
    """No answer comes; the same or a new attempt is answered."""
    attempt = rng.choice((1, 2))
    again = [] if attempt == 1 else [request(order_id, 2)]
    return [
        request(order_id),
        response(order_id, None, exchange_id="first"),
        *again,
        response(order_id, 200, order(order_id, "created"), attempt, exchange_id="second"),
        *steps(rng, order_id, ["brand_new", "acknowledged"]),
    ]


def limited(rng: Random, order_id: str) -> list[Recording]:
    """Too many requests, a lost token, then a refusal or an answer."""
    return [
        request(order_id),
        response(order_id, 429, exchange_id=1),
        response(order_id, 401, {"error": "token expired"}, exchange_id=2),
        rng.choice(
            (
                response(order_id, 400, MISSING_PHONE, exchange_id=3),
                response(order_id, 201, order(order_id, "created"), exchange_id=3),
            )
        ),
    ]


def rescheduled(rng: Random, order_id: str) -> list[Recording]:
    """The window moves, perhaps more than once, and the order starts again."""
    moved = callback(order_id, "r1", "rescheduled", at(200), fulfillment_details=window(16))
    later = callback(order_id, "r2", "rescheduled", at(400), window_starts_at=at(9000))
    walk = steps(rng, order_id, ["acknowledged", "brand_new", "acknowledged_for_delivery"], 200)
    return [*born(rng, order_id), *steps(rng, order_id, ["acknowledged"]), moved, later, *walk]


def shopper_drops_out(rng: Random, order_id: str) -> list[Recording]:
    """The order steps back to an earlier status and repeats its steps."""
    far = rng.randint(1, len(SHOPPER))
    back = rng.randint(0, far - 1)
    walk = [*SHOPPER[:far], *SHOPPER[back:], "delivered"]
    return born(rng, order_id) + steps(rng, order_id, walk)


def asked_for(rng: Random, order_id: str) -> list[Recording]:
    """Callbacks are missing, and polls tell what they did not, dated or not."""
    seen = rng.sample(STATES, 4)
    polls = [
        poll(order_id, name, rng.choice((None, http_date(60 * place))), is_express=False)
        for place, name in enumerate(seen)
    ]
    gone = poll(order_id, "delivered", http_date(500), http_status=404)
    return [*born(rng, order_id), *steps(rng, order_id, ["acknowledged", "at_store"]), *polls, gone]


def beyond_birth(rng: Random, order_id: str) -> list[Recording]:
    """A repeated request is answered with a status that the order has reached meanwhile."""
    far = rng.choice(STATES[2:])
    late = response(order_id, 200, order(order_id, far, **everything("late")), exchange_id="b")
    return [*born(rng, order_id), *steps(rng, order_id, SHOPPER[1:4]), late]


def staged_late(rng: Random, order_id: str) -> list[Recording]:
    """The retailer stages the order when the shopper is already on the way."""
    late = [
        callback(order_id, "s1", "staging", at(70), store_location="1004"),
        flat(order_id, "staged_for_delivery", fulfillment_details=window(18)),
    ]
    walk = steps(rng, order_id, ["acknowledged", "at_store", "delivered"])
    return [*born(rng, order_id), *walk, *late[: rng.randint(1, 2)]]


def two_ends(rng: Random, order_id: str) -> list[Recording]:
    """Canceled and delivered: one end is refused, whichever comes second."""
    ends = [
        callback(order_id, "e1", "delivered", at(500)),
        callback(order_id, "e2", "canceled", at(rng.choice((499, 500, 501)))),
        poll(order_id, rng.choice(("delivered", "canceled")), http_date(502)),
        flat(order_id, rng.choice(("delivered", "canceled", "delivering"))),
        callback(order_id, "e3", "tip_adjustment", at(900), locale="fr_CA"),
        callback(order_id, "e4", "at_store", at(901), locale="de_DE"),
    ]
    return born(rng, order_id) + rng.sample(ends, rng.randint(2, len(ends)))


def chatter(rng: Random, order_id: str) -> list[Recording]:
    """Events that inform only, words nobody knows, and our own words in a stranger's mouth."""
    words = rng.sample([*INFORMATION, *OWN_WORDS, *STRANGE_WORDS], 6)
    told = [
        callback(
            order_id, f"w{place}", word, rng.choice((None, at(60 + place))), locale=f"l{place}"
        )
        for place, word in enumerate(words)
    ]
    return [*born(rng, order_id), *told, *steps(rng, order_id, ["acknowledged"])]


def two_contents(rng: Random, order_id: str) -> list[Recording]:
    """The same event id comes with different contents, under one name and under others."""
    times = (None, at(60), at(61), "yesterday", "1970-01-01T00:00:00Z")
    names = [*[rng.choice(STATES)] * 3, *rng.sample(STATES, 2)]
    told = [
        callback(order_id, 777, name, rng.choice(times), locale=f"content {place}")
        for place, name in enumerate(names)
    ]
    return [*born(rng, order_id), *told, request(order_id, items_count=13)]


def many_attempts(rng: Random, order_id: str) -> list[Recording]:
    """Several attempts, each with answers of its own, some lost."""
    told: list[Recording] = []
    for attempt in range(1, rng.randint(3, 4)):
        told += [request(order_id, attempt)] * (rng.random() < 0.9)
        answer = rng.choice(ANSWERS)
        told += [{**answer(order_id), "attempt": attempt, "exchange_id": f"x{attempt}"}]
    return told


ANSWERS: tuple[Callable[[str], Recording], ...] = (
    lambda order_id: response(order_id, None),
    lambda order_id: response(order_id, 503, SERVER_ERROR),
    lambda order_id: response(order_id, 403, error("Shopper PII", None)),
    lambda order_id: response(order_id, 422, TWO_ERRORS),
    lambda order_id: response(order_id, 400, MISSING_PHONE),
    accepted,
)

SCENARIOS: dict[str, Scenario] = {
    told.__name__: told
    for told in (
        happy,
        all_flat,
        corrected,
        canceled,
        server_error,
        timeout_and_retry,
        limited,
        rescheduled,
        shopper_drops_out,
        asked_for,
        beyond_birth,
        staged_late,
        two_ends,
        chatter,
        two_contents,
        many_attempts,
    )
}


def scenario(rng: Random, order_id: str = ORDER) -> list[Recording]:
    """Return one of the stories, as it happened."""
    return SCENARIOS[rng.choice(sorted(SCENARIOS))](rng, order_id)
