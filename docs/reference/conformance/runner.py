"""Checks a program of your own: python runner.py [--cases DIR] [--shuffles N] -- PROGRAM ARGS.

The program reads a line of JSON a case and answers each with one line, until its input ends:

    {"case": "...", "recordings": [...]}
    {"case": "...", "orders": {...}, "quarantine": [...], "totals": {...}}

or {"case": "...", "skipped": "why"}. It needs Python 3.11 alone, on a POSIX system.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any


class NoAnswerError(Exception):
    """The program gave no answer; the message says why."""


class Program:
    """The program, started once, and again where it ended or had to be stopped."""

    most_ends = 10

    def __init__(self, command: list[str], seconds: float) -> None:
        self.command, self.seconds, self.ends = command, seconds, 0
        self.process: Any = None

    def ask(self, case: str, recordings: list[Any]) -> dict[str, Any]:
        """Return the program's answer to one case."""
        if self.ends == self.most_ends:
            raise NoAnswerError(f"the program had ended {self.ends} times: it was not asked")
        line = self._exchange(json.dumps({"case": case, "recordings": recordings}).encode())
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError):
            raise NoAnswerError(f"the answer is no JSON: {line[:100]!r}") from None
        if not isinstance(answer, dict) or answer.get("case") != case:
            end(self.process)  # it is out of step
            self.ends, self.process = self.ends + 1, None
            raise NoAnswerError(f"the answer is about no such case: {line[:100]!r}")
        return answer

    def close(self) -> None:
        """Tell the program that there are no more cases, and wait until it ended."""
        if self.process is not None:
            try:
                self.process.communicate(timeout=self.seconds)
            except (OSError, subprocess.TimeoutExpired):
                end(self.process)

    def _exchange(self, line: bytes) -> bytes:
        if self.process is None:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            self.process = subprocess.Popen(self.command, **pipes, start_new_session=True)
        process, answer, started = self.process, b"", time.monotonic()
        (timer := threading.Timer(self.seconds, end, [process])).start()
        with suppress(OSError):
            process.stdin.write(line + b"\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        is_late = time.monotonic() - started >= self.seconds
        timer.cancel()
        if answer.endswith(b"\n"):
            return answer
        end(process)
        self.ends, self.process, code = self.ends + 1, None, process.wait()
        why = f"gave no answer in {self.seconds:g} s" if is_late else f"ended with code {code}"
        raise NoAnswerError(f"the program {why}")


def end(process: subprocess.Popen[bytes]) -> None:
    """End a program, and what it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def cases_in(folder: Path) -> list[dict[str, Any]]:
    """Return the cases of all files, each recording as a program gets it."""
    files = sorted(folder.glob("*.jsonl"))
    cases = [json.loads(line) for file in files for line in file.read_bytes().splitlines()]
    return [{**case, "recordings": [*map(spelled_out, case["recordings"])]} for case in cases]


def spelled_out(recording: Any) -> Any:
    """Return a recording with `body_text` where a file has its pieces, each so many times."""
    if isinstance(recording, str) or "body_parts" not in recording:
        return recording
    rest = dict(recording)
    text = "".join(part * times for part, times in rest.pop("body_parts"))
    return {**rest, "body_text": text}


def shuffled(case: dict[str, Any], number: int) -> dict[str, Any]:
    """Return a case with each recording once to three times, in another order: the same orders."""
    rng = random.Random(f"{case['case']} {number}")
    copies = [at for at in range(len(case["recordings"])) for _ in range(rng.randint(1, 3))]
    rng.shuffle(copies)
    expect = case["expect"]
    reasons = {item["line"] - 1: item["reason"] for item in expect["quarantine"]}
    at_line = enumerate(copies, 1)
    refused = [{"line": line, "reason": reasons[at]} for line, at in at_line if at in reasons]
    stored = expect["totals"]["appended"] + expect["totals"]["divergent"]
    changed = {"duplicate": len(copies) - len(refused) - stored, "quarantined": len(refused)}
    return {
        **case,
        "recordings": [case["recordings"][at] for at in copies],
        "expect": {**expect, "quarantine": refused, "totals": {**expect["totals"], **changed}},
    }


def difference(expected: Any, found: Any, path: str = "") -> str | None:
    """Return the first place where an answer differs; what is not expected is not looked at."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for name, value in expected.items():
            where = f"{path}.{name}" if path else name
            if name not in found:
                return f"{where} is missing"
            if wrong := difference(value, found[name], where):
                return wrong
        strangers = [*found.keys() - expected.keys()] if path == "orders" else []
        return f"orders has {shown(min(strangers))}, which is not expected" if strangers else None
    if isinstance(expected, list) and isinstance(found, list):
        for place, (one, other) in enumerate(zip(expected, found, strict=False)):
            if wrong := difference(one, other, f"{path}[{place}]"):
                return wrong
        counts = f"{path} has {len(found)} items, expected {len(expected)}"
        return None if len(expected) == len(found) else counts
    same = type(expected) is type(found) and expected == found
    return None if same else f"{path} is {shown(found)}, expected {shown(expected)}"


def shown(value: Any) -> str:
    """Return a value as JSON, cut where it is long."""
    return f"{json.dumps(value):.200}"


def outcome_of(program: Program, case: dict[str, Any], shuffles: int) -> tuple[str, str]:
    """Return `passed`, `failed` or `skipped`, and what is wrong or why it was skipped."""
    for number in range(shuffles + 1):
        asked = shuffled(case, number) if number else case
        try:
            answer = program.ask(case["case"], asked["recordings"])
            wrong = None if "skipped" in answer else difference(asked["expect"], answer)
        except NoAnswerError as why:
            answer, wrong = {}, str(why)
        if wrong:
            return "failed", f"{wrong} (shuffled, {number})" if number else wrong
        if "skipped" in answer:
            return "skipped", str(answer["skipped"])
    return "passed", ""


def check(program: Program, cases: list[dict[str, Any]], shuffles: int) -> bool:
    """Print what failed and what was skipped, then a summary; tell whether nothing failed."""
    counts = dict.fromkeys(("passed", "failed", "skipped"), 0)
    for case in cases:
        outcome, why = outcome_of(program, case, shuffles)
        counts[outcome] += 1
        if outcome != "passed":
            lines = [why, case["about"], case["rule"]] if outcome == "failed" else [why]
            print("\n    ".join([f"{outcome.upper():<7} {case['case']}", *lines]))
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    print(f"{len(cases)} cases, each as it stands and {shuffles} times shuffled: {told}")
    return counts["failed"] == 0


def main() -> int:
    """Ask the program for every case; 0 if nothing failed, 1 if something did, 2 if it cannot."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", type=Path, default=Path(__file__).parent, metavar="DIR")
    parser.add_argument("--shuffles", type=int, default=2, metavar="N")
    parser.add_argument("--seconds", type=float, default=60, help="for each answer")
    parser.add_argument("program", nargs="+", metavar="PROGRAM")
    told = parser.parse_args()
    cases = cases_in(told.cases)
    if not cases or shutil.which(told.program[0]) is None:
        parser.error(f"no cases in {told.cases}" if not cases else "the program cannot be found")
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    program = Program(told.program, told.seconds)
    passed = check(program, cases, max(told.shuffles, 0))
    program.close()
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
