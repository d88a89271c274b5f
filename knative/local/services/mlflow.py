"""A private MLflow server with its own port; what runs keep goes to a bucket."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from knative.local.services.program import Program, answers, free_ports, inherited

START_SECONDS: Final = 120.0


class Mlflow:
    """A server.

    Args:
        artifacts: `s3://bucket/prefix`; the server reads and writes there, its clients need no keys.
        s3: how the bucket is reached.
        backend: URL of its database; by default a file in its folder.

    Attributes:
        url: where clients connect.
    """

    def __init__(
        self, folder: Path, port: int, artifacts: str, s3: Mapping[str, str], backend: str | None = None
    ) -> None:
        self._folder = folder
        self._port = port
        self._environment = {
            "MLFLOW_BACKEND_STORE_URI": backend or f"sqlite:///{folder}/mlflow.db",  # it may hold a password
            "MLFLOW_ARTIFACTS_DESTINATION": artifacts,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            **s3,
        }
        self.url: Final = f"http://127.0.0.1:{port}"
        self.program: Final = Program("MLflow", folder / "log")

    def launch(self) -> None:
        """Start it."""
        self.program.launch(
            [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self._port), "--workers", "1"],
            inherited("MLFLOW_", "AWS_") | self._environment,
            self._folder,
        )  # fmt: skip

    def wait(self) -> None:
        """Wait until it answers."""
        self.program.wait_until(lambda: answers(f"{self.url}/health"), START_SECONDS)

    def stop(self) -> None:
        self.program.stop()


@contextmanager
def private_mlflow(folder: Path, artifacts: str, s3: Mapping[str, str]) -> Iterator[str]:
    """The address of a running server with a database in the folder; see `Mlflow`."""
    server = Mlflow(folder, free_ports(1)[0], artifacts, s3)
    server.launch()
    try:
        server.wait()
        yield server.url
    finally:
        server.stop()
