"""Metrics and log lines of a function."""

import json
import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SHARES: Final = (0.34, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8, 0.9, 1)
_OWN_FIELDS: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "color_message"}


class Telemetry:
    """The metrics of one function, on a registry of its own."""

    def __init__(self) -> None:
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
        self.predictions: Final = Counter(
            "prediction_requests_total",
            "Forecasts shown: sync and async made one, lookup showed the batch's",
            ("source",),
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
        self._model = Gauge(
            "model_info", "The model in use", ("model_name", "version", "stage"), registry=self.registry
        )
        self._registered_at = Gauge(
            "model_registered_at_seconds",
            "When the registry got the model in use, seconds since 1970",
            registry=self.registry,
        )
        self._version: str | None = None

    def show_model(self, version: str, registered_at: str) -> None:
        """Say which champion is in use.

        Args:
            registered_at: ISO 8601.
        """
        if version == self._version:
            return
        self._model.clear()
        self._model.labels("matchcast", version, "champion").set(1)
        self._registered_at.set(datetime.fromisoformat(registered_at).timestamp())
        self._version = version

    def exposition(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self.registry)


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


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the record's extra fields, the stack of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in record.__dict__.items() if name not in _OWN_FIELDS}
        if record.exc_info:
            line["stack"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def log_as_json(level: str) -> None:
    """Send the log to standard error as JSON lines, from this level on; again is the same as once."""
    root = logging.getLogger()
    root.setLevel(level)
    logging.getLogger("httpx").setLevel(max(root.level, logging.WARNING))  # a line for every event published
    if not any(isinstance(handler.formatter, JsonLines) for handler in root.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(JsonLines())
        root.addHandler(handler)
