"""A private Prometheus with the project's configuration and rules."""

import json
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from matchcast.errors import Unavailable

CONFIGURATION: Final = Path(__file__).parents[3] / "monitoring" / "prometheus"
START_SECONDS: Final = 60.0


class Prometheus:
    """A running server."""

    def __init__(self, url: str) -> None:
        self.url: Final = url
        self._direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

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
    """A server that scrapes these targets; configuration and rules are the project's, but everything every other second."""
    program = shutil.which("prometheus")
    if program is None:
        raise Unavailable("Prometheus is missing: `make services` installs it")
    folder = Path(tempfile.mkdtemp(prefix="matchcast-prometheus-"))
    shutil.copytree(CONFIGURATION, folder / "conf")
    config = folder / "conf" / "prometheus.yml"
    config.write_text(re.sub(r"(scrape|evaluation)_(interval|timeout): \S+", r"\1_\2: 2s", config.read_text()))
    for file in (folder / "conf" / "targets").iterdir():
        file.unlink()
    (folder / "conf" / "targets" / "test.yaml").write_text(json.dumps([{"targets": list(targets)}]))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
         f"--web.listen-address={address}", "--log.level=warn"],
        stdout=log,
        stderr=log,
    )  # fmt: skip
    server = Prometheus(f"http://{address}")
    try:
        _wait(server, process, folder / "log")
        yield server
    finally:
        process.terminate()
        process.wait()
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server: Prometheus, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            server.ask("query", query="up")
            return
        except OSError:
            time.sleep(0.05)
    raise Unavailable(f"Prometheus did not start: {log.read_text()}")
