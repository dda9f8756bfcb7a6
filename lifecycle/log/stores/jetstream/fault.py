"""What NATS complains about, in our words: no error of its client leaves the store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Final

from nats.errors import Error as ClientError
from nats.errors import NoRespondersError

from lifecycle.errors import StoreClosedError, StoreUnavailableError
from lifecycle.log.store_port import InDoubtError, TryAgainError

NO_MESSAGE_FOUND: Final = 10037
STREAM_NOT_FOUND: Final = 10059

_AGAIN: Final = {
    **dict.fromkeys((10071, 10164), "other writers were always first"),
    **dict.fromkeys(
        (10176, 10210, 10211), "it takes no batch at the moment; see its log, its disk may be full"
    ),
}
_LASTING: Final = {
    STREAM_NOT_FOUND: "its stream is gone",
    10054: "the server refuses a record for its size; set max_payload to 17 MiB",
    10174: "its stream takes no batches; set allow_atomic",
    10199: "the server takes no batch of this size; leave its limits of batches as they are",
}


class ApiError(Exception):
    """The server refused a request; never leaves `stores`."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(code)


@contextmanager
def translated_errors(url: str, *, writes: bool = False) -> Iterator[None]:
    """Turn every error of the client into one of ours.

    `writes` tells that a lost reply leaves it open whether something was stored.
    """
    lost = InDoubtError if writes else TryAgainError
    try:
        yield
    except ApiError as refused:
        if found := _LASTING.get(refused.code):
            raise StoreUnavailableError(url, found) from None
        if found := _AGAIN.get(refused.code):
            raise TryAgainError(found) from None
        raise lost(f"the server refused (error {refused.code})") from None
    except NoRespondersError:
        raise lost("no server leads its stream at the moment") from None
    except TimeoutError:
        raise lost("it did not answer in time") from None
    except (ClientError, OSError) as fault:
        raise lost(f"the connection was lost ({type(fault).__name__})") from None
    except (CancelledError, asyncio.CancelledError):
        raise StoreClosedError(url) from None
