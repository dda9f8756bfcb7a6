"""The base of our exceptions: one that crosses processes whole."""

from __future__ import annotations

from typing import Any


class PortableError(Exception):
    """An exception that survives pickling and copying: type, fields, text and notes.

    Cause, context and traceback stay behind, as of every exception.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuilt, (type(self), self.args), self.__dict__ or None


def rebuilt(cls: type[PortableError], arguments: tuple[object, ...]) -> PortableError:
    """Return an exception without its constructor, which takes fields and no text."""
    error = cls.__new__(cls, *arguments)
    super(PortableError, error).__init__(*arguments)  # what Python's own keep, such as `msg`
    return error
