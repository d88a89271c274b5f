"""A private Prometheus with the project's configuration and rules."""

import json
import re
import shutil
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from knative.local.services.program import Program, answers, free_ports, inherited
from matchcast.errors import Unavailable

CONFIGURATION: Final = Path(__file__).parents[3] / "monitoring" / "prometheus"
START_SECONDS: Final = 60.0


class Prometheus:
    """A server that scrapes some targets.

    Args:
        every: seconds between two scrapes, and between two evaluations of rules; by default as configured.
    """

    def __init__(self, folder: Path, port: int, targets: Sequence[str], every: int | None = None) -> None:
        self._folder = folder
        self._targets = targets
        self._every = every
        self.url: Final = f"http://127.0.0.1:{port}"
        self.program: Final = Program("Prometheus", folder / "log")
        self._direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def launch(self) -> None:
        """Start it on the configuration as it is now.

        Raises:
            Unavailable: it is not installed.
        """
        program = shutil.which("prometheus")
        if program is None:
            raise Unavailable("Prometheus is missing: `make services` installs it")
        place = self._folder / "conf"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(CONFIGURATION, place)
        config = place / "prometheus.yml"
        if self._every is not None:
            often = rf"\1_\2: {self._every}s"
            config.write_text(re.sub(r"(scrape|evaluation)_(interval|timeout): \S+", often, config.read_text()))
        for file in (place / "targets").iterdir():
            file.unlink()
        (place / "targets" / "here.yaml").write_text(json.dumps([{"targets": list(self._targets)}]))
        self.program.launch(
            [program, f"--config.file={config}", f"--storage.tsdb.path={self._folder / 'data'}",
             f"--web.listen-address={self.url.removeprefix('http://')}", "--log.level=warn"],
            inherited(), self._folder,
        )  # fmt: skip

    def wait(self) -> None:
        """Wait until it answers."""
        self.program.wait_until(lambda: answers(f"{self.url}/-/ready"), START_SECONDS)

    def stop(self) -> None:
        self.program.stop()

    def ask(self, path: str, **query: str) -> Any:
        """What the HTTP API answers."""
        with self._direct.open(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
            return json.load(answer)["data"]

    def values(self, expression: str) -> list[float]:
        """An instant vector, without labels."""
        return [float(sample["value"][1]) for sample in self.ask("query", query=expression)["result"]]

    def firing(self) -> set[tuple[str, str]]:
        """Names of alerts that fire, each with its dependency."""
        alerts = self.ask("alerts")["alerts"]
        return {(a["labels"]["alertname"], a["labels"].get("dependency", "")) for a in alerts if a["state"] == "firing"}

    def wait_until(self, true: Callable[[], bool], seconds: float) -> None:
        """Wait for it, and say what fires if it does not come."""
        deadline = time.monotonic() + seconds
        while not true():
            if time.monotonic() > deadline:
                raise Unavailable(f"it did not come within {seconds:g} s; firing: {self.firing()}")
            time.sleep(0.2)


@contextmanager
def private_prometheus(targets: Sequence[str]) -> Iterator[Prometheus]:
    """A running server that scrapes these targets every other second, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="matchcast-prometheus-"))
    server = Prometheus(folder, free_ports(1)[0], targets, every=2)
    try:
        server.launch()
        server.wait()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
