"""The gate of HMAC signatures over the raw bytes of a body.

    header ─→ signatures, time ─→ time within the tolerance ─→ body read ─→ one secret fits

Any encoding of the body but its own bytes would let two bodies have one signature, so
nothing is parsed before the signature was checked.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, NamedTuple

from lifecycle.errors import InvalidArgumentError
from lifecycle.http.receiver.clients import Secrets, checked_clients
from lifecycle.http.receiver.credentials import Credentials
from lifecycle.http.receiver.gate import Gate, Refusal, unauthorized
from lifecycle.http.receiver.message import Head

TOLERANCE: Final = timedelta(minutes=5)
"""How far the time of a signature may be from ours."""

_LONGEST_TOLERANCE: Final = timedelta(days=1)
_MOST_SIGNATURES: Final = 16
"""Signatures of one request: a sender that rotates its keys sends two."""

_LONGEST_HEADER: Final = 4096
_MOST_DIGITS: Final = 15
_MILLISECONDS: Final = 10**12
"""Seconds have fewer digits until the year 33658; a larger number counts milliseconds."""


@dataclass(frozen=True)
class SignatureFormat:
    """How a provider signs its bodies.

        SignatureFormat("x-signature")                       # hex, SHA-256
        SignatureFormat("x-signature", encoding="base64", hash="sha512")
        SignatureFormat("stripe-signature", field="v1", time_field="t")
        SignatureFormat("x-onfleet-signature", hash="sha512", key="hex")

    Attributes:
        header: the header with the signature.
        hash: the hash of the HMAC.
        encoding: of the signature; hexadecimal digits may have either case.
        prefix: what stands before the signature, such as `sha256=`.
        field: where the header is a list of `name=value` parted by commas, the name of its
            signatures; several may be there.
        time_field: in such a list, the name of the time that is signed.
        time_header: the header with the time that is signed, if it has one of its own.
        separator: what parts the time from the body in the signed bytes.
        signs_url: whether the URL that callbacks are sent to is signed before the body.
        key: how the provider hands out the key of the HMAC: as `text`, whose bytes it is, or in
            `hex` or `base64`.

    Raises:
        InvalidArgumentError: the parts do not fit together.
    """

    header: str
    hash: Literal["sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""
    field: str | None = None
    time_field: str | None = None
    time_header: str | None = None
    separator: bytes = b"."
    signs_url: bool = False
    key: Literal["text", "hex", "base64"] = "text"

    def __post_init__(self) -> None:
        if self.hash not in ("sha256", "sha512") or self.encoding not in ("hex", "base64"):
            raise InvalidArgumentError("format", "sha256 or sha512, in hex or base64")
        if self.key not in ("text", "hex", "base64"):
            raise InvalidArgumentError("format", "a key as text, in hex or in base64")
        if not self.header or (self.time_field and (not self.field or self.time_header)):
            raise InvalidArgumentError(
                "format", "a header, and the time in a field beside the signature's or in a header"
            )

    def gate(self, credentials: Credentials) -> Gate:
        """Return the gate of a deployment's credentials."""
        return HmacSignatures(self, credentials.clients, url=credentials.url)

    def sign(
        self, secret: str, body: bytes, *, at: float | None = None, url: str = ""
    ) -> dict[str, str]:
        """Return the headers that sign a body as the provider does, for tests and simulators.

        `at` is the time that is signed, in seconds since 1970; by default the machine's.

        Raises:
            InvalidArgumentError: the secret is no key of this format.
        """
        is_timed = self.time_field is not None or self.time_header is not None
        seconds = str(int(time.time() if at is None else at)) if is_timed else ""
        before = seconds.encode() + self.separator if is_timed else b""
        signed = (url.encode() if self.signs_url else b"") + before + body
        mac = hmac.digest(self.key_of(secret.encode()), signed, self.hash)
        text = self.prefix + (
            mac.hex() if self.encoding == "hex" else base64.b64encode(mac).decode()
        )
        if self.field is not None:
            timed = f"{self.time_field}={seconds}," if self.time_field is not None else ""
            text = f"{timed}{self.field}={text}"
        apart = {} if self.time_header is None else {self.time_header: seconds}
        return {self.header: text, **apart}

    def key_of(self, secret: bytes) -> bytes:
        """Return the key of the HMAC that a secret spells.

        Raises:
            InvalidArgumentError: it spells none.
        """
        try:
            if self.key == "text":
                return secret
            decode = binascii.unhexlify if self.key == "hex" else _from_base64
            return decode(secret)
        except ValueError:
            raise InvalidArgumentError("clients", f"secrets in {self.key}") from None


class _Claim(NamedTuple):
    """What the head says: the signatures, and the bytes that are signed before the body."""

    signatures: tuple[bytes, ...]
    before: bytes


