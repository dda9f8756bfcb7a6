"""Every exception of this library, drawn as a tree.

LifecycleError
├── InvalidArgumentError      a value that the caller passed cannot be used
├── JsonError                 bytes that are not strict JSON
├── DefinitionError           a definition that does not hold together
├── MixedOrdersError          events of several orders were folded together
├── UnknownOrderError         the log holds no event about this order
├── NotEnteredError           async orders were used outside `async with`
├── OpenedElsewhereError      a store was carried into a forked process
├── MissingExtraError         a package that an extra installs is not there
├── LostWorkerError           a process that did a part of the work ended too soon
├── InvalidRequestError       a create request has fields that cannot be sent
├── ProviderFaultError        a provider's code failed with a stored event
├── NotFoldedError            a receipt's change was read before it was awaited
├── RequestBodyError          the body of a request must not be acknowledged
├── ProviderError             the provider gave no answer that can be used
│   ├── NeverReachedError     no connection opened: nothing was sent
│   ├── NoAnswerError         it was sent, and no whole answer came back
│   └── NoTokenError          the token endpoint gave no token: nothing was sent
└── StoreError                the log could not do what was asked
    ├── StoreUrlError         no store answers to this URL
    ├── StoreMissingError     there is no log at this URL
    ├── StoreUnavailableError the store cannot be reached or does not answer
    │   └── KeyStoreError     the keys of a log are missing, or of no use
    ├── PartitionedLogError   it goes by position, and the log has several partitions
    ├── StoreClosedError      the log was closed
    ├── VersionConflictError  the order moved on since the caller read it
    ├── OtherRecordsError     a log to copy to holds other records
    ├── StoredFormatError     a stored record cannot be read
    │   └── UnknownKeyError   the key store does not know the key of its body
    ├── PoisonedOrdersError   some orders cannot be folded; all others were given
    ├── NoViewsError          no views are stored that could be used
    └── ViewsLagError         the stored views did not get there in time

What arrives from a provider never raises one of these: duplicates, late and
impossible events are values, and what cannot be read goes to the quarantine.
"""

from __future__ import annotations

import pickle
import re
from typing import Any, Final

from lifecycle.portable_error import PortableError, rebuilt

# Who logs in and how: before the host, or among the parameters.
_SECRET: Final = re.compile(r"(?<=://).*(?=@)|(?<=:)(?!//).*(?=@)|(?<=password=)[^&]*")
_LONGEST_WORD: Final = 60


class LifecycleError(PortableError):
    """The base of every exception that this library raises."""


class InvalidArgumentError(LifecycleError, ValueError):
    """A value that the caller passed cannot be used.

    `argument` names it, `expected` says what would do. The value itself is not kept, since
    it may be personal data; but for a word that had to be one of a few: that is `found`.
    """

    def __init__(self, argument: str, expected: str, *, found: object = None) -> None:
        self.argument = argument
        self.expected = expected
        self.found: str | None = found[:_LONGEST_WORD] if isinstance(found, str) else None
        word = "" if self.found is None else f" {self.found!a}"
        super().__init__(f"{argument}{word} cannot be used; expected {expected}")


class JsonError(LifecycleError, ValueError):
    """Bytes that are not strict JSON.

    `why` is one of `encoding`, `duplicate key`, `number`, `depth`, `syntax`; `where` says
    the place, or what was found, without quoting it.
    """

    def __init__(self, why: str, where: str) -> None:
        self.why = why
        self.where = where
        super().__init__(f"not strict JSON ({why}): {where}")


class DefinitionError(LifecycleError, ValueError):
    """A definition that does not hold together; `problems` lists every reason.

    `written` is what was to be built, for `lifecycle check` to look at; None if unknown.
    """

    def __init__(self, definition: str, problems: tuple[str, ...], written: object = None) -> None:
        self.definition = definition
        self.problems = problems
        self.written = written
        super().__init__(f"definition {definition!a} cannot be built: {'; '.join(problems)}")

    def __reduce__(self) -> tuple[Any, ...]:
        """As of every error; but `written` is left behind where it cannot cross processes."""
        try:
            pickle.dumps(self.written)
        except Exception:  # noqa: BLE001 - whatever a caller's value raises
            return rebuilt, (type(self), self.args), self.__dict__ | {"written": None}
        return super().__reduce__()


class MixedOrdersError(LifecycleError, ValueError):
    """Events about more than one order were folded together; `streams` names them."""

    def __init__(self, streams: tuple[str, ...]) -> None:
        self.streams = streams
        named = ", ".join(ascii(stream) for stream in streams[:3]) or "no event at all"
        super().__init__(f"expected events of one order, found {named}; fold each order by itself")


