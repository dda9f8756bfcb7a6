"""The receiver: the provider fetches a token here, and posts its callbacks.

    POST /oauth/token  client credentials      ─→ a signed token
    POST /callbacks    bearer token, any body  ─→ durable ─→ 200 ─→ on_change
    GET  /health                               ─→ 200, or 503 and the problems

| module | holds |
|---|---|
| `message` | requests and answers as plain values |
| `clients`, `tokens`, `guesses` | who may call |
| `authorization` | grants tokens, authenticates callers |
| `settings`, `admission` | paths and limits |
| `request_flow` | answers every request, without any I/O |
| `asynchronous`, `synchronous` | the two drivers, over `AsyncOrders` and `Orders` |
| `asgi`, `django` | mounts |
| `service`, `credentials` | what `lifecycle serve` runs, and its secrets |
| `change_notifier`, `fair_queue`, `health` | `on_change`, turns for costly bodies, problems |

Needs the extra `http`.
"""

from lifecycle.providers.instacart.receiver.asgi import Receiver
from lifecycle.providers.instacart.receiver.credentials import credentials_of, read_credentials
from lifecycle.providers.instacart.receiver.message import Request, Response
from lifecycle.providers.instacart.receiver.service import Service
from lifecycle.providers.instacart.receiver.settings import Paths, ReceiverLimits
from lifecycle.providers.instacart.receiver.synchronous import SyncReceiver

__all__ = [
    "Paths",
    "Receiver",
    "ReceiverLimits",
    "Request",
    "Response",
    "Service",
    "SyncReceiver",
    "credentials_of",
    "read_credentials",
]
