"""`lifecycle checkpoint`: what is stored, signed, kept, and handed to others."""

from __future__ import annotations

import base64
import contextlib
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from stat import S_IMODE
from typing import TypeVar

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lifecycle.audit.checkpoint import Checkpoint, add_signatures, take
from lifecycle.audit.merkle import is_extension
from lifecycle.audit.signed_note import Note, PrivateKey, PublicKey, Signature
from lifecycle.composition import open_log
from lifecycle.log.tree_store import Signed
from tests.polling import wait_until
from tests.scenario.command_line import DATABASE, ORDER, SCRIPT, environment, lines, run, story
from tests.scenario.test_cli_verify import tamper

Other = TypeVar("Other", "Endpoint", "Witness")


@pytest.fixture
def folder(tmp_path):
    ingest(tmp_path, *story(), *story("b"))
    return tmp_path


def ingest(folder: Path, *recordings: object) -> None:
    assert run("ingest", "-", "--db", DATABASE, cwd=folder, stdin=lines(recordings)).code == 0


def checkpoint(folder, *arguments):
    return run("checkpoint", "--db", DATABASE, *arguments, cwd=folder)


class Endpoint:
    """Something over HTTP that keeps what it gets."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.status = 204

    def answer(self, path: str, body: str) -> tuple[int, str]:
        assert path == "/held/last"
        self.got.append(body)
        return self.status, ""


class Witness:
    """A C2SP witness in a few lines: it signs what goes on from what it saw, and no other."""

    def __init__(self) -> None:
        self.seen = Checkpoint.parse(f"none\n0\n{base64.b64encode(bytes(32)).decode()}\n").head
        self.sizes: list[int] = []
        self.key = Ed25519PrivateKey.from_private_bytes(bytes(32))
        public = self.key.public_key().public_bytes_raw()
        self.public = PublicKey("witness.example", 4, public)

    def answer(self, path: str, body: str) -> tuple[int, str]:
        assert path == "/add-checkpoint"
        request, _, written = body.partition("\n\n")
        old, *proof = request.split("\n")
        note = Note.parse(written)
        head = Checkpoint.parse(note.text).head
        self.sizes.append(int(old.removeprefix("old ")))
        if self.sizes[-1] != self.seen.size:
            return 409, f"{self.seen.size}\n"
        hashes = [base64.b64decode(each) for each in proof]
        if self.seen.size and not is_extension(self.seen, head, hashes):
            return 422, ""
        self.seen = head
        signed = self.key.sign(b"cosignature/v1\ntime 1700000000\n" + note.text.encode())
        blob = self.public.key_id + (1700000000).to_bytes(8, "big") + signed
        return 200, f"— {self.public.name} {base64.b64encode(blob).decode()}\n"


@pytest.fixture
def witness() -> Iterator[tuple[Witness, str]]:
    yield from served(Witness())


@pytest.fixture
def endpoint() -> Iterator[tuple[Endpoint, str]]:
    yield from served(Endpoint())


def served(other: Other) -> Iterator[tuple[Other, str]]:
    """Yield somebody who answers to POST, and where."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            status, text = other.answer(self.path, body)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield other, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_the_first_one_makes_a_key_for_its_owner_alone_and_says_so(folder):
    first, second = checkpoint(folder), checkpoint(folder)

    key = folder / "orders.db.checkpoint-key"
    public = PublicKey.parse(first.err.split()[-1])
    assert (first.code, second.code, second.err) == (0, 0, "")
    assert S_IMODE(key.stat().st_mode) == 0o600
    assert "a key was made in orders.db.checkpoint-key" in first.err
    assert public.has_signed(Note.parse(first.out))
    assert first.out == second.out, "nothing was appended, so nothing is signed again"


def test_it_says_what_verify_finds(folder):
    told = checkpoint(folder, "--json").value

    verified = run("verify", "--db", DATABASE, "--json", cwd=folder).value
    assert f"{told['size']}:{told['root']}" == verified["checkpoint"]
    assert Checkpoint.read(told["note"]).taken_at is not None
    assert PublicKey.parse(told["key"]).has_signed(Note.parse(told["note"]))


