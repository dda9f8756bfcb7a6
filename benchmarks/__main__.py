"""Run every benchmark, each in a process of its own, and print one table.

python benchmarks
python benchmarks --write docs/contributors/speed.md
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from pairs import ROUNDS, Row, lines, number, spread, target, verdict

BENCHMARKS: Final = (
    "append_sqlite",
    "stages",
    "append_postgres",
    "append_nats",
    "append_beside",
    "view",
    "encryption",
    "fold_step",
    "long_order",
    "growth",
    "replay",
    "receiving",
)
BEGIN: Final = "<!-- figures -->"
END: Final = "<!-- end of figures -->"


def run(name: str, *arguments: str) -> list[Row]:
    """Return the rows of one benchmark."""
    script = Path(__file__).with_name(f"{name}.py")
    command = [sys.executable, str(script), "--json", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return [Row(**row) for row in json.loads(done.stdout)]


def markdown(rows: list[Row]) -> str:
    """Return the table for a page."""
    head = ("What", "compared with", "ratio", "middle half", "to reach", "")
    cells = [head, tuple("---" for _ in head)]
    cells += [
        (row.what, row.compared_with, number(row.ratio), spread(row), target(row), verdict(row))
        for row in rows
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)


def write(page: Path, rows: list[Row]) -> None:
    """Put the table between the marks of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{markdown(rows)}\n{END}{after}", encoding="utf-8")


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="default: %(default)s")
    parser.add_argument("--events", type=int, help="how far the log of `growth` grows")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table on a page")
    options = parser.parse_args()
    rows: list[Row] = []
    for name in BENCHMARKS:
        print(f"{name} ...", file=sys.stderr)
        grown = name == "growth" and options.events is not None
        size = ["--events", str(options.events)] if grown else []
        rows += run(name, "--rounds", str(options.rounds), *size)
    print("\n".join(lines(rows)))
    if options.write is not None:
        write(options.write, rows)


if __name__ == "__main__":
    main()
