"""What a provider is put together from: paths of fields, readings, and what its code raised."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

import pytest

from lifecycle import Arrival, Definition, NoReading, Reading, connect
from lifecycle.core.details import (
    Details,
    field_in,
    leaves_of,
    nested_reader,
    object_or_empty,
    read_leaves,
    text_in,
    whole_number,
)
from lifecycle.core.event import Fault
from lifecycle.core.exchange_reader import ExchangeReader, fault_in
from lifecycle.core.instant import read_event_time
from lifecycle.core.provider import PlainProvider
from lifecycle.errors import InvalidArgumentError
from lifecycle.simulator import Answers, Request, Route, route_by
from lifecycle.simulator.bodies import Bodies, Way
from lifecycle.simulator.stepped import stepped

NOW = datetime(2026, 7, 7, 16, tzinfo=UTC)
TASK = Definition.write(
    "test.task",
    states=("requested", "refused", "made", "done"),
    moves=[
        {"trigger": "refused", "source": "requested", "dest": "refused"},
        {"trigger": "made", "source": ["requested", "refused"], "dest": "made"},
        {"trigger": "done", "source": "made", "dest": "done"},
    ],
    terminal=("done",),
    birth=("made",),
    informational=("failed", "poll_failed"),
)


class Told(Details):
    """What the bodies of these tests tell."""

    short_id: str | None = None
    notes: str | None = None
    price: int | None = None


LEAVES = leaves_of(Told, short_id="shortId", notes="end.notes")


def test_a_path_leads_into_objects():
    body = {"a": {"b": {"c": 7}}, "a.b": 8}
    assert (field_in(body, "a.b.c"), field_in(body, "a.b")) == (7, {"c": 7})


@pytest.mark.parametrize("body", [{}, {"a": None}, {"a": []}, {"a": "b"}, {"a": {"c": 1}}])
def test_a_path_that_leads_nowhere_finds_nothing(body):
    assert field_in(body, "a.b") is None


def test_details_are_read_where_they_stand_under_our_names():
    body = {"shortId": "8f", "end": {"notes": "at the door"}, "price": 7, "short_id": "no"}
    assert read_leaves(LEAVES, body) == {"short_id": "8f", "notes": "at the door", "price": 7}


@pytest.mark.parametrize("end", [None, [], "notes", {"notes": 7}, {"notes": ""}])
def test_a_detail_of_a_wrong_type_is_left_out_and_harms_no_other(end):
    assert read_leaves(LEAVES, {"end": end, "price": 7}) == {"price": 7}


def test_a_naught_is_kept_and_an_empty_text_is_not():
    assert read_leaves(LEAVES, {"shortId": "", "price": 0}) == {"price": 0}


def test_the_repr_of_details_names_the_known_fields_and_none_of_their_values():
    assert repr(Told(short_id="8f", price=0)) == str(Told(short_id="8f", price=0))
    assert repr(Told(short_id="8f", price=0)) == "<Told of short_id, price>"
    assert repr(Told()) == "<Told of nothing>"


@pytest.mark.parametrize("value", [" ", "text"])
def test_a_text_that_says_something_is_one(value):
    assert text_in(value) == value


@pytest.mark.parametrize("value", ["", None, 7, b"text", ["text"]])
def test_anything_else_is_no_text(value):
    assert text_in(value) is None


@pytest.mark.parametrize("value", [0, 1, (1 << 63) - 1])
def test_an_integer_that_a_sequence_can_be_is_a_whole_number(value):
    assert whole_number(value) == value


@pytest.mark.parametrize("value", [-1, 1 << 63, True, 1.0, "1", None])
def test_anything_else_is_no_whole_number(value):
    assert whole_number(value) is None


@pytest.mark.parametrize(
    ("value", "found"), [({"a": 1}, {"a": 1}), ({}, {}), (None, {}), ([1], {})]
)
def test_what_is_no_object_is_an_empty_one(value, found):
    assert object_or_empty(value) == found


def test_a_field_may_be_called_as_a_parameter_is():
    class Vehicle(Details):
        model: str | None = None

    assert read_leaves(leaves_of(Vehicle, model="car.model"), {"car": {"model": "2CV"}}) == {
        "model": "2CV"
    }


def test_a_path_for_a_field_that_is_none_is_refused():
    with pytest.raises(InvalidArgumentError, match=r"paths.*fields of Told"):
        leaves_of(Told, nots="notes")


class Landing(Details):
    left_at: str | None = None
    is_signed: bool | None = None


class Drone(Details):
    size: int | None = None
    note: str | None = None
    landing: Landing = Landing()
    flights: int = 0


@pytest.mark.parametrize(
    ("body", "details"),
    [
        ({"size": 7, "left_at": "door"}, {"size": 7, "landing": {"left_at": "door"}}),
        ({"landing": {"left_at": "roof"}, "left_at": "door"}, {"landing": {"left_at": "roof"}}),
        (
            {"landing": {"is_signed": False}, "left_at": "door"},
            {"landing": {"left_at": "door", "is_signed": False}},
        ),
        ({"landing": {"left_at": "", "size": 7}, "left_at": 7, "note": ""}, {}),
        (
            {"landing": "roof", "note": "x", "is_signed": True},
            {"note": "x", "landing": {"is_signed": True}},
        ),
        ({"landing": {}, "size": True, "order": 1}, {}),
        ({"size": 0}, {"size": 0}),
        ([], {}),
        (None, {}),
    ],
)
def test_an_inner_object_is_read_first_and_the_outer_one_for_what_it_lacks(body, details):
    assert nested_reader(Drone, "landing")(body) == details


@pytest.mark.parametrize("inner", ["size", "flights", "nowhere", ""])
def test_what_is_no_inner_model_is_refused(inner):
    with pytest.raises(InvalidArgumentError, match=r"inner.*a field of Drone that is a model"):
        nested_reader(Drone, inner)


def test_the_error_of_a_body_may_be_nested():
    read = fault_in("error.message", code="error.code", key="error.at.field")
    body = {"error": {"message": "no", "code": 1900, "at": {"field": "to"}}}
    assert read(body) == (Fault("no", "1900", "to"),)
    assert read({"error": "no"}) == read({}) == ()


READER = ExchangeReader(
    TASK,
    order_id=lambda task: field_in(task, "meta.ours"),
    status="is.now",
    rejected="refused",
    faults=fault_in("error.message"),
    links="id",
    request_id="ours",
)


def read(kind, body, http_status=200):
    """Return what the reader reads in a body."""
    return READER.read(
        Arrival(kind, json.dumps(body).encode(), NOW, None, 1, None, http_status), body
    )


def test_a_functions_id_and_nested_fields_are_read_in_answers():
    body = {"id": 17, "meta": {"ours": "p-1"}, "is": {"now": "Done"}}
    said = read("poll", body)
    assert (said.name, said.order_id, said.status, said.links) == ("done", "p-1", "Done", ("17",))
    assert read("response", body).order_id == "p-1"
    assert read("response", {"meta": {"ours": "p-1"}, "error": {"message": "no"}}, 400) == Reading(
        "rejected", "refused", "p-1", faults=(Fault("no"),)
    )
    assert read("request", {"ours": "p-2"}).order_id == "p-2"


@pytest.mark.parametrize("link", [None, [], {}, True, "", "x" * 256, "\ud800"])
def test_an_id_that_is_none_is_no_link(link):
    body = {"id": link, "meta": {"ours": "p-1"}, "is": {"now": "done"}}
    assert READER.read(Arrival("poll", b"{}", NOW), body).links == ()


def test_a_reading_is_changed_into_another_and_shows_its_name():
    said = Reading("made", order_id="p-1")
    assert said.replace(order_id="p-2") == Reading("made", order_id="p-2")
    assert (said.order_id, repr(said)) == ("p-1", "<Reading made>")
    with pytest.raises(TypeError):
        said.replace(order="p-2")


@pytest.mark.parametrize("name", [None, 7, "12 Example St", "\ud800", "x" * 41])
def test_a_name_that_is_no_plain_word_is_not_shown(name):
    assert repr(Reading(name)) in {"<Reading ?>", "<Reading without a name>"}


def fault_told(reader, caplog):
    """Return the log line about what a provider's code raised."""
    caplog.set_level(logging.ERROR, "lifecycle.provider")
    with connect("memory:", provider=PlainProvider("test", TASK, reader)) as orders:
        assert orders.record_callback({"secret": "hunter2"}).outcome == "quarantined"
    (line,) = [each.getMessage() for each in caplog.records]
    return line


