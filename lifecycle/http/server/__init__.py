"""The HTTP server of `lifecycle serve`: uvicorn with limits.

    accept ─→ Connections ─→ GuardedProtocol ─→ uvicorn's parser and cycle ─→ the ASGI app
              (how many)     (how large, how slow)

| module | holds |
|---|---|
| `limits` | the settings |
| `connections` | the open connections, and which to close if there are too many |
| `protocol` | one connection, with limits on size and time |
| `opening` | requests that the parser mistakes for another protocol |
| `running` | uvicorn's server with all of it |

All but `limits` need the extra `http`.
"""

from lifecycle.http.server.limits import ServerLimits

__all__ = ["ServerLimits"]
