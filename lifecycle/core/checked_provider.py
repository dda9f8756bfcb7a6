"""What of a provider is read once, and checked: its name, its definition, the headers it keeps.

And what its code may raise: whatever it is, it costs no more than what was asked of it.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator, Mapping
from types import FrameType, TracebackType
from typing import Any, Final

from lifecycle.core.argument import type_name
from lifecycle.core.definition import Definition
from lifecycle.core.event import Kind
from lifecycle.core.provider import JsonObject, Provider
from lifecycle.errors import InvalidArgumentError

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_FILE: Final = re.compile(r"[A-Za-z0-9_./-]{1,100}")
_OURS: Final = "lifecycle.core."

DetailsReader = Callable[[Kind, JsonObject], Mapping[str, Any]]


def checked_provider(provider: Provider) -> tuple[str, Definition, frozenset[str]]:
    """Return the name, definition and headers of a provider, each read once.

    Raises:
        InvalidArgumentError: one of them cannot be used.
    """
    try:
        name, definition, headers = provider.name, provider.definition, provider.kept_headers
        is_set = isinstance(headers, set | frozenset)
        kept = frozenset(map(_header, headers)) if is_set else frozenset({""})
        can_read = callable(provider.read) and not isinstance(provider, type)
    except BaseException as raised:  # noqa: BLE001 - whatever it is, this is no provider
        raise_if_not_its_own(raised)
        raise InvalidArgumentError(
            "provider", f"one whose attributes can be read; one raised {type_name(raised)}"
        ) from None
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise InvalidArgumentError("provider", "a name of 1 to 64 letters, digits, . _ and -")
    name = str.__str__(name)
    if not isinstance(definition, Definition):
        raise InvalidArgumentError(f"provider {name!a}", "a Definition as its definition")
    if "" in kept:
        raise InvalidArgumentError(f"provider {name!a}", "kept_headers: a set of lower-case names")
    if not can_read:
        raise InvalidArgumentError(f"provider {name!a}", "a value with a function read, no class")
    return name, definition, kept


def _header(name: object) -> str:
    """Return a header's name as plain text, "" where it is none."""
    text = str.__str__(name) if isinstance(name, str) else ""
    return text if text == text.lower() else ""


def raise_if_not_its_own(raised: BaseException) -> None:
    """Raise again what is not the doing of a provider's code, in the midst of which it came."""
    # By its true type: what it says of itself may be wrong, or raise.
    if issubclass(type(raised), KeyboardInterrupt):
        raise raised
    if not issubclass(type(raised), Exception) and _is_from_a_signal(raised):
        raise raised


def place_of(raised: BaseException) -> str | None:
    """Return the file and the line at which a provider's code raised; None where it has none.

    The innermost line of the package whose code was called first: what that calls in turn, such
    as a function of ours that it handed a wrong value, is where it went wrong, not why.
    """
    frames = [(trace.tb_frame, trace.tb_lineno) for trace in _traces(raised)]
    own = [(_package(frame), frame.f_code, line) for frame, line in frames]
    package = next((name for name, _, _ in own if name), None)
    places = [(code, line) for name, code, line in own if package and name == package]
    if not places:
        return None
    code, line = places[-1]
    file = "/".join(str.__str__(code.co_filename).split("/")[-2:])
    return f"{file}:{line}" if _FILE.fullmatch(file) else None


def _package(frame: FrameType) -> str | None:
    """Return the package of the code that a frame runs; None where it is this library's core."""
    name = dict.get(frame.f_globals, "__name__")
    if type(name) is not str or name.startswith(_OURS):
        return None
    return name.rpartition(".")[0] if name.startswith("lifecycle.") else name.partition(".")[0]


def _traces(raised: BaseException) -> Iterator[TracebackType]:
    trace: TracebackType | None = vars(BaseException)["__traceback__"].__get__(raised)
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _is_from_a_signal(raised: BaseException) -> bool:
    """Tell whether one of the process's signal handlers raised this, in the middle of the call."""
    handlers = {
        getattr(signal.getsignal(number), "__code__", None) for number in signal.valid_signals()
    }
    return any(trace.tb_frame.f_code in handlers for trace in _traces(raised))


def takes_tests(provider: Provider) -> bool:
    """Tell whether a provider is configured for tests, so that test events count."""
    try:
        return getattr(provider, "takes_tests", False) is True
    except BaseException as raised:  # noqa: BLE001 - whatever it is, it says nothing
        raise_if_not_its_own(raised)
        return False


def details_member(provider: Provider) -> str | None:
    """Return the member of a callback that its details are read from; None if it does not say.

    Like `read_details`, it counts only if it belongs to the class that reads.
    """
    if details_reader(provider) is None:
        return None
    owner = next(kind for kind in type(provider).__mro__ if "read_details" in vars(kind))
    member = vars(owner).get("details_member")
    return member if type(member) is str and member.isidentifier() and member.isascii() else None


def details_reader(provider: Provider) -> DetailsReader | None:
    """Return the provider's `read_details`; None where it has none that fits its `read`.

    One that is inherited, while `read` is not, tells what another provider would.
    """
    own = getattr(provider, "__dict__", {})
    owner = next((kind for kind in type(provider).__mro__ if "read" in vars(kind)), None)
    if owner is None or "read" in own or "read_details" not in vars(owner):
        return None
    try:
        reader: DetailsReader = provider.read_details  # type: ignore[attr-defined]
    except BaseException as raised:  # noqa: BLE001 - whatever it is, there is none
        raise_if_not_its_own(raised)
        return None
    return reader
