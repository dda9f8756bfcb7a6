"""The provider `onfleet`: tasks, and what its webhooks say about them, one trigger each.

Onfleet makes the ids of its tasks. Our order id travels in a task's `metadata`; its own is a link.
"""

from typing import Any, Final

from lifecycle import Arrival, Definition, NoReading, Reading
from lifecycle.core.details import Details, field_in, leaves_of, read_leaves
from lifecycle.core.exchange_reader import ExchangeReader, fault_in
from lifecycle.core.identity import id_text, spoken_word
from lifecycle.core.instant import read_event_time
from lifecycle.core.moves import awaits_of_creation, moves_of
from lifecycle.core.provider import PlainProvider, Said

TRIGGERS: Final = {
    "taskcreated": "unassigned",
    "taskunassigned": "unassigned",
    "taskassigned": "assigned",
    "taskstarted": "active",
    "taskcompleted": "completed",
    "taskfailed": "unsuccessful",
    "taskdeleted": "deleted",
}
STATES: Final = ("unassigned", "assigned", "active", "completed")


class TaskDetails(Details):
    """What bodies tell about a task."""

    task_id: str | None = None
    short_id: str | None = None
    tracking_url: str | None = None
    notes: str | None = None


TASK: Final = Definition.write(
    "onfleet.task",
    states=("requested", "refused", "resubmitted", *STATES, "unsuccessful", "deleted"),
    moves=moves_of(
        {
            "requested": ("unassigned", "assigned", "refused", "resubmitted"),
            "refused": ("resubmitted",),
            "resubmitted": ("unassigned", "assigned", "refused"),
            "unassigned": ("assigned", "deleted"),
            "assigned": ("unassigned", "active", "deleted"),
            "active": ("assigned", "unassigned", "completed", "unsuccessful", "deleted"),
        }
    ),
    terminal=("completed", "unsuccessful", "deleted"),
    aborts=("unsuccessful", "deleted"),
    birth=("unassigned", "assigned"),
    main_line=("requested", "assigned", "active"),
    informational=(
        "failed",
        "poll_failed",
        "deletion_taken",
        "taskarrival",
        "taskupdated",
        "taskdelayed",
        "taskcloned",
    ),
    awaits=awaits_of_creation("refused", "unassigned", "deleted"),
    details=TaskDetails,
)
LEAVES: Final = leaves_of(
    TaskDetails,
    task_id="id",
    short_id="shortId",
    tracking_url="trackingURL",
    notes="completionDetails.notes",
)


def order_id_of(task: dict[str, Any]) -> str | None:
    """Return our id of the order, out of the metadata of its task."""
    entries = task.get("metadata")
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("name") == "order_id":
            return id_text(entry.get("value"))
    return None


def status_of(task: dict[str, Any]) -> str | None:
    """Return the state of a task object: 3 is completed, or not, as `success` says."""
    state = task.get("state")
    if type(state) is not int or not 0 <= state < len(STATES):
        return None
    failed = state == 3 and field_in(task, "completionDetails.success") is False
    return "unsuccessful" if failed else STATES[state]


def callback(body: dict[str, Any]) -> Said:
    """Read webhooks `{"time", "triggerName", "taskId", "data": {"task": {...}}}`."""
    trigger, task = spoken_word(body.get("triggerName")), field_in(body, "data.task")
    if trigger is None:
        return NoReading("no_name", "the body names no trigger")
    task, task_id = task if isinstance(task, dict) else {}, id_text(body.get("taskId"))
    name, order_id = TRIGGERS.get(trigger, trigger), order_id_of(task)
    occurred_at, problems = read_event_time(body.get("time"), per_second=1000)
    return Reading(
        status_of(task) or name if name == "completed" else name,
        order_id=order_id,
        refers_to=None if order_id else task_id,
        links=(task_id,) if order_id and task_id else (),
        status=body["triggerName"],
        occurred_at=occurred_at,
        details=read_leaves(LEAVES, task),
        problems=problems,
    )


READER: Final = ExchangeReader(
    TASK,
    order_id=order_id_of,
    status=status_of,
    rejected="refused",
    faults=fault_in("message.message", code="message.error"),
    details=lambda task: read_leaves(LEAVES, task),
    links="id",
    callback=callback,
)


def read(arrival: Arrival, body: dict[str, Any] | None) -> Said:
    """Return what an arrival says: the answer to a deletion shows no task."""
    if arrival.operation == "cancel" and arrival.http_status == 200:
        return Reading("deletion_taken")
    return READER.read(arrival, body)


PROVIDER: Final = PlainProvider("onfleet", TASK, read)
