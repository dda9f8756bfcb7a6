"""The certificate: what was looked at, what came of it, and the verdict on all of it.

`lifecycle check --json` prints it. It names the alphabet that the proof ranges over, and
how far it went: what it does not name was not looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from lifecycle.core.definition import Definition, Written
from lifecycle.errors import DefinitionError
from lifecycle.proof import arrivals, sorting
from lifecycle.proof.alphabet import alphabet
from lifecycle.proof.arrivals import ArrivalProof
from lifecycle.proof.known_bad import KNOWN_BAD
from lifecycle.proof.lint_rules import Linted, lint
from lifecycle.proof.obligation import Obligation, Proved, altogether
from lifecycle.proof.quotient import ArrivalFold
from lifecycle.proof.sorting import DEFAULT, SHIPPED, Rules, Scope
from lifecycle.proof.unsorted import Unordered, unordered

_ENOUGH_FOR_CONTROLS: Final = 1_000
_NOTHING_FOUND: Final = Linted((), {})


@dataclass(frozen=True)
class Certificate:
    """What was proved of a definition, or of a fold over arrivals.

    `states` counts the states that were looked at: of an order's fold, one for each set of events;
    of a fold over arrivals, all that can be reached. `beside` holds further events that
    smaller sets range over too. `fingerprint` is None where no definition could be built,
    and for folds.
    """

    name: str
    fingerprint: str | None
    alphabet: tuple[str, ...]
    states: int
    obligations: tuple[Obligation, ...]
    linted: Linted = _NOTHING_FOUND
    unordered: Unordered | None = None
    controls: tuple[tuple[str, ArrivalProof], ...] = ()
    beside: tuple[str, ...] = ()

    @property
    def verdict(self) -> Proved:
        """The verdict on all obligations together."""
        return altogether(each.proved for each in self.obligations)

    @property
    def ok(self) -> bool:
        """Whether all is proved and the lint found nothing."""
        return self.verdict is Proved.PROVED and not self.linted.findings

    def shown(self) -> dict[str, Any]:
        """Return this as JSON."""
        return {
            "ok": self.ok,
            "verdict": self.verdict.value,
            "definition": self.name,
            "fingerprint": self.fingerprint,
            "states_explored": self.states,
            "alphabet": list(self.alphabet),
            "alphabet_beside": list(self.beside),
            "obligations": [each.shown() for each in self.obligations],
            "findings": [each.shown() for each in self.linted.findings],
            "must_pass": {end: list(states) for end, states in self.linted.must_pass.items()},
            "without_sorting": None if self.unordered is None else _unordered(self.unordered),
            "controls": [_control(name, finding) for name, finding in self.controls],
        }


def certify(
    lifecycle: Definition | Written, *, scope: Scope = DEFAULT, rules: Rules = SHIPPED
) -> Certificate:
    """Return what the lint and the proof of folds that sort say about a lifecycle.

    What cannot be built is linted all the same, and nothing is proved of it.
    """
    linted = lint(lifecycle)
    definition = _built(lifecycle, linted)
    if isinstance(definition, Obligation):
        return Certificate(str(lifecycle.name), None, (), 0, (definition,), linted)
    over = alphabet(definition)
    labels = tuple(letter.label for letter in over.wide)
    rules = sorting.rules_for(definition, rules)
    obligations = sorting.prove(definition, over, rules=rules, scope=scope)
    controls = tuple(
        (fold.name, arrivals.prove(fold, limit=_ENOUGH_FOR_CONTROLS)) for fold in KNOWN_BAD
    )
    return Certificate(
        name=definition.name,
        fingerprint=definition.fingerprint,
        alphabet=labels[: len(over.letters)],
        states=sum(each.checked for each in obligations if each.name.startswith("incremental")),
        obligations=(*obligations, _controlled(controls)),
        linted=linted,
        unordered=unordered(definition, over),
        controls=controls,
        beside=labels[len(over.letters) :],
    )


def certify_fold(fold: ArrivalFold, *, limit: int = arrivals.LIMIT) -> Certificate:
    """Return what the proof of folds over arrivals says about one of them."""
    finding = arrivals.prove(fold, limit=limit)
    labels = tuple(str(event) for event in fold.alphabet)
    return Certificate(fold.name, None, labels, finding.states, finding.obligations)


def _built(lifecycle: Definition | Written, linted: Linted) -> Definition | Obligation:
    if isinstance(lifecycle, Definition):
        return lifecycle
    why = next((each.sentence for each in linted.findings if each.code == "malformed"), None)
    if why is None:
        try:
            return Definition.of(lifecycle)
        except DefinitionError as refused:
            why = refused.problems[0]
    says = f"nothing is proved of what cannot be built: {why}"
    return Obligation("the definition can be built", Proved.UNPROVED, 0, says)


def _controlled(controls: tuple[tuple[str, ArrivalProof], ...]) -> Obligation:
    name = "folds that are known to be wrong are refuted"
    missed = [fold for fold, finding in controls if finding.proved is not Proved.REFUTED]
    if missed:
        says = f"the prover does not see what is wrong with: {', '.join(missed)}"
        return Obligation(name, Proved.UNPROVED, len(controls), says)
    return Obligation(name, Proved.PROVED, len(controls), "the prover can tell")


def _control(name: str, finding: ArrivalProof) -> dict[str, Any]:
    found = finding.counterexample
    return {
        "name": name,
        "verdict": finding.proved.value,
        "counterexample": None if found is None else found.shown(),
    }


def _unordered(found: Unordered) -> dict[str, Any]:
    return _control("verdicts as events arrive", found.finding) | {
        "states_explored": found.finding.states,
        "pairs": found.pairs,
        "commuting": len(found.commuting),
        "commuting_pairs": _partners(found.commuting),
        "harmless": list(found.harmless),
    }


def _partners(pairs: tuple[tuple[str, str], ...]) -> dict[str, list[str]]:
    """Return each pair once: under its first event, the second."""
    partners: dict[str, list[str]] = {}
    for one, other in pairs:
        partners.setdefault(one, []).append(other)
    return partners
