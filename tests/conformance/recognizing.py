"""How what arrives is read: shapes, words, answers, errors, details, times, and the quarantine."""

from __future__ import annotations

from .case import (
    MEBIBYTE,
    ORDER,
    OTHER,
    accepted,
    callback,
    case,
    dated,
    enveloped,
    error,
    event,
    exact,
    flat,
    of,
    order,
    poll,
    raw,
    request,
    response,
    window,
)

LINE = {"order_id": ORDER}
NO_ANSWER = (None, None, None)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def nested(levels: int) -> str:
    """Return an order object whose lists make it so many levels deep."""
    inner = "[" * (levels - 1) + "]" * (levels - 1)
    return f'{{"id":"{ORDER}","status":"staged","n":{inner}}}'


def numbered(number: str) -> str:
    return f'{{"id":"{ORDER}","status":"staged","n":{number}}}'


def padded(size: int) -> str:
    text = f'{{"id":"{ORDER}","status":"staged"}}'
    return text + " " * (size - len(text))


SHAPES = [
    *of(
        "A body is an enveloped callback where `event_name` or `event_metadata` is not null.",
        case(
            "envelope_by_its_name",
            "An event name alone makes an envelope; its order is at the root.",
            callback({"event_id": 1, "event_name": "staged", "order_id": ORDER}),
            keys=["callback:staged:1"],
        ),
        case(
            "envelope_by_its_metadata",
            "Metadata without a name make an envelope too, and it has no name.",
            callback({"event_metadata": {"order_id": ORDER}, "id": ORDER, "status": "staged"}),
            quarantine=["no_name"],
        ),
        case(
            "envelope_of_nulls_is_none",
            "Null says nothing: this is the order object itself.",
            flat("staged", event_name=None, event_metadata=None),
            status="staged",
        ),
        case(
            "both_shapes_at_once",
            "An envelope counts, whatever stands beside it.",
            callback(
                {
                    "event_id": 1,
                    "event_name": "delivered",
                    "event_metadata": {"order_id": ORDER},
                    "id": OTHER,
                    "status": "canceled",
                }
            ),
            orders=[ORDER],
            status="delivered",
        ),
    ),
    *of(
        "An envelope's order is `event_metadata.order_id`, else `order_id` at the root.",
        case(
            "metadata_name_the_order_first",
            "Of two orders the one in the metadata counts.",
            callback(
                {
                    "event_name": "staged",
                    "event_metadata": {"order_id": ORDER},
                    "order_id": OTHER,
                }
            ),
            orders=[ORDER],
        ),
        case(
            "metadata_with_an_empty_order",
            "An empty text is absent, so the root is asked.",
            callback(
                {"event_name": "staged", "event_metadata": {"order_id": ""}, "order_id": ORDER}
            ),
            orders=[ORDER],
        ),
        case(
            "metadata_with_an_integer",
            "An integer is there, as any text.",
            callback(
                {"event_name": "staged", "event_metadata": {"order_id": 17}, "order_id": ORDER}
            ),
            orders=["17"],
        ),
        case(
            "metadata_with_an_unusable_order",
            "An id that is there but cannot be used is not passed over.",
            callback(
                {"event_name": "staged", "event_metadata": {"order_id": "\n"}, "order_id": ORDER}
            ),
            quarantine=["bad_order_id"],
        ),
    ),
    *of(
        "A flat callback has no event id and no event time; it is a snapshot.",
        case(
            "flat_callback_is_undated",
            "`created_at` is when the order was created, and dates no event.",
            flat("staged", created_at="2026-07-07T12:00:00Z", event_id=1),
            times=[None],
            created_at="2026-07-07T12:00:00Z",
        ),
        case(
            "flat_callback_with_an_event_time",
            "A time outside an envelope is not read, so it cannot be bad.",
            flat("staged", event_timestamp="noon"),
            times=[None],
            anomalies=[],
        ),
    ),
    *of(
        "A poll shows the order; without a 2xx status, without a word, or with an error it failed.",
        case("poll_is_a_snapshot", "A poll names the state it shows.", poll("staged"),
             told=["staged skipped_ahead"]),
        case("poll_without_http_status", "No HTTP status at all is no failure.",
             poll("staged", 1, None), status="staged"),
        case("poll_of_404", "Another status than 2xx shows no order.", poll("staged", 1, 404),
             told=["poll_failed noted"], path=[]),
        case("poll_of_299", "All of 2xx shows it.", poll("staged", 1, 299), status="staged"),
        case("poll_of_199_and_300", "Nothing beside it does.", poll("staged", 1, 199),
             poll("staged", 1, 300), told=["poll_failed noted"] * 2),
        case("poll_of_an_error", "An error beside the status shows no order.",
             poll("staged", 1, error="gone"), told=["poll_failed noted"]),
        case("poll_without_a_word", "Without a status nothing is shown.",
             dated(None, {"id": ORDER}), told=["poll_failed noted"]),
        case("poll_of_html", "A page of a gateway is a failed poll, not an item of the quarantine.",
             raw("poll", "<h1>Bad Gateway</h1>", **LINE, http_status=502),
             told=["poll_failed noted"]),
        case("poll_never_tells_of_an_attempt", "Neither attempts nor errors come from polls.",
             poll("staged", 1, 422, **error("no", 1)), attempt=0, errors=[]),
    ),
]  # fmt: skip

