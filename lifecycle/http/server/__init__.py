"""The HTTP server of `lifecycle serve`: uvicorn, and the limits that it leaves to others.

    accept ─→ Connections ─→ GuardedProtocol ─→ uvicorn's parser and cycle ─→ the ASGI app
              (how many)     (how large, how slow)

| module | holds |
|---|---|
| `limits` | what an operator may set |
| `connections` | which connections are open, and which has to go where there are too many |
| `protocol` | one connection: heads, bodies and answers in time and of bounded size |
| `opening` | what the parser takes for another protocol |
| `running` | uvicorn's server with all of it |

All but `limits` needs the extra `http`.
"""

from lifecycle.http.server.limits import ServerLimits

__all__ = ["ServerLimits"]
