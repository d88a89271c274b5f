"""Remove what nobody asks for any more."""

import logging
from datetime import datetime, timedelta
from typing import Final

from matchcast.ports.events import Deadline, Leftovers
from matchcast.usecases.dead_letters import task_of

_LOG: Final = logging.getLogger("matchcast.sweep")


def sweep(leftovers: Leftovers, now: datetime, kept_for: timedelta, deadline: Deadline) -> None:
    """Remove tasks that expired, records of events that were handled and letters that were replayed.

    Tasks that open letters ask for stay, and answers to requests go as soon as they have expired.

    Args:
        kept_for: how long the others are kept after that.
    Raises:
        TimedOut: there is more; what was removed stays removed.
        Unavailable: the database is away.
    """
    wanted = {task_of(event) for event in leftovers.replayable()}
    tasks = frozenset(task_id for task_id in wanted if task_id is not None)
    before, removed = now - kept_for, 0
    while some := leftovers.remove_some(before, now, tasks):
        removed += some
        deadline.check()
    _LOG.info("%d tasks, records, letters and answers from before %s were removed", removed, before.isoformat())
