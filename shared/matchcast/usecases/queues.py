"""The queues of Triggers and the letters that died there."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from matchcast.errors import Unavailable
from matchcast.ports.events import DeadLetters
from matchcast.ports.metrics import Queues, TriggerQueue


class QueueState(NamedTuple):
    """A Trigger's queue, and how many of its letters are open; None while the database is away."""

    queue: TriggerQueue
    dead_letters: int | None


def queue_states(queues: Callable[[], Queues] | None, letters: Callable[[], DeadLetters]) -> Sequence[QueueState]:
    """The queues in order of broker and Trigger.

    Args:
        queues: None if nobody tells of them.
    Raises:
        Unavailable: the broker is away.
    """
    if queues is None:
        raise Unavailable("queues cannot be read: set MATCHCAST_QUEUES_URL to the address of RabbitMQ's management API")
    try:
        found = queues().read()
    except Unavailable as error:
        raise Unavailable(f"{error}; GET /monitoring/dead-letters still lists what could not be delivered") from error
    died = _open_letters(letters)
    return [QueueState(q, None if died is None else died.get((q.broker, q.trigger), 0)) for q in found]


def _open_letters(letters: Callable[[], DeadLetters]) -> Mapping[tuple[str, str | None], int] | None:
    try:
        return letters().open_by_trigger()
    except Unavailable:
        return None
