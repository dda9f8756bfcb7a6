"""The receiver: the provider fetches a token here, and posts its callbacks.

    POST /oauth/token  client credentials      ─→ a signed token
    POST /callbacks    bearer token, any body  ─→ durable ─→ 200 ─→ on_change
    GET  /health                               ─→ 200, or 503 and what is wrong

| module | holds |
|---|---|
| `message` | requests and answers as plain values |
| `clients`, `tokens`, `guesses` | who may call |
| `authorization` | what whoever calls is answered |
| `settings`, `admission` | where it answers, how much it takes at a time |
| `answering` | what every request is answered, without any I/O |
| `asynchronous`, `synchronous` | the two drivers, over `AsyncOrders` and `Orders` |
| `asgi`, `django` | mounts |
| `service`, `credentials` | what `lifecycle serve` runs, and where its secrets come from |
| `telling`, `health` | what changed, and what is wrong |

Needs the extra `http`.
"""

from lifecycle.providers.instacart.receiver.asgi import Receiver
from lifecycle.providers.instacart.receiver.credentials import credentials_of, read_credentials
from lifecycle.providers.instacart.receiver.message import Request, Response
from lifecycle.providers.instacart.receiver.service import Service
from lifecycle.providers.instacart.receiver.settings import Limits, Paths
from lifecycle.providers.instacart.receiver.synchronous import SyncReceiver

__all__ = [
    "Limits",
    "Paths",
    "Receiver",
    "Request",
    "Response",
    "Service",
    "SyncReceiver",
    "credentials_of",
    "read_credentials",
]
