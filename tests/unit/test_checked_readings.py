"""What a provider said, checked: what comes back is plain, and what is wrong is named exactly."""

import enum
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType

import pytest
from msgspec import UNSET

from lifecycle.core.checked_reading import (
    LONGEST_DETAIL,
    MAX_SEQUENCE,
    MOST_LINKS,
    MOST_READINGS,
    WrongReadingError,
    checked,
    checked_details,
)
from lifecycle.core.event import NOTHING, Fault
from lifecycle.core.provider import NoReading, Reading

AT = datetime(2026, 5, 1, 12, 30, 15, 250_000, UTC)
OWN = frozenset({"number_swapped"})
SURROGATE = "\ud800"


class Word(enum.StrEnum):
    """Texts of a class of their own, as a provider may use them."""

    NAME = "taken"
    ORDER = "o-1"
    STATUS = "Taken"
    LONG = "x" * 256


WHOLE = Reading(
    "taken",
    "taken",
    "o-1",
    "Taken",
    "e-1",
    AT,
    {"a": 1},
    (Fault("why", 7, "field"),),
    ("unrecognized", "number_swapped"),
    "unknown",
    5,
    True,
    ("d-1", "d-2"),
    "d-3",
)


def only(said, kind="callback", own=OWN):
    (found,) = checked(said, kind, own)
    return found


def test_a_reading_comes_back_field_by_field_as_it_was():
    assert only(WHOLE) == WHOLE
    assert only(Reading("taken")) == Reading("taken")


def test_what_comes_back_is_a_copy_that_cannot_be_changed():
    details = {"a": {"b": [1]}}
    found = only(Reading("taken", details=details))
    assert type(found.details) is MappingProxyType
    details["a"]["b"].append(2)
    assert found.details == {"a": {"b": [1]}}
    assert only(Reading("taken")).details is NOTHING
    assert checked_details(NOTHING) is NOTHING
    assert checked_details(details) == {"a": {"b": [1, 2]}}
    assert type(checked_details(details)) is MappingProxyType


def test_texts_of_a_class_of_their_own_come_back_as_the_texts_that_they_are():
    found = only(
        WHOLE.replace(
            name=Word.NAME,
            trigger=Word.NAME,
            order_id=Word.ORDER,
            status=Word.STATUS,
            event_id=Word.ORDER,
            links=(Word.ORDER,),
            refers_to=Word.ORDER,
            problems=(enum.StrEnum("P", {"A": "unrecognized"}).A,),
        )
    )
    texts = (found.name, found.trigger, found.order_id, found.status, found.event_id)
    texts += (*found.links, found.refers_to, *found.problems)
    assert texts == ("taken", "taken", "o-1", "Taken", "o-1", "o-1", "o-1", "unrecognized")
    assert {type(each) for each in texts} == {str}


@pytest.mark.parametrize("field", ["order_id", "status", "event_id", "name"])
def test_each_text_of_a_class_of_its_own_is_seen_by_itself(field):
    found = only(Reading("taken").replace(**{field: Word.STATUS}))
    assert type(getattr(found, field)) is str


@pytest.mark.parametrize("field", ["name", "event_id"])
@pytest.mark.parametrize("text", ["x", "x" * 255, "é" * 127, "é" * 127 + "x", "Ω"])
def test_names_and_event_ids_of_1_to_255_bytes_are_kept(field, text):
    assert getattr(only(Reading("taken").replace(**{field: text})), field) == text


@pytest.mark.parametrize("text", ["x" * 256, "é" * 128, "", Word.LONG])
def test_a_longer_or_empty_one_is_refused_by_its_bytes(text):
    for field, what in (("name", "a name"), ("event_id", "an event id"), ("trigger", "a trigger")):
        fields = {field: text}
        assert refused(Reading("taken").replace(**fields)) == (
            f"{what} that is not 1 to 255 bytes long"
        )
    assert refused(Reading("taken", links=(text,))) == "a link that is not 1 to 255 bytes long"
    assert refused(Reading("taken", refers_to=text)) == (
        "an id that it refers to that is not 1 to 255 bytes long"
    )


