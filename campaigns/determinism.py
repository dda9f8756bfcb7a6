"""Determinism: golden logs give the same digests on every Python, hash seed and time zone.

`tests/golden` holds recordings, a database that a release wrote, and the digests of what they
give: answers, identities, readings, verdicts, views. These last; stored bytes, exports and
all that is printed are held against this Python. They are replayed under every Python from
3.11 to 3.13 that is found, each in an environment made for it, with different hash seeds, time
zones and locales. The controls sort by hashes and print local times.

    python -m campaigns.determinism

`--update` writes the digests anew, after a change of the definition or of what is stored that
is meant: look at the difference. `--release` adds a database that this version writes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from itertools import product
from pathlib import Path
from shutil import which
from typing import Final, NamedTuple, cast

from campaigns.golden_replay import NOW, Digests
from campaigns.shim import ROOT
from campaigns.verdict import Campaign, Figures
from lifecycle.composition import connect

GOLDEN: Final = ROOT / "tests" / "golden"
DIGESTS: Final = GOLDEN / "digests.json"
REPLAYING: Final = Path(__file__).with_name("golden_replay.py")

SEEDS: Final = ("0", "1", "20260707", "random")
ZONES: Final = ("UTC0", "PST8PDT,M3.2.0,M11.1.0", "NPT-5:45", "LINT-14")
LOCALES: Final = ("C", "C.UTF-8")
MINORS: Final = (11, 12, 13)
BROKEN: Final = ("local-times", "hash-order")


class Setting(NamedTuple):
    """Where a replay runs."""

    python: str
    seed: str
    zone: str
    locale: str
    broken: str = ""

    def __str__(self) -> str:
        return f"{self.python}, hash seed {self.seed}, time zone {self.zone}, locale {self.locale}"


FIRST: Final = Setting(sys.executable, SEEDS[0], ZONES[0], LOCALES[0])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign and return its exit code."""
    campaign = Campaign(
        __doc__ or "",
        {
            "workers": (2, "how many replays at a time"),
            "stride": (1, "replay only in every n-th setting"),
        },
    )
    parser = campaign.parser
    parser.add_argument("--this-python", action="store_true", help="look for no other one")
    parser.add_argument("--python", action="append", default=[], help="one with the library")
    parser.add_argument("--update", action="store_true", help="write the digests anew")
    parser.add_argument("--release", action="store_true", help="write a database of this version")
    options = campaign.parse(arguments)
    if options.release:
        write_release()
    if options.update or options.release:
        DIGESTS.write_text(json.dumps(lasting(replay(FIRST)), indent=2) + "\n")
    figures, controls = Figures("different digests"), {}
    with tempfile.TemporaryDirectory() as folder:
        pythons = [sys.executable, *options.python]
        if not options.this_python:
            pythons += environments(Path(folder), campaign)
        golden = expected()
        compare(golden, settings(pythons)[:: options.stride], figures, campaign, options.workers)
        figures.count("Pythons", len(pythons))
        for broken in BROKEN:
            controls[broken] = Figures("different digests")
            some = [s._replace(broken=broken) for s in settings([sys.executable])][1::5]
            some = some[:: options.stride]
            compare(golden, some, controls[broken], campaign, options.workers)
    return campaign.verdict("determinism", figures, controls)


def settings(pythons: Sequence[str]) -> list[Setting]:
    """Return every hash seed in every time zone for every Python; locales in turn."""
    places = enumerate(product(pythons, SEEDS, ZONES))
    return [Setting(*place, LOCALES[number % len(LOCALES)]) for number, place in places]


def expected() -> Digests:
    """Return what this Python gives; where digests are kept, those."""
    golden = replay(FIRST)
    for name, kept in json.loads(DIGESTS.read_text()).items():
        golden[name] = golden.get(name, {}) | kept
    return golden


def compare(
    golden: Digests, where: Sequence[Setting], figures: Figures, campaign: Campaign, workers: int
) -> None:
    """Replay in every setting and compare with the golden digests."""
    with ThreadPoolExecutor(workers) as pool:
        for setting, found in zip(where, pool.map(replay, where), strict=True):
            figures.count("replays")
            figures.count("digests", sum(map(len, golden.values())))
            for name in sorted({*golden, *found}):
                wanted, given = golden.get(name, {}), found.get(name, {})
                differ = [what for what in {*wanted, *given} if wanted.get(what) != given.get(what)]
                sentence = f"{sorted(differ)} of {name} under {setting}"
                figures.find("different digests", sentence, len(differ))
            campaign.tell(f"{setting}: {figures}")


def lasting(digests: Digests) -> Digests:
    """Return the digests that no release changes unless it means to."""
    return {
        log: {what: digest for what, digest in told.items() if not what.endswith("as printed")}
        for log, told in digests.items()
    }


def replay(setting: Setting) -> Digests:
    """Return what the golden logs give in one setting."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        "PYTHONHASHSEED": setting.seed,
        "TZ": setting.zone,
        "LC_ALL": setting.locale,
    }
    command = [setting.python, "-P", str(REPLAYING), str(GOLDEN), setting.broken]
    done = subprocess.run(  # noqa: S603 - an interpreter, and this project's own script
        command, env=environment, cwd=GOLDEN, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{setting}: {done.stderr[-2000:]}")
    return cast(Digests, json.loads(done.stdout))


def environments(folder: Path, campaign: Campaign) -> Iterator[str]:
    """Yield the Python of a new environment with this checkout, for each version found."""
    for minor in MINORS:
        found = None if minor == sys.version_info.minor else interpreter(minor)
        if found is None:
            continue
        campaign.tell(f"making an environment for Python 3.{minor}")
        home = folder / f"3.{minor}"
        python = str(home / "bin" / "python")
        commands = (
            [found, "-m", "venv", str(home)],
            [python, "-m", "pip", "install", "--quiet", str(ROOT)],
        )
        for command in commands:
            subprocess.run(command, check=True)  # noqa: S603 - fixed but for the interpreter
        yield python


def interpreter(minor: int) -> str | None:
    """Return an interpreter of this version that runs, None if there is none."""
    versions = Path.home() / ".pyenv" / "versions"
    named = which(f"python3.{minor}")
    candidates = [*versions.glob(f"3.{minor}.*/bin/python"), *([named] if named else [])]
    for candidate in map(str, candidates):
        asked = [candidate, "-c", "import sys; print(sys.version_info.minor)"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603
        if done.stdout.strip() == str(minor):
            return candidate
    return None


def write_release() -> None:
    """Write a database as this version does, from all golden recordings."""
    path = GOLDEN / f"release-{version('order-lifecycle')}.sqlite"
    path.unlink(missing_ok=True)
    with connect(f"sqlite:///{path}", clock=lambda: NOW) as orders:
        for recordings in sorted(GOLDEN.glob("*.jsonl")):
            orders.record_many(recordings.read_bytes().splitlines())


if __name__ == "__main__":
    sys.exit(main())
