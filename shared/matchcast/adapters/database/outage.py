"""While a database is away, one thread tries to reach it; everybody else is told at once, and waits for nothing."""

import logging
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Final
from weakref import WeakMethod

from matchcast.errors import Unavailable

EVERY: Final = 1.0
"""Seconds between two tries."""
_LOG: Final = logging.getLogger("matchcast.database")


class Outage:
    """What is known of a database that could not be reached.

    Args:
        reach: a bound method that connects, or raises Unavailable; its object is not kept alive.
    """

    def __init__(self, reach: Callable[[], object], every: float = EVERY) -> None:
        self._reach = WeakMethod(reach)
        self._every = every
        self._lock = Lock()
        self._met: Unavailable | None = None

    def check(self) -> None:
        """
        Raises:
            Unavailable: the database was away a moment ago.
        """
        met = self._met
        if met is not None:
            raise Unavailable(str(met))

    def begin(self, met: Unavailable) -> None:
        """From now on the database counts as away, until the thread has reached it."""
        with self._lock:
            begins, self._met = self._met is None, met
        if begins:
            Thread(target=self._watch, name="matchcast-database", daemon=True).start()

    def _watch(self) -> None:
        while not Event().wait(self._every) and (reach := self._reach()) is not None:
            try:
                reach()
            except Unavailable as error:
                self._met = error
            except Exception:
                _LOG.exception("the database could not be reached in a way that nobody thought of")
                break
            else:
                break
            finally:
                del reach
        self._met = None