class HmacSignatures:
    """Identifies clients by the signatures of their bodies.

    Args:
        form: how the provider signs.
        clients: client names, each with a secret of 16 letters or more, or several for rotation.
        tolerance: how far a signed time may be from ours, in both directions.
        url: the URL that callbacks are sent to, where that is signed.
        clock: tells the time, in seconds since 1970.

    Raises:
        InvalidArgumentError: a secret is missing, too short or no key, the tolerance is not
            above zero or above a day, or the URL is missing.
    """

    def __init__(
        self,
        form: SignatureFormat,
        clients: Mapping[str, Secrets],
        *,
        tolerance: timedelta = TOLERANCE,
        url: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not timedelta(0) < tolerance <= _LONGEST_TOLERANCE:
            raise InvalidArgumentError("tolerance", "more than nothing, and at most a day")
        if form.signs_url and not url:
            raise InvalidArgumentError("url", "the URL that callbacks are sent to: it is signed")
        self._format = form
        self._secrets = {
            name: [form.key_of(secret) for secret in secrets]
            for name, secrets in checked_clients(clients).items()
        }
        self._tolerance = tolerance.total_seconds()
        self._url = url.encode() if form.signs_url and url else b""
        self._clock = clock

    def __repr__(self) -> str:
        return f"<HmacSignatures for {len(self.clients)} clients>"

    @property
    def clients(self) -> Collection[str]:
        """The names of the clients."""
        return self._secrets.keys()

    def claim(self, head: Head) -> str | Refusal:
        """Return the only client, or that one of them signed; no signature is checked yet."""
        claim = self._read(head)
        if isinstance(claim, Refusal):
            return claim
        return next(iter(self._secrets)) if len(self._secrets) == 1 else ANY_CLIENT

    def verify(self, head: Head, body: bytes, claimed: str) -> str | Refusal:  # noqa: ARG002 - as `Gate`
        """Return the client whose secret signed these bytes."""
        claim = self._read(head)
        if isinstance(claim, Refusal):
            return claim
        found = None
        for client, secrets in self._secrets.items():
            for secret in secrets:
                if self._fits(secret, claim, body):
                    found = client
        return _WRONG if found is None else found

    def _fits(self, secret: bytes, claim: _Claim, body: bytes) -> bool:
        """Tell whether one signature is that of the body; every one is compared in full."""
        mac = hmac.new(secret, claim.before, self._format.hash)
        mac.update(body)
        expected, fits = mac.digest(), False
        for signature in claim.signatures:
            fits |= hmac.compare_digest(expected, signature)
        return fits

    def _read(self, head: Head) -> _Claim | Refusal:
        values = head.values(self._format.header.lower().encode())
        if len(values) != 1 or not 0 < len(values[0]) <= _LONGEST_HEADER:
            return MISSING
        fields = tuple(_pairs(values[0])) if self._format.field else ((b"", values[0].strip()),)
        wanted = (self._format.field or "").encode()
        given = [value for name, value in fields if name == wanted][:_MOST_SIGNATURES]
        signatures = tuple(filter(None, map(self._decoded, given)))
        before = self._time(head, fields)
        if isinstance(before, Refusal):
            return before
        return _Claim(signatures, self._url + before) if signatures else MISSING

    def _time(self, head: Head, fields: tuple[tuple[bytes, bytes], ...]) -> bytes | Refusal:
        """Return the signed time and its separator; empty where no time is signed."""
        if self._format.time_header is not None:
            times = head.values(self._format.time_header.lower().encode())
        elif self._format.time_field is not None:
            times = [value for name, value in fields if name == self._format.time_field.encode()]
        else:
            return b""
        at = times[0].strip() if len(times) == 1 else b""
        if not at.isdigit() or len(at) > _MOST_DIGITS:
            return MISSING
        seconds = int(at) / 1000 if int(at) >= _MILLISECONDS else int(at)
        if abs(self._clock() - seconds) > self._tolerance:
            return _STALE
        return at + self._format.separator

    def _decoded(self, text: bytes) -> bytes | None:
        prefix = self._format.prefix.encode()
        if not text.startswith(prefix):
            return None
        digits = text.removeprefix(prefix)
        try:
            if self._format.encoding == "hex":
                return binascii.unhexlify(digits)
            return _from_base64(digits)
        except ValueError:
            return None


def _from_base64(text: bytes) -> bytes:
    return base64.b64decode(text, validate=True)


def _pairs(value: bytes) -> Iterator[tuple[bytes, bytes]]:
    for part in value.split(b","):
        name, _, text = part.strip().partition(b"=")
        yield name.strip(), text.strip()


ANY_CLIENT: Final = "signed"
"""Whose memory a body takes until its signature shows which of several clients signed it."""

CHALLENGE: Final = 'Signature realm="callbacks"'
MISSING: Final = Refusal(
    "no signature, or none that can be read", unauthorized("a signature is needed", CHALLENGE)
)
_STALE: Final = Refusal(
    "its signature is too old, or from the future", unauthorized("stale signature", CHALLENGE)
)
_WRONG: Final = Refusal("its signature is wrong", unauthorized("wrong signature", CHALLENGE))