class UnknownOrderError(LifecycleError, LookupError):
    """The log holds no event about this order, or none before the time asked for."""

    def __init__(
        self, provider: str, order_id: str, *, before: str | None = None, first_stored: str = ""
    ) -> None:
        self.provider, self.order_id = provider, order_id
        self.before, self.first_stored = before, first_stored
        when = f" before {before}" if before else ""
        later = f"its first record was stored {first_stored}; ask for a later time"
        advice = later if first_stored else "check the id and the database"
        super().__init__(f"no event about order {order_id!a} of {provider!a}{when}; {advice}")


class NotEnteredError(LifecycleError, RuntimeError):
    """Async orders were used before they were entered."""

    def __init__(self) -> None:
        super().__init__("the orders are not open; use: async with connect_async(...) as orders")


class OpenedElsewhereError(LifecycleError, RuntimeError):
    """A store was opened in one process and used in a fork of it."""

    def __init__(self, opened_in: int, used_in: int) -> None:
        self.opened_in, self.used_in = opened_in, used_in
        super().__init__(
            f"the log was opened in process {opened_in} and used in its fork {used_in}; "
            "connect again after the fork"
        )


class MissingExtraError(LifecycleError, ImportError):
    """A package that an extra installs is not there."""

    def __init__(self, extra: str, package: str) -> None:
        self.extra = extra
        self.package = package
        told = f"package {package!a} is not installed; run: pip install 'order-lifecycle[{extra}]'"
        super().__init__(told)


class LostWorkerError(LifecycleError, RuntimeError):
    """One of several processes ended before it was done, as when memory runs out."""

    def __init__(self, work: str, workers: int) -> None:
        self.work = work
        self.workers = workers
        super().__init__(
            f"one of {workers} processes ended in the middle of {work}; see whether memory ran "
            "out, and try again with fewer workers"
        )


class InvalidRequestError(LifecycleError, ValueError):
    """A create request has fields that cannot be sent; nothing was recorded or sent.

    `problems` are pairs of a field's name and what is wrong with it, all of them at once,
    for a form to show. No value is quoted.
    """

    def __init__(self, problems: tuple[tuple[str, str], ...]) -> None:
        self.problems = problems
        told = "; ".join(f"{field} {problem}" for field, problem in problems)
        super().__init__(f"the create request cannot be sent: {told}; correct these fields")


class ProviderFaultError(LifecycleError):
    """A provider's code failed with what is stored of one order; all other orders can be read.

    `found` says what it did, in a sentence that names types alone.
    """

    def __init__(self, provider: str, order_id: str, found: str) -> None:
        self.provider = provider
        self.order_id = order_id
        self.found = found
        super().__init__(
            f"order {order_id!a} of {provider!a} cannot be read: {found}; "
            "mend its code and read the order again"
        )


class NotFoldedError(LifecycleError, RuntimeError):
    """A receipt of async orders was asked for its change or its view before they were awaited."""

    def __init__(self) -> None:
        told = "the order is not folded yet; use: await receipt.folded(), then change and view"
        super().__init__(told)


class RequestBodyError(LifecycleError, ValueError):
    """The body of a request is not there as a whole, so it must not be acknowledged.

    `status` is the HTTP status to answer: 400, 411 or 413. `why` says what is wrong with it.
    """

    def __init__(self, status: int, why: str) -> None:
        self.status = status
        self.why = why
        super().__init__(f"the body cannot be taken: {why}; record nothing, and answer {status}")


class ProviderError(LifecycleError):
    """The provider gave no answer that can be used to `operation`; `found` says what happened."""

    _outcome = "got no answer that can be used"
    _advice = "try again"

    def __init__(self, operation: str, found: str) -> None:
        self.operation = operation
        self.found = found
        super().__init__(f"{operation} {self._outcome}: {found}; {self._advice}")


class NeverReachedError(ProviderError):
    """No connection opened, so nothing was sent: asking again is safe."""

    _outcome = "was not sent"


class NoAnswerError(ProviderError):
    """Something was sent and no whole answer came: nobody knows whether it was carried out."""

    _outcome = "got no answer"
    _advice = "get the order before asking again"


class NoTokenError(ProviderError):
    """The token endpoint gave no token, so the request itself was not sent.

    `http_status` is its answer's, None if none came. `code` is its error code if it is one
    of RFC 6749, section 5.2, else None. `temporary`: the same may well succeed later.
    """

    def __init__(self, http_status: int | None, found: str, code: str | None = None) -> None:
        super().__init__("token", found)
        self.http_status = http_status
        self.code = code
        self.temporary: bool = http_status in {None, 408, 429} or (http_status or 0) >= 500
        advice = "try again" if self.temporary else "check client id, secret and token URL"
        self.args: tuple[str] = (f"the token endpoint gave no token: {found}; {advice}",)


class StoreError(LifecycleError):
    """The log could not do what was asked."""


