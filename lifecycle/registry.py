"""The providers that are installed: where each was found, and what is wrong with a broken one.

    folders of `lifecycle.providers` ──────────────┐
    entry points of the group `lifecycle.providers` ┼─→ FoundProvider ─→ usable: a Provider
    `package.module:NAME`, when somebody names it ──┘                └→ broken: a sentence

Loading a provider runs code of its package. Whatever that code raises makes this one provider
broken, and leaves all others as they are.
"""

from __future__ import annotations

import logging
import pkgutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache, partial
from importlib import import_module
from importlib.metadata import Distribution, EntryPoint, distributions
from importlib.util import find_spec
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from lifecycle import providers
from lifecycle.core.argument import type_name
from lifecycle.core.checked_provider import raise_if_not_its_own
from lifecycle.core.definition import Definition
from lifecycle.core.provider import Provider
from lifecycle.core.recognizer import recognizer_of
from lifecycle.errors import InvalidArgumentError, LifecycleError
from lifecycle.log.contract import DeclaredRules

LOG: Final = logging.getLogger("lifecycle.provider")
GROUP: Final = "lifecycle.providers"
"""The group of entry points by which a package offers a provider, each under its name."""


class Part(NamedTuple):
    """A module that a provider's package may have: what it is, what it binds to which name."""

    called: str
    bound_to: str
    kind: str

    def is_bound_to(self, value: object) -> bool:
        """Tell whether a value is what the module has to bind; no code of its class runs."""
        if not self.kind:
            return callable(value)
        module, _, kind = self.kind.partition(":")
        return issubclass(type(value), getattr(import_module(module), kind))


PARTS: Final = {
    "client": Part("a client", "CLIENT", "lifecycle.http.client.port:ClientPort"),
    "receiver": Part("a receiver", "RECEIVER", "lifecycle.http.receiver.port:ReceiverPort"),
    "recordings": Part("recordings", "recordings_for", ""),
    "sample_orders": Part(
        "sample orders", "SAMPLE_ORDERS", "lifecycle.simulator.samples:SampleOrders"
    ),
    "simulator": Part("a simulator", "SIMULATED", "lifecycle.simulator.port:SimulatedProvider"),
}
"""The parts that a provider's package may offer beside its provider, by the names of modules."""

_RECORDED: Final = frozenset({"recordings", "sample_orders"})

_FOLDERS: Final = providers.__name__
_BOUND_TO: Final = "PROVIDER"


class FoundProvider(NamedTuple):
    """A provider that can be used, and where it was found.

    `origin` says where, for people; its parts are modules of `package`.
    """

    name: str
    origin: str
    package: str
    provider: Provider

    @property
    def parts(self) -> tuple[str, ...]:
        """What it offers beside reading, by the names of `PARTS`."""
        return tuple(part for part in PARTS if has_module(f"{self.package}.{part}"))

    @property
    def prerequisites(self) -> tuple[str, ...]:
        """What must be in place before it is used, a sentence each; often none."""
        sentences = getattr(import_module(self.package), "PREREQUISITES", ())
        is_told = isinstance(sentences, tuple) and all(isinstance(each, str) for each in sentences)
        return sentences if is_told else ()


class BrokenProvider(NamedTuple):
    """A provider that is installed and cannot be used: `trouble` is a sentence without a stop."""

    name: str
    origin: str
    trouble: str


@cache
def found_providers() -> tuple[FoundProvider | BrokenProvider, ...]:
    """Return every provider that is installed, broken ones too, by name."""
    usable: dict[str, FoundProvider] = {}
    broken: list[BrokenProvider] = []
    for each in (*_in_folders(), *_by_entry_points()):
        if isinstance(each, BrokenProvider):
            broken.append(each)
        elif (first := usable.setdefault(each.name, each)) is not each:
            taken = f"its name is taken by the {first.origin}"
            broken.append(BrokenProvider(each.name, each.origin, taken))
    for each in broken:
        LOG.error("provider %a (%s) is left out: %s", *each)
    return tuple(sorted((*usable.values(), *broken), key=lambda each: each[:2]))


