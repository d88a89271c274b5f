"""The answer to work that is accepted and done later."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from matchcast.domain.event import named_id
from matchcast.ports.events import Tasks
from matchcast.usecases.asking import task_of_name
from matchcast.web.answers import Answer
from matchcast.web.idempotency import KEY
from matchcast.web.operations import Call
from matchcast.web.replies import Reply

_RETRY_AFTER: Final = {"prediction": "1"}


def retry_after(kind: str) -> str:
    """Seconds after which it makes sense to ask how a task of this kind stands."""
    return _RETRY_AFTER.get(kind, "5")


class AcceptedReply(Reply, frozen=True, kw_only=True):
    """A task; `status_url` tells what becomes of it."""

    task_id: str
    status: Literal["submitted"]
    status_url: str


def accepted(call: Call[Any, Any], task_id: str, kind: str = "scrape") -> Answer:
    """202 with Location and Retry-After."""
    url = call.link(f"/monitoring/task_status/{task_id}")
    reply = AcceptedReply(task_id=task_id, status="submitted", status_url=url)
    return Answer(reply, 202, {"Location": url, "Retry-After": retry_after(kind)})


def accepted_once(
    call: Call[Any, Any],
    kind: str,
    tasks: Callable[[], Tasks],
    new_id: Callable[[], str],
    now: datetime,
    accept: Callable[[str], None],
) -> Answer:
    """Accept a task.

    With an Idempotency-Key its id is made of the request: whoever sends the request again because its answer was lost on
    the way meets the task of the first time.

    Args:
        accept: adds the task of this id, and publishes what asks for its work; may do so again while the task is open.
    """
    given = call.request.headers.get(KEY)
    if given is None or call.key is None:
        task_id, has_ended = new_id(), False
    else:
        body = msgspec.json.encode(call.body, order="deterministic").decode()
        name = named_id(call.key.key_id, call.request.scope["route"].path, given, body)
        task_id, has_ended = task_of_name(name, tasks(), now)
    if not has_ended:
        accept(task_id)
    return accepted(call, task_id, kind)
