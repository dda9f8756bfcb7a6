"""Calls to `onfleet`: written once, for threads and for coroutines."""

import json
from collections.abc import Awaitable, Iterator
from typing import TypeVar

from lifecycle.http import client as http
from onfleet_lifecycle import order_id_of

R = TypeVar("R")


class TaskCalls(http.OwnIdCalls[R]):
    """The calls; `R` is an answer, or an awaitable of one."""

    orders, cancels, detail = "tasks", ("DELETE",), "task_id"
    named, listed = (order_id_of, "id"), None

    def searches(self, order_id: str) -> Iterator[http.Call]:
        """Search the metadata for our order id: the answer is a list of tasks."""
        sought = [{"name": "order_id", "type": "string", "value": order_id}]
        url = self.url_of("tasks", "metadata")
        yield http.json_call("search", "POST", url, json.dumps(sought).encode())


class Client(http.HttpClient, TaskCalls[http.Answer]):
    """The provider's API, for threads."""


class AsyncClient(http.AsyncHttpClient, TaskCalls[Awaitable[http.Answer]]):
    """The same for the tasks of one event loop."""


def access(base_url: str, key: str) -> http.Access:
    """Return where the API is, and what shows who calls."""
    return http.Access(base_url, http.FixedHeaders.basic(key, ""))


CLIENT = http.ClientPort.of(Client, AsyncClient, access)