@cache
def known_providers() -> Mapping[str, Provider]:
    """Return every provider that is installed and can be used, by name."""
    found = (each for each in found_providers() if isinstance(each, FoundProvider))
    return MappingProxyType({each.name: each.provider for each in found})


def find_provider(name: str) -> FoundProvider:
    """Return a provider by its name, or the one that `package.module:NAME` names.

    Raises:
        InvalidArgumentError: there is none, or it cannot be used.
    """
    module, colon, attribute = name.partition(":")
    if colon:
        candidates = [_loaded(None, f"module {module}", module, attribute)]
    else:
        candidates = [each for each in found_providers() if each.name == name]
    for each in candidates:
        if isinstance(each, FoundProvider):
            return each
    for broken in candidates:
        raise InvalidArgumentError("provider", f"one that works: {broken[-1]}", found=name)
    one = "one of " + ", ".join(sorted(known_providers()))
    raise InvalidArgumentError("provider", f"{one}, or package.module:NAME", found=name)


def find_definition(name: str) -> Definition:
    """Return the definition that `package.module:NAME` names, or that of the provider there.

    Raises:
        InvalidArgumentError: there is none, or it cannot be loaded.
    """
    module, _, attribute = name.partition(":")
    try:
        found: Any = attrgetter(attribute)(import_module(module))
    except BaseException as raised:  # noqa: BLE001 - whatever a stranger's module does
        raise_if_not_its_own(raised)
        raise InvalidArgumentError("rules", f"a definition; {_told(raised)}", found=name) from None
    if isinstance(found, Definition):
        return found
    return recognizer_of(find_provider(name).provider).definition


def chosen_provider(provider: str | Provider) -> tuple[Mapping[str, Provider], Provider]:
    """Return the providers that are known with this one, by name, and this one.

    Raises:
        InvalidArgumentError: there is none of this name, or it cannot be used.
    """
    chosen = find_provider(provider).provider if isinstance(provider, str) else provider
    name = recognizer_of(chosen).name
    return MappingProxyType({**known_providers(), name: chosen}), chosen


def rules_of(providers: Mapping[str, Provider]) -> dict[str, DeclaredRules]:
    """Return the definitions of those providers that can be used, and where they were found."""
    origins = {
        id(each.provider): each.origin
        for each in found_providers()
        if isinstance(each, FoundProvider)
    }
    rules = {}
    for name, provider in providers.items():
        with suppress(InvalidArgumentError):  # whoever reads with it tells that it is broken
            definition = recognizer_of(provider).definition
            rules[name] = DeclaredRules(definition, origins.get(id(provider)))
    return rules


def providers_with(provider: str) -> Mapping[str, Provider]:
    """Return the providers that are known with this one, by name; as `chosen_provider`."""
    return chosen_provider(provider)[0]


def part_of(provider: str, part: str) -> Any:
    """Return a part that a provider may offer: what a module of its package binds.

    A `receiver` binds a `ReceiverPort` to `RECEIVER`, a `client` a `ClientPort` to `CLIENT`, a
    `simulator` a `SimulatedProvider` to `SIMULATED`; `recordings` has a function
    `recordings_for`, and `sample_orders` binds `SampleOrders` to `SAMPLE_ORDERS`: most
    simulators make these two, and no module is needed.

    Raises:
        InvalidArgumentError: there is no such provider, it has no such part, or the part
            cannot be imported, or is something else.
        MissingExtraError: the extra `http` is not installed: of a client or simulator, when
            one is made.
    """
    is_there = ":" in provider or any(each.name == provider for each in found_providers())
    name = f"{find_provider(provider).package}.{part}" if is_there else ""
    if has_module(name):
        return _offered(provider, part, name)
    simulated = part_of(provider, "simulator") if part in _RECORDED else None
    if simulated is None or simulated.recorded is None:
        raise InvalidArgumentError("provider", f"one that has {PARTS[part].called}", found=provider)
    return _recorded(simulated, part)


