"""Metrics that are as true in a process that has just started as in one that has run for long."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from matchcast.errors import MatchcastError
from matchcast.ports.metrics import Counts, Drifted, Figures, Forecasts, Model, Pointed, Settled, Stored, TriggerQueue
from matchcast.telemetry.asking import KEPT_SECONDS, Question
from matchcast.telemetry.counts import LastingCounter, LastingCounts

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

    def collect(self) -> Iterable[Metric]:
        if self._figures is None:
            yield from _counters(self._counters, {}, self._counts.unread())
            yield from _models([], self._in_use())
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
            yield from _counters(self._counters, stored.totals, self._counts.unread())
            yield from _stored(stored)
        yield from _pointed(pointed if isinstance(pointed, Pointed) else Pointed((), None), self._in_use())
        if queues is not None and not isinstance(queues, MatchcastError):
            yield from _queues(queues)
        yield _gauge(
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


def _counters(counters: Sequence[LastingCounter], totals: Counts, more: Counts) -> Iterator[Metric]:
    for counter in counters:
        family = CounterMetricFamily(counter.name, counter.documentation, labels=counter.label_names)
        known = {counted for counted in {*totals, *more} if counted.name == counter.name}
        for counted in sorted(known):
            labels = dict(counted.labels)
            family.add_metric(
                [labels[name] for name in counter.label_names], totals.get(counted, 0) + more.get(counted, 0)
            )
        if not known and not counter.label_names:
            family.add_metric([], 0)
        yield family


def _stored(stored: Stored) -> Iterator[Metric]:
    yield from _forecasts(stored.forecasts)
    if stored.drift is not None:
        yield from _drift(stored.drift)
    yield from _settled(stored.settled)
    yield _gauge(
        "matchcast_dead_letters_open", "Events that no try could deliver and nobody replayed", ("broker", "trigger"),
        ((of, float(letters)) for of, letters in sorted(stored.dead_letters.items())),
    )  # fmt: skip
    yield _gauge(
        "matchcast_tasks", "Tasks by state, until they are swept away", ("kind", "state"),
        ((of, float(tasks)) for of, tasks in sorted(stored.tasks.items())),
    )  # fmt: skip
    yield from _instant("matchcast_last_scrape_at_seconds", "When a scrape succeeded last", stored.scraped_at)


def _forecasts(forecasts: Forecasts) -> Iterator[Metric]:
    yield _one("matchcast_ledger_rows", "Forecasts in the ledger", forecasts.rows)
    yield from _instant(
        "matchcast_last_forecast_at_seconds", "When the ledger's last row was recorded", forecasts.last_recorded_at
    )
    if forecasts.by_cause is not None:
        family = CounterMetricFamily(
            "matchcast_forecasts", "Forecasts in the ledger by cause and likeliest outcome", labels=("cause", "outcome")
        )
        for (cause, outcome), rows in sorted(forecasts.by_cause.items()):
            family.add_metric((cause, outcome.name.lower()), rows)
        yield family


def _drift(drift: Drifted) -> Iterator[Metric]:
    yield _one("model_feature_drift_score", "Share of the features that drifted, at the last check", drift.score)
    yield _one("matchcast_drift_threshold", "What that share may be", drift.threshold)
    yield _one(
        "matchcast_prediction_drift_score", "Share of the probabilities that drifted, at the last check",
        drift.prediction_score,
    )  # fmt: skip
    yield from _instant("matchcast_drift_checked_at_seconds", "When drift was checked last", drift.checked_at)


def _settled(settled: Settled) -> Iterator[Metric]:
    yield _one("matchcast_settled_matches", "Matches of the last 30 days with forecast and result", settled.matches)
    for name, words, value in (
        ("log_loss", "log loss", settled.log_loss),
        ("rps", "ranked probability score", settled.rps),
        ("brier", "Brier score", settled.brier),
    ):
        if value is not None:
            yield _one(f"matchcast_settled_{name}", f"Mean {words} of these", value)


def _pointed(pointed: Pointed, in_use: Model | None) -> Iterator[Metric]:
    yield from _models(pointed.models, in_use)
    if pointed.snapshot is not None:
        yield from _instant(
            "matchcast_snapshot_as_of_seconds", "Up to when the served snapshot knows results", pointed.snapshot.as_of
        )
        yield from _instant(
            "matchcast_snapshot_published_at_seconds", "When the served snapshot was published",
            pointed.snapshot.published_at,
        )  # fmt: skip


def _models(pointed: Sequence[Model], in_use: Model | None) -> Iterator[Metric]:
    models = {model.stage: model for model in pointed} | ({} if in_use is None else {in_use.stage: in_use})
    yield _gauge(
        "model_info", "The model in use, or, in a process without one, the one that the pointer names",
        ("model_name", "version", "stage"), ((("matchcast", m.version, m.stage), 1.0) for m in models.values()),
    )  # fmt: skip
    champion = models.get("champion")
    if champion is not None:
        yield from _instant(
            "model_registered_at_seconds", "When the registry got the champion, seconds since 1970",
            champion.registered_at,
        )  # fmt: skip


def _queues(queues: Sequence[TriggerQueue]) -> Iterator[Metric]:
    for name, words, values in (
        ("messages", "Events in the queue of a Trigger", [q.waiting + q.in_delivery for q in queues]),
        ("consumers", "Who takes from the queue of a Trigger", [q.consumers for q in queues]),
        ("dying", "Events of a Trigger on their way to the dead-letter sink", [q.dying for q in queues]),
    ):
        of_each = (((q.broker, q.trigger), float(value)) for q, value in zip(queues, values, strict=True))
        yield _gauge(f"matchcast_queue_{name}", words, ("broker", "trigger"), of_each)


def _one(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value=value)


def _instant(name: str, words: str, at: datetime | None) -> Iterator[Metric]:
    if at is not None:
        yield _one(name, words, at.timestamp())


def _gauge(name: str, words: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = GaugeMetricFamily(name, words, labels=labels)
    for of, value in values:
        family.add_metric(of, value)
    return family