def line_of(function, offset=1):
    return function.__code__.co_firstlineno + offset


def test_the_log_tells_file_and_line_of_what_raised_and_no_value(caplog):
    def broken(arrival, body):
        return Reading("made", order_id=body["secret"] + 1)

    line = fault_told(broken, caplog)
    where = f"unit/test_writing_a_provider.py:{line_of(broken)}"
    assert line == f"the code of provider test raised TypeError at {where}"


def test_of_what_the_library_raised_the_log_tells_who_called_it(caplog):
    def broken(arrival, body):
        return NoReading("no_name", str(read_event_time(7, per_second=body["secret"])))

    where = f"unit/test_writing_a_provider.py:{line_of(broken)}"
    assert fault_told(broken, caplog).endswith(f"raised TypeError at {where}")


def test_code_without_a_file_and_code_of_ours_have_no_place(caplog):
    made = compile("def read(arrival, body): raise KeyError", "the body: hunter2", "exec")
    namespace = {}
    exec(made, namespace)
    assert fault_told(namespace["read"], caplog) == "the code of provider test raised KeyError"


def test_code_that_hides_where_it_lies_harms_nothing(caplog):
    namespace = {"__name__": 7}
    exec("def read(arrival, body): raise KeyError", namespace)
    assert fault_told(namespace["read"], caplog) == "the code of provider test raised KeyError"