def test_a_file_holds_the_last_one_and_verify_takes_the_file(folder):
    checkpoint(folder, "--to", "held.txt")
    ingest(folder, *story("c"))
    answer = run("verify", "--db", DATABASE, "--checkpoint", "held.txt", "--json", cwd=folder)
    assert (answer.code, answer.value["records"]) == (0, 10)

    told = checkpoint(folder, "--to", "held.txt")

    assert (folder / "held.txt").read_text(encoding="utf-8") == told.out
    assert Checkpoint.read(told.out).head.size == 10


def test_a_log_that_does_not_go_on_from_a_held_one_is_not_signed(folder):
    held = checkpoint(folder, "--to", "held.txt").out
    for table in ("tree_tiles", "checkpoints"):
        tamper(folder, f"DELETE FROM {table}")
    tamper(folder, "DELETE FROM stored_events WHERE rowid = 7")
    ingest(folder, *story("c"))

    told = checkpoint(folder, "--to", "held.txt")

    assert (told.code, told.out) == (1, "")
    assert "not signed: of the 7 records that a checkpoint saw" in told.err
    assert (folder / "held.txt").read_text(encoding="utf-8") == held


def test_a_witness_signs_it_and_its_signature_is_kept(folder, witness):
    seen, url = witness

    first = checkpoint(folder, "--witness", url)
    ingest(folder, *story("c"))
    second = checkpoint(folder, "--witness", url)

    for answer in (first, second):
        assert answer.code == 0
        assert seen.public.has_signed(Note.parse(answer.out))
    assert seen.sizes == [0, 7]
    assert checkpoint(folder).out == second.out


def test_whoever_knows_the_witness_checks_that_it_signed(folder, witness):
    seen, url = witness
    known, stranger = str(seen.public), str(PublicKey("witness.example", 4, bytes(32)))
    alone = checkpoint(folder, "--to", "alone.txt", "--witness-key", known)
    both = checkpoint(folder, "--to", "both.txt", "--witness", url, "--witness-key", known)

    def verify(file: str, key: str):
        arguments = ("--checkpoint", file, "--witness-key", key)
        return run("verify", "--db", DATABASE, *arguments, cwd=folder)

    assert (alone.code, both.code) == (1, 0)
    assert "the checkpoint was kept, but 'witness.example' did not sign it" in alone.err
    assert verify("both.txt", known).code == 0
    assert verify("both.txt", stranger).code == verify("alone.txt", known).code == 1
    assert "is not signed with the key 'witness.example'" in verify("alone.txt", known).err
    assert verify("both.txt", "x").code == 2


def test_evidence_says_when_a_witness_signed_its_checkpoint(folder, witness):
    seen, url = witness
    checkpoint(folder, "--witness", url)
    run("evidence", ORDER, "--db", DATABASE, "-o", "e.json", cwd=folder)

    told = run("verify", "--evidence", "e.json", "--witness-key", str(seen.public), cwd=folder)
    other = PublicKey("witness.example", 4, bytes(32))
    refused = run("verify", "--evidence", "e.json", "--witness-key", str(other), cwd=folder)

    assert "witness.example signed the checkpoint too, at 2023-11-14T22:13:20Z" in told.out
    assert (told.code, refused.code) == (0, 1)
    assert "'witness.example' did not sign the checkpoint" in refused.out


def test_what_a_witness_signed_for_another_process_meanwhile_is_kept(folder, witness):
    seen, url = witness

    told = checkpoint(folder, "--run", f"{SCRIPT} checkpoint --db {DATABASE} --witness {url}")

    assert seen.public.has_signed(Note.parse(told.out))


def test_an_endpoint_gets_it_by_post_and_one_that_refuses_it_is_told(folder, endpoint):
    seen, url = endpoint

    told = checkpoint(folder, "--post", f"{url}held/last")
    seen.status = 503
    refused = checkpoint(folder, "--post", f"{url}held/last")

    assert (told.code, seen.got) == (0, [told.out, told.out])
    assert refused.code == 1
    assert "the checkpoint was kept, but the endpoint answered 503" in refused.err


