"""Calls to `onfleet`: written once, for threads and for coroutines."""

from collections.abc import Awaitable
from typing import TypeVar

from lifecycle.http import client as http

R = TypeVar("R")


class TaskCalls(http.Calls[R]):
    """The calls; `R` is an answer, or an awaitable of one."""

    def create(self, request: bytes) -> R:
        """Send a create request once; `create_order` is what sends it again."""
        return self._once(http.json_call("create", "POST", self.url_of("tasks"), request))

    def get(self, order_id: str | int, *, tries: int | None = None) -> R:
        """Get a task; retries up to `tries` times where that may help."""
        return self._retried(http.json_call("get", "GET", self.url_of("tasks", order_id)), tries)

    def cancel(self, order_id: str | int) -> R:
        """Delete a task, as long as nobody is on the way with it."""
        return self._renewed(http.json_call("cancel", "DELETE", self.url_of("tasks", order_id)))


class Client(http.HttpClient, TaskCalls[http.Answer]):
    """The provider's API, for threads."""


class AsyncClient(http.AsyncHttpClient, TaskCalls[Awaitable[http.Answer]]):
    """The same for the tasks of one event loop."""


def access(base_url: str, key: str) -> http.Access:
    """Return where the API is, and what shows who calls."""
    return http.Access(base_url, http.FixedHeaders.basic(key, ""))


CLIENT = http.ClientPort.of(Client, AsyncClient, access, needed=("base_url", "key"))
