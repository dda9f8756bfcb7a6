"""What a provider's answers say, by the paths of their fields; and those fields, leaf by leaf."""

from datetime import UTC, datetime

import pytest

from lifecycle.core.definition import Definition
from lifecycle.core.details import (
    Details,
    field_in,
    leaves_of,
    object_or_empty,
    read_leaves,
    text_in,
)
from lifecycle.core.event import Arrival, Fault
from lifecycle.core.exchange_reader import ExchangeReader, fault_in, found_at
from lifecycle.core.provider import NoReading, Reading
from lifecycle.errors import InvalidArgumentError
from lifecycle.providers.doordash_drive import PROVIDER as DOORDASH_DRIVE
from tests.unit.test_provider_port import PARTS

AT = datetime(2026, 5, 1, tzinfo=UTC)
DEFINITION: Definition = DOORDASH_DRIVE.definition
SHOWN = DEFINITION.states[DEFINITION.birth_rank + 1]


def faults_in(body):
    return fault_in("error.message", code="error.code", key="error.field")(body)


def reader(**fields):
    said = {
        "order_id": "task.id",
        "status": "task.state",
        "rejected": "refused",
        "faults": faults_in,
    }
    return ExchangeReader(DEFINITION, **said | fields)


def arrival(kind, status=None, order_id=None):
    return Arrival(kind, b"{}", AT, http_status=status, order_id=order_id)


def read(kind, body, status=200, order_id=None, **fields):
    return reader(**fields).read(arrival(kind, status, order_id), body)


ORDER = {"task": {"id": "o-1", "state": SHOWN.title()}, "ref": "d-1"}
ERROR = {"error": {"message": "no such street", "code": 17, "field": "street"}, "task": {"id": "o"}}
FAULT = Fault("no such street", "17", "street")


def test_a_field_is_found_by_its_path_or_by_a_function():
    assert found_at({"a": {"b": 1}}, "a.b") == 1
    assert found_at({"a": {"b": 1}}, lambda body: body["a"]) == {"b": 1}
    assert field_in({"a": {"b": {"c": 2}}}, "a.b.c") == 2
    assert field_in({"a": 1}, "a") == 1
    assert field_in({"a": {"b": 1}}, "a") == {"b": 1}
    for body in ({}, {"a": None}, {"a": [1]}, {"a": "b"}, {"a.b": 1}, {"b": 1}):
        assert field_in(body, "a.b") is None


def test_a_text_that_says_something_and_an_object_are_told_from_all_else():
    assert text_in("x") == "x"
    assert object_or_empty({"a": 1}) == {"a": 1}
    for value in (None, "", 1, True, ["x"], b"x"):
        assert text_in(value) is None
        assert object_or_empty(value) == {}
    assert text_in({"a": 1}) is None


class Task(Details):
    """Leaves of each kind, one of them in an object."""

    notes: str | None = None
    weight: int | None = None
    is_open: bool | None = None
    short: str | None = None


def test_leaves_are_read_where_they_stand_if_they_are_of_their_type():
    leaves = leaves_of(Task, short="shortId", notes="done.notes")
    whole = {"done": {"notes": "left"}, "weight": 0, "is_open": False, "shortId": "s"}
    assert read_leaves(leaves, whole) == {
        "notes": "left",
        "weight": 0,
        "is_open": False,
        "short": "s",
    }
    wrong = {"done": {"notes": ""}, "weight": True, "is_open": 0, "shortId": 1, "notes": "x"}
    assert read_leaves(leaves, wrong) == {}
    assert read_leaves(leaves_of(Task), {"done": {"notes": "x"}, "notes": "here"}) == {
        "notes": "here"
    }
    assert read_leaves(leaves_of(Task), {"a.b": "x"}) == {}
    with pytest.raises(
        InvalidArgumentError, match=r"^paths cannot be used; expected fields of Task that are"
    ):
        leaves_of(Task, absent="x")


def test_the_one_error_of_a_body_is_read_by_its_paths():
    assert faults_in(ERROR) == (FAULT,)
    assert faults_in({"error": {"message": "why", "code": "E1"}}) == (Fault("why", "E1"),)
    assert fault_in("why")({"why": "so", "code": 1, "key": "k"}) == (Fault("so"),)
    assert fault_in("why", key="key")({"why": "so", "code": 1, "key": "k"}) == (
        Fault("so", None, "k"),
    )
    assert fault_in("why", code="code")({"why": "so", "code": 1, "key": "k"}) == (Fault("so", "1"),)
    for body in ({}, {"error": {}}, {"error": {"message": 7}}, {"error": "no"}):
        assert faults_in(body) == ()


def test_a_list_of_errors_is_read_one_by_one():
    several = fault_in("message", code="code", key="path", each_of="errors")
    listed = [{"message": "why", "code": "E1", "path": "to"}, "no", {"code": 1}, {"message": "so"}]
    assert several({"errors": listed}) == (Fault("why", "E1", "to"), Fault("so"))
    assert several({"errors": {"message": "alone"}}) == (Fault("alone"),)
    for body in ({}, {"errors": []}, {"errors": "no"}, {"errors": None}, {"message": "elsewhere"}):
        assert several(body) == ()


NUMBERED = Definition.write("errand", **PARTS, numbered=True)


