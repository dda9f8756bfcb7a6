"""The clients: their ids and secrets, several of each so that they can be rotated."""

from __future__ import annotations

import base64
import binascii
import hmac
import itertools
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Final
from urllib.parse import unquote_to_bytes

from lifecycle.errors import InvalidArgumentError
from lifecycle.http.receiver.message import Head

Secrets = str | Sequence[str]
"""One secret, or several while they are rotated."""
SHORTEST_SECRET: Final = 16
"""Bytes: 16 random hex digits are 64 bits, beyond guessing at one a second."""
LONGEST_ID: Final = 255
FEW_LETTERS: Final = 6
"""A secret with fewer different letters looks like a placeholder."""

LOG: Final = logging.getLogger("lifecycle.receiver")

Candidates = tuple[tuple[bytes, bytes], ...]
"""The ids and secrets that a request may mean, one pair for each reading."""
Form = Mapping[bytes, bytes]


class Clients:
    """The clients that may get tokens.

    Raises:
        InvalidArgumentError: no client, or one whose id is empty or above 255 bytes, or with a
            secret of under 16 bytes or none.
    """

    def __init__(self, clients: Mapping[str, Secrets]) -> None:
        self._digests = {
            client_id: [sha256(secret).digest() for secret in secrets]
            for client_id, secrets in checked_clients(clients).items()
        }

    def __contains__(self, client_id: object) -> bool:
        return client_id in self._digests

    def __repr__(self) -> str:
        return f"<Clients {len(self._digests)}>"

    @property
    def names(self) -> Collection[str]:
        """The ids of the clients."""
        return self._digests.keys()

    def client_named_in(self, candidates: Candidates) -> str | None:
        """Return the client that a request names, whatever its secret."""
        ids = {client_id.encode(): client_id for client_id in self._digests}
        return next((ids[given] for given, _ in candidates if given in ids), None)

    def identify(self, candidates: Candidates) -> str | None:
        """Return the client with these credentials; None: there is none.

        Compares every client and secret in full: the time taken does not reveal how close a
        guess was.
        """
        found = None
        for given_id, given_secret in candidates:
            digest = sha256(given_secret).digest()
            for client_id, digests in self._digests.items():
                same_id = hmac.compare_digest(client_id.encode(), given_id)
                same_secret = False
                for known in digests:
                    same_secret |= hmac.compare_digest(known, digest)
                if same_id & same_secret:
                    found = client_id
        return found


def read_form(body: bytes) -> Form | None:
    """Return the parameters of a form; None: one is repeated (RFC 6749, 3.2).

    A parameter without a value counts as omitted. `resource` may repeat (RFC 8707); it is ignored.
    """
    # `parse_qsl` takes bytes, but fails on any that are no ASCII.
    pairs = [pair.partition(b"=") for pair in body.split(b"&")]
    given = [(_form_decoded(name), _form_decoded(value)) for name, _, value in pairs if value]
    once = [pair for pair in given if pair[0] != b"resource"]
    form = dict(once)
    return form if len(form) == len(once) else None


def read_credentials_of(head: Head, form: Form) -> Candidates | None:
    """Return the credentials in a token request; None: it breaks the rules (RFC 6749, 2.3).

    The rules forbid credentials in both header and form, two headers, and two client ids.
    Empty: it holds no readable credentials.
    """
    headers = head.values(b"authorization")
    named, secret = form.get(b"client_id"), form.get(b"client_secret")
    if not headers:
        return ((named or b"", secret or b""),) if named or secret else ()
    # Some servers join two headers with a comma, which no credentials contain.
    if len(headers) > 1 or b"," in headers[0] or secret is not None:
        return None
    candidates = read_basic(headers[0])
    if named and candidates and named not in {client_id for client_id, _ in candidates}:
        return None
    return candidates


def read_basic(value: bytes) -> Candidates:
    """Return both readings of HTTP Basic: the standard encodes both parts, many clients do not."""
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


def raw_secret(secret: str | bytes) -> bytes:
    """Return a secret's bytes, as an environment variable holds them; empty if it has none."""
    try:
        return secret if isinstance(secret, bytes) else secret.encode(errors="surrogateescape")
    except (UnicodeEncodeError, AttributeError):  # half a letter, or no text; it would be shown
        return b""


def warn_of_placeholders(what: str, secrets: Iterable[bytes]) -> None:
    """Log a warning about a secret that is long and guessable, such as one letter 32 times."""
    if any(len(set(secret)) < FEW_LETTERS for secret in secrets):
        LOG.warning(
            "%s repeats the same few letters and is easily guessed; "
            "use one that secrets.token_urlsafe(32) made",
            what,
        )


def checked_clients(clients: Mapping[str, Secrets]) -> Mapping[str, list[bytes]]:
    """Return the secrets of each client, as bytes; log a warning about placeholders.

    Raises:
        InvalidArgumentError: as `Clients`.
    """
    known = {client_id: _checked_secrets(secrets) for client_id, secrets in clients.items()}
    if not known or not all(map(_is_id, known)) or not all(known.values()):
        raise InvalidArgumentError(
            "clients",
            f"client ids, each with one or more secrets of {SHORTEST_SECRET} bytes or more, "
            "such as secrets.token_urlsafe(32) makes",
        )
    warn_of_placeholders("a client secret", itertools.chain(*known.values()))
    return known


def _checked_secrets(secrets: Secrets) -> list[bytes]:
    raw = [raw_secret(secret) for secret in ([secrets] if isinstance(secrets, str) else secrets)]
    return raw if all(len(secret) >= SHORTEST_SECRET for secret in raw) else []


def _is_id(client_id: str) -> bool:
    # A longer id would make tokens longer than any that is accepted.
    return 1 <= len(client_id.encode("utf-8", "replace")) <= LONGEST_ID and client_id.isprintable()
