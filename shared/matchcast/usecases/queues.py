"""The queues of Triggers and the letters that died there."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matchcast.ports.metrics import Queues, TriggerQueue


class QueueState(NamedTuple):
    """A Trigger, as GET /monitoring/queues shows it.

    Attributes:
        dead_letters: open ones; None while the database is away.
    """

    queue: TriggerQueue
    dead_letters: int | None


def queue_states(queues: Queues, dead_letters: Mapping[tuple[str, str], int] | None) -> Sequence[QueueState]:
    """The queues in order of broker and Trigger.

    Args:
        dead_letters: open ones by broker and Trigger; None while they cannot be read.
    Raises:
        Unavailable: the broker is away.
    """
    return [
        QueueState(queue, None if dead_letters is None else dead_letters.get((queue.broker, queue.trigger), 0))
        for queue in queues.read()
    ]
