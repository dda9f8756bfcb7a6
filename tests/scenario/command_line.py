"""Running the command line: here in this process, as the real script, and on a terminal.

Most questions are asked in this process, which is quick. What depends on the process
itself (exit codes, streams, signals, the environment) is asked of the installed script.
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
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with (
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(given))),
        mock.patch.dict(os.environ, environment(**(env or {})), clear=True),
    ):
        code = app.run([str(argument) for argument in arguments])
    return Answer(code, _written_to(out), _written_to(err))


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
    """Run `lifecycle` with a terminal of so many columns as stdout and return what it showed."""
    master, slave = pty.openpty()
    shape = environment(**{"TERM": "xterm-256color", "COLUMNS": str(columns)} | env)
    with subprocess.Popen(
        [SCRIPT, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=slave,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env=shape,
    ) as process:
        os.close(slave)
        shown = _read_to_the_end(master)
        err = process.stderr.read().decode() if process.stderr else ""
    os.close(master)
    return Answer(process.returncode, shown.decode(), err)


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
