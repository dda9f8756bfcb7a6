"""Go's own verifier of signed notes and trees accepts ours: it shares no code and no author."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lifecycle.audit.checkpoint import Checkpoint, take
from lifecycle.audit.signed_note import Note, PrivateKey
from lifecycle.audit.tree import LogTree, leaf_of
from lifecycle.log.stores.memory.log import MemoryLog
from tests.contract.entries import event

SOURCE = Path(__file__).resolve().parent.parent / "go/verify_note.go"
LIBRARY = Path("/usr/share/gocode")
KEY = PrivateKey("example.com/orders", bytes(range(32)))

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def verify(tmp_path_factory) -> Callable[[dict[str, Any]], tuple[int, str]]:
    """Build the program, from what Debian's packages golang-go and golang-golang-x-mod-dev hold."""
    go = shutil.which("go")
    if go is None or not (LIBRARY / "src/golang.org/x/mod/sumdb/note").is_dir():
        pytest.skip("there is no Go with golang.org/x/mod")
    folder = tmp_path_factory.mktemp("go")
    settings = {"GO111MODULE": "off", "GOPATH": str(LIBRARY), "CGO_ENABLED": "0"}
    folders = {"GOCACHE": str(folder / "cache"), "HOME": str(folder)}
    subprocess.run(
        [go, "build", "-o", folder / "verify", SOURCE],
        env={**os.environ, **settings, **folders},
        check=True,
    )

    def run(given: dict[str, Any]) -> tuple[int, str]:
        done = subprocess.run(
            [folder / "verify"],
            input=json.dumps(given),
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    return run


def encoded(*hashes: bytes) -> list[str]:
    return [base64.b64encode(each).decode() for each in hashes]


@pytest.fixture(scope="module")
def given() -> dict[str, Any]:
    log = MemoryLog()
    log.append_many([event(f"o{number % 5}", number) for number in range(300)])
    old = LogTree(log).follow()
    log.append_many([event("later", number) for number in range(417)])
    log.feeds.begin("notify", 3)
    note = take(log, KEY, lambda: datetime.now(UTC))
    assert isinstance(note, Note)
    tree, head = LogTree(log), Checkpoint.parse(note.text).head
    index = 77
    return {
        "Key": str(KEY.public),
        "Note": str(note),
        "Index": index,
        "Old": old.size,
        "OldRoot": encoded(old.root)[0],
        "Root": encoded(head.root)[0],
        "Leaf": encoded(leaf_of(list(log.scan())[index]))[0],
        "Inclusion": encoded(*tree.inclusion(index, head.size)),
        "Consistency": encoded(*tree.consistency(old.size, head.size)),
    }


def test_it_accepts_our_note_and_our_proofs(verify, given):
    assert verify(given) == (0, "accepted: example.com/orders 717\n")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Note", lambda given: given["Note"].replace("717", "718")),
        ("Key", lambda given: str(PrivateKey("example.com/orders", bytes(32)).public)),
        ("Index", lambda given: 78),
        ("Leaf", lambda given: given["Root"]),
        ("OldRoot", lambda given: given["Root"]),
        ("Inclusion", lambda given: given["Inclusion"][1:]),
        ("Consistency", lambda given: given["Consistency"][1:]),
    ],
)
def test_it_refuses_whatever_is_changed(verify, given, name, value):
    code, told = verify({**given, name: value(given)})

    assert code == 1
    assert told.startswith("refused: ")