def test_a_poll_and_an_answer_tell_the_number_of_what_they_show():
    exchanges = ExchangeReader(NUMBERED, "id", "state", "refused", sequence="at.revision")
    shown = {"id": "o-1", "state": "taken", "at": {"revision": 7}}
    for kind in ("poll", "response"):
        assert exchanges.read(arrival(kind, 200), shown).sequence == 7
    for odd in (None, -1, 1 << 63, 1.0, True, "7"):
        assert (
            exchanges.read(arrival("poll", 200), shown | {"at": {"revision": odd}}).sequence is None
        )
    for number in (0, (1 << 63) - 1):
        told = exchanges.read(arrival("poll", 200), shown | {"at": {"revision": number}})
        assert told.sequence == number
    by_function = ExchangeReader(NUMBERED, "id", "state", "refused", sequence=lambda _: 9)
    assert by_function.read(arrival("poll", 200), shown).sequence == 9
    plain = ExchangeReader(Definition.write("errand", **PARTS), "id", "state", "refused")
    assert plain.read(arrival("poll", 200), shown).sequence is None


def test_a_numbered_definition_whose_polls_would_tell_no_number_is_refused():
    with pytest.raises(InvalidArgumentError, match="expected the field of the number"):
        ExchangeReader(NUMBERED, "id", "state", "refused")


def test_of_a_request_only_whose_it_is_counts():
    assert read("request", ORDER) == Reading(order_id="o-1")
    assert read("request", {"key": 12}, request_id="key") == Reading(order_id="12")
    assert read("request", ORDER, request_id=lambda body: body["ref"]) == Reading(order_id="d-1")
    assert read("request", None) == Reading()
    assert read("request", {"task": {"id": "o-1"}}, request_id="key") == Reading()


def test_an_order_object_is_accepted_with_the_state_that_it_shows():
    found = read("response", ORDER, links="ref", details=lambda body: {"of": body["ref"]})
    assert (found.name, found.trigger, found.order_id) == ("accepted", SHOWN, "o-1")
    assert (found.status, found.links, found.details) == (SHOWN.title(), ("d-1",), {"of": "d-1"})
    assert (found.faults, found.fate, found.problems) == ((), None, ())


def test_a_status_that_has_no_name_of_ours_is_not_kept():
    assert read("response", ORDER, name=lambda _: None).status is None


def test_an_accepted_body_that_is_no_object_is_named_so():
    found = read("response", None)
    assert (found.name, found.problems, found.status) == ("accepted", ("unreadable_body",), None)


def test_an_error_is_rejected_or_failed_and_says_what_became_of_the_request():
    assert read("response", ERROR, 422) == Reading("rejected", "refused", "o", faults=(FAULT,))
    assert read("response", ERROR, 422, order_id="o-9").order_id is None
    failed = read("response", ERROR, 503)
    assert (failed.name, failed.trigger, failed.order_id) == ("failed", "failed", "o")
    assert (failed.faults, failed.fate) == ((FAULT,), "unknown")


def test_an_error_may_be_told_by_the_body_alone():
    assert read("response", ERROR, None).name == "rejected"
    assert read("response", ORDER, None).name == "accepted"
    bad = {"ok": False, "error": {"message": "why"}}
    assert read("response", bad, None, is_error=lambda body: body.get("ok") is False).name == (
        "rejected"
    )
    assert read("response", bad | ORDER, None, is_error=lambda _: False).name == "accepted"


def test_an_order_that_exists_already_has_an_unknown_fate():
    found = read("response", ERROR, 409, taken=409)
    assert found == Reading("failed", "failed", "o", faults=(FAULT,), fate="unknown")
    assert read("response", ERROR, 409, taken=410).name == "rejected"
    assert read("response", ERROR, None, taken=None).name == "rejected"


def test_a_poll_shows_a_state_or_has_failed():
    shown = read("poll", ORDER, links="ref")
    assert (shown.name, shown.order_id, shown.links) == (SHOWN, "o-1", ("d-1",))
    assert read("poll", ORDER, None).name == SHOWN
    failed = Reading("poll_failed", "poll_failed", "o-1")
    assert read("poll", ORDER, 500) == failed
    assert read("poll", ORDER | {"error": {"message": "why"}}) == failed
    assert read("poll", ORDER, is_error=lambda _: True) == failed
    assert read("poll", ORDER | {"error": {"message": "why"}}, is_error=lambda _: False).name == (
        SHOWN
    )
    assert read("poll", {"task": {"id": "o-1"}}, 200, "o-1") == Reading(
        "poll_failed", "poll_failed"
    )


def test_links_are_those_of_the_field_or_of_the_function():
    assert read("poll", ORDER).links == ()
    assert read("poll", {"task": {"id": "o-1"}, "ref": "d-1"}, links="ref").links == ()
    assert read("poll", ORDER | {"ref": 17}, links="ref").links == ("17",)
    assert read("poll", ORDER | {"ref": None}, links="ref").links == ()
    assert read("poll", ORDER, links="absent").links == ()
    assert read("poll", ORDER, links=lambda body: ("a", body["ref"])).links == ("a", "d-1")


def test_a_callback_is_read_as_the_provider_reads_it():
    def callback(body):
        return NoReading("no_state", f"of {len(body)}")

    assert read("callback", ORDER, callback=callback) == NoReading("no_state", "of 2")
    assert read("callback", None, callback=callback) == NoReading("no_state", "of 0")
    assert read("request", ORDER, callback=callback) == Reading(order_id="o-1")
    assert read("callback", ORDER).name == "accepted"
