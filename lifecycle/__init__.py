"""The true state of every last mile delivery order, whatever order its callbacks come in.

    your request ──┐                                             ┌─→ change   what is new
    its response ──┤            recognize           append       │
    callbacks    ──┼─→ bytes ──────────────→ Event ────────→ log ┼─→ fold ─→ OrderView
    polls        ──┘       └─→ quarantine                        │
                                                                 └─→ history  why we believe it

The log keeps every event once, with its bytes. The fold sorts them by what they say,
never by when they came, and asks the definition what each one means. So the view is a
pure function of the set of events: late, repeated and reordered callbacks cannot
corrupt it.

    from lifecycle import connect

    with connect("sqlite:///orders.db") as orders:
        receipt = orders.record_callback(raw_bytes)
        if receipt.change:
            print(receipt.change.after, receipt.view)
"""

import logging as _logging

from lifecycle.composition import connect, connect_async
from lifecycle.core.change import Change
from lifecycle.core.definition import Awaits, Definition
from lifecycle.core.event import Arrival, Event, Unreadable
from lifecycle.core.fold import Folding, fold, history
from lifecycle.core.provider import Provider
from lifecycle.core.view import Anomaly, HistoryEntry, OrderError, OrderView, Step, Verdict
from lifecycle.errors import (
    DefinitionError,
    InvalidArgumentError,
    InvalidRequestError,
    JsonError,
    LifecycleError,
    LostWorkerError,
    MissingExtraError,
    MixedOrdersError,
    NeverReachedError,
    NoAnswerError,
    NotEnteredError,
    NotFoldedError,
    NoTokenError,
    NoViewsError,
    OpenedElsewhereError,
    OtherRecordsError,
    PoisonedOrdersError,
    ProviderError,
    ProviderFaultError,
    RequestBodyError,
    StoreClosedError,
    StoredFormatError,
    StoreError,
    StoreMissingError,
    StoreUnavailableError,
    StoreUrlError,
    UnknownOrderError,
    VersionConflictError,
    ViewsLagError,
)
from lifecycle.log.contract import Outcome
from lifecycle.log.feed_store import DeadLetter
from lifecycle.projections.async_subscription import AsyncSubscription
from lifecycle.projections.change_feed import OrderChange
from lifecycle.projections.stored_views import StoredViews
from lifecycle.projections.subscription import Subscription
from lifecycle.service.async_orders import AsyncOrders
from lifecycle.service.orders import Orders
from lifecycle.service.receipt import AsyncReceipt, QuarantineItem, Receipt
from lifecycle.service.recording_calls import Sent

__all__ = [
    "Anomaly",
    "Arrival",
    "AsyncOrders",
    "AsyncReceipt",
    "AsyncSubscription",
    "Awaits",
    "Change",
    "DeadLetter",
    "Definition",
    "DefinitionError",
    "Event",
    "Folding",
    "HistoryEntry",
    "InvalidArgumentError",
    "InvalidRequestError",
    "JsonError",
    "LifecycleError",
    "LostWorkerError",
    "MissingExtraError",
    "MixedOrdersError",
    "NeverReachedError",
    "NoAnswerError",
    "NoTokenError",
    "NoViewsError",
    "NotEnteredError",
    "NotFoldedError",
    "OpenedElsewhereError",
    "OrderChange",
    "OrderError",
    "OrderView",
    "Orders",
    "OtherRecordsError",
    "Outcome",
    "PoisonedOrdersError",
    "Provider",
    "ProviderError",
    "ProviderFaultError",
    "QuarantineItem",
    "Receipt",
    "RequestBodyError",
    "Sent",
    "Step",
    "StoreClosedError",
    "StoreError",
    "StoreMissingError",
    "StoreUnavailableError",
    "StoreUrlError",
    "StoredFormatError",
    "StoredViews",
    "Subscription",
    "UnknownOrderError",
    "Unreadable",
    "Verdict",
    "VersionConflictError",
    "ViewsLagError",
    "connect",
    "connect_async",
    "fold",
    "history",
]

# Silent until a service says where log lines go: else Python prints warnings on stderr.
_logging.getLogger("lifecycle").addHandler(_logging.NullHandler())