def test_what_a_provider_returned_has_no_place(caplog):
    line = fault_told(lambda arrival, body: 7, caplog)
    assert line == "the code of provider test returned int, neither a Reading nor a NoReading"


ANSWERS = Answers.worded(lambda what: {"problem": what})
BODIES = Bodies(
    TASK,
    request=lambda order_id, attempt: {"to": {"city": "X"}, "meta": {"ours": order_id}},
    order=lambda order_id, status: {"id": f"t-{order_id}", "state": status},
    callback=lambda order, name, at, own: {**order, "at": int(at.timestamp() * 1000)},
    rejection=ANSWERS.rejected,
)
SIMULATED = stepped(
    BODIES,
    {"delivered": Way("all goes well", ("done",))},
    order_id="meta.ours",
    time="at",
    per_second=1000,
    route=route_by(create="POST /tasks", get="GET /tasks/task-{order_id}"),
    answers=ANSWERS,
    needed=("to.city", "meta"),
    status=lambda order: str(order["state"]),
)


def rejection(body):
    """Return the answer to a create request, None where nothing is wrong with it."""

    class NoOrder:
        created_orders = ()

    return SIMULATED.rejection(None, NoOrder(), body, frozenset())


@pytest.mark.parametrize("city", ["X", 7, 0, False, ["X"], {"name": "X"}])
def test_whatever_a_needed_field_holds_is_enough(city):
    assert rejection({"to": {"city": city}, "meta": {"ours": "p-1"}}) is None


@pytest.mark.parametrize("city", ["", " ", None, [], {}])
def test_a_create_request_without_a_needed_field_is_rejected_and_the_log_names_it(city, caplog):
    assert rejection({"to": {"city": city}, "meta": {"ours": "p-1"}}) is ANSWERS.rejected
    assert [each.getMessage() for each in caplog.records] == [
        "a create request was rejected: it has no to.city"
    ]


def test_a_simulated_time_may_be_a_number():
    body = BODIES.callback({}, "done", NOW, "x")
    assert SIMULATED.stamp(body) == 1783440000000
    assert (
        SIMULATED.restamped(body, datetime(2026, 7, 7, 16, 0, 1, tzinfo=UTC))["at"] == 1783440001000
    )
    assert SIMULATED.order_id({"meta": {"ours": 7}}) == "7"


@pytest.mark.parametrize(
    ("method", "path", "found"),
    [
        ("GET", ("tasks", "task-p-1"), Route("get", "p-1")),
        ("PUT", ("tasks", "task-p-1"), Route("wrong_method")),
        ("GET", ("tasks", "p-1"), None),
    ],
)
def test_a_placeholder_may_end_a_part_of_a_path(method, path, found):
    assert SIMULATED.route(Request(method, path, "", {}, b"")) == found
