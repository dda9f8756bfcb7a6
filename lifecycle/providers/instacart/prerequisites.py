"""Prerequisites: what has to be in place before an order can be created asynchronously.

None of it can be seen from here. Source: the provider's how-to on asynchronous creation.
"""

from __future__ import annotations

from typing import Final

PREREQUISITES: Final = (
    "asynchronous order creation is enabled in your retailer configuration",
    "the last mile delivery workflow is implemented on your site",
    "the Brand New callback is enabled for that workflow",
)
"""A sentence each; an Instacart Connect representative helps with all of them."""
