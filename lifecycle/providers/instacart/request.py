"""The create request: every field that the provider documents, checked before it is sent.

    fields ─→ CreateOrder ─→ body     the bytes to send, always the same
                  │     └──→ warnings what the provider may reject or change
                  └─→ InvalidRequestError with every problem, no value quoted

Sources: the provider's how-to on asynchronous creation, and its reference of the create
and update calls. The provider checks addresses, stores and capacity.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    model_validator,
)

from lifecycle.core.identity import is_order_id
from lifecycle.core.instant import format_instant
from lifecycle.core.strict_json import compact, parse
from lifecycle.errors import InvalidRequestError, JsonError

_E164: Final = re.compile(r"\+[1-9][0-9]{1,14}")
_LOCALE: Final = r"^[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*$"
# A field's name is quoted only if it can be nothing else.
_FIELD: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")

Problem = tuple[str, str]


def _number(value: object) -> object:
    """Return a number that JSON can hold: a Decimal becomes the nearest one."""
    if isinstance(value, Decimal) and value.is_finite():
        value = int(value) if value == value.to_integral_value() else float(value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError("should be a number")  # noqa: TRY004 - pydantic collects no TypeError
    if not 0 <= value < math.inf:
        raise ValueError("should be a finite number, not below 0")
    return value


def _hold_id(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise ValueError("should be an integer or text")  # noqa: TRY004 - as above
    return _checked_text(value)


def _json_fields(fields: object) -> object:
    if not isinstance(fields, Mapping) or not all(isinstance(name, str) for name in fields):
        raise ValueError("should be a mapping whose names are text")
    try:
        return parse(compact(dict(fields)))
    except (JsonError, TypeError, ValueError, RecursionError):
        raise ValueError("should be JSON throughout") from None


def _checked_text(text: str) -> str:
    if not text.strip():
        raise ValueError("is blank")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("is no Unicode text") from None
    return text


def _as_order_id(text: str) -> str:
    if not is_order_id(text):
        raise ValueError("is not a text of 1 to 255 bytes without control characters")
    return text


Text = Annotated[str, AfterValidator(_checked_text)]
Count = Annotated[int, Field(ge=0)]
Number = Annotated[int | float, PlainValidator(_number)]
HoldId = Annotated[int | str, PlainValidator(_hold_id)]
When = Annotated[AwareDatetime, PlainSerializer(format_instant, when_used="json")]


class _Fields(BaseModel):
    """Fields of a request: frozen, strictly typed, shown by name and never by value."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, strict=True, extra="forbid", hide_input_in_errors=True
    )

    if not TYPE_CHECKING:  # the fields themselves are the signature

        def __init__(self, **fields: Any) -> None:
            problems = None
            try:
                super().__init__(**fields)
            except ValidationError as refused:
                problems = tuple(_problems(refused.errors(include_url=False)))
            # Raised here, so that no cause carries the passed values.
            if problems is not None:
                raise InvalidRequestError(problems)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {', '.join(sorted(self.model_fields_set))}>"

    __str__ = __repr__

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        # Pretty printers (rich, devtools) show no more than `repr`.
        return ()


class Address(_Fields):
    """Where to deliver to. The provider validates it when the order is created."""

    address_line_1: Text
    address_line_2: Text | None = None
    postal_code: Text


class CreateOrder(_Fields):
    """One request to create a last mile order.

    Types are strict: no text for a number, no `True` for 1; a Decimal counts as a number.

    Attributes:
        order_id: text of 1 to 255 bytes; yours, and unique for ever.
        service_option_hold_id: an integer, as the reference has it, or text, as the how-to.
        location_code: text.
        locale: optional, such as `en-US`.
        start_at: optional; with a zone.
        end_at: optional; with a zone.
        first_name: text.
        last_name: text.
        user_phone: text; what is not E.164 is a warning.
        initial_tip_cents: optional; an integer from 0.
        items_count: an integer from 1.
        bags_count: optional; an integer from 0.
        items_weight: in pounds.
        cart_total: optional; in dollars.
        bag_label: optional; text.
        alcoholic: optional; a boolean.
        leave_unattended: optional; a boolean.
        special_instructions: optional; text.
        address: optional, since not every account sends it.
        further: optional; fields that this release does not know, sent as they are.

    Raises:
        InvalidRequestError: fields are missing, unknown or invalid; it lists them all.
    """

    order_id: Annotated[str, AfterValidator(_as_order_id)]
    service_option_hold_id: HoldId
    location_code: Text
    locale: Annotated[str, Field(pattern=_LOCALE)] | None = None
    start_at: When | None = None
    end_at: When | None = None
    first_name: Text
    last_name: Text
    user_phone: Text
    initial_tip_cents: Count | None = None
    items_count: Annotated[int, Field(ge=1)]
    bags_count: Count | None = None
    items_weight: Number
    cart_total: Number | None = None
    bag_label: Text | None = None
    alcoholic: bool | None = None
    leave_unattended: bool | None = None
    special_instructions: Annotated[str, AfterValidator(_checked_text)] | None = None
    address: Address | None = None
    further: Annotated[Mapping[str, Any], PlainValidator(_json_fields)] = Field(
        default_factory=dict
    )

    @model_validator(mode="after")
    def _check_together(self) -> CreateOrder:
        if self.start_at is not None and self.end_at is not None and self.end_at <= self.start_at:
            raise ValueError("end_at is not after start_at")
        if not type(self).model_fields.keys().isdisjoint(self.further):
            raise ValueError("further names a field that the request has itself")
        return self

    def body(self) -> bytes:
        """Return the JSON to send: the given fields, in the how-to's order."""
        fields = self.model_dump(mode="json", exclude_none=True, exclude={"further"})
        return compact(fields | dict(self.further))

    def warnings(self) -> tuple[str, ...]:
        """Return what the provider may reject or change, a sentence each; no value quoted."""
        return tuple(_warnings(self))


def _warnings(request: CreateOrder) -> Iterator[str]:
    if _E164.fullmatch(request.user_phone) is None:
        yield (
            "user_phone is not in the form E.164 (+ and up to 15 digits), "
            "which the provider requires since 2026-06-09"
        )
    if request.alcoholic and request.leave_unattended:
        yield "leave_unattended is taken as false by the provider where alcoholic is true"
    if (request.start_at is None) is not (request.end_at is None):
        yield "start_at and end_at mean a window only together"


def _problems(found: Iterable[Any], within: tuple[str, ...] = ()) -> Iterator[Problem]:
    """Yield pydantic's errors in our own words: its messages may quote values."""
    seen = set()
    for error in found:
        nested = (error.get("ctx") or {}).get("error")
        field = _field(*within, *error["loc"][:1])
        if isinstance(nested, InvalidRequestError):
            yield from ((f"{field}.{inner}", problem) for inner, problem in nested.problems)
        elif field not in seen:  # a union complains once for each of its kinds
            seen.add(field)
            yield _problem(field, error["type"], error["msg"], nested)


def _problem(field: str, kind: str, said: str, ours: object) -> Problem:
    if isinstance(ours, ValueError):
        named, _, problem = (f"{field} {ours}" if field else str(ours)).partition(" ")
        return named, problem
    if kind == "missing":
        return field, "is missing"
    if kind == "extra_forbidden":
        return field, "is no field of this request"
    if kind == "string_pattern_mismatch":
        return field, "is not of the form en-US"
    return field, said.removeprefix("Input ")


def _field(*path: object) -> str:
    names = (str(part) for part in path)
    return ".".join(name if _FIELD.fullmatch(name) else "?" for name in names)
