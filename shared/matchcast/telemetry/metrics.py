"""The metrics of one function."""

from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final

from matchcast.ports.metrics import Figures, Model
from matchcast.telemetry.asking import KEPT_SECONDS
from matchcast.telemetry.counts import LastingCounter, LastingCounts
from matchcast.telemetry.lasting import LastingMetrics
from matchcast.telemetry.measured import Counter, Histogram, Measured

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SHARES: Final = (0.34, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8, 0.9, 1)


class Telemetry:
    """The metrics of one function.

    Args:
        figures: where what outlives the process comes from; none, and the process shows its own counts.
        kept_seconds: how long what was read from there counts.
    """

    def __init__(self, figures: Figures | None = None, kept_seconds: float = KEPT_SECONDS) -> None:
        self.requests: Final = Counter("http_requests_total", "Answers by route template", ("method", "path", "status"))
        self.request_seconds: Final = Histogram(
            "http_request_duration_seconds", "Time to the last byte", ("method", "path"), buckets=_SECONDS
        )
        self.prediction_seconds: Final = Histogram(
            "prediction_duration_seconds", "Time to make and record a forecast", buckets=_SECONDS
        )
        self.inference_seconds: Final = Histogram(
            "inference_duration_seconds", "Time to read the state and run the model", buckets=_SECONDS
        )
        self.confidence: Final = Histogram(
            "prediction_confidence", "Probability of the likeliest outcome", ("outcome",), buckets=_SHARES
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
        self.scrapes: Final = LastingCounter(
            "matchcast_scrapes_total",
            "Scrapes by how they ended; one that finds something away is counted each time",
            ("source", "outcome"),
            self._counts,
        )
        self.captures: Final = LastingCounter(
            "matchcast_captures_total", "Answers of sources that were kept", ("source",), self._counts
        )
        self._model: Model | None = None
        counters = (self.predictions, self.timeouts, self.scrapes, self.captures)
        self._lasting = LastingMetrics(figures, self._counts, counters, lambda: self._model, kept_seconds)

    @cached_property
    def registry(self) -> "CollectorRegistry":
        """What this process has measured."""
        measured = (
            self.requests, self.request_seconds, self.prediction_seconds, self.inference_seconds, self.confidence
        )  # fmt: skip
        return _registry(Measured(*measured))

    @cached_property
    def lasting(self) -> "CollectorRegistry":
        """What outlives it; the same in every process of every function."""
        return _registry(self._lasting)

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
        from prometheus_client import generate_latest

        return generate_latest(self.registry) + generate_latest(self.lasting)

    def flush(self) -> None:
        """Bring the counts that outlive the process to the database, or leave them for later if it is away."""
        self._counts.flush()

    def count_into(self, other: "Telemetry") -> None:
        """Let what outlives the process be counted there, for one process that tells of both."""
        self._counts.join(other._counts)

    def close(self) -> None:
        """Flush for the last time, before the process ends."""
        self._counts.close()


def _registry(collector: Measured | LastingMetrics) -> "CollectorRegistry":
    from prometheus_client import CollectorRegistry

    registry = CollectorRegistry()
    registry.register(collector)
    return registry
