"""Metrics that are as true in a process that has just started as in one that has run for long."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from matchcast.errors import MatchcastError
from matchcast.ports.cache import LOOKED_FOR
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
        self._reach: dict[str, Question[object]] = {}
        if figures is not None:
            self._stored = Question("database", self._read_stored, kept_seconds)
            self._pointed = Question("objects", figures.pointed, kept_seconds)
            self._queues = None if figures.queues is None else Question("queues", figures.queues, kept_seconds)
            self._reach = {name: Question(name, reach, kept_seconds) for name, reach in figures.reach.items()}

    def collect(self) -> "Iterable[Metric]":
        from matchcast.telemetry import families

        if self._figures is None:
            yield from families.counters_of(self._counters, self._counts.told() or {})
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
        up |= {name: said is None for name, said in self._problems().items()}
        counted = self._counts.told()
        if counted is not None:
            yield from families.counters_of(self._counters, counted)
        if not isinstance(stored, MatchcastError):
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
        if time.monotonic() - self._made_at < _SETTLE_SECONDS:
            return {}
        for question in self._reach.values():
            question.begin()
        known = {name: question.known() for name, question in self._reach.items()}
        told = {name: str(answer) for name, answer in known.items() if isinstance(answer, MatchcastError)}
        return told | {name: said for name, said in self._problems().items() if said is not None}

    def _problems(self) -> dict[str, str | None]:
        """Of what is known to be there or not."""
        problems = {} if self._figures is None else self._figures.problems
        told = {name: problem() for name, problem in problems.items()}
        return {name: said for name, said in told.items() if said != LOOKED_FOR}

    def _read_stored(self) -> Stored:
        assert self._figures is not None
        return self._counts.read(self._figures.stored, lambda stored: stored.totals)