def test_an_address_that_is_none_of_http_is_told_and_the_checkpoint_is_kept(folder):
    told = checkpoint(folder, "--post", "file:///dev/null")

    assert told.code == 1
    assert "the endpoint answered nothing" in told.err
    assert checkpoint(folder).out == told.out


def test_a_key_that_others_may_read_is_warned_of(folder):
    checkpoint(folder, "--key", "key")
    (folder / "key").chmod(0o644)

    assert "others than its owner may read it" in checkpoint(folder, "--key", "key").err


def test_a_witness_that_is_behind_says_so_and_gets_the_proof_that_it_needs(folder, witness):
    seen, url = witness
    checkpoint(folder, "--witness", url)
    ingest(folder, *story("c"))
    checkpoint(folder)
    ingest(folder, *story("d"))

    told = checkpoint(folder, "--witness", url)

    assert seen.public.has_signed(Note.parse(told.out))
    assert seen.sizes == [0, 10, 7]


def test_a_witness_that_cannot_be_reached_is_told_and_the_checkpoint_is_kept(folder):
    told = checkpoint(folder, "--witness", "http://127.0.0.1:1/")

    assert told.code == 1
    assert "the checkpoint was kept, but the witness answered nothing" in told.err
    assert checkpoint(folder).out == told.out


def test_a_command_reads_it_and_may_sign_it_too(folder):
    line = f"— other.example {base64.b64encode(bytes(68)).decode()}"
    (folder / "sign.py").write_text(
        "import pathlib, sys\n"
        "pathlib.Path('got.txt').write_text(sys.stdin.read(), encoding='utf-8')\n"
        f"sys.stdout.reconfigure(encoding='utf-8')\nprint({line!r})\n",
        encoding="utf-8",
    )

    told = checkpoint(folder, "--run", f"{sys.executable} sign.py")

    got = (folder / "got.txt").read_text(encoding="utf-8")
    assert told.code == 0
    assert told.out == f"{got}{line}\n"


@pytest.mark.parametrize(
    ("command", "trouble"),
    [
        ("false", "the command ended with 1"),
        ("/no/such", "the command could not be run"),
        ("'", "the command could not be run"),
        ("", "the command could not be run"),
    ],
)
def test_a_command_that_fails_is_told_and_the_checkpoint_is_kept(folder, command, trouble):
    told = checkpoint(folder, "--run", command)

    assert told.code == 1
    assert trouble in told.err
    assert checkpoint(folder).out == told.out


def test_it_goes_on_and_signs_what_was_appended_since(folder):
    command = [SCRIPT, "checkpoint", "--db", DATABASE, "--every", "1s", "--to", "held.txt"]
    with subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as going:
        try:
            held = folder / "held.txt"
            wait_until(held.exists)
            ingest(folder, *story("c"))
            wait_until(lambda: Checkpoint.read(held.read_text(encoding="utf-8")).head.size == 10)
        finally:
            going.terminate()


def test_it_goes_on_where_the_log_was_away_for_a_while(folder):
    held, log = folder / "held.txt", folder / "orders.db"
    command = [SCRIPT, "checkpoint", "--db", DATABASE, "--every", "1s", "--to", held]
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "encoding": "utf-8"}
    with subprocess.Popen(command, cwd=folder, env=environment(), **streams) as going:
        try:
            wait_until(held.exists)
            ingest(folder, *story("c"))
            log.rename(folder / "away")
            assert any("no checkpoint this time" in line for line in going.stderr)
            (folder / "away").rename(log)
            wait_until(lambda: Checkpoint.read(held.read_text(encoding="utf-8")).head.size == 10)
        finally:
            going.terminate()


@pytest.mark.parametrize("content", [b"", b"no key", b"PRIVATE+KEY+a+b+c", b"\xff\0"])
def test_a_file_that_holds_no_key_is_wrong_usage(folder, content):
    (folder / "key").write_bytes(content)

    told = checkpoint(folder, "--key", "key")

    assert (told.code, told.out) == (2, "")
    assert "holds no key" in told.err


def test_a_log_that_lies_in_no_file_needs_a_file_for_the_key(tmp_path):
    told = run("checkpoint", "--db", "memory:", cwd=tmp_path)

    assert told.code == 2
    assert "give --key FILE" in told.err


