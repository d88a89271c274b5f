"""Tasks and the events that ask for their work."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, TypeVar

from matchcast.domain.event import Event, named_id
from matchcast.errors import BadInput, MatchcastError, Unavailable
from matchcast.events import Payload, Problem, payload_of
from matchcast.ports.events import Sink, Tasks, TaskState

P = TypeVar("P", bound=Payload)


class NamedTask(NamedTuple):
    """The task that a request which may come again stands for; it need not be there yet."""

    task_id: str
    has_ended: bool


def task_of_name(name: str, tasks: Tasks, now: datetime) -> NamedTask:
    """The task of this name; after one that has expired, the next."""
    while (found := tasks.find(name)) is not None and found.expires_at <= now:
        name = named_id(name)
    return NamedTask(name, found is not None and found.state in (TaskState.SUCCESS, TaskState.FAILURE))


def publish_asking(event: Event, task_id: str, tasks: Tasks, sink: Sink) -> None:
    """Publish the event that asks for a task's work; the task is there already.

    A broker may take an event and not be heard to say so. Where the work has begun, the event was taken; where it has
    not, the task is removed, and an event without its task does nothing.

    Raises:
        Unavailable: the broker did not take the event, and there is no task any more.
    """
    try:
        sink.publish(event)
    except Unavailable:
        if tasks.remove(task_id):
            raise
    except BaseException:
        tasks.remove(task_id)
        raise


def asked_of(
    event: Event, kind: type[P], tasks: Tasks, now: datetime, problem_of: Callable[[MatchcastError], Problem]
) -> P:
    """What an event asks for. The task that a wrong one names has failed.

    Raises:
        BadInput: it is not as its schema says.
    """
    try:
        return payload_of(event, kind)
    except BadInput as error:
        task_id = task_named_by(event)
        if task_id is not None:
            tasks.finish(task_id, now, problem=problem_of(error).to_json())
        raise


def task_named_by(event: Event) -> str | None:
    """The task that an event's data names, whatever else is in it."""
    told = event.data.get("task_id") if isinstance(event.data, dict) else None
    return told if isinstance(told, str) and told.isprintable() else None
