"""Counts that outlive the process: they wait here and are added to the database's totals in the background."""

import logging
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Final

from matchcast.errors import MatchcastError
from matchcast.ports.metrics import Counted, Counts

FLUSH_SECONDS: Final = 5.0
"""What is counted reaches the database within so long: a process that is killed loses no more than that."""

_LOG: Final = logging.getLogger("matchcast.telemetry")


class LastingCounts:
    """Counts by name and labels.

    Args:
        add: adds to the database's totals; None keeps all counts here.
    """

    def __init__(self, add: Callable[[Counts], None] | None, flush_seconds: float = FLUSH_SECONDS) -> None:
        self._add = add
        self._flush_seconds = flush_seconds
        self._lock = Lock()
        self._waiting: dict[Counted, float] = {}
        self._flushed: dict[Counted, float] = {}
        self.turn: Final = Lock()
        """Whoever flushes, or reads totals to show them with `unread`, has it."""
        self._thread: Thread | None = None
        self._closed = Event()
        self._told = False

    def count(self, counted: Counted, by: float = 1) -> None:
        with self._lock:
            self._waiting[counted] = self._waiting.get(counted, 0) + by
            if self._thread is None and self._add is not None and not self._closed.is_set():
                self._thread = Thread(target=self._flush_for_ever, name="metrics", daemon=True)
                self._thread.start()

    def unread(self) -> Counts:
        """What is not in the totals that were read last."""
        with self._lock:
            return _sum(self._flushed, self._waiting)

    def flush(self) -> None:
        """Bring what waits to the database; what it does not take goes on waiting."""
        with self.turn:
            self.flush_in_turn()

    def flush_in_turn(self) -> None:
        """As `flush`, for whoever has the turn."""
        if self._add is None:
            return
        with self._lock:
            taken, self._waiting = self._waiting, {}
        if not taken:
            return
        try:
            self._add(taken)
        except BaseException as error:
            with self._lock:
                self._waiting = _sum(self._waiting, taken)
            if not isinstance(error, MatchcastError):
                raise
            if not self._told:
                _LOG.warning("counts wait for the database: %s", error)
            self._told = True
            return
        self._told = False
        with self._lock:
            self._flushed = _sum(self._flushed, taken)

    def read_in_turn(self) -> None:
        """Say that the totals were read, in this turn."""
        with self._lock:
            self._flushed = {}

    def close(self) -> None:
        """Flush for the last time."""
        self._closed.set()
        self.flush()

    def _flush_for_ever(self) -> None:
        while not self._closed.wait(self._flush_seconds):
            try:
                self.flush()
            except Exception:
                _LOG.exception("counts were not flushed; they go on waiting")


class LastingCounter:
    """A counter of Prometheus whose value is that of all processes that ever were."""

    def __init__(self, name: str, documentation: str, labels: tuple[str, ...], counts: LastingCounts) -> None:
        self.name: Final = name
        self.documentation: Final = documentation
        self.label_names: Final = labels
        self._counts = counts

    def labels(self, *values: str) -> "LastingChild":
        pairs = tuple(sorted(zip(self.label_names, values, strict=True)))
        return LastingChild(Counted(self.name, pairs), self._counts)

    def inc(self) -> None:
        """Count one, where there are no labels."""
        self.labels().inc()


class LastingChild:
    """A counter with its labels' values."""

    def __init__(self, counted: Counted, counts: LastingCounts) -> None:
        self._counted = counted
        self._counts = counts

    def inc(self) -> None:
        self._counts.count(self._counted)


def _sum(a: Counts, b: Counts) -> dict[Counted, float]:
    return {counted: a.get(counted, 0) + b.get(counted, 0) for counted in {*a, *b}}
