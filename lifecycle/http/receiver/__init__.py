"""The receiver: a provider posts its callbacks here, and each is durable before the answer.

    POST /callbacks    any body   ─→ gate ─→ durable ─→ 200 ─→ on_change
    POST /oauth/token  where the gate grants tokens
    GET  /health       ─→ 200, or 503 and the problems
    GET  /metrics      where the routes have one

| module | holds |
|---|---|
| `gate` | who may call: the protocol |
| `bearer`, `signature`, `standard_webhooks`, `static` | the gates |
| `clients`, `guarded_clients` | what they stand on; who guesses secrets has to wait |
| `port`, `credentials` | what a provider says of its callbacks; a deployment's secrets |
| `message`, `routes`, `admission` | requests and answers; paths; limits |
| `request_flow` | answers every request, for threads and coroutines alike |
| `asynchronous`, `synchronous` | the receivers over `AsyncOrders` and `Orders` |
| `asgi`, `django`, `service` | mounts, and what `lifecycle serve` runs |
| `change_notifier`, `fair_queue`, `health` | `on_change`, turns for costly bodies, problems |
| `metrics` | what a monitor reads |

Needs the extra `http`.
"""

from lifecycle.http.receiver.asgi import Receiver
from lifecycle.http.receiver.bearer import BearerTokens
from lifecycle.http.receiver.credentials import Credentials
from lifecycle.http.receiver.gate import Gate, GrantsTokens, Refusal, unauthorized
from lifecycle.http.receiver.message import Head, Request, Response
from lifecycle.http.receiver.port import ReceiverPort
from lifecycle.http.receiver.routes import ReceiverLimits, Routes
from lifecycle.http.receiver.service import Service
from lifecycle.http.receiver.signature import HmacSignatures, SignatureFormat
from lifecycle.http.receiver.standard_webhooks import StandardWebhooks
from lifecycle.http.receiver.static import Basic, BasicOrToken, StaticToken, StaticTokenFormat
from lifecycle.http.receiver.synchronous import SyncReceiver

__all__ = [
    "Basic",
    "BasicOrToken",
    "BearerTokens",
    "Credentials",
    "Gate",
    "GrantsTokens",
    "Head",
    "HmacSignatures",
    "Receiver",
    "ReceiverLimits",
    "ReceiverPort",
    "Refusal",
    "Request",
    "Response",
    "Routes",
    "Service",
    "SignatureFormat",
    "StandardWebhooks",
    "StaticToken",
    "StaticTokenFormat",
    "SyncReceiver",
    "unauthorized",
]
