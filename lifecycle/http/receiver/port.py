"""What a provider says of its callbacks: who may send them, and by which routes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lifecycle.http.receiver.credentials import Credentials, credentials_of, read_credentials
from lifecycle.http.receiver.gate import Gate
from lifecycle.http.receiver.routes import Routes


@dataclass(frozen=True)
class ReceiverPort:
    """How a provider's callbacks come in; its folder exports one as `receiver.RECEIVER`.

        RECEIVER = ReceiverPort(SignatureFormat("x-signature").gate)

    Attributes:
        gate: makes the gate from the credentials of a deployment.
        signing_keys: whether that needs keys to sign tokens with.
        routes: where callbacks come in.
    """

    gate: Callable[[Credentials], Gate]
    signing_keys: bool = False
    routes: Routes = Routes()  # noqa: RUF009 - frozen

    def read(self, path: str | os.PathLike[str]) -> Gate:
        """Return the gate of the credentials in a TOML file; warn if others may read it.

        Raises:
            InvalidArgumentError: it holds something else; the message quotes nothing.
            OSError: it cannot be read.
        """
        return self.gate(read_credentials(path, signing_keys=self.signing_keys))

    def from_environment(self, environment: Mapping[str, str]) -> Gate:
        """Return the gate of the credentials in environment variables.

        Raises:
            InvalidArgumentError: a variable is missing, or a secret or key is too short.
        """
        return self.gate(credentials_of(environment, signing_keys=self.signing_keys))
