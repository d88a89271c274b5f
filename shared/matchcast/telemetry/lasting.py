"""Metrics that are as true in a process that has just started as in one that has run for long."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from matchcast.errors import MatchcastError
from matchcast.ports.metrics import Figures, Model, Pointed, Stored
from matchcast.telemetry.asking import KEPT_SECONDS, Question
from matchcast.telemetry.counts import LastingCounter, LastingCounts

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

WAIT_SECONDS: Final = 3.0
"""In all, for everything that is asked; what has not answered then is left out."""
_SETTLE_SECONDS: Final = 2.0


class LastingMetrics:
    """A collector of what database, object store and broker say. What is away is left out, and told by
    `matchcast_dependency_up`.

    Args:
        counters: shown with what the processes before counted.
        in_use: the champion that this process has loaded; None if none.
    """

    def __init__(
        self,
        figures: Figures | None,
        counts: LastingCounts,
        counters: Sequence[LastingCounter],
        in_use: Callable[[], Model | None],
        kept_seconds: float = KEPT_SECONDS,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._figures = figures
        self._counts = counts
        self._counters = counters
        self._in_use = in_use
        self._wait_seconds = wait_seconds
        self._made_at = time.monotonic()
        if figures is not None:
            self._stored = Question("database", self._read_stored, kept_seconds)
            self._pointed = Question("objects", figures.pointed, kept_seconds)
            self._queues = None if figures.queues is None else Question("queues", figures.queues, kept_seconds)

    def collect(self) -> "Iterable[Metric]":
        from matchcast.telemetry import families

        if self._figures is None:
            yield from families.counters_of(self._counters, {}, self._counts.unread())
            yield from families.model_families([], self._in_use())
            return
        self._stored.begin()
        self._pointed.begin()
        if self._queues is not None:
            self._queues.begin()
        until = time.monotonic() + self._wait_seconds
        stored, pointed = self._stored.answer(until), self._pointed.answer(until)
        queues = None if self._queues is None else self._queues.answer(until)
        up = {"database": not isinstance(stored, MatchcastError), "objects": not isinstance(pointed, MatchcastError)}
        if queues is not None:
            up["queues"] = not isinstance(queues, MatchcastError)
        up |= {name: problem() is None for name, problem in self._figures.problems.items()}
        if not isinstance(stored, MatchcastError):
            yield from families.counters_of(self._counters, stored.totals, self._counts.unread())
            yield from families.stored_families(stored)
        yield from families.pointed_families(
            pointed if isinstance(pointed, Pointed) else Pointed((), None), self._in_use()
        )
        if queues is not None and not isinstance(queues, MatchcastError):
            yield from families.queue_families(queues)
        yield families.gauge(
            "matchcast_dependency_up", "Whether what this function depends on answers", ("dependency",),
            (((name,), float(is_up)) for name, is_up in up.items()),
        )  # fmt: skip

    def away(self) -> dict[str, str]:
        """What does not answer, by name, and why, as known by now; asks in the background, but not at once after a start:
        the first requests have the processor for themselves."""
        if self._figures is None:
            return {}
        asked: dict[str, Question[Any]] = {"database": self._stored, "objects": self._pointed}
        if self._queues is not None:
            asked["queues"] = self._queues
        if time.monotonic() - self._made_at >= _SETTLE_SECONDS:
            for question in asked.values():
                question.begin()
        known = {name: question.known() for name, question in asked.items()}
        told = {name: str(answer) for name, answer in known.items() if isinstance(answer, MatchcastError)}
        problems = {name: problem() for name, problem in self._figures.problems.items()}
        return told | {name: said for name, said in problems.items() if said is not None}

    def _read_stored(self) -> Stored:
        assert self._figures is not None
        with self._counts.turn:
            self._counts.flush_in_turn()
            stored = self._figures.stored()
            self._counts.read_in_turn()
        return stored
