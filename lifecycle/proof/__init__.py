"""What can be shown of a lifecycle before an order ever runs through it.

    a written lifecycle  ─→ lint     ─→ findings, each with a witness
    a definition         ─→ sorting  ─→ the view is a function of the set of events
    a fold over arrivals ─→ arrivals ─→ neither order nor repeats matter, or the
                                        shortest string that shows where they do
                                └─────→ certificate: what was looked at, and the verdict

`lifecycle check` does all of it; docs/explanation/proof.md says what is not shown.
"""

from lifecycle.proof.certificate import Certificate, certify, certify_fold
from lifecycle.proof.lint_rules import Linted, LintFinding, lint
from lifecycle.proof.obligation import Counterexample, Obligation, Proved
from lifecycle.proof.quotient import ArrivalFold

__all__ = [
    "ArrivalFold",
    "Certificate",
    "Counterexample",
    "LintFinding",
    "Linted",
    "Obligation",
    "Proved",
    "certify",
    "certify_fold",
    "lint",
]
