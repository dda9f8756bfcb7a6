"""Run the log's state machine for as many steps as you like.

    .venv/bin/python campaigns/state_machine.py --steps 1000000

After every step each view is held against an independent oracle and a fresh fold. Progress
goes to stderr, the figures to stdout. Exits with 1 at the first difference, after the
shortest way to it; the same `--seed` finds it again.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.state_machine import figures, walk


def main() -> int:
    """Run the steps that the command line asks for and print what was done."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=1_000_000, help="how many, at least")
    parser.add_argument("--seed", type=int, default=0, help="of the first twenty logs")
    asked = parser.parse_args()
    started, seed, wrong = time.monotonic(), asked.seed - 1, 0
    try:
        for done, made in walk(asked.steps, asked.seed):
            seed = done
            pace = made / (time.monotonic() - started)
            left = max(asked.steps - made, 0) / pace / 60
            sys.stderr.write(f"\r{made:,} steps, {pace:,.0f} a second, {left:.0f} min left ")
        sys.stderr.write("\n")
    except AssertionError as different:
        wrong = 1
        notes = getattr(different, "__notes__", ())
        sys.stderr.write("\n".join(("", str(different), *notes, f"again: --seed {seed + 1}", "")))
    print(f"{figures.total():,} steps in {time.monotonic() - started:.0f} s, {wrong} differences")
    for name, count in sorted(figures.items()):
        print(f"  {name:<10} {count:>10,}")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
