"""`lifecycle simulate`: a provider to try everything against, on a socket of this machine."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lifecycle.cli.failure import Refusal
from lifecycle.cli.option import ProviderName
from lifecycle.cli.output import print_table, warn
from lifecycle.composition import DEFAULT_PROVIDER
from lifecycle.registry import part_of

if TYPE_CHECKING:
    from lifecycle.simulator import SimulatedProvider

DEFAULT_PORT: Final = 8642
ENVIRONMENT: Final = "LIFECYCLE_SIMULATOR_"
"""A setting's name in capitals after this is the variable that sets it."""

Named = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="One of the settings; may be repeated."),
]
Ways = Annotated[
    list[str] | None,
    typer.Option("--way", metavar="NAME=WEIGHT", help="A way that orders go; may be repeated."),
]
Faults = Annotated[
    list[str] | None,
    typer.Option("--fault", metavar="NAME=RATE", help="A fault and its rate; may be repeated."),
]


def simulate(
    *,
    host: Annotated[str, typer.Option("--host", help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", help="The port; 0 takes a free one.")
    ] = DEFAULT_PORT,
    callback_url: Annotated[
        str | None, typer.Option("--callback-url", metavar="URL", help="Where callbacks go.")
    ] = None,
    hostile: Annotated[
        float | None,
        typer.Option("--hostile", metavar="RATE", min=0, max=1, help="Every fault at one rate."),
    ] = None,
    way: Ways = None,
    fault: Faults = None,
    named: Named = None,
    scenarios: Annotated[
        bool, typer.Option("--scenarios", help="List what can be made to happen, and exit.")
    ] = False,
    settings: Annotated[
        bool, typer.Option("--settings", help="List the settings, and exit.")
    ] = False,
    provider: ProviderName = None,
) -> None:
    """Play the provider: take orders, deliver them, and call back."""
    from lifecycle.simulator import Simulator, serve  # noqa: PLC0415 - other commands need none

    simulated = part_of(DEFAULT_PROVIDER if provider is None else provider, "simulator")
    if scenarios:
        print_table(("scenario", "kind", "what happens"), simulated.scenarios.values())
    elif settings:
        print_table(("setting", "default", "what it says"), simulated.settings.described())
    else:
        fields = _fields(simulated, hostile, way, fault, named)
        if callback_url is not None:
            fields["callback_url"] = callback_url
        logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
        serve(Simulator(simulated, **fields), host=host, port=port, started=_tell)


def _tell(url: str) -> None:
    warn(f"simulating at {url}; stop it with Ctrl-C")


def _fields(
    simulated: SimulatedProvider,
    hostile: float | None,
    way: Iterable[str] | None,
    fault: Iterable[str] | None,
    named: Iterable[str] | None,
) -> dict[str, Any]:
    """Return the settings: what the environment says, then every fault, then the options."""
    fields: dict[str, Any] = {
        name: _value(os.environ[variable])
        for name in simulated.settings.model_fields
        if (variable := ENVIRONMENT + name.upper()) in os.environ
    }
    if hostile is not None:
        fields |= simulated.hostile(hostile)
    fields |= {name: _value(text) for name, text in _pairs("--set", named)}
    if faults := _numbers("--fault", fault):
        fields["faults"] = {**fields.get("faults", {}), **faults}
    if ways := _numbers("--way", way):
        fields["ways"] = ways
    return fields


def _value(text: str) -> Any:
    """Return a value as the settings take it: JSON for lists and objects, else the text."""
    if text[:1] not in ("[", "{"):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _numbers(option: str, given: Iterable[str] | None) -> dict[str, float]:
    try:
        return {name: float(text) for name, text in _pairs(option, given)}
    except ValueError:
        raise Refusal(f"{option} needs a number; write it like lost=0.1") from None


def _pairs(option: str, given: Iterable[str] | None) -> Iterator[tuple[str, str]]:
    """Yield the names and values of an option that may be repeated."""
    for text in given or ():
        name, separator, value = text.partition("=")
        if not separator:
            raise Refusal(f"{option} needs a name and a value; write it like lost=0.1")
        yield name.strip(), value
