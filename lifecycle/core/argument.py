"""What a caller hands over, checked at once: a wrong type is told where it came in, not later."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from lifecycle.errors import InvalidArgumentError

_LONGEST_SECONDS: Final = 86_400
_LONGEST_TYPE_NAME: Final = 60


def check_callable(argument: str, value: object) -> None:
    """Refuse what cannot be called.

    Raises:
        InvalidArgumentError: it cannot.
    """
    if not callable(value):
        raise InvalidArgumentError(argument, "something that can be called")


def check_signal(argument: str, value: object) -> None:
    """Refuse what cannot be set to end a loop; any kind of event that can be waited for will do.

    Raises:
        InvalidArgumentError: it is none.
    """
    if not all(callable(getattr(value, name, None)) for name in ("is_set", "wait")):
        raise InvalidArgumentError(argument, "a threading.Event")


def check_type(argument: str, value: object, wanted: type) -> None:
    """Refuse what is not of a type of ours.

    Raises:
        InvalidArgumentError: it is of another.
    """
    if not isinstance(value, wanted):
        raise InvalidArgumentError(argument, f"a value of type {wanted.__name__}")


def type_name(value: object) -> str:
    """Return how a message names a value's type: a plain name of moderate length."""
    # Past whatever the class or its own class makes of `__name__`.
    name = str.__str__(type.__dict__["__name__"].__get__(type(value)))
    return name if name.isidentifier() and len(name) <= _LONGEST_TYPE_NAME else "something odd"


def is_whole(value: object) -> bool:
    """Tell whether this is an integer; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def check_timeout(argument: str, seconds: object) -> None:
    """Refuse what is no time to wait: none at all is one.

    Raises:
        InvalidArgumentError: it is no number of seconds from 0 to a day.
    """
    is_number = is_whole(seconds) or isinstance(seconds, float)
    if not is_number or not 0 <= seconds <= _LONGEST_SECONDS:  # type: ignore[operator]
        raise InvalidArgumentError(argument, "a number of seconds from 0, up to a day")


class CheckedClock:
    """A clock of the caller's, held to telling times with a zone.

    Raises:
        InvalidArgumentError: it cannot be called; or, when asked, it told something else.
    """

    __slots__ = ("_tell",)

    def __init__(self, tell: Any) -> None:
        check_callable("clock", tell)
        self._tell = tell

    def __call__(self) -> datetime:
        """Return the time."""
        now = self._tell()
        if not isinstance(now, datetime) or now.utcoffset() is None:
            raise InvalidArgumentError("clock", "a function that returns datetimes with a zone")
        return now
