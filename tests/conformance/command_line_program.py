"""Answers cases by the command line alone: `lifecycle ingest`, `show`, `history`, `quarantine`.

    python -m tests.conformance.command_line_program [PROGRAM]

PROGRAM is run for every command; without it the same arguments are run in this process.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lifecycle.cli.app import run

PROGRAM = sys.argv[1:]


def told_by(*arguments: str) -> Any:
    """Return what a command prints as JSON."""
    if PROGRAM:
        done = subprocess.run([*PROGRAM, *arguments], stdout=subprocess.PIPE, check=True)
        return json.loads(done.stdout)
    printed = io.BytesIO()
    with redirect_stdout(io.TextIOWrapper(printed, encoding="utf-8")):
        code = run([*arguments])
        told = printed.getvalue()
    assert code == 0, f"{arguments} ended with {code}"
    return json.loads(told)


def answer(recordings: list[Any], folder: Path) -> dict[str, Any]:
    """Return what the commands say of a new log that has ingested these, line by line."""
    log = ("--json", "--db", f"sqlite:///{folder}/orders.db")
    totals: dict[str, int] = dict.fromkeys(("appended", "duplicate", "divergent", "quarantined"), 0)
    refused = []
    for number, recording in enumerate(recordings, 1):
        line = recording if isinstance(recording, str) else json.dumps(recording)
        (folder / "line.jsonl").write_text(line, encoding="utf-8")
        counted = told_by("ingest", str(folder / "line.jsonl"), *log)
        totals = {outcome: count + counted[outcome] for outcome, count in totals.items()}
        refused += [number] * counted["quarantined"]
    items = told_by("quarantine", *log)
    names = [each["order_id"] for each in told_by("list", *log)]
    return {
        "orders": {
            name: {
                "view": told_by("show", *log, "--", name),
                "history": told_by("history", *log, "--", name),
            }
            for name in names
        },
        "quarantine": [
            {"line": number, "reason": item["reason"]}
            for number, item in zip(refused, items, strict=True)
        ],
        "totals": totals,
    }


def main() -> None:
    for asked in sys.stdin:
        case = json.loads(asked)
        with TemporaryDirectory() as folder:
            told = {"case": case["case"], **answer(case["recordings"], Path(folder))}
        sys.stdout.write(f"{json.dumps(told)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
