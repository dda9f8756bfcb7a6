"""The provider `onfleet`: tasks, and what its webhooks say about them, one trigger each."""

from typing import Any, Final

from lifecycle import Arrival, Definition, NoReading, Reading
from lifecycle.core.details import Details, leaves_of, read_leaves
from lifecycle.core.exchange_reader import ExchangeReader, fault_in
from lifecycle.core.identity import id_text, spoken_word
from lifecycle.core.instant import read_event_time
from lifecycle.core.moves import awaits_of_creation, moves_of

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
    """What webhooks tell about a task."""

    shortId: str | None = None  # noqa: N815 - as bodies spell it
    trackingURL: str | None = None  # noqa: N815 - as above


TASK: Final = Definition.write(
    "onfleet.task",
    states=("requested", "refused", "resubmitted", *STATES, "unsuccessful", "deleted"),
    moves=moves_of(
        {
            "requested": ("unassigned", "refused", "resubmitted"),
            "refused": ("resubmitted",),
            "resubmitted": ("unassigned", "refused"),
            "unassigned": ("assigned", "deleted"),
            "assigned": ("unassigned", "active", "deleted"),
            "active": ("assigned", "unassigned", "completed", "unsuccessful", "deleted"),
        }
    ),
    terminal=("completed", "unsuccessful", "deleted"),
    aborts=("unsuccessful", "deleted"),
    birth=("unassigned",),
    main_line=("requested", "unassigned", "assigned", "active"),
    informational=(
        "failed",
        "poll_failed",
        "taskarrival",
        "taskupdated",
        "taskdelayed",
        "taskcloned",
    ),
    awaits=awaits_of_creation("refused", "unassigned", "deleted"),
    details=TaskDetails,
)
_LEAVES: Final = leaves_of(TaskDetails)


def status_of(task: dict[str, Any]) -> str | None:
    """Return the state of a task object: 3 is completed, or not, as `success` says."""
    state, ended = task.get("state"), task.get("completionDetails")
    if type(state) is not int or not 0 <= state < len(STATES):
        return None
    failed = isinstance(ended, dict) and ended.get("success") is False
    return "unsuccessful" if state == 3 and failed else STATES[state]


EXCHANGES: Final = ExchangeReader(
    TASK,
    order_id="id",
    status=status_of,
    rejected="refused",
    faults=fault_in("message", code="code"),
    details=lambda task: read_leaves(_LEAVES, task),
    taken=409,
)


class Onfleet:
    """Reads webhooks `{"time", "triggerName", "taskId", "data": {"task": {...}}}`."""

    name = "onfleet"
    definition = TASK
    kept_headers: frozenset[str] = frozenset()

    def read(self, arrival: Arrival, body: dict[str, Any] | None) -> Reading | NoReading:
        """Return what an arrival says, or why it says nothing."""
        if body is None or arrival.kind != "callback":
            return EXCHANGES.read(arrival, body)
        trigger, data = spoken_word(body.get("triggerName")), body.get("data")
        if trigger is None:
            return NoReading("no_name", "the body names no trigger")
        task = data.get("task") if isinstance(data, dict) else None
        name = TRIGGERS.get(trigger, trigger)
        if name == "completed" and isinstance(task, dict):
            name = status_of(task) or name
        occurred_at, problems = read_event_time(body.get("time"), per_second=1000)
        return Reading(
            name,
            order_id=id_text(body.get("taskId")),
            status=body["triggerName"],
            occurred_at=occurred_at,
            details=read_leaves(_LEAVES, task) if isinstance(task, dict) else {},
            problems=problems,
        )


PROVIDER: Final = Onfleet()