WORDS = [
    *of(
        "Words are trimmed and in lower case, one `fulfillment.` is dropped, aliases are mapped.",
        case("word_in_capitals", "Case and blanks around a word say nothing.",
             flat(" \t DELIVERED "), status="delivered"),
        case("word_with_the_prefix", "The prefix is optional.",
             event("Fulfillment.Brand_New", 1), status="brand_new"),
        case("word_with_the_prefix_twice", "Only one prefix is dropped.",
             event("fulfillment.fulfillment.staged", 1),
             told=["fulfillment.staged unrecognized"]),
        case("word_with_a_no_break_space", "White space is Unicode's.",
             flat("\u00a0staged\u3000"), status="staged"),
        case("alias_order_created", "`order_created` is `brand_new`.",
             flat("order_created"), status="brand_new"),
        case("alias_staging", "`staging` is `staged`.", flat("staging"), status="staged"),
        case("alias_staged_for_delivery", "`staged_for_delivery` is `staged`.",
             flat("staged_for_delivery"), status="staged"),
        case("alias_customer_mia", "`customer_mia` is `customer_missing`.",
             event("customer_mia", 1), told=["customer_missing noted"]),
        case("alias_cancelled", "`cancelled` is `canceled`, in polls too.",
             poll("fulfillment.cancelled"), status="canceled"),
    ),
    *of(
        "A word that is empty, the prefix alone, or no text says nothing.",
        case("word_that_is_empty", "An empty status is none.", flat(""), quarantine=["no_name"]),
        case("word_of_blanks", "Blanks are trimmed to nothing.",
             flat("  "), quarantine=["no_name"]),
        case("word_that_is_the_prefix", "Nothing is left of it.",
             event("fulfillment.", 1), quarantine=["no_name"]),
        case("word_that_is_a_number", "A status is a text.", flat(5), quarantine=["no_name"]),
        case("name_that_is_empty_beside_a_status", "An empty name still makes an envelope.",
             flat("staged", event_name=""), quarantine=["no_name"]),
    ),
    *of(
        "A word of more than 255 bytes of UTF-8, once trimmed and in lower case, says nothing.",
        case("word_of_255_bytes", "The longest word is kept.", flat("x" * 255),
             anomalies=["unrecognized"]),
        case("word_of_256_bytes", "One byte more says nothing.",
             flat("x" * 256), quarantine=["no_name"]),
        case("word_of_128_letters_of_two_bytes", "Bytes are counted, not letters.",
             flat("\u00e9" * 128), quarantine=["no_name"]),
        case("word_that_grows_in_lower_case", "It is measured in lower case.",
             flat("\u0130" * 86), quarantine=["no_name"]),
        case("word_in_many_blanks", "It is measured once trimmed.",
             flat("delivered".center(1000)), status="delivered"),
        case("poll_with_a_word_of_256_bytes", "A poll that says nothing has failed.",
             poll("x" * 256), told=["poll_failed noted"]),
        case("response_with_a_word_of_256_bytes", "It is accepted all the same, at `created`.",
             accepted("x" * 256), status="created", anomalies=[]),
    ),
    *of(
        "Our own words in a provider's mouth are `unrecognized`.",
        *(
            case(f"own_word_{word}", "Only we assign this name: from a provider it means nothing.",
                 flat(word), event(word, 1, "e"), poll(word, 2), status="requested",
                 anomalies=["unrecognized"] * 3, path=[])
            for word in ("requested", "resubmitted", "accepted", "rejected", "failed",
                         "poll_failed", "validation_failed")
        ),
    ),
    *of(
        "Unknown names are kept.",
        case("word_that_nobody_knows", "A word of another service stays in the history.",
             event("picking", 1), told=["picking unrecognized"], anomalies=["unrecognized"]),
    ),
]  # fmt: skip

