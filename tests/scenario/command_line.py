"""Running the command line: here in this process, as the real script, and on a terminal.

Most questions are asked in this process, which is quick, on a terminal too. What depends on the
process itself (exit codes, streams, signals, the environment) is asked of the installed script.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from lifecycle.cli import app

SCRIPT = Path(sys.executable).with_name("lifecycle")
ORDER = "xyz123456"
DATABASE = "sqlite:///orders.db"
# What a shell may set and what would change the answers below.
STEERING = {"LIFECYCLE_DB", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "PYTHONIOENCODING"}


class Answer(NamedTuple):
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        """The JSON that it printed."""
        return json.loads(self.out)


def environment(**also: str) -> dict[str, str]:
    """Return this process's environment without what would change the answers."""
    kept = {name: value for name, value in os.environ.items() if name not in STEERING}
    return kept | {"PYTHONUTF8": "1"} | also


def run(
    *arguments: str | Path,
    stdin: bytes | str = b"",
    cwd: Path,
    env: Mapping[str, str] | None = None,
) -> Answer:
    """Run `lifecycle` in this process and return what it said."""
    given = stdin.encode() if isinstance(stdin, str) else stdin
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    code, err = _run(arguments, given, out, cwd, env or {})
    return Answer(code, _written_to(out), err)


def _run(
    arguments: Iterable[str | Path],
    stdin: bytes,
    stdout: io.TextIOWrapper,
    cwd: Path,
    env: Mapping[str, str],
) -> tuple[int, str]:
    """Return with which code it ended, and what it wrote to stderr."""
    err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with (
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(err),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin))),
        mock.patch.dict(os.environ, environment(**env), clear=True),
    ):
        code = app.run([str(argument) for argument in arguments])
    return code, _written_to(err)


def _written_to(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return stream.detach().getvalue().decode()


def run_script(
    *arguments: str | Path,
    stdin: bytes | str = b"",
    cwd: Path,
    env: Mapping[str, str] | None = None,
) -> Answer:
    """Run the installed `lifecycle` in a folder and return what it said."""
    done = subprocess.run(
        [SCRIPT, *arguments],
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        capture_output=True,
        cwd=cwd,
        env=environment(**(env or {})),
        timeout=120,
        check=False,
    )
    return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())


def run_on_terminal(*arguments: str, cwd: Path, columns: int = 80, **env: str) -> Answer:
    """Run `lifecycle` here with a terminal of so many columns as stdout; return what it showed."""
    master, slave = pty.openpty()
    shape = {"TERM": "xterm-256color", "COLUMNS": str(columns)} | env
    with ThreadPoolExecutor(1) as threads:
        shown = threads.submit(_read_to_the_end, master)
        with os.fdopen(slave, "w", encoding="utf-8") as terminal:
            code, err = _run(arguments, b"", terminal, cwd, shape)
    os.close(master)
    return Answer(code, shown.result().decode(), err)


def _read_to_the_end(master: int) -> bytes:
    shown = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # Linux says so when the other end is closed
            return shown
        if not piece:
            return shown
        shown += piece


def lines(recordings: Iterable[Mapping[str, Any]]) -> str:
    """Return recordings as a file of JSON Lines."""
    return "".join(f"{json.dumps(recording)}\n" for recording in recordings)


def request(order_id: str = ORDER, second: int = 0, attempt: int = 1) -> dict[str, Any]:
    """Return the recording of a create request."""
    return {
        "kind": "request",
        "order_id": order_id,
        "attempt": attempt,
        "received_at": at(second),
        "body": {"order_id": order_id, "items_count": 12},
    }


def response(order_id: str = ORDER, second: int = 1, attempt: int = 1) -> dict[str, Any]:
    """Return the recording of a response that accepts the order."""
    return {
        "kind": "response",
        "order_id": order_id,
        "attempt": attempt,
        "received_at": at(second),
        "http_status": 200,
        "body": {
            "id": order_id,
            "status": "created",
            "fulfillment_details": {"store_location": "1003"},
        },
    }


def callback(
    name: str = "brand_new", order_id: str = ORDER, second: int = 9, event_id: str | None = None
) -> dict[str, Any]:
    """Return the recording of an enveloped callback."""
    return {
        "kind": "callback",
        "received_at": at(second),
        "body": {
            "event_id": event_id or f"{order_id}-{name}-{second}",
            "event_name": f"fulfillment.{name}",
            "event_timestamp": at(second),
            "event_metadata": {"order_id": order_id},
        },
    }


def story(order_id: str = ORDER) -> list[dict[str, Any]]:
    """Return the recordings of an order that was created and confirmed."""
    return [request(order_id), response(order_id), callback(order_id=order_id)]


def at(second: int) -> str:
    """Return the time so many seconds after ten o'clock."""
    return f"2022-06-04T{10 + second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}Z"
