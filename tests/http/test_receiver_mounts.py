"""One receiver, many frameworks, real sockets: the same answers, the same bytes in the log."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from lifecycle import connect
from lifecycle.core.event import MAX_KEPT_BYTES, Event
from lifecycle.log.codec import decode, split
from lifecycle.log.contract import CONTROL
from tests.hostile_corpus import CORPUS, sample
from tests.http.mounts import MOUNTS, Served
from tests.receiving import BODY
from tests.serving import ask, bearer, connected

BODIES = [body for body in CORPUS.values() if body]
CALLERS = 8


def told(
    serve: Callable[[str], Served], url: str, sent: Sequence[tuple[bytes, str]]
) -> Counter[tuple[int, bytes]]:
    """Return what a mount answered to bodies and their content types, over a few connections."""

    def send(share: Iterable[tuple[bytes, str]]) -> list[tuple[int, bytes]]:
        with connected(port) as connection:
            answers = [
                ask(connection, "POST", path, body, token | {"Content-Type": kind})
                for body, kind in share
            ]
        return [(answer.status, answer.body) for answer in answers]

    with serve(url) as (port, below), ThreadPoolExecutor(CALLERS) as callers:
        token, path = bearer(port, below), f"{below}/callbacks"
        shares = (sent[caller::CALLERS] for caller in range(CALLERS))
        return Counter(answer for answers in callers.map(send, shares) for answer in answers)


def library_told(url: str, bodies: Iterable[bytes]) -> Counter[tuple[int, bytes]]:
    """Return what should be answered: what the library says, asked without any server."""
    lines = [{"kind": "callback", "body": body} for body in bodies]
    with connect(url) as orders:
        outcomes = [receipt.outcome.value for receipt in orders.record_many(lines)]
    bodies_told = (json.dumps({"outcome": o}, separators=(",", ":")) for o in outcomes)
    return Counter((200, told.encode()) for told in bodies_told)


def stored(url: str) -> list[bytes]:
    with connect(url, create=False) as orders:
        return [split(record)[1] for record in orders.log.scan() if record.stream != CONTROL]


def identities(url: str) -> Counter[str]:
    """Return what is stored: events by their identity, all else by its bytes."""
    with connect(url, create=False) as orders:
        entries = [decode(record) for record in orders.log.scan() if record.stream != CONTROL]
    return Counter(
        f"{entry.stream} {entry.key} {entry.digest}"
        if isinstance(entry, Event)
        else sha256(entry.body).hexdigest()
        for entry in entries
    )


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(sample(BODIES), id="a sample"),
        pytest.param(BODIES, id="whole", marks=pytest.mark.long),
    ],
)
def corpus(request, tmp_path_factory) -> tuple[list[bytes], object]:
    """Return bodies, with what the library says to them and what it then holds."""
    url = f"sqlite:///{tmp_path_factory.mktemp('expected')}/orders.db"
    return request.param, (library_told(url, request.param), identities(url))


@pytest.mark.parametrize("mount", MOUNTS)
def test_the_hostile_corpus_is_answered_alike_and_kept_byte_for_byte(
    mount: str, corpus, tmp_path: Path
) -> None:
    bodies, expected = corpus
    url = f"sqlite:///{tmp_path}/orders.db"
    sent = [(body, "application/json") for body in bodies]
    assert (told(MOUNTS[mount], url, sent), identities(url)) == expected
    assert not set(stored(url)) - set(bodies)


@pytest.mark.parametrize("mount", MOUNTS)
def test_every_mount_answers_alike_whatever_is_asked(mount: str, tmp_path: Path) -> None:
    with (
        MOUNTS[mount](f"sqlite:///{tmp_path}/orders.db") as (port, below),
        connected(port) as connection,
    ):
        token = bearer(port, below)
        found = [
            ask(connection, method, below + path, body, headers).status
            for method, path, body, headers in (
                ("POST", "/callbacks", BODY, {}),
                ("POST", "/callbacks", BODY, token | {"Content-Type": "multipart/form-data"}),
                ("POST", "/callbacks", BODY, token | {"Content-Type": "text/html; charset=x"}),
                ("POST", "/callbacks?id=1", BODY, token),
                ("GET", "/callbacks", None, token),
                ("POST", "/oauth/token", b"client_id=instacart&client_secret=no", {}),
                ("POST", "/oauth/token?client_id=instacart", b"", {}),
                ("POST", "/oauth/token", b"\xff&%zz=%&==", {}),
                ("GET", "/health", None, {}),
                ("HEAD", "/health", None, {}),
                ("POST", "/callbacks/", BODY, token),
                ("POST", "/callbacks", b"x" * MAX_KEPT_BYTES, token),
                ("POST", "/callbacks", b"x" * (MAX_KEPT_BYTES + 1), token),
                ("POST", "/callbacks", BODY, token),
            )
        ]
    assert found == [401, 200, 200, 200, 405, 401, 400, 400, 200, 200, 404, 200, 413, 200]


@pytest.mark.parametrize("mount", MOUNTS)
def test_a_body_in_chunks_is_counted_as_it_comes(mount: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/orders.db"
    with MOUNTS[mount](url) as (port, below), connected(port) as connection:
        token = bearer(port, below)
        path = f"{below}/callbacks"
        sizes = ([BODY[:9], BODY[9:]], [b"x" * 65536] * 256, [b"x" * 65536] * 256 + [b"x"])
        found = [
            ask(connection, "POST", path, iter(pieces), token, encode_chunked=True).status
            for pieces in sizes
        ]
    assert found == [200, 200, 413]
    assert stored(url) == [BODY, b"x" * MAX_KEPT_BYTES]
