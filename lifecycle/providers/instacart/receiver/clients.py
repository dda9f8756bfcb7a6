"""Who may call: client ids and their secrets, several at a time so that they can be rotated."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from lifecycle.errors import InvalidArgumentError
from lifecycle.providers.instacart.receiver.message import Head

Secrets = str | Sequence[str]
"""One secret, or several while they are rotated."""

_MOST_FIELDS = 50


class Presented(NamedTuple):
    """The credentials of a request: every way in which they may be read, and the form's fields."""

    candidates: tuple[tuple[bytes, bytes], ...]
    grant_type: bytes | None

    def __repr__(self) -> str:
        return f"<Presented {len(self.candidates)}>"


class Clients:
    """The clients that get tokens.

    Raises:
        InvalidArgumentError: no client, or one without an id or a secret.
    """

    def __init__(self, clients: Mapping[str, Secrets]) -> None:
        self._digests = {
            client_id: [sha256(secret.encode()).digest() for secret in _several(secrets)]
            for client_id, secrets in clients.items()
        }
        if not self._digests or not all(self._digests) or not all(self._digests.values()):
            raise InvalidArgumentError("clients", "client ids, each with one or more secrets")

    def __contains__(self, client_id: object) -> bool:
        return client_id in self._digests

    def __repr__(self) -> str:
        return f"<Clients {len(self._digests)}>"

    def identify(self, presented: Presented) -> str | None:
        """Return the client whose credentials these are, None if they are nobody's.

        Every client and secret is compared, in full and whatever came before: how long it
        takes does not tell how close a guess was.
        """
        found = None
        for given_id, given_secret in presented.candidates:
            digest = sha256(given_secret).digest()
            for client_id, digests in self._digests.items():
                same_id = hmac.compare_digest(client_id.encode(), given_id)
                same_secret = False
                for known in digests:
                    same_secret |= hmac.compare_digest(known, digest)
                if same_id & same_secret:
                    found = client_id
        return found


def read_credentials_of(head: Head, body: bytes) -> Presented | None:
    """Return the credentials that a token request presents, None where it breaks the rules.

    A field that comes twice, or credentials in both the header and the body, break them.
    """
    # `parse_qsl` takes bytes, but fails on any that are no ASCII.
    pairs = [pair.partition(b"=") for pair in body.split(b"&", _MOST_FIELDS) if pair]
    fields = {_form_decoded(name): _form_decoded(value) for name, _, value in pairs}
    basic = head.values(b"authorization")
    if len(fields) != len(pairs) or len(basic) > 1 or (basic and b"client_secret" in fields):
        return None
    grant_type = fields.get(b"grant_type")
    if basic:
        return Presented(_read_basic(basic[0]), grant_type)
    posted = (fields.get(b"client_id", b""), fields.get(b"client_secret", b""))
    return Presented((posted,), grant_type)


def _read_basic(value: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Return both readings of HTTP Basic: the standard encodes id and secret, many do not."""
    scheme, _, encoded = value.partition(b" ")
    if scheme.lower() != b"basic":
        return ()
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True)
    except binascii.Error:
        return ()
    client_id, colon, secret = decoded.partition(b":")
    if not colon:
        return ()
    return (client_id, secret), (_form_decoded(client_id), _form_decoded(secret))


def _form_decoded(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))


def _several(secrets: Secrets) -> list[str]:
    several = [secrets] if isinstance(secrets, str) else list(secrets)
    return several if all(several) else []
