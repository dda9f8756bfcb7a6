"""DoorDash Drive's webhooks: HTTP Basic, or a token that never changes; nothing is signed."""

from typing import Final

from lifecycle.http.receiver import BasicOrToken, ReceiverPort

RECEIVER: Final = ReceiverPort(BasicOrToken.of)
