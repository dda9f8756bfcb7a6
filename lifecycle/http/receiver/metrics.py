"""What a monitor reads from the receiver, as OpenMetrics; needs the extra `metrics`.

Counters are of this process. Figures are of the log, so the same whichever process is asked;
they are taken anew once they are older than `FRESH_FOR`, one scrape at a time.
"""

from __future__ import annotations

from threading import Lock
from time import monotonic
from typing import Final

from lifecycle.errors import MissingExtraError
from lifecycle.http.receiver.message import Response
from lifecycle.log.contract import Outcome
from lifecycle.service.attention import KINDS
from lifecycle.service.figures import Figures
from lifecycle.service.receipt import Receipt

try:
    from prometheus_client import CollectorRegistry, Counter, Gauge
    from prometheus_client.exposition import choose_encoder
except ImportError as _missing:
    raise MissingExtraError("metrics", "prometheus-client") from _missing

FRESH_FOR: Final = 30.0

_OPENMETRICS: Final = "application/openmetrics-text"

_GAUGES: Final = {
    "store_up": ("Whether the store answered when the figures were taken.", ()),
    "late_events": ("Events recorded after one that they precede; orders of a day.", ()),
    "missing_events": ("States that no event named; orders of a day.", ()),
    "feed_lag_records": ("Records that a subscription has to pass.", ("feed",)),
    "feed_dead_letters": ("Dead letters, and what they block.", ("feed",)),
    "feed_retries": ("Changes to be delivered again.", ("feed",)),
    "views_lag_records": ("Records that stored views lack.", ()),
    "attention_items": ("What nobody reviewed.", ("kind",)),
    "oldest_waiting_seconds": ("How long the order waits that waits longest.", ()),
}


class ReceiverMetrics:
    """The metrics of one receiver."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        told = "Callbacks that were recorded, by what became of them."
        self._appends = Counter("lifecycle_appends", told, ["outcome"], registry=self._registry)
        for outcome in Outcome:
            self._appends.labels(outcome.value)
        self._gauges = {
            name: Gauge(f"lifecycle_{name}", told, labels, registry=self._registry)
            for name, (told, labels) in _GAUGES.items()
        }
        self._lock = Lock()
        self._due_at: float | None = 0.0

    def count(self, receipt: Receipt) -> None:
        """Count a callback that was recorded, each event of it."""
        for each in (receipt, *receipt.others):
            self._appends.labels(each.outcome.value).inc()

    def begin(self) -> bool:
        """Tell whether figures are to be taken now; then `take` is to be called."""
        with self._lock:
            is_due = self._due_at is not None and monotonic() >= self._due_at
            if is_due:
                self._due_at = None
            return is_due

    def take(self, figures: Figures | None) -> None:
        """Show figures; None: the store did not answer."""
        self._gauges["store_up"].set(figures is not None)
        if figures is not None:
            self._show(figures)
        with self._lock:
            self._due_at = monotonic() + FRESH_FOR

    def page(self, accept: str) -> Response:
        """Return the answer to a scrape: OpenMetrics, or Prometheus' own text for who asks so."""
        is_plain = "text/plain" in accept and _OPENMETRICS not in accept
        # Handed on as it came, an odd version would make it raise.
        encode, content_type = choose_encoder("text/plain" if is_plain else _OPENMETRICS)
        body = encode(self._registry)
        length = ("content-length", str(len(body)))
        return Response(200, (("content-type", content_type), length), body)

    def _show(self, figures: Figures) -> None:
        gauges = self._gauges
        gauges["late_events"].set(figures.late)
        gauges["missing_events"].set(figures.missing)
        gauges["views_lag_records"].set(figures.views_lag or 0)
        gauges["oldest_waiting_seconds"].set(figures.oldest_waiting)
        for feed in figures.feeds:
            gauges["feed_lag_records"].labels(feed.name).set(max(figures.end - feed.position, 0))
            gauges["feed_dead_letters"].labels(feed.name).set(feed.dead_letters)
            gauges["feed_retries"].labels(feed.name).set(feed.retries)
        for kind in KINDS:
            gauges["attention_items"].labels(kind).set(figures.attention.get(kind, 0))
