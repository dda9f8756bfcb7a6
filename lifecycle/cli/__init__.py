"""The command line: `lifecycle`, installed by the extra `cli`.

    main ─→ app.run ─→ one command ─→ stdout: the answer, and nothing else
                   └→ failure      ─→ stderr: one sentence, and the exit code

This module imports neither typer nor rich, so that a missing extra is a sentence.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Final, NoReturn

from lifecycle.errors import MissingExtraError

NEEDED: Final = ("typer", "rich")


def main() -> NoReturn:
    """Run the command line on the arguments of the process and exit with its code."""
    try:
        code = _run()
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _run() -> int:
    missing = next((package for package in NEEDED if find_spec(package) is None), None)
    if missing is not None:
        print(f"lifecycle: {MissingExtraError('cli', missing)}", file=sys.stderr)  # noqa: T201
        return 2
    from lifecycle.cli.app import run  # noqa: PLC0415 - it needs what was looked for above

    return run(sys.argv[1:])