def test_an_order_id_and_a_status_may_be_any_text_here():
    assert only(Reading("taken", order_id="é" * 999, status="")).order_id == "é" * 999
    assert only(Reading("taken", status="")).status == ""


def refused(said, kind="callback", own=OWN):
    with pytest.raises(WrongReadingError) as caught:
        checked(said, kind, own)
    return str(caught.value)


WRONG = [
    (None, "NoneType, neither a Reading nor a NoReading"),
    ("taken", "str, neither a Reading nor a NoReading"),
    ((), "0 readings, expected 1 to 10000"),
    ((WHOLE,) * (MOST_READINGS + 1), "10001 readings, expected 1 to 10000"),
    ([WHOLE], "list, neither a Reading nor a NoReading"),
    ((WHOLE, None), "NoneType, neither a Reading nor a NoReading"),
    (Reading(), "no name"),
    (Reading(7), "a name that is no text"),
    (Reading(SURROGATE), "a name with a lone surrogate"),
    (Reading("taken", 7), "a trigger that is no text"),
    (WHOLE.replace(order_id=7), "an order id that is no text"),
    (WHOLE.replace(order_id=b"o-1"), "an order id that is no text"),
    (WHOLE.replace(order_id=SURROGATE), "an order id with a lone surrogate"),
    (WHOLE.replace(status=7), "a status that is no text"),
    (WHOLE.replace(status=SURROGATE), "a status with a lone surrogate"),
    (WHOLE.replace(event_id=7), "an event id that is no text"),
    (WHOLE.replace(event_id=SURROGATE), "an event id with a lone surrogate"),
    (WHOLE.replace(occurred_at="2026-05-01"), "a time without a zone"),
    (WHOLE.replace(occurred_at=AT.replace(tzinfo=None)), "a time without a zone"),
    (WHOLE.replace(details=None), "details that are no mapping"),
    (WHOLE.replace(details=[1]), "details that are no mapping"),
    (WHOLE.replace(details={7: 1}), "details with a name that is no text"),
    (WHOLE.replace(details={None: 1}), "details with no name"),
    (WHOLE.replace(details={SURROGATE: 1}), "details with a name with a lone surrogate"),
    (WHOLE.replace(details={"a": SURROGATE}), "details with a text with a lone surrogate"),
    (WHOLE.replace(details={"a": [SURROGATE]}), "details with a text with a lone surrogate"),
    (WHOLE.replace(details={"a": 10**400}), "a number of more than 400 digits"),
    (WHOLE.replace(details={"a": -(10**400)}), "a number of more than 400 digits"),
    (WHOLE.replace(details={"a": float("inf")}), "details that are no mapping"),
    (WHOLE.replace(details={"a": {1, 2}}), "details that are no mapping"),
    (WHOLE.replace(faults=[Fault("why")]), "faults that are no tuple of Fault"),
    (WHOLE.replace(faults=("why",)), "faults that are no tuple of Fault"),
    (WHOLE.replace(faults=(Fault(7),)), "a fault's message that is no text"),
    (WHOLE.replace(faults=(Fault("why", 1.5),)), "a fault's code that is no text"),
    (WHOLE.replace(faults=(Fault("why", True),)), "a fault's code that is no text"),
    (WHOLE.replace(faults=(Fault("why", 10**400),)), "a number of more than 400 digits"),
    (WHOLE.replace(faults=(Fault("why", 1, 7),)), "a fault's key that is no text"),
    (WHOLE.replace(problems=["bad_time"]), "problems that are no tuple"),
    (WHOLE.replace(problems=("strange",)), "a problem that nobody knows"),
    (WHOLE.replace(problems=(7,)), "a problem that is no text"),
    (WHOLE.replace(problems=("bad_time", "strange")), "a problem that nobody knows"),
    (WHOLE.replace(fate="lost"), "a fate that nobody knows"),
    (WHOLE.replace(fate=7), "a fate that is no text"),
    (
        WHOLE.replace(sequence=-1),
        "a sequence that is no integer from 0 to 9223372036854775807",
    ),
    (
        WHOLE.replace(sequence=MAX_SEQUENCE + 1),
        "a sequence that is no integer from 0 to 9223372036854775807",
    ),
    (
        WHOLE.replace(sequence=True),
        "a sequence that is no integer from 0 to 9223372036854775807",
    ),
    (WHOLE.replace(is_test=1), "a mark of a test that is neither True nor False"),
    (WHOLE.replace(is_test=None), "a mark of a test that is neither True nor False"),
    (WHOLE.replace(links=["d-1"]), "links that are no tuple of up to 16 ids"),
    (
        WHOLE.replace(links=("d-1",) * (MOST_LINKS + 1)),
        "links that are no tuple of up to 16 ids",
    ),
    (WHOLE.replace(links=(None,)), "a link that is no text"),
    (WHOLE.replace(links=(7,)), "a link that is no text"),
    (WHOLE.replace(refers_to=7), "an id that it refers to that is no text"),
    (NoReading(None, "why"), "a reason that is no short name"),
    (NoReading("No State", "why"), "a reason that is no short name"),
    (NoReading("x" * 41, "why"), "a reason that is no short name"),
    (NoReading(7, "why"), "a reason that is no text"),
    (NoReading("no_state", None), "no detail"),
    (NoReading("no_state", 7), "a detail that is no text"),
    (NoReading("no_state", SURROGATE), "a detail with a lone surrogate"),
]