ANSWERS = [
    *of(
        "A 2xx response is `accepted`, or `rejected` where its body is an error.",
        case("response_200", "The order exists.", accepted(), told=["accepted skipped_ahead"]),
        case("response_299", "All of 2xx are alike.", response(299, order(ORDER, "created")),
             told=["accepted skipped_ahead"]),
        case("response_200_with_an_error", "The body decides within 2xx.",
             response(200, error("no", 1)), told=["rejected skipped_ahead"], correctable=[True]),
    ),
    *of(
        "A response of 401, 403, 408, 429, 5xx, 1xx or 3xx is `failed`.",
        *(
            case(f"response_{status}", "Nothing is known of a validation.", request(),
                 response(status, error("no", 1)), told=["requested applied", "failed noted"],
                 correctable=[False], status="requested")
            for status in (100, 199, 300, 399, 401, 403, 408, 429, 500, 599)
        ),
    ),
    *of(
        "Any other 4xx response is `rejected`, and correctable.",
        *(
            case(f"response_{status}", "The request was looked at, and turned down.", request(),
                 response(status, error("no", 1)), told=["requested applied", "rejected applied"],
                 correctable=[True], status="validation_failed")
            for status in (400, 402, 404, 422, 499)
        ),
    ),
    *of(
        "Without an HTTP status an error is `rejected`, an object with a `status` is `accepted`, "
        "anything else is `failed`: no answer came.",
        case("response_of_no_answer", "No status and no body.", request(), response(None),
             told=["requested applied", "failed noted"], errors=[NO_ANSWER]),
        case("response_without_status_but_error", "The body tells that there was an answer.",
             request(), response(None, error("no", 1)), status="validation_failed"),
        case("response_without_status_but_order", "So does an order object.",
             request(), response(None, order(ORDER, "created")), status="created"),
        case("response_without_status_or_word", "An object that says nothing is no answer.",
             request(), response(None, {"id": ORDER, "status": 5}), status="requested"),
    ),
    *of(
        "An accepted response stands at its own `status` if that is `created` or beyond, "
        "else at `created`.",
        case("accepted_at_created", "The usual answer.", accepted(), status="created"),
        case("accepted_at_brand_new", "A birth state beyond the first.", accepted("brand_new"),
             status="brand_new"),
        case("accepted_beyond_birth", "An answer that comes late shows more.",
             accepted("fulfillment.at_store"), status="at_store"),
        case("accepted_and_canceled", "Even an end.", accepted("cancelled"), status="canceled"),
        case("accepted_without_a_status", "No word is no contradiction.", accepted(None),
             status="created", anomalies=[]),
        case("accepted_with_an_informational_word", "It names no state.",
             accepted("order_location"), status="created", anomalies=[]),
        case("accepted_with_an_unknown_word", "The word is told as an anomaly.",
             accepted("picking"), status="created", anomalies=["unrecognized"]),
        case("accepted_with_a_word_of_ours", "Our own words are unknown from a provider.",
             accepted("validation_failed"), status="created", anomalies=["unrecognized"]),
    ),
    *of(
        "Anomaly `unreadable_body`: an accepted response whose body is no JSON object.",
        *(
            case(f"accepted_with_{what}", "It was accepted, whatever the body says.",
                 raw("response", text, **LINE, http_status=200), status="created",
                 anomalies=["unreadable_body"])
            for what, text in (("no_body", ""), ("html", "<html>"), ("a_list", "[]"),
                               ("a_key_twice", '{"id":"order-1","a":1,"a":2}'))
        ),
    ),
]  # fmt: skip

ERRORS = [
    *of(
        "An error body's `error` is a non-empty object or text; the leaves of nested `errors` "
        "are what counts, each with its own `meta.key`.",
        case("error_of_one", "Message, code and key.",
             response(422, error("can't be blank", 1001, "phone")),
             errors=[("can't be blank", 1001, "phone")]),
        case("error_of_text", "An error may be a text.",
             response(422, {"error": "words", "meta": {"key": "k"}}),
             errors=[("words", None, "k")]),
        case("error_of_one_letter", "That is not empty.", response(200, {"error": "x"}),
             errors=[("x", None, None)]),
        case("error_of_several", "The wrapper does not count, its errors do.",
             response(422, error("w", 9999, errors=[error("a", 1, "x"), error("b", 2)])),
             errors=[("a", 1, "x"), ("b", 2, None)]),
        case("error_three_deep", "Only the innermost counts.",
             response(422, error("w", 9, errors=[error("v", 8, errors=[error("in", 7)])])),
             errors=[("in", 7, None)]),
        case("error_around_nothing", "A wrapper without a readable error counts itself.",
             response(422, error("w", 9, "k", errors=[{"error": {}}, 5, None])),
             errors=[("w", 9, "k")]),
        case("error_of_an_unknown_code", "The list of codes is open.",
             response(422, error("m", 4711)), errors=[("m", 4711, None)]),
        case("error_of_wrong_types", "A wrong type says nothing, and harms no other field.",
             response(422, error("", "1001", 5)), errors=[NO_ANSWER]),
        case("error_that_is_empty", "An empty object is no error.",
             response(200, {"error": {}, **order(ORDER, "created")}), status="created"),
        case("error_that_is_a_list", "Neither is a list.",
             response(200, {"error": ["no"], **order(ORDER, "created")}), status="created"),
    ),
    *of(
        "A rejected or failed response without a readable error gives one entry, "
        "null but for `http_status` and `correctable`.",
        case("rejected_without_a_body", "The HTTP status alone is known.", request(),
             response(422), errors=[NO_ANSWER], correctable=[True]),
        case("failed_with_html", "A page of a gateway is no error body.", request(),
             raw("response", "<html>", **LINE, http_status=502), errors=[NO_ANSWER],
             correctable=[False]),
    ),
]  # fmt: skip

