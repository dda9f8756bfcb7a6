"""`onfleet` to test against: its tasks, its errors, and its signed webhooks."""

import json
from datetime import datetime
from typing import Any

from lifecycle.simulator import Answers, Reply, Request, cancel_to, route_by
from lifecycle.simulator.bodies import Bodies, Way
from lifecycle.simulator.stepped import stepped
from onfleet_lifecycle import STATES, TASK, order_id_of, status_of
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


def error(what: str) -> dict[str, Any]:
    """Return the body of an error."""
    return {"code": "InvalidContent", "message": {"error": 1900, "message": what}}


def metadata(order_id: str) -> list[dict[str, str]]:
    """Return where our order id stands, in a request and in a task."""
    return [{"name": "order_id", "type": "string", "value": order_id}]


def task(order_id: str, status: str) -> dict[str, Any]:
    """Return a task object; nobody is ever shown one that is deleted."""
    state = 3 if status not in STATES else STATES.index(status)
    ended = {"completionDetails": {"success": status == "completed"}} if state == 3 else {}
    own_id = {"id": f"task-{order_id}", "shortId": order_id[:8]}
    return {**own_id, "state": state, "metadata": metadata(order_id), **ended} | (
        {"deleted": True} if status == "deleted" else {}
    )


def callback(order: dict[str, Any], name: str, at: datetime, _own: str) -> dict[str, Any]:
    """Return the body of a webhook."""
    milliseconds = int(at.timestamp() * 1000)
    said = {"time": milliseconds, "triggerName": NAMES[name], "taskId": order["id"]}
    return {**said, "workerId": None, "data": {"task": order}}


def found(tasks: list[dict[str, Any]], request: Request) -> list[dict[str, Any]]:
    """Return the tasks with the order id that is searched for."""
    sought = order_id_of({"metadata": json.loads(request.body)})
    return [each for each in tasks if order_id_of(each) == sought and "deleted" not in each]


ANSWERS = Answers.worded(error, rejected=Reply(400, error("no destination")))
BODIES = Bodies(
    TASK,
    request=lambda order_id, attempt: {
        "destination": {"address": {"unparsed": f"{attempt} Example St"}},
        "metadata": metadata(order_id),
    },
    order=task,
    callback=callback,
    rejection=ANSWERS.rejected,
)
SIMULATED = stepped(
    BODIES,
    WAYS,
    order_id=order_id_of,
    time="time",
    per_second=1000,
    route=route_by(
        create="POST /tasks",
        list="POST /tasks/metadata",
        get="GET /tasks/task-{order_id}",
        cancel="DELETE /tasks/task-{order_id}",
    ),
    is_authorized=lambda request, settings: (
        request.basic() == (settings.client_secret.get_secret_value(), "")
    ),
    answers=ANSWERS,
    needed=("destination.address",),
    operations={"cancel": cancel_to("deleted", while_in={"unassigned"}, refused=ANSWERS.repeated)},
    listing=found,
    status=lambda order: "deleted" if "deleted" in order else str(status_of(order)),
    callback_headers=lambda body, settings: SIGNATURE.sign(settings.callback_secret, body),
)
