"""What /metrics of the front shows: the metrics of all functions, told apart by a label `function`."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import httpx
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from knative.local.processes import FunctionProcess
from matchcast.telemetry import Telemetry

OWN: Final = "local"
SECONDS: Final = 5.0
"""For a function's process to answer; it may wait for the database before."""
_AT_ONCE: Final = 8


class LocalMetrics:
    """The runtime's own metrics, and those of functions in this process and in others.

    What outlives the processes comes from the runtime, which is always there; functions in its process count there and
    do not ask for it once more, and a function that is scaled to zero is not woken.

    Args:
        own: the runtime's, with what outlives the processes.
        embedded: of functions in this process.
    """

    def __init__(
        self, own: Telemetry, embedded: Mapping[str, Telemetry], processes: Mapping[str, FunctionProcess]
    ) -> None:
        self._own = own
        self._embedded = embedded
        self._processes = processes
        for telemetry in embedded.values():
            telemetry.count_into(own)

    def exposition(self) -> bytes:
        """All metrics in Prometheus's text format."""
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for function, found in self._found():
            for one in found:
                family = families.setdefault(one.name, Metric(one.name, one.documentation, one.type))
                family.samples += [s._replace(labels={**s.labels, "function": function}) for s in one.samples]
        return families.values()

    def _found(self) -> Iterable[tuple[str, Iterable[Metric]]]:
        for function, telemetry in self._embedded.items():
            yield function, telemetry.registry.collect()
        ready = {name: process.url for name, process in self._processes.items()}
        asked = {name: url for name, url in ready.items() if url is not None}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            yield from zip(asked, pool.map(_told_at, asked.values()), strict=True)
        yield OWN, self._own.registry.collect()
        yield OWN, self._own.lasting.collect()


def _told_at(url: str) -> list[Metric]:
    """Nothing where the process has just ended, or is too busy to tell."""
    try:
        answer = httpx.get(f"{url}/metrics", timeout=SECONDS, trust_env=False)
        return list(text_string_to_metric_families(answer.text)) if answer.is_success else []
    except httpx.HTTPError:
        return []
