"""Instants: what the provider's clocks may write, to the microsecond, and how we print it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.core.instant import (
    format_instant,
    parse_event_time,
    parse_http_date,
    parse_instant,
    read_event_time,
)
from lifecycle.errors import InvalidArgumentError
from tests.oracle import strict as reference

ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
NEARLY = (
    r"[0-9]{4}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9]"
    r"([.,][0-9]{1,9})?(Z|z|[+-][0-2][0-9]:[0-6][0-9]|)"
)
NEARLY_A_DATE = (
    r"(Tue|Tues|Tuesday),? (Jul )?( ?[0-3]?[0-9]|07)?[- ]?(Jul)?[- ]?(20|1999|2020|2100)? ?"
    r"[0-2][0-9]:[0-6][0-9]:[0-6][0-9]( GMT| 2020| 1970| UTC|)"
)
SEVENTH = datetime(2020, 7, 7, 16, 35, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2020-07-07T16:35:22Z", SEVENTH),
        ("2020-07-07t16:35:22z", SEVENTH),
        ("2020-07-07T18:05:22+01:30", SEVENTH),
        ("2020-07-06T16:36:22-23:59", SEVENTH),
        ("2020-07-07T16:35:22-00:00", SEVENTH),
        ("2020-07-07T16:35:22.5Z", SEVENTH.replace(microsecond=500_000)),
        ("2020-07-07T16:35:22.000001Z", SEVENTH.replace(microsecond=1)),
        ("2020-07-07T16:35:22.9999999Z", SEVENTH.replace(microsecond=999_999)),
        ("2020-07-07T16:35:22.0000001Z", SEVENTH),
        ("2020-07-07T16:35:22." + "1" * 5000 + "Z", SEVENTH.replace(microsecond=111_111)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2020-02-29T00:00:00Z", datetime(2020, 2, 29, tzinfo=UTC)),
    ],
)
def test_an_rfc_3339_time_with_a_zone_names_an_instant(text, instant):
    found = parse_instant(text)
    assert found == instant
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2020-07-07",
        "2020-07-07T16:35:22",
        "2020-07-07 16:35:22Z",
        "2020-07-07T16:35Z",
        "2020-07-07T16:35:60Z",
        "2016-12-31T23:59:60Z",
        "2020-07-07T24:00:00Z",
        "2020-07-07T16:60:00Z",
        "2020-07-07T16:35:22,5Z",
        "2020-07-07T16:35:22.Z",
        "2020-07-07T16:35:22+0100",
        "2020-07-07T16:35:22+01",
        "2020-07-07T16:35:22+24:00",
        "2020-07-07T16:35:22+01:60",
        "2020-07-07T16:35:22Z ",
        " 2020-07-07T16:35:22Z",
        "2020-07-07T16:35:22Z\n",
        "20200707T163522Z",
        "2020-W28-2T16:35:22Z",
        "2021-02-29T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "\u0662\u0660\u0662\u0660-07-07T16:35:22Z",
    ],
)
def test_anything_else_names_none(text):
    assert parse_instant(text) is None


@settings(max_examples=300, deadline=None)
@given(
    st.datetimes(timezones=ZONES).filter(lambda instant: 1 < instant.year < 9999),
)
def test_printed_definitions_are_read_back(instant):
    printed = format_instant(instant)
    assert parse_instant(printed) == instant
    assert parse_instant(instant.isoformat()) == instant
    assert len(printed) in {len("2020-07-07T16:35:22Z"), len("2020-07-07T16:35:22.000001Z")}


@settings(max_examples=500, deadline=None)
@given(st.from_regex(NEARLY, fullmatch=True))
def test_it_agrees_with_a_reader_written_otherwise(text):
    assert parse_instant(text) == reference.rfc3339(text)


def test_six_digits_are_printed_if_there_is_a_fraction_and_none_if_there_is_not():
    assert format_instant(SEVENTH) == "2020-07-07T16:35:22Z"
    assert format_instant(SEVENTH.replace(microsecond=500_000)) == "2020-07-07T16:35:22.500000Z"
    assert format_instant(datetime(1, 1, 1, tzinfo=UTC)) == "0001-01-01T00:00:00Z"
    assert (
        format_instant(SEVENTH.astimezone(timezone(timedelta(hours=14)))) == "2020-07-07T16:35:22Z"
    )


def test_a_time_without_a_zone_is_never_guessed():
    with pytest.raises(InvalidArgumentError, match=r"instant.*a datetime with a zone"):
        format_instant(SEVENTH.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("Tue, 07 Jul 2020 16:35:22 GMT", SEVENTH),
        ("Mon, 07 Jul 2020 16:35:22 GMT", SEVENTH),
        ("Sat, 29 Feb 2020 00:00:00 GMT", datetime(2020, 2, 29, tzinfo=UTC)),
        ("Tuesday, 07-Jul-20 16:35:22 GMT", SEVENTH),
        ("Wednesday, 07-Jul-20 16:35:22 GMT", SEVENTH),
        ("Sunday, 06-Nov-94 08:49:37 GMT", datetime(2094, 11, 6, 8, 49, 37, tzinfo=UTC)),
        ("Saturday, 01-Jan-00 00:00:00 GMT", datetime(2000, 1, 1, tzinfo=UTC)),
        ("Thursday, 31-Dec-99 23:59:59 GMT", datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("Tue Jul  7 16:35:22 2020", SEVENTH),
        ("Tue Jul 07 16:35:22 2020", SEVENTH),
        ("Fri Dec 31 23:59:59 2021", datetime(2021, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_an_http_date_in_any_of_its_three_forms_names_an_instant(text, instant):
    found = parse_http_date(text)
    assert found == instant
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "form", ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
)
def test_every_month_and_day_of_an_http_date_is_known(form):
    for days in range(366):
        instant = datetime(2020, 1, 1, 1, 2, 3, tzinfo=UTC) + timedelta(days=days)
        assert parse_http_date(instant.strftime(form)) == instant


@settings(max_examples=500, deadline=None)
@given(st.from_regex(NEARLY_A_DATE, fullmatch=True))
def test_an_http_date_agrees_with_a_reader_written_otherwise(text):
    assert parse_http_date(text) == reference.http_date(text)


@pytest.mark.parametrize(
    ("number", "per_second", "instant"),
    [
        (1_594_139_722, 1, SEVENTH),
        (1_594_139_722_500, 1000, SEVENTH.replace(microsecond=500_000)),
        (1_594_139_722.5, 1, SEVENTH.replace(microsecond=500_000)),
        (946_684_800, 1, datetime(2000, 1, 1, tzinfo=UTC)),
        (4_102_444_799, 1, datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_number_counts_from_1970_so_many_a_second(number, per_second, instant):
    found, problems = read_event_time(number, per_second=per_second)
    assert (found, problems) == (instant, ())
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "number",
    [
        *(946_684_799, 4_102_444_800, 0, -1, 10**400, -(10**400)),
        *(1e300, float("inf"), float("nan")),
        *(True, "1594139722", "2020-07-07T16:35:22Z", [1_594_139_722]),
    ],
    ids=lambda number: f"{number!r:.20}",
)
def test_any_other_number_names_no_time_and_is_odd(number):
    assert read_event_time(number, per_second=1) == (None, ("bad_time",))


@pytest.mark.parametrize("value", [None, ""])
@pytest.mark.parametrize("per_second", [None, 1])
def test_no_time_is_nothing_odd(value, per_second):
    assert read_event_time(value, per_second=per_second) == (None, ())


@pytest.mark.parametrize("value", [1_594_139_722, 0, False, [], {}, "noon", " "])
def test_what_is_no_text_with_a_time_is_odd(value):
    assert read_event_time(value) == (None, ("bad_time",))


def test_a_time_with_another_zone_or_of_a_class_of_its_own_is_read():
    class Text(str):
        """A text of a class of its own."""

        __slots__ = ()

    assert read_event_time("2020-07-07T18:05:22+01:30") == (SEVENTH, ())
    assert read_event_time(Text("2020-07-07T16:35:22Z")) == (SEVENTH, ())


PLACEHOLDERS = [
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1900, 1, 1, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC),
    datetime(2100, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
]


@pytest.mark.parametrize("clock", ["T10:00:00Z", "T23:59:59.1234567Z", "t10:00:00z", "T24:00:00Z"])
@pytest.mark.parametrize("year", ["1999", "2000", "2024", "2023", "2099", "2100"])
def test_a_day_is_read_like_any_other_whether_all_months_have_it_or_not(year, clock):
    for month, day in product(range(14), range(33)):
        text = f"{year}-{month:02}-{day:02}{clock}"
        instant = reference.event_time(text)
        assert read_event_time(text) == (instant, () if instant else ("bad_time",))


@pytest.mark.parametrize("instant", PLACEHOLDERS)
def test_a_placeholder_is_an_instant_at_which_nothing_happened(instant):
    assert parse_instant(format_instant(instant)) == instant
    assert parse_event_time(format_instant(instant)) is None
    assert parse_http_date(format_datetime(instant, usegmt=True)) is None
    assert parse_http_date(f"Thu {instant:%b} {instant.day:2} 00:00:00 {instant.year:04}") is None


@pytest.mark.parametrize(
    ("text", "happened"),
    [
        ("2000-01-01T00:00:00Z", True),
        ("1999-12-31T23:30:00-00:30", True),
        ("2000-01-01T00:59:59.999999+01:00", False),
        ("1999-12-31T23:59:59.9999999Z", False),
        ("2099-12-31T23:59:59.9999999Z", True),
        ("2100-01-01T00:30:00+00:31", True),
        ("2099-12-31T23:30:00-00:30", False),
        ("noon", False),
    ],
)
def test_an_event_time_is_one_of_this_century_in_utc(text, happened):
    assert (parse_event_time(text) is not None) == happened
    assert parse_event_time(text) == reference.event_time(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2020-07-07T16:35:22Z",
        "Tue, 07-Jul-20 16:35:22 GMT",
        "Tuesday, 07 Jul 2020 16:35:22 GMT",
        "Tuesday, 07-Jul-2020 16:35:22 GMT",
        "Tuesday, 7-Jul-20 16:35:22 GMT",
        "Tuesday, 07-jul-20 16:35:22 GMT",
        "tuesday, 07-Jul-20 16:35:22 GMT",
        "Tuesday, 07-Jul-20 16:35:22 UTC",
        "Tuesday, 07-Jul-20 16:35:22",
        "Tuesday 07-Jul-20 16:35:22 GMT",
        "Tuesday, 31-Jun-20 16:35:22 GMT",
        "Tue Jul 7 16:35:22 2020",
        "Tue Jul   7 16:35:22 2020",
        "Tue Jul  7 16:35:22 20",
        "Tue Jul  7 16:35:22 2020 GMT",
        "Tue Jul  7 16:35:22 GMT 2020",
        "Tue, Jul  7 16:35:22 2020",
        "Tuesday Jul  7 16:35:22 2020",
        "Tue Jul  0 16:35:22 2020",
        "Tue Jul 32 16:35:22 2020",
        "Tue Jul  7 16:35:60 2020",
        "Tue Jul  7 16:35:22 2020 ",
        "Tue Jul  7 16:35:22 2020\n",
        "Tue Jul  \u0667 16:35:22 2020",
        "Tue, 7 Jul 2020 16:35:22 GMT",
        " Tue, 07 Jul 2020 16:35:22 GMT",
        "Tue, 07 jul 2020 16:35:22 GMT",
        "Tue, 07 Jul 2020 16:35:22 UTC",
        "Tue, 07 Jul 2020 16:35:22 +0000",
        "Tue, 07 Jul 2020 16:35:60 GMT",
        "Tue, 07 Jul 2020 24:00:00 GMT",
        "Tue, 30 Feb 2020 00:00:00 GMT",
        "Tue, 07 Jul 0000 00:00:00 GMT",
        "Tue, 07 Jul 2020 16:35:22 GMT, Tue, 07 Jul 2020 16:35:22 GMT",
        "T\u00fce, 07 Jul 2020 16:35:22 GMT",
    ],
)
def test_any_other_date_header_counts_as_absent(text):
    assert parse_http_date(text) is None
