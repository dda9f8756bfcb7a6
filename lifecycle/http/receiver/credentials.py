"""Reads credentials from a file or the environment, never from the command line."""

from __future__ import annotations

import logging
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lifecycle.errors import InvalidArgumentError
from lifecycle.log.private_file import exposure

CLIENT_ID: Final = "LIFECYCLE_RECEIVER_CLIENT_ID"
CLIENT_SECRET: Final = "LIFECYCLE_RECEIVER_CLIENT_SECRET"  # noqa: S105 - a variable's name
SIGNING_KEY: Final = "LIFECYCLE_RECEIVER_SIGNING_KEY"
URL: Final = "LIFECYCLE_RECEIVER_URL"

LOG: Final = logging.getLogger("lifecycle.receiver")

_FILE: Final = "a TOML file with `signing_keys = [...]` and a table `[clients]` of ids and secrets"
_FILE_WITHOUT_KEYS: Final = "a TOML file with a table `[clients]` of names and secrets"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a deployment knows for its gate.

    Attributes:
        clients: the secrets of each client: what they are is the gate's matter.
        signing_keys: the keys of tokens that we issue; none for other gates.
        url: the URL that callbacks are sent to, where the provider signs it.
    """

    clients: Mapping[str, Sequence[str]] = field(repr=False)
    signing_keys: Sequence[str] = field(default=(), repr=False)
    url: str | None = field(default=None, repr=False)


def read_credentials(path: str | os.PathLike[str], *, signing_keys: bool) -> Credentials:
    """Return the credentials in a TOML file; with the signing keys where the gate needs them.

    Logs a warning if others than its owner may read the file.

    Raises:
        InvalidArgumentError: it holds something else; the message quotes nothing.
        OSError: it cannot be read.
    """
    try:
        found = tomllib.loads(Path(path).read_bytes().decode())
        clients = {str(name): _texts(given) for name, given in found["clients"].items()}
        keys = _texts(found["signing_keys"]) if signing_keys else ()
        url = found.get("url")
        credentials = Credentials(clients, keys, None if url is None else _texts(url)[0])
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        wanted = _FILE if signing_keys else _FILE_WITHOUT_KEYS
        raise InvalidArgumentError("the credentials", wanted) from None
    if warning := exposure(path):
        LOG.warning(warning)
    return credentials


def credentials_of(environment: Mapping[str, str], *, signing_keys: bool) -> Credentials:
    """Return the credentials in environment variables.

    Blanks separate several secrets or keys, for rotation.

    Raises:
        InvalidArgumentError: a variable is missing.
    """
    needed = (CLIENT_ID, CLIENT_SECRET, *((SIGNING_KEY,) if signing_keys else ()))
    missing = [name for name in needed if not environment.get(name)]
    if missing:
        raise InvalidArgumentError("the environment", f"a value in {', '.join(missing)}")
    clients = {environment[CLIENT_ID]: environment[CLIENT_SECRET].split()}
    keys = environment[SIGNING_KEY].split() if signing_keys else ()
    return Credentials(clients, keys, environment.get(URL) or None)


def _texts(given: Any) -> list[str]:
    several = [given] if isinstance(given, str) else list(given)
    if not all(isinstance(text, str) for text in several):
        raise TypeError
    return several