@pytest.mark.parametrize(("said", "message"), WRONG)
def test_what_may_not_be_said_is_refused_by_name(said, message):
    assert refused(said) == message


def test_the_limits_themselves_are_kept():
    assert len(checked((WHOLE,) * 3, "callback", OWN)) == 3
    assert type(checked((WHOLE,), "poll", OWN)) is tuple
    many = (Reading("taken"),) * MOST_READINGS
    assert len(checked(many, "poll")) == MOST_READINGS
    assert only(WHOLE.replace(sequence=0)).sequence == 0
    assert only(WHOLE.replace(sequence=MAX_SEQUENCE)).sequence == MAX_SEQUENCE == 2**63 - 1
    links = tuple(f"d-{number}" for number in range(MOST_LINKS))
    assert only(WHOLE.replace(links=links)).links == links
    assert only(WHOLE.replace(is_test=False)).is_test is False
    assert only(NoReading("x" * 40, "why")).reason == "x" * 40
    assert only(NoReading("no_state", "é" * 1000 + "x")).detail == "é" * LONGEST_DETAIL
    assert LONGEST_DETAIL == 1000
    number = 10**400 - 1
    assert only(WHOLE.replace(details={"a": number, "b": -number})).details == {
        "a": number,
        "b": -number,
    }


def test_details_are_nested_64_deep_and_no_deeper():
    def nested(depth):
        return {"a": nested(depth - 1)} if depth else {}

    deep = nested(63)
    assert only(Reading("taken", details=deep)).details == deep
    assert refused(Reading("taken", details=nested(64))) == "details nested deeper than 64"
    listed = 1
    for _ in range(63):
        listed = [listed]
    assert only(Reading("taken", details={"a": listed})).details == {"a": listed}
    assert refused(Reading("taken", details={"a": [listed]})) == "details nested deeper than 64"


@pytest.mark.parametrize("kind", [dict, MappingProxyType])
def test_objects_in_lists_in_objects_count_as_deep_as_they_stand(kind):
    def nested(depth):
        return kind({"a": [nested(depth - 2)]}) if depth > 0 else kind({})

    assert only(Reading("taken", details={"a": nested(62)})).details
    assert refused(Reading("taken", details={"a": nested(64)})) == "details nested deeper than 64"


def test_details_are_any_json_and_become_plain():
    said = {
        "text": Word.STATUS,
        "Ω": "Ω",
        "no": None,
        "yes": True,
        "half": 0.5,
        "list": (1, [Word.ORDER, None, {"x": MappingProxyType({"y": "é"})}]),
        "object": {"é": False},
        Word.ORDER: 1,
    }
    found = only(Reading("taken", details=said)).details
    assert found == {
        "text": "Taken",
        "Ω": "Ω",
        "no": None,
        "yes": True,
        "half": 0.5,
        "list": [1, ["o-1", None, {"x": {"y": "é"}}]],
        "object": {"é": False},
        "o-1": 1,
    }
    assert type(found["text"]) is str
    assert {type(name) for name in found} == {str}
    assert type(found["list"][1][2]["x"]) is dict


