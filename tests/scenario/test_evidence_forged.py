"""Whatever is changed in a file of evidence is found: by us, and with Python alone.

Somebody without the key changes one value after the other. Then the key's owner does, and seals
the file again: what the records show cannot be changed even so.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from lifecycle import connect
from lifecycle.audit.checkpoint import Checkpoint, take
from lifecycle.audit.evidence import Bodies, make_evidence, seal_text
from lifecycle.audit.evidence_check import check_evidence
from lifecycle.audit.export import export_whole
from lifecycle.audit.signed_note import Note, PrivateKey
from lifecycle.errors import InvalidArgumentError
from lifecycle.registry import known_providers
from tests.insider import KEY, standalone
from tests.scenario.command_line import ORDER, story

Path = tuple[str | int, ...]

FORMS: tuple[Bodies, ...] = ("whole", "masked", "left out")
ADDED = {("order",), ("since",), ("complete",), ("rules",)}
"""Names that are added to these objects say nothing to anybody."""

PERSON = "kamal.singh@customer.example"


@pytest.fixture(scope="module")
def orders():
    with connect("memory:") as orders:
        orders.record_many([*story("a"), *story()])
        body = {"order_id": ORDER, "user": PERSON, "items": [1, {"phone": 5550100}, None, True]}
        orders.record_request(ORDER, json.dumps(body).encode(), attempt=2)
        error = {"error": {"message": PERSON, "code": 1001}, "meta": {"key": "user"}}
        orders.record_response(ORDER, 400, json.dumps(error).encode(), attempt=2)
        yield orders


@pytest.fixture(scope="module")
def since(orders) -> Note:
    held = signed(orders)
    orders.record_many([*story("b"), *story("c")])
    return held


def signed(orders) -> Note:
    note = take(orders.log, KEY, lambda: datetime.now(UTC))
    assert isinstance(note, Note)
    return note


@pytest.fixture(scope="module")
def files(orders, since) -> dict[Bodies, dict[str, Any]]:
    note = signed(orders)

    def make(bodies: Bodies) -> dict[str, Any]:
        made = make_evidence(
            *(orders.log, orders.provider, ORDER, KEY, note),
            bodies=bodies,
            complete=True,
            since=since,
        )
        return json.loads(json.dumps(made))

    return {bodies: make(bodies) for bodies in FORMS}


def paths(value: Any, at: Path = ()) -> Iterator[Path]:
    """Yield the way to every value inside of one."""
    if at:
        yield at
    items = value.items() if isinstance(value, dict) else ()
    for name, item in enumerate(value) if isinstance(value, list) else items:
        yield from paths(item, (*at, name))


def sample(file: Any, count: int, *, long: bool) -> list[Path]:
    every = list(paths(file))
    return every if long else random.Random(20260707).sample(every, count)


def changed(file: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return a file in which one value is another."""
    forged = at = copy.deepcopy(file)
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = another(at[path[-1]])
    return forged


