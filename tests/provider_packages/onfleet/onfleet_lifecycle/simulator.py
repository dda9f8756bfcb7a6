"""`onfleet` to test against: its tasks, its errors, and its signed webhooks."""

from datetime import datetime
from typing import Any

from lifecycle.simulator import Answers, Request, cancel_to, route_by
from lifecycle.simulator.bodies import Bodies, Way
from lifecycle.simulator.stepped import stepped
from onfleet_lifecycle import STATES, TASK, status_of
from onfleet_lifecycle.receiver import SIGNATURE

WAYS = {
    "delivered": Way(
        "all goes well", ("unassigned", "assigned", "active", "taskarrival", "completed")
    ),
    "reassigned": Way(
        "a driver drops out",
        ("unassigned", "assigned", "active", "unassigned", "assigned", "active", "completed"),
    ),
    "failed": Way("nobody is there", ("unassigned", "assigned", "active", "unsuccessful")),
}
NAMES = {
    "unassigned": "taskUnassigned",
    "assigned": "taskAssigned",
    "active": "taskStarted",
    "completed": "taskCompleted",
    "unsuccessful": "taskFailed",
    "deleted": "taskDeleted",
    "taskarrival": "taskArrival",
}
ANSWERS = Answers.worded(lambda what: {"message": what})


def task(order_id: str, status: str) -> dict[str, Any]:
    """Return a task object."""
    state = 3 if status not in STATES else STATES.index(status)
    ended = {"completionDetails": {"success": status == "completed"}} if state == 3 else {}
    return {"id": order_id, "shortId": order_id[:8], "state": state, **ended}


def callback(order: dict[str, Any], name: str, at: datetime, _own: str) -> dict[str, Any]:
    """Return the body of a webhook."""
    milliseconds = int(at.timestamp() * 1000)
    said = {"time": milliseconds, "triggerName": NAMES[name], "taskId": order["id"]}
    return {**said, "workerId": None, "data": {"task": order}}


def is_authorized(request: Request, settings: Any) -> bool:
    """Tell whether a request comes with the key, as the user of HTTP Basic."""
    return request.basic() == (settings.client_secret.get_secret_value(), "")


BODIES = Bodies(
    TASK,
    request=lambda order_id, attempt: {"id": order_id, "notes": f"attempt {attempt}"},
    order=task,
    callback=callback,
    rejection=ANSWERS.rejected,
)
SIMULATED = stepped(
    BODIES,
    WAYS,
    order_id="id",
    route=route_by(
        create="POST /tasks", get="GET /tasks/{order_id}", cancel="DELETE /tasks/{order_id}"
    ),
    is_authorized=is_authorized,
    answers=ANSWERS,
    needed=("to",),
    operations={"cancel": cancel_to("deleted", while_in={"unassigned"}, refused=ANSWERS.repeated)},
    status=lambda order: str(status_of(order)),
    callback_headers=lambda body, settings: SIGNATURE.sign(settings.callback_secret, body),
)
