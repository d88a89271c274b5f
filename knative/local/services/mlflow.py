"""A private MLflow server with its own database and port; what runs keep goes to a bucket."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.error import URLError

from matchcast.errors import Unavailable

START_SECONDS: Final = 90.0


@contextmanager
def private_mlflow(folder: Path, artifacts: str, s3: Mapping[str, str]) -> Iterator[str]:
    """The address of a running server.

    Args:
        artifacts: `s3://bucket/prefix`; the server reads and writes there, its clients need no keys.
        s3: how the bucket is reached.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    url = f"http://127.0.0.1:{port}"
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "AWS_"))}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
             "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", artifacts],
            env={**kept, **s3, "MLFLOW_DISABLE_TELEMETRY": "true"}, cwd=folder, stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        _wait_for(f"{url}/health", process, folder / "log")
        yield url
    finally:
        os.killpg(process.pid, 15)
        process.wait()


def _wait_for(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with direct.open(url, timeout=2.0):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise Unavailable(f"MLflow did not start: {log.read_text()[-3000:]}")
