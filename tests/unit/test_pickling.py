"""Errors and values that cross to another process, or are copied, arrive as they were.

Every exception of the library and every class of plain values is tried, those that are added
later too: each is made from what it is annotated with.
"""

from __future__ import annotations

import copy
import inspect
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from types import MappingProxyType

import pytest

import lifecycle
from lifecycle import (
    Definition,
    DefinitionError,
    LifecycleError,
    Receipt,
    StoreClosedError,
    UnknownOrderError,
)
from lifecycle.core.definition import Written
from lifecycle.diagram import draw_definition, draw_order, draw_stats
from lifecycle.http.receiver import SignatureFormat
from lifecycle.portable_error import PortableError
from lifecycle.providers.instacart.definition import LAST_MILE
from tests import samples
from tests.without_rules import connect

LIVE = {
    "AsyncClient": "it holds connections",
    "Basic": "it holds secrets",
    "BasicOrToken": "it holds secrets",
    "BearerTokens": "it holds secrets",
    "AsyncHttpClient": "it holds connections",
    "AsyncOrders": "it holds a log",
    "AsyncSubscription": "it holds a log",
    "Client": "it holds connections",
    "ClientCredentials": "it holds secrets",
    "Factory": "it holds connections",
    "FixedHeaders": "it holds secrets",
    "HmacSignatures": "it holds secrets",
    "HttpClient": "it holds connections",
    "DeadLetters": "it holds a log",
    "KeyStore": "it is a protocol",
    "LogMapper": "it belongs to the application of a log",
    "OrderLog": "it holds a log",
    "OrderRecorder": "it holds a log",
    "Pages": "it holds a log",
    "Orders": "it holds a log",
    "Receiver": "it holds a log",
    "RunningSimulator": "it is a server",
    "Sent": "it records what comes of it",
    "SentOperation": "it records what comes of it",
    "StandardWebhooks": "it holds secrets",
    "StaticToken": "it holds secrets",
    "StoredViews": "it holds a log",
    "Subscription": "it holds a log",
    "SyncReceiver": "it holds a log",
}
"""Public classes whose instances belong to one process, and why."""

BEHAVIOR = {
    "ArrivalFold": "a protocol",
    "Coverage": "it counts what a test run does",
    "FixedClock": "a clock",
    "Folding": "tried below",
    "Authorization": "a protocol",
    "Calls": "what clients are made of",
    "OrderCalls": "what clients are made of",
    "OwnIdCalls": "what clients are made of",
    "ClientPort": "functions",
    "CreateRequest": "a protocol",
    "CreatingClient": "a protocol",
    "Gate": "a protocol",
    "Plan": "a protocol",
    "SimulatedProvider": "functions",
    "Pacing": "a dictionary",
    "Access": "a protocol",
    "TrustedHeader": "it decides who may look",
    "SignedCalls": "a function",
    "Given": "a step of a test",
    "GrantsTokens": "a protocol",
    "Golden": "it writes files of a test run",
    "HandMade": "a protocol",
    "ReceiverLimits": "sampled as it stands by default",
    "ReceiverPort": "a function",
    "Refusal": "it holds an answer",
    "SignatureFormat": "tried below",
    "Provider": "a protocol",
    "AsyncReceipt": "tried in an event loop, by tests/scenario/test_event_loop.py",
    "Receipt": "tried below",
    "Response": "it holds what a receiver does next",
    "Service": "a protocol",
    "Simulated": "it drives a simulator",
    "Simulator": "an app",
    "When": "a step of a test",
}
"""Public classes that are no plain values, and why."""

NO_VALUES = {
    "Answer": "copying partitions in processes sends it, and is tested",
    "Append": "what became of an entry crosses to another process, without the entry",
    "AsyncReceipt": "tried in an event loop, by tests/scenario/test_event_loop.py",
    "Receipt": "tried below",
    "Access": "a function",
    "Batch": "its caller waits for it",
    "Bodies": "functions",
    "ExchangeReader": "functions",
    "PlainProvider": "a function",
    "Recorded": "functions",
    "SampleOrders": "functions",
    "ClientPort": "functions",
    "SimulatedProvider": "functions",
    "Callback": "it holds a place among those in progress",
    "FunctionFold": "a fold",
    "Lent": "it holds a connection",
    "OpenFiles": "it holds an open file",
    "Folded": "a folding, as its view is put together from it",
    "OrderCreation": "it holds orders",
    "ArrivalReader": "it holds a provider",
    "ReceiverPort": "a function",
    "Refusal": "it holds an answer",
    "SignatureFormat": "its parts have to fit together",
    "Part": "replaying in processes sends it, and is tested",
    "ShardResult": "auditing in processes sends it, and is tested",
    "Tables": "each process makes its own",
    "SampleScenario": "a function",
    "StoredPages": "it holds a store",
    "Response": "it holds what a receiver does next",
    "Rules": "functions",
    "Scope": "a function",
    "Source": "replaying in processes sends it, and is tested",
    "Taken": "it holds a function",
    "ThreadBatch": "its caller waits for it",
    "Token": "a secret",
    "SampleDelivery": "a function",
}
"""Classes with fields that hold more than plain values, and why."""

WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"protocol {number}": lambda value, number=number: pickle.loads(pickle.dumps(value, number))
        for number in range(pickle.HIGHEST_PROTOCOL + 1)
    },
}
ALL_WAYS = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def callback(order_id="o-1", status="brand_new"):
    return {"id": order_id, "status": status, "fulfillment_details": {"store_location": "x"}}


def named(cls):
    return f"{cls.__module__.removeprefix('lifecycle.')}.{cls.__qualname__}"


@pytest.mark.parametrize("cls", samples.exceptions(), ids=named)
def test_an_error_keeps_type_fields_text_and_notes(cls):
    error = samples.instance(cls)
    error.add_note("seen at the counter")
    for name, way in WAYS.items():
        copied = way(error)
        assert type(copied) is cls, name
        assert (str(copied), copied.args) == (str(error), error.args), name
        assert vars(copied) == vars(error), name
        assert repr(copied) == repr(error), name
        assert copied.__notes__ == ["seen at the counter"], name


@ALL_WAYS
def test_an_error_leaves_behind_what_python_leaves_behind(way):
    """A driver's error can hold a connection, or data of somebody: it stays where it was."""
    kept = []
    for error in (UnknownOrderError("instacart", "o-1"), RuntimeError("python's own")):
        error.__cause__ = ValueError("a driver's")
        copied = way(error)
        left = (copied.__cause__, copied.__context__, copied.__suppress_context__)
        kept.append(repr(left))  # Dask has every error keep its cause, once it was imported
    assert kept[0] == kept[1]


def test_the_notes_of_an_error_survive_pickling():
    missing = pickle.loads(pickle.dumps(lifecycle.MissingExtraError("png", "resvg-py")))
    assert missing.msg == str(missing)
    assert "resvg-py" in missing.msg


def test_an_error_whose_constructor_pickling_would_call_does_not_survive():
    """The positive control: this is what the base class is there for."""
    assert pickle.loads(pickle.dumps(OurError("o-1", 7))).version == 7
    with pytest.raises(TypeError):
        pickle.loads(pickle.dumps(PlainError("o-1", 7)))


class PlainError(Exception):
    def __init__(self, order_id, version):
        self.version = version
        super().__init__(f"{order_id} at {version}")


class OurError(PortableError):
    def __init__(self, order_id, version):
        self.version = version
        super().__init__(f"{order_id} at {version}")


def test_a_definition_that_cannot_be_pickled_is_left_behind_and_its_error_is_not():
    class Local(LAST_MILE.details):
        """No other process can import it."""

    with pytest.raises(DefinitionError) as raised:
        Definition.write("x", states=("a",), moves=[], terminal=("b",), details=Local)
    crossed = pickle.loads(pickle.dumps(raised.value))
    assert crossed.written is None
    assert crossed.problems == raised.value.problems
    assert str(crossed) == str(raised.value)
    assert raised.value.written is not None


def test_written_definitions_survive_pickling_where_possible():
    with pytest.raises(DefinitionError) as raised:
        Definition.write("x", states=("a",), moves=[], terminal=("b",))
    crossed = pickle.loads(pickle.dumps(raised.value))
    assert crossed.written == raised.value.written
    assert isinstance(crossed.written, Written)


@pytest.mark.parametrize(
    "cls", [cls for cls in samples.values() if cls.__name__ not in NO_VALUES], ids=named
)
def test_a_value_keeps_type_and_fields(cls):
    value = samples.instance(cls)
    for name, way in WAYS.items():
        copied = way(value)
        assert type(copied) is cls, name
        assert copied == value, name


def test_every_public_class_is_tried_or_says_why_not():
    tried = {cls.__name__ for cls in (*samples.values(), *samples.exceptions())}
    assert public() - tried == (LIVE.keys() | BEHAVIOR.keys()) - tried
    assert (LIVE.keys() | BEHAVIOR.keys()) - public() == set()
    assert NO_VALUES.keys() - {cls.__name__ for cls in samples.values()} == set()


def public():
    """Return the names of the classes that the packages of the library export."""
    packages = {cls.__module__.rpartition(".")[0] for cls in samples.classes()} | {"lifecycle"}
    modules = [__import__(name, fromlist=["x"]) for name in packages]
    modules += [__import__(cls.__module__, fromlist=["x"]) for cls in samples.classes()]
    exported = {
        getattr(module, name)
        for module in modules
        for name in getattr(module, "__all__", ())
        if inspect.isclass(getattr(module, name))
    }
    return {cls.__name__ for cls in exported}


