"""Podman as these tests use it: build an image, run a container as a cluster would."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple
from uuid import uuid4

import httpx

ROOT: Final = Path(__file__).parents[2]
USER: Final = 10001
"""Numeric user of every image."""

_UNIFIED: Final = Path("/sys/fs/cgroup/unified")
"""Where a machine has old cgroups beside the new ones, podman meets only the old ones if this is out of its sight."""
_RESTRICTED: Final = (
    "--read-only", "--read-only-tmpfs=false", "--cap-drop=ALL", "--security-opt=no-new-privileges",
    "--network=host", "--cgroups=disabled", "--ulimit=nofile=20000:20000", "--ulimit=nproc=20000:20000",
)  # fmt: skip
"""As the manifests' securityContext says; the last four let podman run inside of another sandbox."""


class Mounts(NamedTuple):
    """What a container may write to: empty folders of its own, and folders of this machine by the path they get."""

    empty: Sequence[str] = ()
    folders: Mapping[Path, str] = {}

    def arguments(self) -> list[str]:
        empty = [f"--tmpfs={path}:mode=1777" for path in self.empty]
        return empty + [f"--volume={folder}:{path}" for folder, path in self.folders.items()]


NOTHING: Final = Mounts()


class Ended(NamedTuple):
    """A container that ran to its end."""

    status: int
    out: str
    err: str


@cache
def why_not() -> str | None:
    """Why podman cannot run a container on this machine; None if it can."""
    if shutil.which("podman") is None:
        return "podman is not installed"
    made = subprocess.run(
        [ROOT / "functions/base-image.sh"], capture_output=True, text=True, check=False, env=_build_environment()
    )
    if made.returncode:
        raise AssertionError(f"the base image cannot be made:\n{made.stderr[-3000:]}")
    base = dict(line.split("=", 1) for line in made.stdout.split())["BASE"]
    tried = run(base, "true", user=str(USER))
    return None if tried.status == 0 else f"podman run ended with {tried.status}: {tried.err.strip()[-500:]}"


@cache
def built(function: str) -> str:
    """Build the image of a function, or of `retrain`; its name."""
    name = f"localhost/matchcast-tests/{function.replace('_', '-')}"
    made = subprocess.run(
        [ROOT / "functions/build-image.sh", function, name],
        capture_output=True, text=True, check=False, env=_build_environment(),
    )  # fmt: skip
    if made.returncode:
        raise AssertionError(f"the image of {function} cannot be built:\n{(made.stdout + made.stderr)[-5000:]}")
    return name


def ask(*command: str) -> str:
    """What podman answers to a question about an image."""
    return subprocess.run(["podman", *command], capture_output=True, text=True, check=True).stdout


def run(
    image: str,
    *command: str,
    mounts: Mounts = NOTHING,
    environment: Mapping[str, str] | None = None,
    entrypoint: str | None = None,
    user: str | None = None,
) -> Ended:
    """Run a container to its end."""
    options = [f"--entrypoint={entrypoint}"] if entrypoint else []
    options += [f"--user={user}"] if user else []
    done = subprocess.run(
        _command(image, command, [*options, *mounts.arguments()], environment or {}),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return Ended(done.returncode, done.stdout, done.stderr)


@contextmanager
def serving(
    image: str, *, mounts: Mounts, environment: Mapping[str, str], log: Path, headers: Mapping[str, str]
) -> Iterator[httpx.Client]:
    """A client of a running container that answered /livez; afterwards SIGTERM must end the container."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    name = f"matchcast-{uuid4().hex[:12]}"
    command = _command(image, (), [f"--name={name}", *mounts.arguments()], {**environment, "PORT": str(port)})
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=dict(headers), timeout=200) as client:
            _await_life(client, process, log)
            yield client
        process.send_signal(signal.SIGTERM)
        process.wait(40)
    finally:
        if process.poll() is None:
            subprocess.run(["podman", "rm", "--force", "--time=0", name], capture_output=True, check=False)
            process.kill()
            process.wait()


def _await_life(client: httpx.Client, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            if client.get("/livez").status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert process.poll() is None, f"the container ended with {process.returncode}:\n{log.read_text()[-5000:]}"
        assert time.monotonic() < until, f"the container does not answer:\n{log.read_text()[-5000:]}"
        time.sleep(0.02)


def _command(image: str, command: Sequence[str], options: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    variables = [f"--env={name}={value}" for name, value in environment.items()]
    arguments = ["run", "--rm", *_RESTRICTED, *options, *variables, image, *command]
    if os.geteuid() == 0 and os.path.ismount(_UNIFIED):
        hidden = f'umount {_UNIFIED}; exec podman --cgroup-manager=cgroupfs --runtime=crun "$@"'
        return ["unshare", "-m", "sh", "-c", hidden, "podman", *arguments]
    return ["podman", *arguments]


def _build_environment() -> dict[str, str]:
    return {"BASE": "local", **os.environ}
