"""One sample of every class, made from what its fields or its constructor are annotated with.

So a class that is added is sampled without anybody listing it, and one that cannot be sampled
makes the tests fail that ask for it.
"""

from __future__ import annotations

import builtins
import dataclasses
import importlib
import inspect
import pkgutil
import types
import typing
from collections import Counter, abc
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

from msgspec import Raw, Struct
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import lifecycle
from lifecycle.core.definition import Definition
from lifecycle.core.provider import Provider
from lifecycle.http.receiver import ReceiverLimits, Routes
from lifecycle.providers.instacart import INSTACART
from lifecycle.providers.instacart.definition import LAST_MILE

PLAIN = {
    str: "a word",
    bytes: b'{"a":1}',
    int: 7,
    float: 1.5,
    bool: True,
    object: "anything",
    Any: "anything",
    datetime: datetime(2022, 6, 4, 10, tzinfo=UTC),
    timedelta: timedelta(minutes=5),
    Path: Path("a") / "path",
    type(None): None,
    BaseModel: LAST_MILE.details(),
    Definition: LAST_MILE,
    Hashable: "hashable",
    Raw: Raw(b'{"a":1}'),
    Routes: Routes(),
    Provider: INSTACART,
    ReceiverLimits: ReceiverLimits(),
}
SEVERAL = {
    tuple: tuple,
    list: list,
    set: set,
    frozenset: frozenset,
    Sequence: tuple,
    Collection: tuple,
    Iterable: tuple,
    Counter: Counter,
}


class CannotBeSampledError(TypeError):
    """Nothing is known of what an annotation asks for."""


def classes() -> Iterator[type]:
    """Yield every class that a module of the library defines, private ones apart."""
    for found in pkgutil.walk_packages(lifecycle.__path__, "lifecycle."):
        if found.name.endswith("__main__"):
            continue
        module = importlib.import_module(found.name)
        for value in vars(module).values():
            if inspect.isclass(value) and value.__module__ == found.name:
                yield value


def exceptions() -> list[type[Exception]]:
    """Return every exception of the library, private ones too."""
    return [cls for cls in classes() if issubclass(cls, Exception)]


def is_value(cls: type) -> bool:
    """Tell whether a class is one of plain values: all that it is are its fields."""
    of_values = dataclasses.is_dataclass(cls) or issubclass(cls, tuple | Struct | BaseModel | Enum)
    return of_values and not cls.__name__.startswith("_") and not inspect.isabstract(cls)


def values() -> list[type]:
    """Return every public class of plain values."""
    return [cls for cls in classes() if is_value(cls)]


def sample(annotation: Any) -> Any:
    """Return a value of what an annotation says."""
    if annotation in PLAIN:
        return PLAIN[annotation]
    if typing.get_origin(annotation) is not None:
        return _of_several(typing.get_origin(annotation), typing.get_args(annotation))
    if inspect.isclass(annotation):
        return instance(annotation)
    raise CannotBeSampledError(repr(annotation))


def _of_several(origin: Any, arguments: tuple[Any, ...]) -> Any:
    if origin in SEVERAL and arguments[1:] in ((), (Ellipsis,)):
        return SEVERAL[origin]([sample(arguments[0])])
    match origin:
        case typing.Annotated | typing.Union | types.UnionType:
            return sample(arguments[0])
        case typing.Literal:
            return arguments[0]
        case builtins.tuple:
            return tuple(map(sample, arguments))
        case builtins.dict | abc.Mapping:
            return {sample(arguments[0]): sample(arguments[1])}
        case builtins.type:
            return LAST_MILE.details
    raise CannotBeSampledError(repr(origin))


def instance(cls: type) -> Any:
    """Return an instance of a class, made as its annotations say."""
    if cls in PLAIN:
        return PLAIN[cls]
    if issubclass(cls, Enum):
        return next(iter(cls))
    if issubclass(cls, BaseModel):
        return cls(**{name: sample(kind) for name, kind in _fields_of(cls).items()})
    if issubclass(cls, tuple):
        hints = typing.get_type_hints(cls)
        return cls(*(sample(hints[name]) for name in cls._fields))
    if dataclasses.is_dataclass(cls):
        hints = typing.get_type_hints(cls)
        return cls(**{field.name: sample(hints[field.name]) for field in dataclasses.fields(cls)})
    if issubclass(cls, Struct):
        hints = typing.get_type_hints(cls)
        return cls(**{name: sample(hints[name]) for name in cls.__struct_fields__})
    if issubclass(cls, Exception):
        return cls(*arguments_of(cls))
    raise CannotBeSampledError(cls.__name__)


def arguments_of(cls: type[Exception]) -> tuple[Any, ...]:
    """Return arguments for the constructor of an exception; one word if it has none of its own."""
    own = next(base for base in cls.__mro__ if "__init__" in vars(base))
    if not own.__module__.startswith("lifecycle"):
        return ("a word",)
    hints = typing.get_type_hints(own.__init__)
    parameters = list(inspect.signature(own.__init__).parameters.values())[1:]
    assert all(p.kind is not p.KEYWORD_ONLY or p.default is not p.empty for p in parameters)
    return tuple(sample(hints[p.name]) for p in parameters if p.kind is not p.KEYWORD_ONLY)


def _fields_of(cls: type[BaseModel]) -> dict[str, Any]:
    hints = typing.get_type_hints(cls, include_extras=True)
    return {
        name: hints[name]
        for name, field in cls.model_fields.items()
        if field.default is PydanticUndefined and field.default_factory is None
    }
