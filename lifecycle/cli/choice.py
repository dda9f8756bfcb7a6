"""Whose orders a command is about: the provider that `--provider` names, else those of the log."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Final

from lifecycle.cli.failure import NO, Refusal
from lifecycle.composition import DEFAULT_PROVIDER, connect, open_log, orders_on
from lifecycle.core.definition import Definition
from lifecycle.core.event import stream_of
from lifecycle.errors import StoreError
from lifecycle.log.contract import Log
from lifecycle.log.order_stream import providers_in, providers_of
from lifecycle.registry import find_definition, find_provider, known_providers
from lifecycle.service.orders import Orders

KEYS: Final = "LIFECYCLE_KEYS"
"""The variable that names the key store of an encrypted log, as `connect(keys=...)` takes it."""


@contextmanager
def log_at(db: str, provider: str | None = None, *, needs_keys: bool = True) -> Iterator[Log]:
    """Open a log that is there; it needs no provider, but one that is named has to be there.

    Raises:
        InvalidArgumentError: there is no such provider, or it cannot be used.
    """
    if provider is not None:
        find_provider(provider)
    with closing(open_log(db, create=False, keys=keys_named(), needs_keys=needs_keys)) as log:
        yield log


def keys_named() -> str | None:
    """Return the key store that the environment names."""
    return os.environ.get(KEYS) or None


def open_orders(db: str, provider: str | None, *, create: bool = False) -> Orders:
    """Open the orders of a provider, by default those that `connect` opens."""
    if provider is None:
        return connect(db, create=create, keys=keys_named())
    return connect(db, provider=provider, create=create, keys=keys_named())


@contextmanager
def orders_with(db: str, provider: str | None, order: str) -> Iterator[Orders]:
    """Open the orders of the provider that has this one.

    Raises:
        Refusal: two providers have such an order, or its provider is not installed.
    """
    with log_at(db, provider) as log:
        owner = provider or owner_of(log, order)
        yield orders_on(log.holding(stream_of(owner, order)), owner)


def named_rules(named: str | None) -> str | Definition | None:
    """Return the rules that a value of `--rules` names: `package.module:NAME` as a definition.

    Raises:
        InvalidArgumentError: the module has none of that name.
    """
    return named if named is None or ":" not in named else find_definition(named)


@contextmanager
def orders_of_one(db: str, provider: str | None, what: str) -> Iterator[Orders]:
    """Open the orders of the only provider that the log holds any of; `what` asks for one.

    Raises:
        Refusal: the log holds orders of several.
    """
    with log_at(db, provider) as log:
        yield orders_on(log, provider or only_provider(log, what))


def providers_asked(log: Log, provider: str | None) -> list[str]:
    """Return the provider that was named, else all of whom the log holds orders.

    Where it holds none, the provider that `connect` takes by default.
    """
    return [provider] if provider else list(providers_in(log)) or [DEFAULT_PROVIDER]


def readable(names: Iterable[str], provider: str | None) -> list[str]:
    """Return those whose orders can be read: all that are installed, and the one that was named."""
    return [name for name in names if name == provider or name in known_providers()]


def only_provider(log: Log, what: str) -> str:
    """Return the one provider of whom the log holds orders; `connect`'s where it holds none.

    Raises:
        Refusal: there are several, or it is not installed.
    """
    names = providers_asked(log, None)
    if len(names) > 1:
        raise Refusal(f"the log holds orders of {_and(names)}; {what} one of them: --provider NAME")
    check_installed(names[0])
    return names[0]


def owner_of(log: Log, order: str) -> str:
    """Return the provider that has an order of this id; where none has, one that could.

    Raises:
        Refusal: several have one, or none of several, or its provider is not installed.
    """
    owners = providers_of(log, order)
    if len(owners) > 1:
        raise Refusal(f"{_and(owners)} have an order {order!a} each; name one: --provider NAME")
    if owners:
        check_installed(owners[0])
        return owners[0]
    names = providers_asked(log, None)
    if len(names) > 1:
        where = f"no event about order {order!a} of {_and(names)}"
        raise Refusal(f"{where}; check the id and the database", NO)
    return names[0]


def check_installed(provider: str) -> None:
    """Refuse to read orders whose provider is not there to read them.

    Raises:
        Refusal: it is not installed, or cannot be used.
    """
    if provider not in known_providers():
        raise Refusal(f"{unreadable(provider)}; run: lifecycle providers", NO)


def unreadable(provider: str) -> str:
    """Return why the orders of a provider cannot be read that is not known."""
    return f"orders of {provider!a} cannot be read: no such provider is installed that works"


def provider_of_a_log(db: str, what: str) -> str:
    """Return the provider of whom a log holds orders, `connect`'s where there is no log.

    Raises:
        Refusal: it holds orders of several.
    """
    try:
        with log_at(db) as log:
            return only_provider(log, what)
    except StoreError:
        return DEFAULT_PROVIDER


def _and(names: list[str]) -> str:
    *some, last = map(ascii, names)
    return f"{', '.join(some)} and {last}" if some else last
