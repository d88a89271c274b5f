"""Remove what nobody asks for any more."""

import logging
from datetime import datetime
from typing import Final

from matchcast.ports.events import Deadline, Leftovers

_LOG: Final = logging.getLogger("matchcast.sweep")


def sweep(leftovers: Leftovers, before: datetime, deadline: Deadline) -> None:
    """Remove tasks that expired, records of events that were handled and letters that were replayed before an instant.

    Raises:
        TimedOut: there is more; what was removed stays removed.
        Unavailable: the database is away.
    """
    removed = 0
    while some := leftovers.remove_some(before):
        removed += some
        deadline.check()
    _LOG.info("%d tasks, records and letters from before %s were removed", removed, before.isoformat())
