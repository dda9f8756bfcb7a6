"""Hands a checkpoint to others, who may cosign it: a command, an HTTP endpoint, a witness.

A witness is called as C2SP `tlog-witness` specifies: it gets the size that it saw last, a proof
that the log only grew since, and the checkpoint; it answers with its own signature.
"""

from __future__ import annotations

import base64
import shlex
import subprocess
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from lifecycle.audit.signed_note import Note, Signature, read_signatures
from lifecycle.audit.tree import LogTree

SECONDS: Final = 60.0
_MOST_BYTES: Final = 65_536


class Handed(NamedTuple):
    """The answer to a checkpoint that was handed over: signatures, or what went wrong."""

    signatures: tuple[Signature, ...]
    trouble: str | None = None


def to_command(command: str, note: Note) -> Handed:
    """Run a command with a checkpoint as its input, and return the signatures that it printed."""
    try:
        done = subprocess.run(  # noqa: S603 - whoever runs us names it
            shlex.split(command) or [""],
            input=str(note),
            stdout=subprocess.PIPE,
            encoding="utf-8",
            timeout=SECONDS,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as failure:
        return Handed((), f"the command could not be run ({type(failure).__name__})")
    if done.returncode:
        return Handed((), f"the command ended with {done.returncode}")
    return Handed(read_signatures(done.stdout))


def to_endpoint(url: str, note: Note) -> Handed:
    """POST a checkpoint to an HTTP endpoint, and return the signatures in its answer."""
    status, answer = _post(url, str(note).encode())
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Handed((), f"the endpoint answered {status or 'nothing'}")
    return Handed(read_signatures(answer))


def to_witness(url: str, tree: LogTree, size: int, note: Note, seen: int) -> Handed:
    """Send a checkpoint to a witness that saw the first `seen` records, and return its answer."""
    for _ in range(2):
        proof = tree.consistency(seen, size)
        status, answer = _post(f"{url.rstrip('/')}/add-checkpoint", _request(seen, proof, note))
        if status != HTTPStatus.CONFLICT or not answer.strip().isdecimal():
            break
        seen = min(int(answer), size)  # the witness says how many records it saw
    if status != HTTPStatus.OK:
        return Handed((), f"the witness answered {status or 'nothing'}")
    return Handed(read_signatures(answer))


def _request(seen: int, proof: Sequence[bytes], note: Note) -> bytes:
    lines = [f"old {seen}", *(base64.b64encode(each).decode() for each in proof)]
    return ("\n".join(lines) + f"\n\n{note}").encode()


def _post(url: str, body: bytes) -> tuple[int, str]:
    """Return the status and the text of an answer; status 0 if there was none."""
    if not url.startswith(("http://", "https://")):  # another scheme has no status
        return 0, ""
    try:
        request = Request(url, body, {"content-type": "text/plain"}, method="POST")  # noqa: S310
        with urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 - whoever runs us names it
            return answer.status, answer.read(_MOST_BYTES).decode(errors="replace")
    except HTTPError as refused:
        return refused.code, refused.read(_MOST_BYTES).decode(errors="replace")
    except (OSError, ValueError):
        return 0, ""
