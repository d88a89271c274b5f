"""Counts that outlive the process: they wait here and are added to the database's totals in the background."""

import logging
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Final, TypeVar

from matchcast.errors import MatchcastError
from matchcast.ports.metrics import Counted, Counts

FLUSH_SECONDS: Final = 5.0
"""What is counted reaches the database within so long: a process that is killed loses no more than that."""

T = TypeVar("T")
_LOG: Final = logging.getLogger("matchcast.telemetry")


class LastingCounts:
    """Counts by name and labels. What is told of them never falls: the totals as they were read last, and on top of them
    everything counted here that they do not hold.

    Args:
        add: adds to the database's totals; None keeps all counts here.
    """

    def __init__(self, add: Callable[[Counts], None] | None, flush_seconds: float = FLUSH_SECONDS) -> None:
        self._add = add
        self._flush_seconds = flush_seconds
        self._lock = Lock()
        self._turn = Lock()
        self._waiting: dict[Counted, float] = {}
        self._on_their_way: Counts = {}
        self._flushed: Counts = {}
        self._totals: Counts | None = {} if add is None else None
        self._thread: Thread | None = None
        self._closed = Event()
        self._told = False
        self._others: LastingCounts | None = None

    def count(self, counted: Counted, by: float = 1) -> None:
        if self._others is not None:
            self._others.count(counted, by)
            return
        with self._lock:
            self._waiting[counted] = self._waiting.get(counted, 0) + by
            if self._thread is None and self._add is not None and not self._closed.is_set():
                self._thread = Thread(target=self._flush_for_ever, name="metrics", daemon=True)
                self._thread.start()

    def join(self, others: "LastingCounts") -> None:
        """Count there from now on: one process tells one sum."""
        self._others = others

    def told(self) -> Counts | None:
        """All that was counted, by this process and as far as it knows by others; None until the totals have been read
        once: a sum that begins with this process's own would jump when they are."""
        with self._lock:
            if self._totals is None:
                return None
            return _sum(self._totals, self._flushed, self._on_their_way, self._waiting)

    def flush(self) -> None:
        """Bring what waits to the database; what it does not take goes on waiting."""
        with self._turn:
            self._flush_in_turn()

    def read(self, ask: Callable[[], T], totals: Callable[[T], Counts]) -> T:
        """What is asked, after a flush, with the totals in it."""
        with self._turn:
            self._flush_in_turn()
            answer = ask()
            with self._lock:
                self._totals, self._flushed = totals(answer), {}
            return answer

    def close(self) -> None:
        """Flush for the last time."""
        self._closed.set()
        self.flush()

    def _flush_in_turn(self) -> None:
        if self._add is None:
            return
        with self._lock:
            taken, self._on_their_way, self._waiting = self._waiting, self._waiting, {}
        if not taken:
            return
        try:
            self._add(taken)
        except BaseException as error:
            with self._lock:
                self._waiting, self._on_their_way = _sum(self._waiting, taken), {}
            if not isinstance(error, MatchcastError):
                raise
            if not self._told:
                _LOG.warning("counts wait for the database: %s", error)
            self._told = True
            return
        self._told = False
        with self._lock:
            self._flushed, self._on_their_way = _sum(self._flushed, taken), {}

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

    def inc(self, by: int = 1) -> None:
        self._counts.count(self._counted, by)


def _sum(*of: Counts) -> dict[Counted, float]:
    found: dict[Counted, float] = {}
    for counts in of:
        for counted, value in counts.items():
            found[counted] = found.get(counted, 0) + value
    return found
