"""Instacart's callbacks: it fetches a token from us, and shows it with each of them."""

from __future__ import annotations

from typing import Final

from lifecycle.http.receiver import BearerTokens, ReceiverPort

RECEIVER: Final = ReceiverPort(BearerTokens.of, signing_keys=True)
