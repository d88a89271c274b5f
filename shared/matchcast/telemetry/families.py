"""What lasts, as Prometheus takes it; imported when it is asked for, since Prometheus's client is slow to come."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from matchcast.ports.metrics import Counts, Drifted, Forecasts, Model, Pointed, Settled, Stored, TriggerQueue
from matchcast.telemetry.counts import LastingCounter


def counters_of(counters: Sequence[LastingCounter], told: Counts) -> Iterator[Metric]:
    """Counters, with what was counted of each."""
    for counter in counters:
        family = CounterMetricFamily(counter.name, counter.documentation, labels=counter.label_names)
        known = sorted(counted for counted in told if counted.name == counter.name)
        for counted in known:
            labels = dict(counted.labels)
            family.add_metric([labels[name] for name in counter.label_names], told[counted])
        if not known and not counter.label_names:
            family.add_metric([], 0)
        yield family


def stored_families(stored: Stored) -> Iterator[Metric]:
    """What the database says."""
    yield from _forecasts(stored.forecasts)
    if stored.drift is not None:
        yield from _drift(stored.drift)
    yield from _settled(stored.settled)
    yield gauge(
        "matchcast_dead_letters_open", "Events that no try could deliver and nobody replayed", ("broker", "trigger"),
        ((of, float(letters)) for of, letters in sorted(stored.dead_letters.items())),
    )  # fmt: skip
    yield gauge(
        "matchcast_tasks", "Tasks by state, until they are swept away", ("kind", "state"),
        ((of, float(tasks)) for of, tasks in sorted(stored.tasks.items())),
    )  # fmt: skip
    yield from _instant("matchcast_last_scrape_at_seconds", "When a scrape succeeded last", stored.scraped_at)
    yield gauge(
        "matchcast_source_left_alone_until_seconds", "Until when a source that turned us away is left alone", ("source",),
        (((source,), until.timestamp()) for source, until in sorted(stored.left_alone.items())),
    )  # fmt: skip
    yield gauge(
        "matchcast_captures_not_read", "Answers of a source of the last day that could not be read", ("source",),
        (((source,), float(captures)) for source, captures in sorted(stored.not_read.items())),
    )  # fmt: skip


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


def pointed_families(pointed: Pointed, in_use: Model | None) -> Iterator[Metric]:
    """What the pointers say; of the champion, what this process has in use."""
    yield from model_families(pointed.models, in_use)
    if pointed.snapshot is not None:
        yield from _instant(
            "matchcast_snapshot_as_of_seconds", "Up to when the served snapshot knows results", pointed.snapshot.as_of
        )
        yield from _instant(
            "matchcast_snapshot_published_at_seconds", "When the served snapshot was published",
            pointed.snapshot.published_at,
        )  # fmt: skip


def model_families(pointed: Sequence[Model], in_use: Model | None) -> Iterator[Metric]:
    """Which models there are, and how old the champion is."""
    models = {model.stage: model for model in pointed} | ({} if in_use is None else {in_use.stage: in_use})
    yield gauge(
        "model_info", "The model in use, or, in a process without one, the one that the pointer names",
        ("model_name", "version", "stage"), ((("matchcast", m.version, m.stage), 1.0) for m in models.values()),
    )  # fmt: skip
    champion = models.get("champion")
    if champion is not None:
        yield from _instant(
            "model_registered_at_seconds", "When the registry got the champion, seconds since 1970",
            champion.registered_at,
        )  # fmt: skip


def queue_families(queues: Sequence[TriggerQueue]) -> Iterator[Metric]:
    """How long the queues of Triggers are."""
    for name, words, values in (
        ("messages", "Events in the queue of a Trigger", [q.waiting + q.in_delivery for q in queues]),
        ("consumers", "Who takes from the queue of a Trigger", [q.consumers for q in queues]),
        ("dying", "Events of a Trigger on their way to the dead-letter sink", [q.dying for q in queues]),
    ):
        of_each = (((q.broker, q.trigger), float(value)) for q, value in zip(queues, values, strict=True))
        yield gauge(f"matchcast_queue_{name}", words, ("broker", "trigger"), of_each)


def _one(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value=value)


def _instant(name: str, words: str, at: datetime | None) -> Iterator[Metric]:
    if at is not None:
        yield _one(name, words, at.timestamp())


def gauge(name: str, words: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    """A gauge with labels."""
    family = GaugeMetricFamily(name, words, labels=labels)
    for of, value in values:
        family.add_metric(of, value)
    return family
