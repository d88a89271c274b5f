"""The metrics of one function."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import Metric

from matchcast.ports.metrics import Figures, Model
from matchcast.telemetry.counts import LastingCounter, LastingCounts
from matchcast.telemetry.lasting import LastingMetrics

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SHARES: Final = (0.34, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8, 0.9, 1)


class Telemetry:
    """The metrics of one function, on registries of its own.

    Attributes:
        registry: what this process has measured.
        lasting: what outlives it; the same in every process of every function.

    Args:
        figures: where that comes from; none, and the process shows its own counts.
    """

    def __init__(self, figures: Figures | None = None) -> None:
        self.registry: Final = CollectorRegistry()
        self.requests: Final = Counter(
            "http_requests_total", "Answers by route template", ("method", "path", "status"), registry=self.registry
        )
        self.request_seconds: Final = Histogram(
            "http_request_duration_seconds",
            "Time to the last byte",
            ("method", "path"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.prediction_seconds: Final = Histogram(
            "prediction_duration_seconds",
            "Time to make and record a forecast",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.inference_seconds: Final = Histogram(
            "inference_duration_seconds",
            "Time to read the state and run the model",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.confidence: Final = Histogram(
            "prediction_confidence",
            "Probability of the likeliest outcome",
            ("outcome",),
            buckets=_SHARES,
            registry=self.registry,
        )
        self._counts = LastingCounts(None if figures is None else figures.add)
        self.predictions: Final = LastingCounter(
            "prediction_requests_total",
            "Forecasts shown: sync and async made one, lookup showed the batch's",
            ("source",),
            self._counts,
        )
        self.timeouts: Final = LastingCounter(
            "prediction_timeouts_total", "Forecasts that were not made in time", (), self._counts
        )
        self._model: Model | None = None
        self.lasting: Final = CollectorRegistry()
        counters = (self.predictions, self.timeouts)
        self._lasting = LastingMetrics(figures, self._counts, counters, lambda: self._model)
        self.lasting.register(self._lasting)

    def show_model(self, version: str, registered_at: str) -> None:
        """Say which champion is in use.

        Args:
            registered_at: ISO 8601.
        """
        if self._model is None or version != self._model.version:
            self._model = Model(version, "champion", datetime.fromisoformat(registered_at))

    def away(self) -> dict[str, str]:
        """What does not answer, by name, and why; asks in the background, and waits for nothing."""
        return self._lasting.away()

    def exposition(self) -> bytes:
        """All metrics in Prometheus's text format. Asks the database, for some seconds at most."""
        return generate_latest(self.registry) + generate_latest(self.lasting)

    def flush(self) -> None:
        """Bring the counts that outlive the process to the database, or leave them for later if it is away."""
        self._counts.flush()

    def close(self) -> None:
        """Flush for the last time, before the process ends."""
        self._counts.close()


class MergedMetrics:
    """Several functions' metrics as one collection, told apart by a label `function`."""

    def __init__(self, parts: Mapping[str, CollectorRegistry]) -> None:
        self._parts = parts

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for function, registry in self._parts.items():
            for found in registry.collect():
                family = families.setdefault(found.name, Metric(found.name, found.documentation, found.type))
                family.samples += [s._replace(labels={**s.labels, "function": function}) for s in found.samples]
        return families.values()

    def exposition(self) -> bytes:
        """All metrics in Prometheus's text format."""
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)
