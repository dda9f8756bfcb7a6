"""What `lifecycle check` does: finds what to check, certifies it, and prints the certificate.

Apart from the command itself, so that no other command waits for the prover to be imported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from importlib import import_module
from operator import attrgetter
from typing import Final

from lifecycle.cli.failure import Refusal
from lifecycle.cli.option import read_provider
from lifecycle.cli.output import Advance, Cell, counted, print_fields, print_table, progress, say
from lifecycle.core.definition import Definition, Written
from lifecycle.errors import DefinitionError
from lifecycle.proof.arrivals import LIMIT as MOST_STATES
from lifecycle.proof.certificate import Certificate, certify, certify_fold
from lifecycle.proof.obligation import Proved
from lifecycle.proof.sorting import LIMIT as MOST_SETS
from lifecycle.proof.sorting import SIZE, Scope
from lifecycle.proof.target import Target, target_of, written_in
from lifecycle.proof.unsorted import Unordered
from lifecycle.registry import find_provider

VERDICT_STYLES: Final = {
    Proved.PROVED: "green",
    Proved.REFUTED: "bold red",
    Proved.UNPROVED: "yellow",
}


def certified(asked: Target, *, size: int | None, limit: int | None, workers: int) -> Certificate:
    """Return the certificate of what is to be checked; a terminal sees how far it is."""
    if not isinstance(asked, Definition | Written):
        return certify_fold(asked, limit=limit or MOST_STATES)
    bars: list[Advance] = []
    with ExitStack() as until_done:

        def tell(done: int, total: int) -> None:
            # Not before the first news: the processes that work are forked by then.
            if not bars:
                bars.append(until_done.enter_context(progress("check", total)))
            bars[0](done)

        scope = Scope(size or SIZE, limit or MOST_SETS, workers=workers, tell=tell)
        return certify(asked, scope=scope)


def shipped(provider: str) -> Definition:
    """Return the definition of a provider that this library knows."""
    return find_provider(provider).provider.definition


def named(target: str) -> Target:
    """Return what `package.module:NAME` names; what cannot even be built is looked at too."""
    module, _, name = target.partition(":")
    if not module or not name:
        raise Refusal(f"{target!a} names nothing to check; write it like package.module:NAME")
    read_provider(target)
    try:
        value = import_module(module)
    except DefinitionError as refused:
        if (written := written_in(refused)) is None:
            raise
        return written
    except (Exception, SystemExit) as failure:  # noqa: BLE001 - whatever a stranger's module does
        why = f"{type(failure).__name__}: {failure}"
        raise Refusal(f"{module!a} cannot be imported: {why}; mend it or the name") from None
    try:
        return target_of(attrgetter(name)(value), target)
    except AttributeError as failure:
        raise Refusal(f"{target!a} cannot be found: {failure}; check the name") from None


def print_certificate(certificate: Certificate) -> None:
    """Print a certificate for people: the lint first, then the proof, then the verdict."""
    say(certificate.name, "bold")
    print_fields(
        {
            "fingerprint": certificate.fingerprint,
            "alphabet": f"{len(certificate.alphabet)} events, {len(certificate.beside)} beside",
            "states explored": certificate.states,
        }
        | {
            f"must pass to {end}": list(states)
            for end, states in certificate.linted.must_pass.items()
        }
    )
    say()
    _print_findings(certificate)
    _print_obligations(certificate)
    if certificate.unordered is not None:
        _print_unordered(certificate.unordered, certificate.alphabet + certificate.beside)
    proved_but_wrong = certificate.verdict is Proved.PROVED and not certificate.ok
    style = "yellow" if proved_but_wrong else VERDICT_STYLES[certificate.verdict]
    say(_conclusion(certificate), style)


def _print_findings(certificate: Certificate) -> None:
    findings = certificate.linted.findings
    if findings:
        rows = ((Cell(each.code, "red"), each.witness, each.sentence) for each in findings)
        print_table(("finding", "shown by", "what is wrong"), rows)
        say()


def _print_obligations(certificate: Certificate) -> None:
    rows = (
        (Cell(each.proved.value, VERDICT_STYLES[each.proved]), each.checked, each.name, each.says)
        for each in certificate.obligations
    )
    print_table(("", "cases", "to show", "found"), rows)
    say()


def _print_unordered(unordered: Unordered, alphabet: Sequence[str]) -> None:
    found = unordered.finding.counterexample
    say("the status without sorting, as events arrive", "bold")
    print_fields(
        {
            "order matters": "no" if found is None else str(found),
            "pairs that commute anyway": f"{len(unordered.commuting)} of {unordered.pairs}",
            "never mattered": list(_in_short(unordered.harmless, alphabet)),
        }
    )
    say()


def _in_short(labels: Sequence[str], alphabet: Sequence[str]) -> Iterator[str]:
    """Yield each label, or one word for all that differ in the instant alone."""
    by_name: dict[str, list[str]] = {}
    for label in alphabet:
        by_name.setdefault(label.partition("@")[0], []).append(label)
    for name, alike in by_name.items():
        found = [label for label in alike if label in labels]
        if found == alike:
            yield name
        else:
            yield from (f"{label} undated" if label == name else label for label in found)


def _conclusion(certificate: Certificate) -> str:
    match certificate.verdict:
        case Proved.PROVED:
            says = "proved: within this alphabet neither the order of arrival nor repeats matter"
        case Proved.REFUTED:
            says = "refuted: arrival matters, see the counterexample"
        case Proved.UNPROVED:
            says = "unproved: not all of it was looked at, so nothing is promised"
    wrong = len(certificate.linted.findings)
    return f"{says}; {counted(wrong, 'finding')} of the lint" if wrong else says
