"""What a provider says of its clients: how commands make them from the environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from inspect import Parameter, signature
from typing import Any, Final, Self

from lifecycle.errors import InvalidArgumentError
from lifecycle.http.client.calls import Access, Pacing

ENVIRONMENT: Final = "LIFECYCLE_PROVIDER_"


@dataclass(frozen=True, repr=False)
class ClientPort:
    """A provider's clients; its folder exports one as `client.CLIENT`.

    Attributes:
        client: makes a client for threads from keyword arguments.
        async_client: the same for the tasks of one event loop.
        settings: the arguments that are needed, by the last part of the variable that holds
            each: `{"URL": "base_url"}` is `LIFECYCLE_PROVIDER_URL`.
        optional: those that are not.
    """

    client: Callable[..., Any]
    async_client: Callable[..., Any]
    settings: Mapping[str, str]
    optional: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<ClientPort of {', '.join(self.settings)}>"

    @classmethod
    def of(
        cls,
        client: Callable[..., Any],
        async_client: Callable[..., Any],
        access: Callable[..., Access],
    ) -> Self:
        """Return the port of clients that are made from what `access` returns.

        Its arguments are the settings; those with a default are optional. An argument `key_id` is
        in the variable `LIFECYCLE_PROVIDER_KEY_ID`; `base_url` is in `LIFECYCLE_PROVIDER_URL`.
        """
        arguments = signature(access).parameters.values()
        needed = [each.name for each in arguments if each.default is Parameter.empty]
        optional = [each.name for each in arguments if each.name not in needed]
        return cls(
            partial(_made, client, access),
            partial(_made, async_client, access),
            {_variable(argument): argument for argument in needed},
            {_variable(argument): argument for argument in optional},
        )

    def missing(self, environment: Mapping[str, str]) -> list[str]:
        """Return the variables that are needed and have no value."""
        return [
            name for name in map(ENVIRONMENT.__add__, self.settings) if not environment.get(name)
        ]

    def arguments(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return what a client is made from, as the environment tells it.

        Raises:
            InvalidArgumentError: a variable is missing.
        """
        if missing := self.missing(environment):
            raise InvalidArgumentError("the environment", f"a value in {', '.join(missing)}")
        return {
            argument: environment[ENVIRONMENT + name]
            for name, argument in {**self.settings, **self.optional}.items()
            if environment.get(ENVIRONMENT + name)
        }


def _variable(argument: str) -> str:
    return argument.removeprefix("base_").upper()


def _made(client: Callable[..., Any], access: Callable[..., Access], **given: Any) -> Any:
    pacing = {name: given.pop(name) for name in Pacing.__annotations__ if name in given}
    return client(*access(**given), **pacing)