DETAILS = [
    *of(
        "Details come from the metadata or the order object, never from our request, "
        "nor from rejected or failed exchanges.",
        case("details_of_an_order_object", "Every field that the view has.",
             flat("brand_new", order_url="https://shop.example/1", created_at="yesterday",
                  cancellation_reason="none", locale="en_US", is_express=True,
                  is_instacartplus=False, is_fallback_window=True,
                  fulfillment_details=window(14)),
             order_url="https://shop.example/1", created_at="yesterday", locale="en_US",
             is_express=True, is_instacartplus=False, window_starts_at="2026-07-07T14:00:00Z"),
        case("details_of_metadata", "The same fields, in an envelope.",
             event("staged", 1, locale="en_US", store_location="1003"),
             locale="en_US", store_location="1003"),
        case("details_at_the_root_of_an_envelope", "What stands beside the metadata is not read.",
             callback({"event_name": "staged", "order_id": ORDER, "locale": "en_US"}),
             locale=None),
        case("details_of_our_request", "We know what we asked for; the provider says what is.",
             request(locale="en-US", store_location="9"), locale=None, store_location=None),
        case("details_of_a_rejection", "A rejected response has none.",
             response(422, {**error("no", 1), "locale": "en_US"}), locale=None),
        case("details_of_a_failure", "A failed one neither.",
             response(503, {"locale": "en_US"}), locale=None),
        case("details_of_a_failed_poll", "Nor a failed poll.",
             poll("staged", 1, 500, locale="en_US"), locale=None),
    ),
    *of(
        "Window and store come first from `fulfillment_details`, else from beside it.",
        case("details_of_a_window_in_two_places", "Leaf by leaf; empty is absent.",
             flat("brand_new", store_location="out", window_starts_at="s",
                  fulfillment_details={"store_location": "in", "window_starts_at": ""}),
             store_location="in", window_starts_at="s", window_ends_at=None),
        case("details_of_a_window_that_is_no_object", "A wrong type says nothing.",
             flat("brand_new", store_location="out", fulfillment_details=["in"]),
             store_location="out"),
    ),
    *of(
        "Null, the empty text and wrong types say nothing.",
        case("details_of_wrong_types", "Neither 1 nor a text is a boolean; a number is no text.",
             flat("brand_new", locale=5, is_express=1, is_instacartplus="true", order_url=""),
             locale=None, is_express=None, is_instacartplus=None, order_url=None),
    ),
]  # fmt: skip

