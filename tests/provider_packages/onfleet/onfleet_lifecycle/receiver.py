"""Webhooks of `onfleet`: it signs their raw bytes with a key that it shows in hex."""

from lifecycle.http.receiver import ReceiverPort, SignatureFormat

SIGNATURE = SignatureFormat("x-onfleet-signature", hash="sha512", key="hex")
RECEIVER = ReceiverPort(SIGNATURE.gate)
