"""A private MinIO server with its own folder, its own free ports, gone afterwards."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError

from matchcast.errors import Unavailable

START_SECONDS: Final = 30.0
REGION: Final = "us-east-1"


class Minio:
    """A server that can be killed and started again on the same ports and data.

    Attributes:
        url: where clients connect, also before it starts.
    """

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._addresses = [f"127.0.0.1:{port}" for port in _free_ports()]
        self.url: Final = f"http://{self._addresses[0]}"
        self.user: Final = "matchcast"
        self.password: Final = "made-up-password"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        """Start it.

        Args:
            environment: further variables of it, such as where notifications go.
        """
        address, console = self._addresses
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "server", str(self._folder / "data"), "--address", address,
                 "--console-address", console, "--config-dir", str(self._folder / "config"), "--quiet"],
                env=os.environ
                | {"MINIO_ROOT_USER": self.user, "MINIO_ROOT_PASSWORD": self.password, "HOME": str(self._folder)}
                | dict(environment or {}),
                stdout=log,
                stderr=log,
            )  # fmt: skip
        _wait_for(f"{self.url}/minio/health/live", self._process, self._folder / "log")

    def kill(self) -> None:
        """Stop it at once (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def environment(self) -> dict[str, str]:
        """What any S3 client of a child process reads."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.user,
            "AWS_SECRET_ACCESS_KEY": self.password,
            "AWS_DEFAULT_REGION": REGION,
        }

    def client(self) -> Any:
        """For S3."""
        import botocore.session  # type: ignore[import-untyped]

        return botocore.session.get_session().create_client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=self.user,
            aws_secret_access_key=self.password,
            region_name=REGION,
        )


@contextmanager
def private_minio(*, started: bool = True) -> Iterator[Minio]:
    """A server without buckets."""
    folder = Path(tempfile.mkdtemp(prefix="matchcast-minio-"))
    server = Minio(_program(), folder)
    try:
        if started:
            server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


def webhook(url: str, token: str, queue: Path, name: str = "RELOAD") -> dict[str, str]:
    """The variables of a server that posts notifications; what cannot be delivered waits in the folder `queue`."""
    return {
        f"MINIO_NOTIFY_WEBHOOK_ENABLE_{name}": "on",
        f"MINIO_NOTIFY_WEBHOOK_ENDPOINT_{name}": url,
        f"MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_{name}": token,
        f"MINIO_NOTIFY_WEBHOOK_QUEUE_DIR_{name}": str(queue),
    }


def _program() -> str:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "matchcast" / "bin"
    found = shutil.which("minio") or shutil.which("minio", path=cache)
    if not found:
        raise Unavailable("MinIO's server is missing: `make services` builds it")
    return found


def _free_ports() -> tuple[int, int]:
    """Two that nobody listens on."""
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return int(first.getsockname()[1]), int(second.getsockname()[1])


def _wait_for(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with direct.open(url, timeout=1.0):
                return
        except (URLError, OSError):
            time.sleep(0.05)
    raise Unavailable(f"MinIO did not start: {log.read_text()}")
