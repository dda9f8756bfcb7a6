"""The client: calls to a provider's API, with time limits, retries and tokens.

    provider's calls ─→ Calls ─→ Operations: flows, with retries
                                    ├─→ authorization: a token, fixed headers, a signature
                                    └─→ transport: the sockets

Each call returns an `Answer` of any status, or raises a `ProviderError` that tells whether
the request was sent. It records nothing: see `lifecycle.http.create_order`.
Needs the extra `http`.
"""

from lifecycle.http.client.authorization import Authorization, FixedHeaders, SignedCalls
from lifecycle.http.client.calls import (
    Access,
    AsyncHttpClient,
    Calls,
    HttpClient,
    OrderCalls,
    Pacing,
)
from lifecycle.http.client.exchange import Answer, Call
from lifecycle.http.client.own_id import OwnIdCalls
from lifecycle.http.client.port import ClientPort
from lifecycle.http.client.token import ClientCredentials, client_credentials
from lifecycle.http.client.url import checked_text, checked_url, json_call, segment, token_call

__all__ = [
    "Access",
    "Answer",
    "AsyncHttpClient",
    "Authorization",
    "Call",
    "Calls",
    "ClientCredentials",
    "ClientPort",
    "FixedHeaders",
    "HttpClient",
    "OrderCalls",
    "OwnIdCalls",
    "Pacing",
    "SignedCalls",
    "checked_text",
    "checked_url",
    "client_credentials",
    "json_call",
    "segment",
    "token_call",
]
