"""Reads credentials from a file or the environment, never from the command line."""

from __future__ import annotations

import logging
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from lifecycle.errors import InvalidArgumentError
from lifecycle.log.private_file import exposure
from lifecycle.providers.instacart.receiver.request_flow import Rules, Setup

CLIENT_ID: Final = "LIFECYCLE_RECEIVER_CLIENT_ID"
CLIENT_SECRET: Final = "LIFECYCLE_RECEIVER_CLIENT_SECRET"  # noqa: S105 - a variable's name
SIGNING_KEY: Final = "LIFECYCLE_RECEIVER_SIGNING_KEY"

LOG: Final = logging.getLogger("lifecycle.receiver")

_FILE: Final = "a TOML file with `signing_keys = [...]` and a table `[clients]` of ids and secrets"


def read_credentials(path: str | os.PathLike[str]) -> Setup:
    """Return the clients and signing keys in a TOML file.

    Logs a warning if others than its owner may read the file.

    Raises:
        InvalidArgumentError: it holds something else; the message quotes nothing.
        OSError: it cannot be read.
    """
    try:
        found = tomllib.loads(Path(path).read_bytes().decode())
        clients = {str(name): _texts(given) for name, given in found["clients"].items()}
        setup = Setup(clients=clients, signing_keys=_texts(found["signing_keys"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InvalidArgumentError("the credentials", _FILE) from None
    if warning := exposure(path):
        LOG.warning(warning)
    return _checked(setup)


def credentials_of(environment: Mapping[str, str]) -> Setup:
    """Return the client and the signing keys in environment variables.

    Blanks separate several secrets or keys, for rotation.

    Raises:
        InvalidArgumentError: a variable is missing, or a key is too short.
    """
    missing = [
        name for name in (CLIENT_ID, CLIENT_SECRET, SIGNING_KEY) if not environment.get(name)
    ]
    if missing:
        raise InvalidArgumentError("the environment", f"a value in {', '.join(missing)}")
    secrets, keys = environment[CLIENT_SECRET].split(), environment[SIGNING_KEY].split()
    return _checked(Setup(clients={environment[CLIENT_ID]: secrets}, signing_keys=keys))


def _texts(given: Any) -> list[str]:
    several = [given] if isinstance(given, str) else list(given)
    if not all(isinstance(text, str) for text in several):
        raise TypeError
    return several


def _checked(setup: Setup) -> Setup:
    Rules(**setup)
    return setup
