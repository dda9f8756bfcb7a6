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
import typing as _typing
from importlib import import_module as _import_module

from lifecycle.errors import (
    DefinitionError,
    InvalidArgumentError,
    InvalidRequestError,
    JsonError,
    KeyStoreError,
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
    PartitionedLogError,
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
    UnknownKeyError,
    UnknownOrderError,
    VersionConflictError,
    ViewsLagError,
)

__all__ = [
    "Anomaly",
    "Arrival",
    "AsyncOrders",
    "AsyncReceipt",
    "AsyncSubscription",
    "AttentionItem",
    "Awaits",
    "BegunRequest",
    "Change",
    "DeadLetters",
    "Definition",
    "DefinitionError",
    "Delivery",
    "DeliveryRecord",
    "Event",
    "Figures",
    "Folding",
    "HistoryEntry",
    "InvalidArgumentError",
    "InvalidRequestError",
    "JsonError",
    "KeyStore",
    "KeyStoreError",
    "LifecycleError",
    "LostWorkerError",
    "MissingExtraError",
    "MixedOrdersError",
    "NeverReachedError",
    "NoAnswerError",
    "NoReading",
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
    "PartitionedLogError",
    "PoisonedOrdersError",
    "Provider",
    "ProviderError",
    "ProviderFaultError",
    "QuarantineItem",
    "Reading",
    "Receipt",
    "RequestBodyError",
    "Resumed",
    "Review",
    "Sent",
    "SentOperation",
    "Step",
    "StoreClosedError",
    "StoreError",
    "StoreMissingError",
    "StoreUnavailableError",
    "StoreUrlError",
    "StoredFormatError",
    "StoredViews",
    "Subscription",
    "UnknownKeyError",
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

if _typing.TYPE_CHECKING:
    from lifecycle.composition import connect, connect_async
    from lifecycle.core.change import Change
    from lifecycle.core.definition import Awaits, Definition
    from lifecycle.core.event import Arrival, Event, Unreadable
    from lifecycle.core.fold import Folding, fold, history
    from lifecycle.core.provider import NoReading, Provider, Reading
    from lifecycle.core.view import Anomaly, HistoryEntry, OrderError, OrderView, Step, Verdict
    from lifecycle.log.contract import Outcome
    from lifecycle.log.feed_store import Delivery, DeliveryRecord
    from lifecycle.log.key_store import KeyStore
    from lifecycle.projections.change_feed import OrderChange
    from lifecycle.projections.dead_letters import DeadLetters
    from lifecycle.projections.stored_views import StoredViews
    from lifecycle.projections.subscription import AsyncSubscription, Subscription
    from lifecycle.service.async_orders import AsyncOrders
    from lifecycle.service.attention import AttentionItem, Review
    from lifecycle.service.begun_request import BegunRequest, Resumed
    from lifecycle.service.figures import Figures
    from lifecycle.service.orders import Orders
    from lifecycle.service.receipt import AsyncReceipt, QuarantineItem, Receipt
    from lifecycle.service.recording_calls import Sent, SentOperation
else:
    _PLACES = {
        "lifecycle.composition": ("connect", "connect_async"),
        "lifecycle.core.change": ("Change",),
        "lifecycle.core.definition": ("Awaits", "Definition"),
        "lifecycle.core.event": ("Arrival", "Event", "Unreadable"),
        "lifecycle.core.fold": ("Folding", "fold", "history"),
        "lifecycle.core.provider": ("NoReading", "Provider", "Reading"),
        "lifecycle.core.view": (
            "Anomaly",
            "HistoryEntry",
            "OrderError",
            "OrderView",
            "Step",
            "Verdict",
        ),
        "lifecycle.log.contract": ("Outcome",),
        "lifecycle.log.feed_store": ("DeliveryRecord", "Delivery"),
        "lifecycle.log.key_store": ("KeyStore",),
        "lifecycle.projections.change_feed": ("OrderChange",),
        "lifecycle.projections.dead_letters": ("DeadLetters",),
        "lifecycle.projections.stored_views": ("StoredViews",),
        "lifecycle.projections.subscription": ("AsyncSubscription", "Subscription"),
        "lifecycle.service.async_orders": ("AsyncOrders",),
        "lifecycle.service.attention": ("AttentionItem", "Review"),
        "lifecycle.service.begun_request": ("BegunRequest", "Resumed"),
        "lifecycle.service.figures": ("Figures",),
        "lifecycle.service.orders": ("Orders",),
        "lifecycle.service.receipt": ("AsyncReceipt", "QuarantineItem", "Receipt"),
        "lifecycle.service.recording_calls": ("Sent", "SentOperation"),
    }
    _MODULES = {name: module for module, names in _PLACES.items() for name in names}

    def __getattr__(name: str) -> object:
        """Load a public name when it is first asked for: the import itself costs little."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!a} has no attribute {name!a}")
        value = globals()[name] = getattr(_import_module(_MODULES[name]), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


# Silent until a service says where log lines go: else Python prints warnings on stderr.
_logging.getLogger("lifecycle").addHandler(_logging.NullHandler())
