"""What a process counts and measures, kept in dictionaries: to count costs a microsecond, and Prometheus's client is
imported when the figures are asked for."""

import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

Labels = tuple[str | int, ...]


class Counter:
    """A counter of Prometheus; its name ends in `_total`."""

    def __init__(self, name: str, documentation: str, labels: tuple[str, ...] = ()) -> None:
        self._name = name
        self._documentation = documentation
        self._label_names = labels
        self._lock = Lock()
        self._counts: dict[Labels, int] = {}

    def labels(self, *values: str | int) -> "CounterChild":
        return CounterChild(self, values)

    def add(self, values: Labels) -> None:
        """Count one."""
        with self._lock:
            self._counts[values] = self._counts.get(values, 0) + 1

    def family(self) -> "Metric":
        from prometheus_client.metrics_core import CounterMetricFamily

        family = CounterMetricFamily(self._name, self._documentation, labels=self._label_names)
        for values, count in self._counts.copy().items():
            family.add_metric([str(value) for value in values], count)
        return family


class CounterChild:
    """A counter with its labels' values."""

    __slots__ = ("_counter", "_values")

    def __init__(self, counter: Counter, values: Labels) -> None:
        self._counter = counter
        self._values = values

    def inc(self) -> None:
        self._counter.add(self._values)


class Histogram:
    """A histogram of Prometheus.

    Args:
        buckets: upper ends, ascending; one without an end comes after them.
    """

    def __init__(
        self, name: str, documentation: str, labels: tuple[str, ...] = (), *, buckets: Sequence[float]
    ) -> None:
        self._name = name
        self._documentation = documentation
        self._label_names = labels
        self._ends = tuple(buckets)
        self._lock = Lock()
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}
        if not labels:
            self._counts[()], self._sums[()] = self._none(), 0.0

    def labels(self, *values: str) -> "HistogramChild":
        return HistogramChild(self, values)

    def observe(self, value: float, values: Labels = ()) -> None:
        """Count a value."""
        with self._lock:
            counts = self._counts.get(values)
            if counts is None:
                counts = self._counts[values] = self._none()
            counts[bisect_left(self._ends, value)] += 1
            self._sums[values] = self._sums.get(values, 0.0) + value

    @contextmanager
    def time(self) -> Iterator[None]:
        """Count the seconds that something takes, also if it fails."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.observe(time.perf_counter() - begun)

    def family(self) -> "Metric":
        from prometheus_client.metrics_core import HistogramMetricFamily

        family = HistogramMetricFamily(self._name, self._documentation, labels=self._label_names)
        ends = [*(str(float(end)) for end in self._ends), "+Inf"]
        with self._lock:
            found = [(values, counts.copy(), self._sums[values]) for values, counts in self._counts.items()]
        for values, counts, total in found:
            up_to = [sum(counts[: number + 1]) for number in range(len(counts))]
            family.add_metric([str(value) for value in values], list(zip(ends, up_to, strict=True)), total)
        return family

    def _none(self) -> list[int]:
        return [0] * (len(self._ends) + 1)


class HistogramChild:
    """A histogram with its labels' values."""

    __slots__ = ("_histogram", "_values")

    def __init__(self, histogram: Histogram, values: Labels) -> None:
        self._histogram = histogram
        self._values = values

    def observe(self, value: float) -> None:
        self._histogram.observe(value, self._values)


class Measured:
    """A collector of these."""

    def __init__(self, *metrics: Counter | Histogram) -> None:
        self._metrics: Final = metrics

    def collect(self) -> "Iterator[Metric]":
        for metric in self._metrics:
            yield metric.family()