def test_of_a_log_that_is_not_there_nothing_is_made(tmp_path):
    assert checkpoint(tmp_path).code == 3
    assert list(tmp_path.iterdir()) == []


def stored(folder: Path) -> list[tuple[int, str]]:
    with contextlib.closing(sqlite3.connect(folder / "orders.db")) as driver:
        return driver.execute("SELECT size, note FROM checkpoints ORDER BY size").fetchall()


def test_no_other_key_replaces_a_stored_checkpoint_and_its_cosignature(folder, witness):
    seen, url = witness
    checkpoint(folder, "--key", "mine", "--witness", url, "--to", "held.txt")
    kept = stored(folder)
    made = ("evidence", ORDER, "--db", DATABASE, "-o", "e.json", "--key", "other")

    for told in (
        checkpoint(folder, "--key", "other"),
        checkpoint(folder, "--key", "other", "--to", "held.txt", "--witness", url),
        run(*made, cwd=folder),
        run(*made, "--checkpoint", "held.txt", cwd=folder),
        run(*made, "--since", "held.txt", cwd=folder),
    ):
        assert (told.code, told.out, stored(folder)) == (1, "", kept)
    assert seen.public.has_signed(Note.parse(kept[0][1]))
    assert kept == [(7, (folder / "held.txt").read_text(encoding="utf-8"))]
    assert "is signed with another key" in checkpoint(folder, "--key", "other").err
    ingest(folder, *story("c"))
    assert checkpoint(folder, "--key", "other").code == 0, "a key may change where the log grew"
    assert [kept[0], (10, checkpoint(folder, "--key", "other").out)] == stored(folder)


def test_evidence_by_a_held_checkpoint_signs_none(folder):
    checkpoint(folder, "--to", "held.txt")
    kept = stored(folder)
    ingest(folder, *story("c"))

    told = run("evidence", ORDER, "--db", DATABASE, "--checkpoint", "held.txt", cwd=folder)

    assert (told.code, stored(folder)) == (0, kept)


@pytest.mark.parametrize(
    "command",
    [("checkpoint",), ("evidence", ORDER), ("evidence", ORDER, "--checkpoint", "held.txt")],
)
def test_no_second_key_is_made_beside_a_log_that_another_key_signed(folder, command):
    checkpoint(folder, "--key", "my.key", "--to", "held.txt")

    told = run(*command, "--db", DATABASE, cwd=folder)

    assert (told.code, told.out) == (2, "")
    assert "pass the one that signed" in told.err
    assert "--key FILE" in told.err
    assert not (folder / "orders.db.checkpoint-key").exists()
    assert run(*command, "--db", DATABASE, "--key", "my.key", cwd=folder).code == 0


def test_a_cosignature_that_comes_while_another_is_added_is_kept():
    log, key = open_log("memory:"), PrivateKey("shop", bytes(32))
    note = take(log, key, lambda: datetime(2026, 1, 1, tzinfo=UTC))
    first, second = (Signature(name, bytes(4), bytes(68)) for name in ("first", "second"))
    before = log.tree.last_checkpoint()
    add_signatures(log, note, [first])

    assert not log.tree.keep(Signed(0, str(note.with_signatures([second]))), before.note)
    both = add_signatures(log, note, [second])
    assert both == note.with_signatures([first, second])
    assert log.tree.last_checkpoint() == Signed(0, str(both))


def test_verify_says_which_checkpoint_does_not_fit(folder):
    checkpoint(folder, "--to", "held.txt")
    told = ("verify", "--db", DATABASE, "--checkpoint", "held.txt", "--json")
    tamper(folder, "DELETE FROM stored_events WHERE rowid = 7")
    ingest(folder, *story("c")[:1])

    sentences = [each["sentence"] for each in run(*told, cwd=folder).value["findings"]]

    given, kept = (
        f"that the checkpoint {which} saw" for which in ("that was given", "kept beside the log")
    )
    assert len([each for each in sentences if given in each]) == 1
    assert len([each for each in sentences if kept in each]) == 1