def _offered(provider: str, part: str, name: str) -> Any:
    """Return what the module of a part binds."""
    wanted = PARTS[part]
    try:
        value: Any = getattr(import_module(name), wanted.bound_to, None)
        is_right = wanted.is_bound_to(value)
    except LifecycleError:
        raise
    except BaseException as raised:
        raise_if_not_its_own(raised)
        can = f"one whose module {part} can be imported; {_told(raised)}"
        raise InvalidArgumentError("provider", can, found=provider) from raised
    if not is_right:
        kind = wanted.kind.partition(":")[2] or "function"
        has = f"one whose module {part} has a {kind} named {wanted.bound_to}"
        raise InvalidArgumentError("provider", has, found=provider)
    return value


def _recorded(simulated: Any, part: str) -> Any:
    """Return what a simulator makes without a socket: recordings, or sample orders."""
    from lifecycle.simulator.samples import SampleOrders, deliver  # noqa: PLC0415 - only tests and demos need it

    if part == "recordings":
        return simulated.recorded.recordings_for
    return SampleOrders(simulated.recorded.generate, partial(deliver, diverge=simulated.divergent))


def has_module(name: str) -> bool:
    """Tell whether a module can be found; its parents are imported."""
    try:
        return bool(name) and find_spec(name) is not None
    except (ImportError, ValueError):  # what should be its package is none
        return False


def _in_folders() -> Iterator[FoundProvider | BrokenProvider]:
    for module in pkgutil.iter_modules(providers.__path__):
        name = f"{_FOLDERS}.{module.name}"
        yield _loaded(module.name, f"folder {name}", name, _BOUND_TO)


def _by_entry_points() -> Iterator[FoundProvider | BrokenProvider]:
    """Yield what installed packages offer, the packages by name."""
    for package, entries in sorted(_packages()):
        for entry in entries:
            module, _, attribute = entry.value.partition(":")
            origin = f"entry point of {package}"
            yield _loaded(entry.name, origin, module.strip(), attribute.partition("[")[0].strip())


def _packages() -> Iterator[tuple[str, list[EntryPoint]]]:
    """Yield each installed package that has entry points of the group, the first of a name."""
    seen = set()
    for package in distributions():
        try:
            entries = list(package.entry_points.select(group=GROUP))
            name = _named(package) if entries else ""  # reading it of every package takes long
        except Exception as damaged:  # noqa: BLE001 - of one package: all others can be read
            LOG.error("entry points of a package cannot be read: %s", type_name(damaged))  # noqa: TRY400 - it is named
            continue
        if entries and name.lower() not in seen:
            seen.add(name.lower())
            yield name, sorted(entries, key=lambda entry: (entry.name, entry.value))


def _named(package: Distribution) -> str:
    return f"{package.metadata['Name']} {package.version}"


def _loaded(
    expected: str | None, origin: str, module: str, attribute: str
) -> FoundProvider | BrokenProvider:
    """Return what a module binds to a name; `expected` is what the provider must be called."""
    called = f"{module}:{attribute}" if expected is None else expected
    if not module or not attribute:
        wrong = "it names no provider; expected package.module:NAME"
        return BrokenProvider(called, origin, wrong)
    try:
        provider: Any = attrgetter(attribute)(import_module(module))
        name = recognizer_of(provider).name
    except InvalidArgumentError as refused:
        return BrokenProvider(called, origin, str(refused))
    except BaseException as raised:  # noqa: BLE001 - whatever a stranger's module does
        raise_if_not_its_own(raised)
        return BrokenProvider(called, origin, _told(raised))
    if name != (expected or name):
        return BrokenProvider(called, origin, f"it calls itself {name!a}, expected {expected!a}")
    return FoundProvider(name, origin, module, provider)


def _told(raised: BaseException) -> str:
    """Return what loading raised, by its type, with the module that is missing if one is."""
    missing = raised.name if type(raised) is ModuleNotFoundError else None
    lacking = f" (no module {missing!a})" if isinstance(missing, str) else ""
    return f"loading it raised {type_name(raised)}{lacking}"