TIMES = [
    *of(
        "Event times are RFC 3339 with a zone, compared to the microsecond, printed in UTC.",
        case("time_in_lower_case", "`t` and `z` are the same.",
             enveloped("staged", "2026-07-07t12:00:00z"), times=["2026-07-07T12:00:00Z"]),
        case("time_of_another_zone", "An instant is printed in UTC.",
             enveloped("staged", "2026-07-07T14:00:00+02:00"), times=["2026-07-07T12:00:00Z"]),
        case("time_of_the_last_zones", "Up to 23:59 either way.",
             enveloped("staged", "2026-07-07T12:00:00+23:59", event_id=1),
             enveloped("staged", "2026-07-07T12:00:00-23:59", event_id=2),
             times=["2026-07-06T12:01:00Z", "2026-07-08T11:59:00Z"]),
        case("time_with_a_fraction", "Six digits, where there is a fraction.",
             enveloped("staged", "2026-07-07T12:00:00.5-00:00"),
             times=["2026-07-07T12:00:00.500000Z"]),
        case("time_with_nine_digits", "Further digits are dropped, not rounded.",
             enveloped("staged", "2026-07-07T12:00:00.123456999Z"),
             times=["2026-07-07T12:00:00.123456Z"]),
        case("time_with_a_fraction_of_zeros", "None is printed.",
             enveloped("staged", "2026-07-07T12:00:00.000Z"), times=["2026-07-07T12:00:00Z"]),
        case("time_that_is_empty", "An empty text and null say nothing.",
             enveloped("staged", "", event_id=1), callback(
                 {"event_id": 2, "event_name": "staged", "event_timestamp": None,
                  "order_id": ORDER}), times=[None, None], anomalies=[]),
    ),
    *of(
        "Anomaly `bad_time`: any other non-empty event time; the event is undated.",
        *(
            case(f"time_{what}", "It leaves the event without a time.",
                 enveloped("staged", time, event_id=1), times=[None], anomalies=["bad_time"])
            for what, time in (
                ("of_words", "noon"),
                ("without_a_zone", "2026-07-07T12:00:00"),
                ("without_seconds", "2026-07-07T12:00Z"),
                ("without_a_clock", "2026-07-07"),
                ("with_a_leap_second", "2026-06-30T23:59:60Z"),
                ("of_no_day", "2026-02-30T00:00:00Z"),
                ("with_a_blank_for_t", "2026-07-07 12:00:00Z"),
                ("with_a_blank_before_it", " 2026-07-07T12:00:00Z"),
                ("with_a_zone_of_24_hours", "2026-07-07T12:00:00+24:00"),
                ("with_a_zone_of_60_minutes", "2026-07-07T12:00:00+01:60"),
                ("that_is_a_number", 1783425600),
                ("that_is_true", True),
                ("that_is_a_list", []),
            )
        ),
    ),
    *of(
        "An instant before 2000-01-01T00:00:00Z or from 2100-01-01T00:00:00Z on is a `bad_time`.",
        case("time_at_the_first_instant", "The first that counts.",
             enveloped("staged", "2000-01-01T00:00:00Z"), times=["2000-01-01T00:00:00Z"]),
        case("time_before_the_first_instant", "Placeholders order nothing.",
             enveloped("staged", "1999-12-31T23:59:59.999999Z"), anomalies=["bad_time"]),
        case("time_at_the_last_instant", "The last that counts.",
             enveloped("staged", "2099-12-31T23:59:59.999999Z"),
             times=["2099-12-31T23:59:59.999999Z"]),
        case("time_behind_the_last_instant", "From there on it is a placeholder.",
             enveloped("staged", "2100-01-01T00:00:00Z"), anomalies=["bad_time"]),
        case("time_of_a_zone_before_the_first_instant", "Instants are compared, not years.",
             enveloped("staged", "2000-01-01T00:00:00+00:01"), anomalies=["bad_time"]),
    ),
    *of(
        "A poll is timed by its `Date` header: the three forms of RFC 9110, in GMT; "
        "an unreadable one counts as absent, without an anomaly.",
        *(
            case(f"date_{what}", "A readable date is the provider's clock.",
                 dated(date, order(ORDER, "staged")), times=[time], anomalies=[])
            for what, date, time in (
                ("of_today", "Tue, 07 Jul 2026 12:00:00 GMT", "2026-07-07T12:00:00Z"),
                ("of_rfc_850", "Tuesday, 07-Jul-26 12:00:00 GMT", "2026-07-07T12:00:00Z"),
                ("of_rfc_850_in_94", "Sunday, 06-Nov-94 08:49:37 GMT", "2094-11-06T08:49:37Z"),
                ("of_asctime", "Tue Jul  7 12:00:00 2026", "2026-07-07T12:00:00Z"),
                ("of_asctime_with_two_digits", "Tue Jul 07 12:00:00 2026", "2026-07-07T12:00:00Z"),
                ("of_a_wrong_weekday", "Mon, 07 Jul 2026 12:00:00 GMT", "2026-07-07T12:00:00Z"),
            )
        ),
        *(
            case(f"date_{what}", "An unreadable date is none.",
                 dated(date, order(ORDER, "staged")), times=[None], anomalies=[])
            for what, date in (
                ("in_another_zone", "Tue, 07 Jul 2026 12:00:00 UTC"),
                ("in_lower_case", "tue, 07 jul 2026 12:00:00 gmt"),
                ("in_rfc_3339", "2026-07-07T12:00:00Z"),
                ("of_asctime_with_one_blank", "Tue Jul 7 12:00:00 2026"),
                ("with_blanks_around", " Tue, 07 Jul 2026 12:00:00 GMT "),
                ("with_a_leap_second", "Tue, 30 Jun 2026 23:59:60 GMT"),
                ("of_1970", "Thu, 01 Jan 1970 00:00:00 GMT"),
                ("of_no_weekday", "Foo, 07 Jul 2026 12:00:00 GMT"),
                ("of_asctime_of_no_weekday", "Foo Jul 07 12:00:00 2026"),
                ("of_no_month", "Tue, 07 Foo 2026 12:00:00 GMT"),
                ("in_other_digits", "Tue, \u0660\u0667 Jul 2026 12:00:00 GMT"),
                ("that_is_a_number", 1783425600),
            )
        ),
        case("date_of_every_month", "Twelve names of three letters.",
             *(dated(f"Tue, 07 {month} 2026 12:00:00 GMT", order(ORDER, "staged"))
               for month in ("Jan", "Feb", "Mar", "Apr", "May", "Jun",
                             "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")),
             times=[f"2026-{month:02}-07T12:00:00Z" for month in range(1, 13)]),
        case("date_of_every_weekday", "Seven names, short and long.",
             *(dated(f"{name[:3]}, {day:02} Jul 2026 12:00:00 GMT", order(ORDER, "staged"))
               for day, name in enumerate(WEEKDAYS, 6)),
             *(dated(f"{name}, {day}-Jul-26 12:00:00 GMT", order(ORDER, "staged"))
               for day, name in enumerate(WEEKDAYS, 13)),
             times=[f"2026-07-{day:02}T12:00:00Z" for day in range(6, 20)]),
        case("date_among_other_headers", "Names are compared without regard to case.",
             dated(None, order(ORDER, "staged")) | {"headers": {
                 "x-request-id": "r-1", "dAtE": "Tue, 07 Jul 2026 12:00:00 GMT", "Age": "0"}},
             times=["2026-07-07T12:00:00Z"]),
        case("date_that_came_twice", "Joined by a comma, as HTTP does, it is no date.",
             dated(None, order(ORDER, "staged")) | {"headers": {
                 "Date": "Tue, 07 Jul 2026 12:00:00 GMT", "date": "Tue, 07 Jul 2026 12:00:00 GMT"}},
             times=[None]),
        case("date_of_a_response", "Only polls are timed by it.",
             {**accepted("staged"), "headers": {"date": "Tue, 07 Jul 2026 12:00:00 GMT"}},
             times=[None]),
    ),
]  # fmt: skip

