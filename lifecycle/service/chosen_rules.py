"""By which rules orders are folded: today's, those that were in force, or others."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from lifecycle.core.definition import Definition
from lifecycle.core.provider import Provider
from lifecycle.errors import InvalidArgumentError
from lifecycle.log.contract import Log
from lifecycle.log.log_time import LogTime, last_position
from lifecycle.log.recorded_rules import recorded_rules

NOW: Final = "now"
THEN: Final = "then"

_FEWEST_DIGITS: Final = 8
_EXPECTED: Final = f'"{THEN}", "{NOW}", the fingerprint of recorded rules, or a Definition'


def chosen_definition(
    log: Log, provider: Provider, rules: str | Definition | None, log_at: LogTime | None = None
) -> Definition:
    """Return the definition that `rules` name, to fold the events of a provider.

    Its details are those of the provider now. If their fields differ from the recorded ones, the
    fingerprint of the definition differs too.

    Raises:
        InvalidArgumentError: no recorded rules have that name, or `log_at` is not a time.
        DefinitionError: this release cannot read the recorded definition.
    """
    today = provider.definition
    if rules is None or rules == NOW:
        return today
    if not isinstance(rules, Definition):
        rules = _recorded(log, provider.name, rules, last_position(log, log_at))
    chosen = replace(rules, details=today.details, anomalies=today.anomalies)
    return today if chosen.fingerprint == today.fingerprint else chosen


def _recorded(log: Log, provider: str, named: object, until: int | None) -> Definition:
    if not isinstance(named, str):
        raise InvalidArgumentError("rules", _EXPECTED)
    found = [each.rules for each in recorded_rules(log, until).get(provider, ())]
    if named == THEN:
        chosen = {each.fingerprint: each for each in found[-1:]}
    else:
        long_enough = len(named) >= _FEWEST_DIGITS
        fitting = [each for each in found if each.fingerprint.startswith(named) and long_enough]
        chosen = {each.fingerprint: each for each in fitting}
    if len(chosen) != 1:
        where = f"{_EXPECTED}; of {provider!a}"
        upto = "" if until is None else f" up to position {until}"
        known = ", ".join(dict.fromkeys(each.fingerprint[:12] for each in found)) or "none"
        raise InvalidArgumentError("rules", f"{where}{upto} are recorded: {known}", found=named)
    return Definition.from_json(next(iter(chosen.values())).definition)
