"""Webhooks of `onfleet`: it signs their raw bytes with a key that it shows in hex."""

from lifecycle.http.receiver import ReceiverPort, Routes, SignatureFormat

SIGNATURE = SignatureFormat("x-onfleet-signature", hash="sha512", key="hex")
RECEIVER = ReceiverPort(SIGNATURE.gate, routes=Routes(handshake="check"))
