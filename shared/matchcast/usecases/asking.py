"""Tasks and the events that ask for their work."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from matchcast.domain.event import Event
from matchcast.errors import BadInput, MatchcastError, Unavailable
from matchcast.events import Payload, Problem, payload_of
from matchcast.ports.events import Sink, Tasks

P = TypeVar("P", bound=Payload)


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
            tasks.finish(task_id, now, problem=problem_of(error).model_dump(mode="json", exclude_none=True))
        raise


def task_named_by(event: Event) -> str | None:
    """The task that an event's data names, whatever else is in it."""
    told = event.data.get("task_id") if isinstance(event.data, dict) else None
    return told if isinstance(told, str) and told.isprintable() else None
