"""Exceptions that cross processes: what `multiprocessing` and its like hand over is pickled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Reduced = tuple[Callable[..., "PortableError"], tuple[object, ...], dict[str, Any] | None]
"""What to call with which arguments, and the fields to set after it."""


class PortableError(Exception):
    """An exception that survives pickling and copying: type, fields, text and notes.

    One whose constructor takes other arguments than its text would not: it is called with the
    text to build it anew. As of every exception, cause, context and traceback stay behind.
    """

    def __reduce__(self) -> Reduced:
        return _rebuilt, (type(self), self.args), self.__dict__ or None


def _rebuilt(cls: type[PortableError], arguments: tuple[object, ...]) -> PortableError:
    """Return an exception without calling its constructor, which takes fields and no text."""
    error = cls.__new__(cls, *arguments)
    # What Python's own classes keep beside the arguments, such as an import error's `msg`.
    super(PortableError, error).__init__(*arguments)
    return error