def test_several_readings_are_of_a_callback_or_a_poll():
    for kind in ("callback", "poll"):
        assert checked((Reading("taken"), Reading("left")), kind)[1].name == "left"
    for kind in ("request", "response"):
        assert refused((Reading("accepted"),), kind) == f"several readings of a {kind}"


def test_of_a_request_only_the_order_counts():
    assert only(WHOLE.replace(status=7, name=None), "request") == Reading(order_id="o-1")
    assert only(Reading(), "request") == Reading()
    assert refused(WHOLE.replace(order_id=7), "request") == "an order id that is no text"
    assert only(NoReading("no_state", "why"), "request") == NoReading("no_state", "why")


def test_a_response_is_accepted_rejected_or_failed():
    for name in ("accepted", "rejected", "failed"):
        assert only(Reading(name, "taken"), "response").name == name
    why = "a response that is not accepted, rejected or failed"
    assert refused(Reading("taken"), "response") == why
    assert only(Reading("taken"), "poll").name == "taken"


def test_a_time_becomes_one_in_utc_and_a_poll_has_none_of_its_own():
    there = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))

    class Instant(datetime):
        """A time of a class of its own."""

    own = Instant(2026, 5, 1, 12, 30, 15, 250_000, UTC)
    for said in (AT, there, own):
        found = only(Reading("taken", occurred_at=said)).occurred_at
        assert (type(found), found, found.tzinfo) == (datetime, AT, UTC)
    assert only(Reading("taken", occurred_at=AT), "poll").occurred_at is None
    assert only(Reading("taken", occurred_at="never"), "poll").occurred_at is None


def test_a_placeholder_for_a_time_is_no_time_and_is_named_after_other_problems():
    never = datetime(1, 1, 1, tzinfo=UTC)
    found = only(Reading("taken", occurred_at=never, problems=("number_swapped",)))
    assert (found.occurred_at, found.problems) == (None, ("number_swapped", "bad_time"))
    twice = only(Reading("taken", occurred_at=never, problems=("bad_time", "bad_time")))
    assert twice.problems == ("bad_time",)
    assert only(Reading("taken", occurred_at=AT, problems=("bad_time",))).occurred_at == AT


def test_problems_of_the_definition_are_known_to_its_provider_alone():
    assert only(WHOLE).problems == ("unrecognized", "number_swapped")
    assert refused(WHOLE, own=()) == "a problem that nobody knows"
    assert refused((WHOLE,), own=()) == "a problem that nobody knows"
    assert only((WHOLE,)).problems == ("unrecognized", "number_swapped")
    assert only(Reading("taken", problems=())).problems == ()


def test_links_stand_once():
    assert only(Reading("taken", links=("d-1", "d-2", "d-1"))).links == ("d-1", "d-2")


def test_a_trigger_that_was_left_out_stays_left_out():
    assert only(Reading("taken")).trigger is UNSET
    assert only(Reading("Ω")).trigger is UNSET
    assert only(Reading("taken", None)).trigger is None
    assert only(Reading("taken", "Ω")).trigger == "Ω"


def test_a_fault_says_nothing_or_what_it_says():
    assert only(Reading("taken", faults=(Fault(),))).faults == (Fault(),)
    said = (Fault("why", "E7", "field"), Fault(None, 10**400 - 1), Fault(Word.STATUS, Word.NAME))
    found = only(Reading("taken", faults=said)).faults
    assert found == said
    assert (type(found[2].message), type(found[2].code)) == (str, str)


@pytest.mark.parametrize(
    "said",
    [
        {"faults": (Fault("why"),)},
        {"links": ("d-1",)},
        {"is_test": True},
        {"fate": "unknown"},
        {"sequence": 0},
        {"refers_to": "d-1"},
    ],
)
def test_what_only_few_say_is_kept_by_itself(said):
    assert only(Reading("taken", **said)) == Reading("taken").replace(**said)
