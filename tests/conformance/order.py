"""In which order the events of an order are folded, whatever order they came in."""

from __future__ import annotations

from .case import (
    accepted,
    case,
    enveloped,
    error,
    event,
    flat,
    of,
    poll,
    request,
    response,
)

CREATION = [
    *of(
        "Lane 1 begins with requests and responses, by (attempt; request, failed, accepted, "
        "rejected; key; digest).",
        case("creation_goes_by_attempt", "Within an attempt: request, failed, accepted, rejected.",
             response(None, attempt=2), request(2), response(422), accepted(), response(503),
             request(),
             told=["requested applied", "failed noted", "accepted applied", "rejected noted",
                   "resubmitted noted", "failed noted"]),
        case("creation_with_the_answer_first", "An answer that is seen before its request.",
             accepted(), request(), path=["requested", "created"]),
        case("creation_with_attempts_of_two_digits", "Attempts are numbers, not texts.",
             request(10), request(9), request(2),
             keys=["request:2", "request:9", "request:10"]),
        case("creation_with_two_answers", "Of one kind and attempt the key decides: "
             "absent exchange ids sort as empty.",
             response(422, error("b", 1), exchange_id="b"),
             response(422, error("a", 1), exchange_id="a"), response(422, error("0", 1)),
             errors=[("0", 1, None), ("a", 1, None), ("b", 1, None)]),
    ),
    *of(
        "Behind them in lane 1 stand untimed snapshots of the birth states, "
        "by (rank, key, digest).",
        case("births_follow_creation", "`created` and `brand_new`, flat or polled, undated.",
             flat("brand_new"), poll("created"), request(5), event("staged", -99),
             told=["resubmitted skipped_ahead", "created applied", "brand_new applied",
                   "staged applied"]),
        case("birth_in_an_undated_envelope", "An envelope without a time is a snapshot.",
             event("acknowledged", 0), event("brand_new"), path=["brand_new", "acknowledged"]),
        case("birth_with_a_bad_time", "So is one whose time cannot be read.",
             event("acknowledged", 0), enveloped("brand_new", "noon", event_id=1),
             path=["brand_new", "acknowledged"]),
        case("birth_that_is_dated", "A dated birth state is in lane 2.",
             event("brand_new", 5), event("staged", 1),
             told=["staged skipped_ahead", "brand_new stale"]),
    ),
]  # fmt: skip

TIMED = [
    *of(
        "Lane 2: dated events by (occurred_at, rank, key, digest); "
        "callbacks and dated polls count as one clock.",
        case("timed_events_go_by_time", "Whatever order they came in.",
             event("delivered", 9), event("at_store", 3), event("brand_new", 1),
             poll("delivering", 8), event("acknowledged_for_delivery", 2),
             path=["brand_new", "acknowledged_for_delivery", "at_store", "delivering",
                   "delivered"]),
        case("timed_events_go_by_instant", "Zones and fractions are read, not compared as text.",
             enveloped("delivering", "2026-07-07T12:00:01.5Z", event_id=1),
             enveloped("at_store", "2026-07-07T14:00:01.25+02:00", event_id=2),
             enveloped("delivered", "2026-07-07T10:00:02-02:00", event_id=3),
             path=["at_store", "delivering", "delivered"]),
        case("timed_ties_go_by_rank", "Within one second the rank decides; "
             "a name without a rank comes last.",
             event("picking", 5), event("delivered", 5), event("order_location", 5, "a"),
             event("at_store", 5), poll("bags_verified", 5),
             told=["at_store skipped_ahead", "bags_verified applied", "delivered skipped_ahead",
                   "order_location noted", "picking unrecognized"]),
        case("timed_ties_of_rank_go_by_key", "Then the key, bytewise.",
             event("at_store", 5, "b"), event("at_store", 5, "a"), event("at_store", 5, "B"),
             event("at_store", 5, "10"), event("at_store", 5, "9"),
             keys=[f"callback:at_store:{name}" for name in ("10", "9", "B", "a", "b")]),
        case("timed_ties_of_code_points", "Keys compare by code point, not by UTF-16 unit.",
             event("at_store", 5, "\U0001f6f5"), event("at_store", 5, "\uffff"),
             keys=["callback:at_store:\uffff", "callback:at_store:\U0001f6f5"]),
        case("canceled_in_the_same_second", "It has the highest rank, so it ends the second.",
             event("canceled", 5), event("at_store", 5), path=["at_store", "canceled"]),
    ),
]  # fmt: skip

SNAPSHOTS = [
    *of(
        "Lane 3: everything else by (rank, key, digest); an accepted response beyond the birth "
        "states is such a snapshot.",
        case("snapshots_come_last_by_rank", "Undated callbacks and polls, and late answers.",
             flat("picking"), poll("delivered"), accepted("at_store"), event("rescheduled"),
             event("staged", 9),
             told=["staged skipped_ahead", "rescheduled stale", "accepted skipped_ahead",
                   "delivered skipped_ahead", "picking unrecognized"]),
        case("snapshots_alone_are_folded_by_rank", "An account with flat callbacks only.",
             flat("delivered"), flat("brand_new"), flat("at_store"), flat("delivering"),
             path=["brand_new", "at_store", "delivering", "delivered"]),
        case("accepted_at_a_birth_state_stays_in_lane_1", "It is no snapshot.",
             event("staged", 0), accepted("brand_new"), request(),
             path=["requested", "brand_new", "staged"]),
        case("snapshot_of_one_state_twice", "The digest decides which is first: "
             "only the first moves the order.",
             flat("at_store", locale="a"), flat("at_store", locale="b"),
             told=["at_store skipped_ahead", "at_store repeated"]),
    ),
]  # fmt: skip

RIVALS = [
    *of(
        "Of several contents under one key the smallest by (occurred_at, digest) counts; "
        "absent times last. The rest are divergent evidence.",
        case("rivals_go_by_time", "The earliest counts; no time is the latest.",
             event("at_store", None, "e"), event("at_store", 2, "e"), event("at_store", 1, "e"),
             times=["2026-07-07T12:00:01Z", "2026-07-07T12:00:02Z", None],
             told=["at_store skipped_ahead", "at_store divergent", "at_store divergent"]),
        case("rivals_of_one_time_go_by_digest", "The least digest counts, whichever came first.",
             *(event("staged", 1, "e", locale=letter) for letter in "abcdef"), events=6,
             told=["staged skipped_ahead", *["staged divergent"] * 5]),
        case("rivals_with_two_meanings", "Two spellings of a word may name two things.",
             event("at_store", 1, "e", locale="a"), event(" AT_STORE", 2, "e", locale="b"),
             locale="a", anomalies=["divergent"]),
        case("rivals_of_a_request", "Requests have no time, so the digest decides.",
             request(items_count=1), request(items_count=2), request(items_count=3),
             told=["requested applied", "requested divergent", "requested divergent"]),
    ),
]  # fmt: skip

CASES = [*CREATION, *TIMED, *SNAPSHOTS, *RIVALS]