class StoreUrlError(StoreError, ValueError):
    """No store answers to this URL; `expected` lists the forms that do. No password is kept."""

    def __init__(self, url: str, expected: str) -> None:
        self.url: str = _SECRET.sub("***", url)
        self.expected = expected
        super().__init__(f"no store answers to {self.url!a}; expected {expected}")


class StoreMissingError(StoreError):
    """There is no log at this URL, and reading must not create one."""

    def __init__(self, url: str) -> None:
        self.url = url
        super().__init__(f"there is no log at {url!a}; check --db, or record something first")


class StoreUnavailableError(StoreError):
    """The store cannot be reached, is full, read-only, or does not answer in time.

    Nothing was acknowledged. What was under way may or may not be stored: record it
    again, and it comes out as `appended` or `duplicate`, never twice. `found` says what is
    the matter, and after a semicolon what to do, where that is more than to try again.
    """

    def __init__(self, store: str, found: str) -> None:
        self.store = store
        self.found = found
        advice = "" if ";" in found else "; mend it and try again"
        super().__init__(f"store {store!a} cannot be used: {found}{advice}")


class KeyStoreError(StoreUnavailableError):
    """The keys of a log are missing, or cannot be read or kept; `found` says why."""


class PartitionedLogError(StoreError):
    """What was asked for goes by position, and each partition of this log has its own."""

    def __init__(self, store: str, partitions: int) -> None:
        self.store, self.partitions = store, partitions
        found = f"store {store!a} has {partitions} partitions, and this goes by position in each"
        super().__init__(f"{found}; add partition=N to the URL, N from 0 to {partitions - 1}")


class StoreClosedError(StoreError):
    """The log was closed before this call."""

    def __init__(self, store: str) -> None:
        self.store = store
        super().__init__(f"store {store!a} is closed; connect again")


class VersionConflictError(StoreError):
    """The order moved on since the caller read it."""

    def __init__(self, stream: str, found: int, expected: int) -> None:
        self.stream = stream
        self.found = found
        self.expected = expected
        told = f"{stream!a} is at version {found}, expected {expected}; read it again and retry"
        super().__init__(told)


class OtherRecordsError(StoreError):
    """A log to copy to is neither empty nor the beginning of what is copied.

    `stream` and `version` are those of its first record that differs.
    """

    def __init__(self, store: str, stream: str, version: int) -> None:
        self.store = store
        self.stream, self.version = stream, version
        super().__init__(
            f"store {store!a} holds other records than the log to copy, the first is record "
            f"{version} of {stream!a}; expected none, or an earlier copy: choose another store"
        )


class StoredFormatError(StoreError):
    """A stored record cannot be read: it was damaged, or a newer release wrote it."""

    def __init__(self, stream: str, version: int, found: str) -> None:
        self.stream = stream
        self.version = version
        self.found = found
        told = f"record {version} of {stream!a} cannot be read: {found}; run: lifecycle verify"
        super().__init__(told)


class UnknownKeyError(StoredFormatError):
    """The key store does not know the key of a record's body; or, `foreign`, has another."""

    def __init__(self, stream: str, version: int, key_id: str, *, foreign: bool = False) -> None:
        self.key_id, self.foreign = key_id, foreign
        found, advice = f"the key store does not know its key {key_id!a}", "restore the key store"
        if foreign:
            found, advice = f"its key {key_id!a} is that of another log", "use its own key store"
        super().__init__(stream, version, found)
        self.args: tuple[str] = (f"{str(self).rpartition(';')[0]}; {advice}",)


class PoisonedOrdersError(StoreError):
    """Some orders cannot be folded; raised after every other order was given.

    `count` says how many, `order_id` is the first of them and `found` its trouble.
    """

    def __init__(self, provider: str, count: int, order_id: str, found: str) -> None:
        self.provider, self.count = provider, count
        self.order_id, self.found = order_id, found
        more = f" and {count - 1} more" if count > 1 else ""
        super().__init__(
            f"order {order_id!a} of {provider!a}{more} cannot be folded: {found}; "
            "all other orders were given"
        )


class NoViewsError(StoreError):
    """No views of a provider are stored that could be used here."""

    def __init__(self, provider: str, found: str) -> None:
        self.provider = provider
        self.found = found
        told = f"no stored views of {provider!a}: {found}; run: lifecycle views --rebuild"
        super().__init__(told)


class ViewsLagError(StoreError, TimeoutError):
    """The stored views did not reach a position in time; nobody may be following the log."""

    def __init__(self, provider: str, reached: int, expected: int) -> None:
        self.provider = provider
        self.reached, self.expected = reached, expected
        super().__init__(
            f"the stored views of {provider!a} reached position {reached}, expected {expected}; "
            "run: lifecycle views --follow"
        )
