"""Settings of the simulator: credentials, callbacks, faults and its clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urljoin

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)

from lifecycle.errors import InvalidArgumentError
from lifecycle.simulator.scenarios import FAULTS, Scenario

Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(gt=0)]


class Settings(BaseModel):
    """How a simulated provider behaves; every field has a working default.

    Times are real seconds, except on the provider's clock: `speed` of its seconds pass in a
    real one. A provider derives its own from these, and says in `scenarios` which there are.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    scenarios: ClassVar[Mapping[str, Scenario]] = {}
    fetches_token: ClassVar[bool] = True
    """Whether callbacks carry a token; if not, the provider makes other use of the secret."""

    client_id: str = Field("retailer", min_length=1, description="who may call")
    client_secret: SecretStr = Field(
        SecretStr("retailer-secret"), min_length=1, description="and with which secret"
    )
    token_seconds: Seconds = Field(3600, description="how long a token that it issues is good")
    callback_url: str | None = Field(None, description="where callbacks go; none: nowhere")
    callback_token_url: str | None = Field(
        None, description="where it fetches its token; default: `/oauth/token` of the same host"
    )
    callback_client_id: str = Field("provider", description="as whom it fetches a token")
    callback_client_secret: SecretStr | None = Field(
        None, description="the secret for that, or to sign with; none: callbacks carry nothing"
    )
    callback_seconds: Seconds = Field(10, description="how long it waits for an answer")
    retries: int = Field(6, ge=0, description="how often a callback is sent again without a 2xx")
    retry_seconds: Seconds = Field(0.5, description="the first wait before that; it doubles")
    longest_retry_seconds: Seconds = Field(30, description="the longest wait before that")
    callbacks: str = Field("usual", description="the shape of callbacks")
    answers: Literal["partial", "full"] = Field(
        "partial", description="how a create is answered; full: synchronously, with every detail"
    )
    on_repeat: Literal["refuse", "create"] = Field(
        "refuse", description="what a second create with one order id does"
    )
    stores: frozenset[str] | None = Field(None, description="the stores there are; none: any")
    capacity: int | None = Field(
        None, ge=0, description="how many orders of a store may be open; none: any number"
    )
    ways: Mapping[str, Share | int] = Field(
        {"delivered": 1}, description="how orders go: weights of ways, drawn for each"
    )
    faults: Mapping[str, Share] = Field({}, description="rates of faults")
    slow_seconds: Seconds = Field(2, description="how long a slow answer takes")
    skew_seconds: int = Field(30, ge=1, description="how wrong a skewed timestamp may be")
    seed: int = Field(0, ge=0, description="of all that is drawn")
    speed: Seconds = Field(1, description="how many seconds of its clock pass in a real one")
    starts_at: AwareDatetime | None = Field(
        None, description="what its clock shows at first; default: the time"
    )

    @field_validator("faults")
    @classmethod
    def _known_faults(cls, faults: Mapping[str, float]) -> Mapping[str, float]:
        return _checked_names(faults, FAULTS)

    @field_validator("ways")
    @classmethod
    def _known_ways(cls, ways: Mapping[str, float]) -> Mapping[str, float]:
        if not any(ways.values()):
            raise ValueError("a weight above 0 for one way")
        known = {name for name, scenario in cls.scenarios.items() if scenario.kind == "way"}
        return _checked_names(ways, known)

    @field_validator("callback_url", "callback_token_url")
    @classmethod
    def _web_address(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("http://", "https://")):
            raise ValueError("a URL that begins with http:// or https://")
        return url

    @classmethod
    def read(cls, **fields: Any) -> Self:
        """Return checked settings.

        Raises:
            InvalidArgumentError: a field is unknown or invalid; the message names it.
        """
        try:
            return cls(**fields)
        except ValidationError as refused:
            first = refused.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the settings"
            if first["type"] == "extra_forbidden":
                listed = "one of the settings that lifecycle simulate --settings lists"
                raise InvalidArgumentError(where, listed) from None
            raise InvalidArgumentError(where, _expected(first["msg"])) from None

    @classmethod
    def described(cls) -> Iterator[tuple[str, str, str]]:
        """Yield the name, the default and the description of every setting."""
        for name, field in cls.model_fields.items():
            default = field.default
            if isinstance(default, SecretStr):
                default = default.get_secret_value()
            yield name, "-" if default is None else str(default), field.description or ""

    @property
    def token_url(self) -> str | None:
        """Where the simulator fetches its token; None: it needs none."""
        if not self.fetches_token or self.callback_url is None:
            return None
        if self.callback_client_secret is None:
            return None
        return self.callback_token_url or urljoin(self.callback_url, "/oauth/token")

    @property
    def callback_secret(self) -> str:
        """The secret that callbacks are signed or sent with; empty if there is none."""
        secret = self.callback_client_secret
        return "" if secret is None else secret.get_secret_value()

    @classmethod
    def hostile(cls, rate: float) -> dict[str, Any]:
        """Return settings with every fault at one rate; a repeated order id is taken."""
        return {"faults": dict.fromkeys(FAULTS, rate), "on_repeat": "create"}

    def first_instant(self, real: datetime) -> datetime:
        """Return what the provider's clock shows when the real one shows `real`."""
        return self.starts_at or real


def _checked_names(
    given: Mapping[str, float], known: frozenset[str] | set[str]
) -> Mapping[str, float]:
    unknown = sorted(set(given) - known)
    if unknown:
        raise ValueError(f"names among {', '.join(sorted(known))}")
    return given


def _expected(message: str) -> str:
    """Return what is expected, from pydantic's message."""
    plain = message.removeprefix("Value error, ").removeprefix("Input should be ")
    return plain[:1].lower() + plain[1:]
