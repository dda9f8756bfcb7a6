"""Pages for a browser: what needs a person, one order, all orders.

    serve --pages, or a mount ─→ Pages ─→ access ─→ visit ─→ one page ─→ HTML, JSON, CSV

| module | holds |
|---|---|
| `pages` | the ASGI app: addresses, and what answers them |
| `access`, `visit` | who may look; sessions, and forms that nobody can forge |
| `log_source` | the orders of the log, by provider |
| `attention_page`, `order_list`, `order_page`, `worklists` | what each page says |
| `files` | pictures, and evidence to download |
| `personal_fields` | bodies and headers without what is about a person |
| `actions` | review, redrive, drop |
| `fleet`, `definitions` | figures of all orders; the rules, and what is proved of them |
| `live` | server-sent events |
| `django` | a mount |
| `answers` | HTML, JSON and CSV; where pages are; why there is none |

Needs the extra `web`.
"""

from lifecycle.errors import MissingExtraError

try:
    import jinja2  # noqa: F401 - told here, before a part of it is missing
    import starlette  # noqa: F401 - as above
except ModuleNotFoundError as _missing:
    raise MissingExtraError("web", _missing.name or "starlette") from None

from lifecycle.service.stored_view_keeper import keep_views
from lifecycle.web.access import Access, TrustedHeader
from lifecycle.web.pages import Pages

__all__ = ["Access", "Pages", "TrustedHeader", "keep_views"]
