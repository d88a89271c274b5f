"""A private MinIO server with its own folder and its own ports."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from knative.local.services.program import Program, answers, free_ports, inherited
from matchcast.errors import Unavailable

START_SECONDS: Final = 30.0
REGION: Final = "us-east-1"


class Minio:
    """A server that can be killed and started again on the same ports and data.

    Attributes:
        url: where clients connect, also before it starts.
        console: where people look at it.
    """

    def __init__(self, folder: Path, port: int, console_port: int, password: str = "made-up-password") -> None:
        self._folder = folder
        self.url: Final = f"http://127.0.0.1:{port}"
        self.console: Final = f"http://127.0.0.1:{console_port}"
        self.user: Final = "matchcast"
        self.password: Final = password
        self.program: Final = Program("MinIO", folder / "log")

    def launch(self, environment: Mapping[str, str] | None = None) -> None:
        """Start it.

        Args:
            environment: further variables of it, such as where notifications go.
        Raises:
            Unavailable: it is not installed.
        """
        addresses = [url.removeprefix("http://") for url in (self.url, self.console)]
        self.program.launch(
            [_program(), "server", self._folder / "data", "--address", addresses[0], "--console-address", addresses[1],
             "--config-dir", self._folder / "config", "--quiet"],
            inherited("MINIO_")
            | {"MINIO_ROOT_USER": self.user, "MINIO_ROOT_PASSWORD": self.password, "HOME": str(self._folder)}
            | dict(environment or {}),
            self._folder,
        )  # fmt: skip

    def wait(self) -> None:
        """Wait until it answers."""
        self.program.wait_until(lambda: answers(f"{self.url}/minio/health/cluster"), START_SECONDS)

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        self.launch(environment)
        self.wait()

    def stop(self) -> None:
        self.program.stop()

    def kill(self) -> None:
        """Stop it at once (SIGKILL)."""
        self.program.kill()

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
    """A server without buckets, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="matchcast-minio-"))
    port, console_port = free_ports(2)
    server = Minio(folder, port, console_port)
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