WHOSE = [
    *of(
        "The order is the one that line and body agree on; a body that names none, or an "
        "unusable one, says nothing where the line names it.",
        case("order_of_the_line_alone", "A body need not name it.",
             callback({"status": "staged"}, **LINE), orders=[ORDER]),
        case("order_of_the_body_alone", "A line need not name it.",
             {"kind": "request", "body": {"order_id": ORDER}}, orders=[ORDER]),
        case("order_of_the_body_of_a_failure", "Nobody else names it, so it is asked.",
             *(told | {"order_id": None} for told in (
                 response(422, {**error("no", 1), "id": ORDER}), response(503, {"id": ORDER}),
                 dated(None, {"id": ORDER}))), orders=[ORDER], events=3),
        case("order_of_the_line_beside_an_unusable_one", "The line's counts.",
             callback({"id": "\n", "status": "staged"}, **LINE), orders=[ORDER]),
        case("order_id_of_an_integer", "An integer counts as its digits, in both places.",
             callback({"id": 17, "status": "staged"}, order_id="17"),
             {"kind": "request", "order_id": 17, "body": {}}, orders=["17"], events=2),
        case("order_id_with_blanks", "Ids are neither trimmed nor normalized.",
             flat("staged", " order-1"), flat("staged", "ORDER-1"), flat("staged", "e\u0301"),
             flat("staged", "\u00e9"), orders=[" order-1", "ORDER-1", "e\u0301", "\u00e9"]),
        case("order_of_an_error", "Errors and failed exchanges are not asked.",
             response(422, {**error("no", 1), "id": OTHER}), response(503, order(OTHER, "x")),
             poll("staged", 1, 404, id=OTHER), orders=[ORDER], events=3),
    ),
    *of(
        "Quarantine `order_mismatch`: a callback, a request or an order object names another "
        "order than the line.",
        case("mismatch_of_a_callback", "Whose it is, nobody can say.",
             callback(order(OTHER, "staged"), **LINE), quarantine=["order_mismatch"]),
        case("mismatch_of_an_envelope", "The same in an envelope.",
             callback({"event_name": "staged", "event_metadata": {"order_id": OTHER}}, **LINE),
             quarantine=["order_mismatch"]),
        case("mismatch_of_a_request", "The same of a request of ours.",
             request(order_id=OTHER), quarantine=["order_mismatch"]),
        case("mismatch_of_a_response", "The same of an accepted response.",
             response(200, order(OTHER, "created")), quarantine=["order_mismatch"]),
        case("mismatch_of_a_poll", "The same of an order that was asked for.",
             dated(None, order(OTHER, "staged")), quarantine=["order_mismatch"]),
    ),
    *of(
        "Quarantine `no_order`: neither line nor body names one.",
        case("nobody_names_the_order", "It may be anybody's; an id of a wrong type is none.",
             callback({"status": "staged"}), flat("staged", order_id=True),
             response(503) | {"order_id": None}, quarantine=["no_order"] * 3),
    ),
    *of(
        "Quarantine `bad_order_id`: an id of 1 to 255 bytes without C0 controls, DEL and "
        "surrogates is needed.",
        case("order_id_of_255_bytes", "The longest.", flat("staged", "x" * 255),
             orders=["x" * 255]),
        case("order_id_of_256_bytes", "One byte more.", flat("staged", "x" * 256),
             quarantine=["bad_order_id"]),
        case("order_id_of_128_letters_of_two_bytes", "Bytes are counted.",
             flat("staged", "\u00e9" * 128), quarantine=["bad_order_id"]),
        case("order_id_with_a_control", "C0 controls and DEL are none.",
             *(flat("staged", f"a{odd}b") for odd in "\t\u0000\u001f\u007f"),
             quarantine=["bad_order_id"] * 4),
        case("order_id_with_a_c1_control", "C1 controls are unkind, and allowed.",
             flat("staged", "a\u0085b"), orders=["a\u0085b"]),
        case("order_id_of_the_line_that_is_unusable", "The line is not passed over either.",
             flat("staged") | {"order_id": "\u007f"}, request() | {"order_id": "x" * 256},
             *(request() | {"order_id": odd} for odd in (True, [], {})),
             quarantine=["bad_order_id"] * 5),
        case("order_id_of_the_line_that_is_empty", "Empty is absent.",
             flat("staged") | {"order_id": ""}, orders=[ORDER]),
    ),
]  # fmt: skip

