"""A private MinIO server for one test session: its own folder, its own free ports, gone afterwards."""

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
from typing import Any, Final, NamedTuple
from urllib.error import URLError

import pytest

START_SECONDS: Final = 30.0
REGION: Final = "us-east-1"


class Minio(NamedTuple):
    """A running server and what it lets in."""

    url: str
    user: str
    password: str

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
def private_minio(environment: Mapping[str, str] | None = None, port: int | None = None) -> Iterator[Minio]:
    """A running server without buckets.

    Args:
        environment: further variables of it, such as where notifications go.
        port: one of `free_ports()`, if it must be known before.
    """
    program = _program()
    folder = Path(tempfile.mkdtemp(prefix="matchcast-minio-"))
    port, console = (port or free_ports()[0]), free_ports()[1]
    server = Minio(f"http://127.0.0.1:{port}", "matchcast", "made-up-password")
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [program, "server", str(folder / "data"), "--address", f"127.0.0.1:{port}",
         "--console-address", f"127.0.0.1:{console}", "--config-dir", str(folder / "config"), "--quiet"],
        env=os.environ
        | {"MINIO_ROOT_USER": server.user, "MINIO_ROOT_PASSWORD": server.password, "HOME": str(folder)}
        | dict(environment or {}),
        stdout=log,
        stderr=log,
    )  # fmt: skip
    try:
        _wait_for(f"{server.url}/minio/health/live", process, folder / "log")
        yield server
    finally:
        process.terminate()
        process.wait()
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def _program() -> str:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "matchcast" / "bin"
    found = shutil.which("minio") or shutil.which("minio", path=cache)
    if not found:
        pytest.fail("MinIO's server is missing: `make services` builds it", pytrace=False)
    return found


def free_ports() -> tuple[int, int]:
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
    pytest.fail(f"MinIO did not start: {log.read_text()}", pytrace=False)
