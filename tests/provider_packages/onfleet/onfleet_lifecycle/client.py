"""Calls to `onfleet`: written once, for threads and for coroutines."""

from collections.abc import Awaitable
from typing import TypeVar

from lifecycle.http import client as http

R = TypeVar("R")


class TaskCalls(http.OrderCalls[R]):
    """The calls; `R` is an answer, or an awaitable of one."""

    orders, cancels = "tasks", ("DELETE",)


class Client(http.HttpClient, TaskCalls[http.Answer]):
    """The provider's API, for threads."""


class AsyncClient(http.AsyncHttpClient, TaskCalls[Awaitable[http.Answer]]):
    """The same for the tasks of one event loop."""


def access(base_url: str, key: str) -> http.Access:
    """Return where the API is, and what shows who calls."""
    return http.Access(base_url, http.FixedHeaders.basic(key, ""))


CLIENT = http.ClientPort.of(Client, AsyncClient, access)