def another(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            middle = len(value) // 2
            letter = "y" if value[middle : middle + 1] == "x" else "x"
            return value[:middle] + letter + value[middle + 1 :]
        case list():
            return value[:-1] if value else [1]
        case dict():
            return {**value, "more": 1}
    return 1


def sealed(file: dict[str, Any]) -> dict[str, Any]:
    """Return a file as the key's owner seals it."""
    parts = {name: file[name] for name in file if name != "seal"}
    return {**parts, "seal": str(KEY.sign(seal_text(parts)))}


def found(file: dict[str, Any], *held: Checkpoint) -> list[str]:
    return check_evidence(file, known_providers(), KEY.public, held)


def alone(file: dict[str, Any]) -> str | None:
    return standalone("verify_evidence", json.dumps(file).encode())


@pytest.mark.parametrize("bodies", FORMS)
def test_a_file_that_nobody_changed_is_verified(files, bodies):
    assert found(files[bodies]) == []
    assert alone(files[bodies]) is None
    assert found(sealed(files[bodies])) == []


@pytest.mark.parametrize("bodies", FORMS)
@pytest.mark.parametrize("long", [False, pytest.param(True, marks=pytest.mark.long)])
def test_whatever_value_is_changed_we_say_so(files, bodies, long):
    for path in sample(files[bodies], 25, long=long):
        assert found(changed(files[bodies], path)) != [], path


@pytest.mark.parametrize("bodies", FORMS)
@pytest.mark.parametrize("long", [False, pytest.param(True, marks=pytest.mark.long)])
def test_whatever_value_is_changed_python_alone_says_so(files, bodies, long):
    for path in sample(files[bodies], 60 if long else 4, long=False):
        assert alone(changed(files[bodies], path)) is not None, path


@pytest.mark.parametrize("long", [False, pytest.param(True, marks=pytest.mark.long)])
def test_not_even_who_holds_the_key_can_change_what_the_records_show(files, long):
    file = {name: part for name, part in files["whole"].items() if name != "seal"}
    for path in sample(file, 25, long=long):
        if path not in ADDED and path[0] not in {"rules", "key", "checkpoint"}:
            assert found(sealed(changed(file, path))) != [], path


@pytest.mark.parametrize("name", ["received_at", "order_id", "attempt", "kind"])
def test_what_a_line_tells_beside_its_header_is_found_whoever_sealed_it(files, name):
    forged = copy.deepcopy(files["left out"])
    forged["records"][0][name] = another(forged["records"][0][name])

    assert any(name in each for each in found(sealed(forged)))
    assert name in (alone(sealed(forged)) or "")


def test_of_two_parts_with_one_name_none_is_believed(files):
    written = json.dumps(files["whole"])
    twice = written.replace('"view":', '"view": {"status": "canceled"}, "view":', 1)
    assert json.loads(twice) == files["whole"], "Python takes the last, a reader sees the first"

    assert "stands twice" in (standalone("verify_evidence", twice.encode()) or "")


def test_a_seal_with_more_in_it_than_was_signed_is_found(files):
    seal = files["whole"]["seal"]
    other = PrivateKey("other", bytes(32)).sign("x\n").signatures[0]
    loose = f"{seal[:-3]}{'ABCDEFGH'[('ABCDEFGH'.find(seal[-3]) + 1) % 8]}=\n"
    for forged in (f"{seal}{other}", seal.removesuffix("\n"), loose):
        assert found({**files["whole"], "seal": forged}) != []
        assert alone({**files["whole"], "seal": forged}) is not None


@pytest.mark.parametrize("bodies", ["masked", "left out"])
def test_nothing_that_bodies_say_is_in_a_file_without_them(files, bodies):
    written = json.dumps(files[bodies])

    assert PERSON in json.dumps(files["whole"])
    assert PERSON not in written
    assert "5550100" not in written
    assert files[bodies]["view"]["digest"] == files["whole"]["view"]["digest"]


def test_a_masked_body_shows_its_shape_and_what_its_header_says_too(files):
    asked = files["masked"]["records"][-2]["body_masked"]

    masked = {"order_id": ORDER, "user": "***", "items": ["***", {"phone": "***"}, None, True]}
    assert asked == masked


def test_whoever_holds_an_earlier_checkpoint_sees_that_the_log_only_grew(orders, since, files):
    file, held = files["whole"], Checkpoint.parse(since.text)
    other = held._replace(head=held.head._replace(root=bytes(32)))

    assert found(file, held) == []
    assert "ask for it with --since" in found(file, other)[0]
    without = make_evidence(orders.log, orders.provider, ORDER, KEY, Note.parse(file["checkpoint"]))
    assert "ask for it with --since" in found(without, held)[0]


def test_a_checkpoint_that_the_key_did_not_sign_or_of_another_log_makes_no_evidence(orders, since):
    other = PrivateKey("example.com/orders", bytes(32))
    held = Checkpoint.parse(since.text)
    strange = KEY.sign(held._replace(head=held.head._replace(root=bytes(32))).text)

    with pytest.raises(InvalidArgumentError, match="a checkpoint that the key has signed"):
        make_evidence(orders.log, orders.provider, ORDER, other, since)
    with pytest.raises(InvalidArgumentError, match="that the log goes on from"):
        make_evidence(orders.log, orders.provider, ORDER, KEY, signed(orders), since=strange)


def test_an_encrypted_log_is_verified_with_python_alone_before_and_after_an_erasure(tmp_path):
    with connect(f"sqlite:///{tmp_path}/a.db", keys=f"file:{tmp_path}/a.keys") as orders:
        orders.record_many([b"{", *story(), {**story("b")[0], "context": "theirs"}])
        orders.record_callback(b"unreadable")

        def verified() -> list[str | None]:
            note = signed(orders)
            made = make_evidence(orders.log, orders.provider, ORDER, KEY, note)
            whole = b"".join(export_whole(orders.log))
            assert found(made) == []
            return [alone(made), standalone("verify_export", whole, str(note))]

        assert verified() == [None, None]
        changed = b"".join(export_whole(orders.log)).replace(b"brand_new", b"delivered", 1)
        assert standalone("verify_export", changed, str(signed(orders))) is not None
        orders.erase(ORDER, reason="asked for")
        for item in (1, 2):
            orders.erase_item(item, reason="asked for")
        assert verified() == [None, None]


FAKE = b'{"kind":"callback","order_id":"xyz123456","body":{"event_name":"canceled"}}'


def bad_line_before_a_record(lines: list[bytes]) -> None:
    record = json.loads(lines[1])
    lines[1] = json.dumps({**record, "control": "bad_line"}).encode()
    lines.insert(1, FAKE)


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines.insert(1, FAKE),
        bad_line_before_a_record,
        lambda lines: lines.insert(1, lines[1].replace(b'"kind"', b'"kind":"poll","kind"', 1)),
        lambda lines: lines.append(FAKE),
        lambda lines: lines.__setitem__(1, lines[1].replace(b'{"', b'{"http_status":500,"', 1)),
        lambda lines: lines.__setitem__(
            1, lines[1].replace(b'"received_at":"2', b'"received_at":"1')
        ),
    ],
)
def test_an_export_with_a_line_that_no_record_vouches_for_is_not_verified(orders, change):
    orders.record_many([b"{"])
    note = signed(orders)
    lines = list(export_whole(orders.log))

    def verified() -> str | None:
        return standalone("verify_export", b"".join(lines), str(note))

    assert verified() is None
    lines = [line.removesuffix(b"\n") for line in lines]
    change(lines)
    lines = [line + b"\n" for line in lines]
    assert verified() is not None
