"""kubectl, kn and kustomize as programs."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from matchcast.errors import BadInput, Unavailable

_PORT: Final = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")


def program(name: str) -> str:
    """Where a program is: on PATH, or where knative/install-tools.sh puts it.

    Raises:
        BadInput: nowhere.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "matchcast" / "bin"
    found = shutil.which(name) or shutil.which(name, path=str(cache))
    if found is None:
        remedy = "install it (Debian: kubernetes-client)" if name == "kubectl" else "run knative/install-tools.sh"
        raise BadInput(f"{name} is neither on PATH nor in {cache}; {remedy}")
    return found


def run(name: str, *arguments: str, stdin: str | None = None) -> str:
    """What a program prints.

    Raises:
        BadInput: it is not there.
        Unavailable: it failed; tells what it said.
    """
    done = subprocess.run([program(name), *arguments], input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = done.stderr.strip() or done.stdout.strip()
        raise Unavailable(f"{name} {' '.join(arguments)}: {said}; put that right and deploy again")
    return done.stdout


class Cluster:
    """The cluster of the current context.

    Args:
        wait_seconds: how long things may take to become ready.
    """

    def __init__(self, wait_seconds: int) -> None:
        self._wait = wait_seconds

    def name(self) -> str:
        return run("kubectl", "config", "current-context").strip()

    def check(self, manifests: Sequence[Mapping[str, Any]]) -> None:
        """Have the API server say whether it would take these, without doing anything."""
        run("kubectl", "apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump_all(manifests))

    def apply(self, manifests: Sequence[Mapping[str, Any]]) -> None:
        if manifests:
            run("kubectl", "apply", "-f", "-", stdin=yaml.safe_dump_all(manifests))

    def wait(self, manifests: Sequence[Mapping[str, Any]], condition: str = "Ready") -> None:
        """Until all of these, of one kind, have this condition."""
        if manifests:
            kind = f"{manifests[0]['kind']}.{manifests[0]['apiVersion'].partition('/')[0]}".lower()
            names = [f"{kind}/{manifest['metadata']['name']}" for manifest in manifests]
            namespace = manifests[0]["metadata"]["namespace"]
            limit = f"--timeout={self._wait}s"
            run("kubectl", "wait", f"--for=condition={condition}", limit, "-n", namespace, *names)

    def get(self, kind: str, name: str, namespace: str) -> Mapping[str, Any] | None:
        """An object; None if there is none."""
        text = run("kubectl", "get", kind, name, "-n", namespace, "--ignore-not-found", "-o", "json")
        return json.loads(text) if text.strip() else None

    def apply_service(self, manifest: Mapping[str, Any]) -> None:
        """Make or change a Knative Service, and wait until it is ready."""
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:  # kn reads no standard input
            yaml.safe_dump(manifest, file)
            file.flush()
            name, namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
            self._kn_service("apply", name, namespace, "--filename", file.name)

    def move_traffic(self, name: str, namespace: str, shares: Mapping[str, int], *, untag: str | None = None) -> None:
        """Give revisions (`@latest` is the newest) their percent of a Service's traffic.

        Args:
            untag: a tag that is no more.
        """
        targets = [part for revision, share in shares.items() for part in ("--traffic", f"{revision}={share}")]
        self._kn_service("update", name, namespace, *targets, *(["--untag", untag] if untag else []))

    def _kn_service(self, verb: str, name: str, namespace: str, *options: str) -> None:
        run("kn", "service", verb, name, "-n", namespace, "--wait-timeout", str(self._wait), *options)

    @contextmanager
    def forwarded(self, namespace: str, service: str, port: int) -> Iterator[int]:
        """A port of this machine that leads to a Service's.

        Raises:
            Unavailable: it does not come about.
        """
        command = [program("kubectl"), "port-forward", "-n", namespace, f"service/{service}", f":{port}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                assert process.stderr is not None
                found = _PORT.search(process.stdout.readline())
                if found is None:
                    process.terminate()
                    said = process.stderr.read().strip()
                    raise Unavailable(f"{' '.join(command)}: {said}; put that right and deploy again")
                yield int(found[1])
            finally:
                process.terminate()
