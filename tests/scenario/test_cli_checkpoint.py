"""`lifecycle checkpoint`: what is stored, signed, kept, and handed to others."""

from __future__ import annotations

import base64
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from stat import S_IMODE

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lifecycle.audit.checkpoint import Checkpoint
from lifecycle.audit.merkle import is_extension
from lifecycle.audit.note import Note, PublicKey
from tests.polling import wait_until
from tests.scenario.command_line import DATABASE, SCRIPT, environment, lines, run, story
from tests.scenario.test_cli_verify import tamper


@pytest.fixture
def folder(tmp_path):
    ingest(tmp_path, *story(), *story("b"))
    return tmp_path


def ingest(folder: Path, *recordings: object) -> None:
    assert run("ingest", "-", "--db", DATABASE, cwd=folder, stdin=lines(recordings)).code == 0


def checkpoint(folder, *arguments):
    return run("checkpoint", "--db", DATABASE, *arguments, cwd=folder)


class Witness:
    """A C2SP witness in a few lines: it signs what goes on from what it saw, and no other."""

    def __init__(self) -> None:
        self.seen = Checkpoint.parse(f"none\n0\n{base64.b64encode(bytes(32)).decode()}\n").head
        self.sizes: list[int] = []
        self.key = Ed25519PrivateKey.from_private_bytes(bytes(32))
        public = self.key.public_key().public_bytes_raw()
        self.public = PublicKey("witness.example", 4, public)

    def answer(self, body: str) -> tuple[int, str]:
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
    witness = Witness()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/add-checkpoint"
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            status, text = witness.answer(body)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield witness, f"http://127.0.0.1:{server.server_port}/"
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
    assert (answer.code, answer.value["records"]) == (0, 9)

    told = checkpoint(folder, "--to", "held.txt")

    assert (folder / "held.txt").read_text(encoding="utf-8") == told.out
    assert Checkpoint.read(told.out).head.size == 9


def test_a_log_that_does_not_go_on_from_a_held_one_is_not_signed(folder):
    held = checkpoint(folder, "--to", "held.txt").out
    for table in ("tree_tiles", "checkpoints"):
        tamper(folder, f"DELETE FROM {table}")
    tamper(folder, "DELETE FROM stored_events WHERE rowid = 6")
    ingest(folder, *story("c"))

    told = checkpoint(folder, "--to", "held.txt")

    assert (told.code, told.out) == (1, "")
    assert "not signed: of the 6 records that a checkpoint saw" in told.err
    assert (folder / "held.txt").read_text(encoding="utf-8") == held


def test_a_witness_signs_it_and_its_signature_is_kept(folder, witness):
    seen, url = witness

    first = checkpoint(folder, "--witness", url)
    ingest(folder, *story("c"))
    second = checkpoint(folder, "--witness", url)

    for answer in (first, second):
        assert answer.code == 0
        assert seen.public.has_signed(Note.parse(answer.out))
    assert seen.sizes == [0, 6]
    assert checkpoint(folder).out == second.out


def test_a_witness_that_is_behind_says_so_and_gets_the_proof_that_it_needs(folder, witness):
    seen, url = witness
    checkpoint(folder, "--witness", url)
    ingest(folder, *story("c"))
    checkpoint(folder)
    ingest(folder, *story("d"))

    told = checkpoint(folder, "--witness", url)

    assert seen.public.has_signed(Note.parse(told.out))
    assert seen.sizes == [0, 9, 6]


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
            wait_until(lambda: Checkpoint.read(held.read_text(encoding="utf-8")).head.size == 9)
        finally:
            going.terminate()


@pytest.mark.parametrize("content", ["", "no key", "PRIVATE+KEY+a+b+c"])
def test_a_file_that_holds_no_key_is_wrong_usage(folder, content):
    (folder / "key").write_text(content, encoding="utf-8")

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
