"""Mutations: small mistakes are made in the code, one at a time; the tests must notice.

The modules decide what an event is and what it means, prove it, store it once, and find out
whether all that is stored still holds. `campaigns/mutation_operators.py` makes the mistakes,
`campaigns/mutant_runner.py` how they are tried. Each mutant meets the tests that run its lines, the
quickest first, some seconds of them at most. Results are kept in a folder, so that a run goes
on where the last one stopped; a mutant is tried again when its lines have changed. The
controls: tests that check nothing must let mutants survive (they kill only what cannot even be
loaded or set up), and without any mistake no test may fail.

    python -m campaigns.mutations --minutes 30

`--keep` writes figures and survivors to `campaigns/survivors.json`, and keeps what stands there
already: the reasons why a mutant may survive. One without a reason fails a whole run.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from campaigns.line_coverage import ROOT, Suite
from campaigns.mutant import Mutant, mutants_of, unchanged
from campaigns.mutant_runner import Trial, TrialResult, attempt, load_first
from campaigns.scratch_folder import scratch
from campaigns.verdict import Campaign, Figures

KEPT: Final = ROOT / "campaigns" / "survivors.json"


def _tests(folder: str, *names: str) -> tuple[str, ...]:
    return tuple(f"tests/{folder}/test_{name}.py" for name in names)


_FOLD: Final = ("fold", "summary", "verdict", "awaiting", "reason", "view", "definition")
_EVENT: Final = ("event", "identity", "instant")
_READING: Final = ("details", "exchange_reader", "response")
_INSTACART: Final = ("bodies", "definition", "details", "reader", "words")
_LINT: Final = (
    "alphabet",
    "certificate",
    "dead_moves",
    "graph",
    "known_bad",
    "lint_rules",
    "sketch",
)
_PROOF: Final = sorted(path.stem for path in (ROOT / "lifecycle" / "proof").glob("[!_]*.py"))

_FOLD_TESTS: Final = (
    *_tests("unit", "fold", "fold_and_oracle", "stages", "reasons", "view"),
    *_tests("unit", "definition", "lint", "pickling", "subsets"),
    *_tests("unit", "changes", "numbered_events", "peers_and_oracle"),
    *_tests("scenario", "personal_data"),
)
"""None of these folds anything while it is collected: so no mutant needs a process of its own."""

_RECOGNIZING_TESTS: Final = (
    *_tests("unit", "recognizer", "checked_readings", "exchange_reader", "provider_port"),
    *_tests("unit", "recognizing_callbacks", "recognizing_exchanges", "identity"),
    *_tests("unit", "fold_and_oracle", "peers_and_oracle", "view", "writing_a_provider", "context"),
)
_EVENT_TESTS: Final = (
    *_tests("unit", "event", "instant"),
    *_RECOGNIZING_TESTS,
    *_tests("unit", "recording"),
    *_tests("scenario", "personal_data"),
)
_PROOF_TESTS: Final = (
    *_tests("unit", "lint", "arrivals", "sorting_proof", "subsets", "quotient"),
    *_tests("unit", "proof_words", "unsorted", "obligation", "target"),
    *_tests("scenario", "cli_check"),
)
_LINT_TESTS: Final = _tests(
    "unit", "alphabet", "sketch", "lint_findings", "lint", "arrivals", "certificate"
)
"""None of these folds or proves anything while it is collected."""

_LOG_TESTS: Final = _tests("contract", "memory_log", "sqlite_log")
_COMMIT_TESTS: Final = (
    *_tests("unit", "committing", "committing_apart", "committing_rules_links_keys"),
    *_tests("unit", "stream_tails"),
    *_tests("contract", "rules_in_force"),
    *_LOG_TESTS,
    *_tests("faults", "groups", "races", "lost_replies"),
    *_tests("scenario", "keys_of_a_log", "order_links"),
)
_STORED_TESTS: Final = (
    *_tests("unit", "stored_form", "stored_headers", "stored_bodies", "verify_findings"),
    *_tests("contract", "rules_in_force"),
    *_LOG_TESTS,
    *_tests("scenario", "keys_of_a_log", "erasure"),
)
_VERIFY_TESTS: Final = (
    *_tests("unit", "verify_findings"),
    *_tests("faults", "tampering"),
    *_tests("scenario", "cli_verify"),
    *_LOG_TESTS,
)
_REPLAY_TESTS: Final = (
    *_tests("unit", "replay_differences", "replay_views"),
    *_tests("scenario", "replay"),
)

ABOUT: Final = {
    **{f"lifecycle/core/{name}.py": _FOLD_TESTS for name in _FOLD},
    "lifecycle/core/definition.py": _tests("unit", "definition", "fold", "stages"),
    **{f"lifecycle/core/{name}.py": _EVENT_TESTS for name in _EVENT},
    **{
        f"lifecycle/core/{name}.py": (*_RECOGNIZING_TESTS, *_tests("scenario", "provider_faults"))
        for name in ("recognizer", "checked_reading", "exchange_event")
    },
    **{f"lifecycle/core/{name}.py": _RECOGNIZING_TESTS for name in _READING},
    "lifecycle/core/strict_json.py": _tests("unit", "strict_json", "canonical_writer", "identity"),
    **{
        f"lifecycle/providers/instacart/{name}.py": (
            *_RECOGNIZING_TESTS,
            *_tests("unit", "stages", "definition", "fold"),
        )
        for name in _INSTACART
    },
    **{f"lifecycle/proof/{name}.py": _PROOF_TESTS for name in _PROOF},
    **{f"lifecycle/proof/{name}.py": _LINT_TESTS for name in _LINT},
    **{f"lifecycle/log/{name}.py": _COMMIT_TESTS for name in ("writer", "stream_tails")},
    **{f"lifecycle/audit/{name}.py": _VERIFY_TESTS for name in ("verify", "checkpoint")},
    **{f"lifecycle/log/{name}.py": _STORED_TESTS for name in ("codec", "header")},
    **{
        f"lifecycle/audit/{name}.py": _REPLAY_TESTS
        for name in ("stream_check", "view_comparison", "range_replay")
    },
}
"""The modules that are changed, and for each the tests that are about it."""

QUICK: Final = {
    f"lifecycle/core/{name}.py": _tests("unit", "fold", "fold_and_oracle")
    for name in ("fold", "verdict", "awaiting")
}
"""What a sample is drawn from, and the tests it meets: quick ones."""

TrialResults = dict[str, TrialResult]
"""What became of mutants, by their keys."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign and return its exit code."""
    campaign = Campaign(
        __doc__ or "",
        {
            "sample": (0, "how many mutants to draw; 0 tries all"),
            "control": (12, "how many mutants meet tests that check nothing"),
            "at-least": (95, "how many of a hundred must be killed"),
            "minutes": (600, "when to stop, and go on another time"),
            "workers": (1, "how many processes"),
        },
    )
    parser = campaign.parser
    parser.add_argument("--only", action="append", help="modules, by part of their path")
    parser.add_argument("--results", type=Path, default=ROOT / ".mutations", help="a whole run's")
    parser.add_argument("--again", action="store_true", help="try survivors again")
    parser.add_argument("--keep", action="store_true", help="keep figures and survivors")
    options = campaign.parse(arguments)
    about = _about(options)
    mutants = [mutant for module in about for mutant in mutants_of(ROOT, module)]
    drawn = sorted(mutants, key=lambda m: sha256(f"{options.seed} {m.key}".encode()).digest())
    mutants = drawn[: options.sample] if options.sample else mutants
    blind = drawn[: options.control]
    unharmed = [unchanged(module, is_in_body=flag) for module in about for flag in (True, False)]
    if options.sample:
        unharmed = unharmed[:1]
    controls = [Trial(m) for m in unharmed] + [Trial(m, is_blind=True) for m in blind]
    with scratch() as folder:
        options.results = folder if options.sample else options.results
        results = Trials(campaign, options, about).results(mutants, controls)
    figures = judged(mutants, results)
    if options.sample:
        figures.bad = ("killed too few", "killed without a mistake")
    killed = sum(results.get(m.key) not in {None, TrialResult.SURVIVED} for m in mutants)
    if options.sample:
        # Of a dozen a single one decides: those that may survive count as known, not as missed.
        killed += sum(
            results.get(m.key) is TrialResult.SURVIVED and bool(_reasons().get(_identity(m)))
            for m in mutants
        )
    few = max(0, -(-options.at_least * len(mutants) // 100) - killed)
    figures.find("killed too few", f"{options.at_least} of a hundred were expected", few)
    for mutant in unharmed:
        is_harmed = results.get(mutant.key, TrialResult.SURVIVED) is not TrialResult.SURVIVED
        figures.find("killed without a mistake", mutant.module, is_harmed)
    if options.keep:
        keep(mutants, results)
    seen = {m.key: results[key] for m in blind if (key := Trial(m, is_blind=True).key) in results}
    return campaign.verdict("mutations", figures, {"tests that check nothing": judged(blind, seen)})


def judged(mutants: Sequence[Mutant], results: TrialResults) -> Figures:
    """Return the figures of some mutants; those that survived without a reason are bad."""
    reasons = {identity: reason for identity, reason in _reasons().items() if reason}
    figures = Figures("not tried", "survived", "killed too few", "killed without a mistake")
    figures.count("mutants", len(mutants))
    for mutant in mutants:
        outcome = results.get(mutant.key)
        if outcome is None:
            figures.find("not tried", mutant.module)
        elif outcome is TrialResult.SURVIVED and _identity(mutant) in reasons:
            figures.count("survived for a known reason")
        elif outcome is TrialResult.SURVIVED:
            figures.find("survived", f"{mutant.module}:{mutant.lines.start}\n{mutant.diff}")
        else:
            figures.count(outcome.value)
    return figures


class Trials:
    """Tries mutants in several processes, and keeps what became of them."""

    def __init__(
        self, campaign: Campaign, options: argparse.Namespace, about: dict[str, tuple[str, ...]]
    ) -> None:
        self._campaign, self._options = campaign, options
        self._until = time.monotonic() + 60 * options.minutes
        self._suite = Suite(about, options.results)
        self._results = options.results / "results.jsonl"
        (options.results / "tmp").mkdir(parents=True, exist_ok=True)
        load_first()

    def results(self, mutants: Sequence[Mutant], controls: Sequence[Trial]) -> TrialResults:
        """Return what became of mutants, tried now or before; controls are tried now."""
        known = _read(self._results)
        if self._options.again:
            known = {key: known[key] for key in known if known[key] is not TrialResult.SURVIVED}
        self._try([*controls, *(Trial(m) for m in mutants if m.key not in known)])
        return _read(self._results)

    def _try(self, trials: Sequence[Trial]) -> None:
        pids = []
        for number in range(min(self._options.workers, len(trials))):
            pid = os.fork()
            if pid == 0:
                os._exit(self._work(trials[number :: self._options.workers]))
            pids.append(pid)
        failed = [pid for pid in pids if os.waitpid(pid, 0)[1]]
        shutil.rmtree(self._options.results / "tmp", ignore_errors=True)
        if failed:
            raise RuntimeError("mutants could not be tried")

    def _work(self, trials: Sequence[Trial]) -> int:
        done = Counter[str]()

        def tell(trial: Trial, outcome: TrialResult, seconds: float) -> None:
            done[outcome.value] += 1
            mutant = trial.mutant
            line = {"key": trial.key, "outcome": outcome.value, "seconds": round(seconds, 3)}
            line |= {"module": mutant.module, "line": mutant.lines.start, "diff": mutant.diff}
            with self._results.open("a") as file:
                file.write(json.dumps(line) + "\n")
            self._campaign.tell(f"{dict(done)} of {len(trials)}")

        try:
            attempt(trials, self._suite, tell, self._until)
        except Exception as failure:  # noqa: BLE001 - a child must not go on as its parent
            sys.stderr.write(f"{failure!r}\n")
            return 1
        return 0


def keep(mutants: Sequence[Mutant], results: TrialResults) -> None:
    """Write figures and survivors of the modules that were tried whole, with known reasons."""
    kept = json.loads(KEPT.read_text())
    reasons, partly = _reasons(), {m.module for m in mutants if m.key not in results}
    whole = [mutant for mutant in mutants if mutant.module not in partly]
    modules = dict.fromkeys(mutant.module for mutant in whole)
    for module in modules:
        became = Counter(results[m.key].value for m in whole if m.module == module)
        kept["figures"][module] = dict(sorted(became.items()))
    kept["figures"] = {
        module: kept["figures"][module] for module in ABOUT if module in kept["figures"]
    }
    kept["untried"] = [module for module in ABOUT if module not in kept["figures"]]
    others = [each for each in kept["survivors"] if each["module"] not in modules]
    survived = [mutant for mutant in whole if results[mutant.key] is TrialResult.SURVIVED]
    found = dict.fromkeys(_identity(mutant) for mutant in survived)
    named = ("module", "where", "diff", "reason")
    others += [dict(zip(named, (*one, reasons.get(one, "")), strict=True)) for one in found]
    kept["survivors"] = sorted(others, key=lambda each: list(ABOUT).index(each["module"]))
    KEPT.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


def _about(options: argparse.Namespace) -> dict[str, tuple[str, ...]]:
    about = QUICK if options.sample and not options.only else ABOUT
    return {m: t for m, t in about.items() if any(part in m for part in options.only or ("",))}


def _read(results: Path) -> TrialResults:
    lines = results.read_text().splitlines() if results.exists() else ()
    told = map(json.loads, lines)
    return {each["key"]: TrialResult(each["outcome"]) for each in told}


def _reasons() -> dict[tuple[str, str, str], str]:
    survivors = json.loads(KEPT.read_text())["survivors"]
    return {(each["module"], each["where"], each["diff"]): each["reason"] for each in survivors}


def _identity(mutant: Mutant) -> tuple[str, str, str]:
    return mutant.module, mutant.where, mutant.diff


if __name__ == "__main__":
    sys.exit(main())