@ALL_WAYS
def test_an_outcome_survives_pickling(way):
    with connect("memory:") as orders:
        orders.record_callback(callback(), headers={"User-Agent": "x"})
        refused = orders.record_callback(b"no json")
        sent = orders.begin_request("o-2", {"order_id": "o-2"})
        rejected = sent.answered(422, {"error": {"message": "m", "code": 7}})
        values = [
            orders.get("o-1"),
            *orders.history("o-1"),
            *orders.changes(),
            *orders.quarantine(),
            orders.stats(),
            refused.event,
            rejected.view,
            rejected.change,
            draw_definition(LAST_MILE),
            draw_order(orders, "o-1"),
            draw_stats(LAST_MILE, orders.stats()),
        ]
    for value in values:
        assert way(value) == value
        assert type(way(value)) is type(value)
    assert way(values[0]).digest == values[0].digest
    assert way(values[0]).details == values[0].details


@ALL_WAYS
def test_the_mappings_of_an_event_stay_read_only(way):
    with connect("memory:") as orders:
        event = orders.record_callback(callback(), headers={"User-Agent": "x"}).event
    copied = way(event)
    assert copied == event
    assert copied.headers == {"user-agent": "x"}
    assert copied.details["fulfillment_details"] == {"store_location": "x"}
    assert type(copied.headers) is type(copied.details) is MappingProxyType


@ALL_WAYS
def test_a_definition_is_the_same_and_still_folds(way):
    copied = way(LAST_MILE)
    assert copied == LAST_MILE
    assert hash(copied) == hash(LAST_MILE)
    assert copied.fingerprint == LAST_MILE.fingerprint
    assert copied.table == LAST_MILE.table
    assert type(copied.awaits) is MappingProxyType
    with connect("memory:") as orders:
        event = orders.record_callback(callback()).event
        assert lifecycle.fold(copied, [event]) == lifecycle.fold(LAST_MILE, [event])


@ALL_WAYS
def test_the_format_of_a_signature_is_the_same(way):
    form = SignatureFormat("x-signature", encoding="base64", time_header="x-time")
    assert way(form) == form


@ALL_WAYS
def test_a_fold_continues_from_its_current_state(way):
    with connect("memory:") as orders:
        first = orders.record_callback(callback()).event
        second = orders.record_callback(callback(status="delivered")).event
    folding = lifecycle.Folding.of(LAST_MILE, [first])
    copied = way(folding)
    assert copied.view() == folding.view()
    copied.add(second)
    assert copied.view().status == "delivered"
    assert folding.view().status == "brand_new"


@ALL_WAYS
def test_an_unread_receipt_is_complete_after_pickling(way):
    with connect("memory:") as orders:
        receipt = orders.record_callback(callback())
        later = orders.record_callback(callback(status="delivered"))
        copied = way(receipt)
        assert later.view.status == "delivered"
    assert type(copied) is Receipt
    assert (copied.outcome, copied.position, copied.version) == ("appended", 1, 1)
    assert copied.event == receipt.event
    assert copied.change == receipt.change
    assert copied.view == receipt.view
    assert copied.view.status == "brand_new", "as this event made it, whatever came later"
    assert repr(copied) == repr(receipt)
    assert pickle.loads(pickle.dumps(copied)).view == copied.view


def test_a_receipt_that_cannot_be_read_any_more_says_so(tmp_path):
    """The control: it does ask the log, and what it gets there is what crosses."""
    with connect(f"sqlite:///{tmp_path}/orders.db") as orders:
        orders.record_callback(callback())
        receipt = orders.record_callback(callback(status="delivered"))
    with pytest.raises(StoreClosedError):
        pickle.dumps(receipt)


def test_objects_bound_to_a_process_refuse_to_be_pickled(tmp_path):
    with connect(f"sqlite:///{tmp_path}/orders.db") as orders:
        sent = orders.begin_request("o-2", {"order_id": "o-2"})
        for live in (orders, orders.views, orders.subscription("x", print), sent):
            assert type(live).__name__ in LIVE
            with pytest.raises(TypeError):
                pickle.dumps(live)
        with pytest.raises(TypeError, match="connect again in the other"):
            copy.deepcopy(orders)


def look_up(order_id):
    with connect("memory:") as orders:
        return orders.get(order_id)


def record(body):
    with connect("memory:") as orders:
        return orders.record_callback(body)


def raise_it(cls):
    raise samples.instance(cls)


def test_a_pool_of_processes_survives_every_error_and_hands_it_on():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for cls in samples.exceptions():
            with pytest.raises(cls) as raised:
                pool.submit(raise_it, cls).result(timeout=60)
            assert type(raised.value) is cls
            assert str(raised.value) == str(samples.instance(cls))
        with pytest.raises(UnknownOrderError) as unknown:
            pool.submit(look_up, "no-such-order").result(timeout=60)
        assert unknown.value.order_id == "no-such-order"
        assert pool.submit(record, callback()).result(timeout=60).view.status == "brand_new"


def test_the_older_pool_gives_an_answer_too_instead_of_waiting_for_ever():
    with get_context("spawn").Pool(1) as pool:
        with pytest.raises(LifecycleError, match="no event about order 'no-such-order'"):
            pool.apply_async(look_up, ("no-such-order",)).get(timeout=60)
        assert pool.apply_async(record, (callback(),)).get(timeout=60).view.status == "brand_new"
