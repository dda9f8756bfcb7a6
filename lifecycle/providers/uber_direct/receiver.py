"""Uber Direct's webhooks: signed with the key of the webhook, over the raw body."""

from typing import Final

from lifecycle.http.receiver import ReceiverPort, SignatureFormat

SIGNATURE: Final = SignatureFormat("x-uber-signature")
RECEIVER: Final = ReceiverPort(SIGNATURE.gate)