UNREADABLE = [
    *of(
        "Quarantine `not_json`: a callback whose body is no strict JSON "
        "(syntax, encoding, duplicate keys, numbers, depth).",
        case("callback_of_no_json", "Syntax: nothing, half a body, a form, a comma too many.",
             raw("callback", ""), raw("callback", '{"id":"order-1"'),
             raw("callback", "id=order-1&status=staged"), raw("callback", '{"status":"x",}'),
             quarantine=["not_json"] * 4),
        case("callback_of_bad_utf_8", "Encoding: bad UTF-8, a byte order mark, UTF-16.",
             exact("callback", b'{"id":"order-1","status":"\xff"}'),
             exact("callback", b'\xef\xbb\xbf{"id":"order-1","status":"staged"}'),
             exact("callback", '{"id":"order-1","status":"staged"}'.encode("utf-16")),
             quarantine=["not_json"] * 3),
        case("callback_with_a_lone_surrogate", "Encoding: half a pair is no text.",
             raw("callback", '{"id":"order-1","status":"\\ud83d"}'), quarantine=["not_json"]),
        case("callback_with_a_key_twice", "Two readers would read two things.",
             raw("callback", '{"id":"order-1","status":"staged","status":"canceled"}'),
             raw("callback", '{"id":"order-1","status":"staged","st\\u0061tus":"staged"}'),
             quarantine=["not_json"] * 2),
        case("callback_with_no_number", "NaN and infinities, 1e400 too.",
             raw("callback", numbered("NaN")), raw("callback", numbered("-Infinity")),
             raw("callback", numbered("1e400")), quarantine=["not_json"] * 3),
        case("callback_with_a_tiny_number", "A double that vanishes is 0.0.",
             raw("callback", numbered("1e-400")), raw("callback", numbered("0.0")),
             totals=(1, 1, 0, 0)),
        case("request_of_no_json", "Only callbacks are: their line names no order.",
             raw("request", "{", **LINE), raw("poll", "{", **LINE, http_status=200),
             told=["requested applied", "poll_failed noted"]),
    ),
    *of(
        "Limit: a body has at most 64 levels; `[]` is 1.",
        case("body_of_64_levels", "The deepest.", raw("callback", nested(64)), status="staged"),
        case("body_of_65_levels", "One more.", raw("callback", nested(65)),
             quarantine=["not_json"]),
        case("line_of_65_levels", "A `body` value counts from itself, not from the line.",
             '{"kind":"callback","body":' + nested(64) + "}",
             '{"kind":"callback","body":' + nested(65) + "}", quarantine=["bad_line"],
             status="staged"),
    ),
    *of(
        "Limit: a number has at most 400 characters.",
        case("number_of_400_characters", "The longest.", raw("callback", numbered("9" * 400)),
             status="staged"),
        case("number_of_401_characters", "One more.", raw("callback", numbered("9" * 401)),
             quarantine=["not_json"]),
        case("fraction_of_401_characters", "Every character counts, the point too.",
             raw("callback", numbered("0." + "1" * 398)),
             raw("callback", numbered("0." + "1" * 399)), quarantine=["not_json"],
             status="staged"),
    ),
    *of(
        "Quarantine `not_an_object`: a callback whose body is JSON, but no object.",
        case("callback_of_no_object", "Lists, texts, numbers, true and null.",
             *(raw("callback", text) for text in ("[]", '"x"', "5", "true", "null")),
             quarantine=["not_an_object"] * 5),
    ),
    *of(
        "Quarantine `no_name`: a callback that says neither an event name nor a status.",
        case("callback_without_a_name", "An object that tells of nothing.",
             callback({}), callback({"id": ORDER}), callback({"id": ORDER, "status": None}),
             callback({"event_name": 5, "order_id": ORDER}), quarantine=["no_name"] * 4),
    ),
    *of(
        "Quarantine `too_big`: a body has at most 1 MiB.",
        case("body_of_one_mebibyte", "The largest.", raw("callback", padded(MEBIBYTE)),
             status="staged"),
        case("body_of_one_byte_more", "One byte more, of any kind.",
             raw("callback", padded(MEBIBYTE + 1)),
             raw("poll", padded(MEBIBYTE + 1), **LINE, http_status=200),
             quarantine=["too_big"] * 2),
    ),
    *of(
        "Quarantine `bad_operation`: an operation has a short word in lower case, "
        "and its request a number.",
        case("operation_without_a_number", "Its key would have no end.",
             {"kind": "request", **LINE, "operation": "cancel", "body": {}},
             quarantine=["bad_operation"]),
        case("operation_of_no_word", "40 letters, digits and underscores at most.",
             {"kind": "request", **LINE, "operation": "Cancel!", "number": 1},
             {"kind": "request", **LINE, "operation": "x" * 41, "number": 1},
             {**poll("staged"), "operation": "4u"}, quarantine=["bad_operation"] * 3),
        case("operation_that_is_empty", "It is absent.",
             {**poll("staged"), "operation": ""}, status="staged"),
        case("operation_of_a_millionth_number", "The highest; one more makes a bad line.",
             {"kind": "request", **LINE, "operation": "tip", "number": 1_000_000},
             {"kind": "request", **LINE, "operation": "tip", "number": 1_000_001},
             keys=["operation:tip:1000000"], quarantine=["bad_line"]),
        case("operation_of_what_is_of_none", "In a callback or a response it says nothing.",
             flat("staged") | {"operation": "Cancel!"},
             accepted(attempt=2) | {"operation": "cancel"}, status="staged", attempt=2),
        case("operation_of_40_letters", "The longest.",
             {"kind": "request", **LINE, "operation": "x" * 40, "number": 1},
             keys=[f"operation:{'x' * 40}:1"]),
    ),
    *of(
        "Quarantine `bad_line`: a line that is no recording is kept whole.",
        case("line_of_no_json", "A line is strict JSON, and an object.",
             "{", "[]", '{"kind":"callback","body":{"a":1,"a":2}}',
             '{"kind":"callback","body":NaN}', '{"kind":"callback","body":{"n":1e400}}',
             '{"kind":"callback","body":{"n":"\\ud83d"}}', '{"kind":"callback"} {}',
             '{"kind":"callback","mood":' + "[" * 65 + "]" * 65 + "}",
             quarantine=["bad_line"] * 8),
        case("line_of_no_kind", "There are four.",
             {"kind": "rumor", "body": {}}, {"body": {}}, {"kind": 5},
             quarantine=["bad_line"] * 3),
        case("line_of_two_bodies", "Even as null.",
             flat("staged") | {"body_text": "{}"}, flat("staged") | {"body_base64": None},
             quarantine=["bad_line"] * 2),
        case("line_of_a_bad_body", "Texts are texts, base64 is padded and standard.",
             {"kind": "callback", "body_text": 5}, {"kind": "callback", "body_base64": "%%%"},
             {"kind": "callback", "body_base64": "e30"}, quarantine=["bad_line"] * 3),
        case("line_of_a_bad_attempt", "An integer; a boolean is none, and 1.0 neither.",
             request(0), request(-1), request() | {"attempt": "1"}, request() | {"attempt": True},
             '{"kind":"request","order_id":"order-1","attempt":1.0}',
             quarantine=["bad_line"] * 5),
        case("line_of_a_bad_status", "An integer from 100 to 599.",
             response(99), response(600), response(200) | {"http_status": "200"},
             quarantine=["bad_line"] * 3),
        case("line_of_a_bad_time", "RFC 3339 with a zone; any year will do here.",
             flat("staged") | {"received_at": "2026-07-07T12:00:00"},
             flat("staged") | {"received_at": 5},
             flat("staged") | {"received_at": "1970-01-01T00:00:00Z"},
             quarantine=["bad_line"] * 2, status="staged"),
        case("line_of_other_bad_fields", "Headers, provider, operation, number, context.",
             flat("staged") | {"headers": ["date"]}, flat("staged") | {"provider": "nobody"},
             flat("staged") | {"operation": 5}, flat("staged") | {"number": 0},
             flat("staged") | {"number": True},
             flat("staged") | {"context": 5},
             flat("staged") | {"context": "", "context_base64": ""},
             quarantine=["bad_line"] * 7),
        case("line_of_nulls", "Null is the same as missing.",
             dict.fromkeys(("provider", "order_id", "attempt", "exchange_id", "client",
                            "operation", "number", "received_at", "http_status", "headers",
                            "context"), None) | flat("staged"), status="staged"),
        case("line_with_an_unknown_field", "It is ignored.",
             flat("staged") | {"position": 5, "mood": ["good"]}, status="staged"),
        case("line_with_the_other_fields", "They change nothing of what the body says.",
             flat("staged") | {"provider": "instacart", "client": "c", "context": "x",
                               "received_at": "2026-07-07T12:00:00+02:00"},
             flat("staged") | {"context_base64": "eA==", "exchange_id": "e"},
             totals=(1, 1, 0, 0), status="staged"),
    ),
    *of(
        "Limit: an attempt is an integer from 1 to 1,000,000.",
        case("attempt_of_a_million", "The highest.", request(1_000_000),
             keys=["request:1000000"], attempt=1_000_000),
        case("attempt_of_a_million_and_one", "One more.", request(1_000_001),
             quarantine=["bad_line"]),
    ),
]  # fmt: skip

CASES = [*SHAPES, *WORDS, *ANSWERS, *ERRORS, *DETAILS, *TIMES, *WHOSE, *UNREADABLE]
