"""Just enough of a cluster to watch a deployment: an API server for the real kn, a kubectl that only records, and
Knative's ingress. Everything that reaches any of them is noted in one list, in order."""

import copy
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import yaml

SERVICES: Final = "/apis/serving.knative.dev/v1/namespaces/matchcast/services"
REVISIONS: Final = SERVICES.replace("services", "revisions")
KEYS: Final = ("cache-url", "database-url", "hook-token", "queues-url", "s3-access-key-id", "s3-secret-access-key")
SECRETS: Final = {"matchcast": dict.fromkeys(KEYS, ""), "matchcast-tls": {"tls.crt": "", "tls.key": ""}}

WATCH_SECONDS: Final = 3.0
"""kn gives up what has failed for 2."""

_KUBECTL: Final = """#!{python}
import json, signal, sys, urllib.request
stdin = sys.stdin.read() if "-" in sys.argv else ""
body = json.dumps({{"argv": sys.argv[1:], "stdin": stdin}}).encode()
answer = json.load(urllib.request.urlopen(urllib.request.Request("{url}/kubectl", body)))
sys.stdout.write(answer["out"])
sys.stdout.flush()
sys.stderr.write(answer["err"])
if "port-forward" in sys.argv and not answer["code"]:
    signal.pause()
sys.exit(answer["code"])
"""


@dataclass
class FakeCluster:
    """What there is, what happened, and what shall go wrong.

    Attributes:
        log: in order, `kubectl …` with the objects it was given, `kn …` by request, and requests through the ingress.
        sick: Services whose new revision answers 503.
        unbound: Services that fail until their SinkBinding is waited for, which makes another revision with K_SINK.
        refused: kubectl commands that fail, by a part of them.
    """

    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    secrets: dict[str, dict[str, str]] = field(default_factory=lambda: {name: dict(k) for name, k in SECRETS.items()})
    log: list[str] = field(default_factory=list)
    history: dict[str, list[list[dict[str, Any]]]] = field(default_factory=dict)
    sick: set[str] = field(default_factory=set)
    unbound: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    port: int = 0

    def kubectl(self, argv: list[str], stdin: str) -> dict[str, Any]:
        objects = [f"{m['kind']}/{m['metadata']['name']}" for m in yaml.safe_load_all(stdin)] if stdin else []
        self.log.append(" ".join(["kubectl", *argv, *objects]))
        for part, error in self.refused.items():
            if part in self.log[-1]:
                return {"out": "", "err": error, "code": 1}
        out = ""
        if argv[0] == "config":
            out = "a-test\n"
        elif argv[:2] == ["get", "secret"] and argv[2] in self.secrets:
            out = json.dumps({"data": self.secrets[argv[2]]})
        elif argv[:2] == ["get", "services.serving.knative.dev"] and argv[2] in self.services:
            out = json.dumps(self.services[argv[2]])
        elif argv[0] == "wait" and argv[-1].startswith("sinkbinding."):
            self._bind(argv[-1].partition("/")[2])
        elif argv[0] == "port-forward":
            out = f"Forwarding from 127.0.0.1:{self.port} -> 80\n"
        return {"out": out, "err": "", "code": 0}

    def put(self, name: str, service: dict[str, Any]) -> dict[str, Any]:
        """Store a Service and be Knative: another template is another revision, and all are ready at once."""
        before = self.services.get(name, {"spec": {}, "metadata": {"generation": 0}, "status": {}})
        generation = before["metadata"]["generation"] + (before["spec"] != service["spec"])
        changed = significant(before["spec"].get("template")) != significant(service["spec"]["template"])
        number = before["status"].get("number", 0) + changed
        latest = f"{name}-{number:05d}"
        traffic = service["spec"].setdefault("traffic", [{"latestRevision": True, "percent": 100}])
        for target in traffic:  # as Knative's webhook fills in
            target.setdefault("latestRevision", "revisionName" not in target)
        service["metadata"] |= {
            "generation": generation,
            "namespace": "matchcast",
            "resourceVersion": str(len(self.log)),
        }
        service["status"] = {
            "number": number,
            "observedGeneration": generation,
            "latestReadyRevisionName": latest,
            "latestCreatedRevisionName": latest,
            "url": f"http://{name}.matchcast.svc.cluster.local",
            "conditions": [{"type": "Ready", "status": "False" if name in self.unbound else "True"}],
            "traffic": [{**target, "revisionName": target.get("revisionName", latest)} for target in traffic],
        }
        self.services[name] = service
        self.history.setdefault(name, []).append(traffic)
        return service

    def _bind(self, name: str) -> None:
        self.unbound.discard(name)
        service = copy.deepcopy(self.services[name])
        sink = {"name": "K_SINK", "value": "http://a-broker"}
        service["spec"]["template"]["spec"]["containers"][0].setdefault("env", []).append(sink)
        self.put(name, service)

    def revisions(self, name: str) -> dict[str, Any]:
        labels = {"serving.knative.dev/service": name}
        numbers = range(1, self.services[name]["status"]["number"] + 1)
        made = [{"metadata": {"name": f"{name}-{number:05d}", "labels": labels}} for number in numbers]
        return {"apiVersion": "serving.knative.dev/v1", "kind": "RevisionList", "items": made}

    def ingress(self, method: str, path: str, host: str) -> tuple[int, dict[str, str]]:
        self.log.append(f"{method} {host}{path}")
        service = host.removesuffix(".matchcast.svc.cluster.local").removeprefix("canary-")
        if service in self.sick:
            return 503, {}
        return 200, {"ce-type": "org.matchcast.event.rejected"} if method == "POST" else {}


@contextmanager
def fake_cluster(folder: Path) -> Iterator[FakeCluster]:
    """Running; `folder` gets a kubeconfig and `bin/kubectl`."""
    cluster = FakeCluster()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            if not path.startswith("/apis/"):
                self._ingress()
            elif path == SERVICES:
                name = query.partition("metadata.name%3D")[2].partition("&")[0]
                self._watched(name)
            elif path == REVISIONS:
                self._answer(200, cluster.revisions(query.partition("%2Fservice%3D")[2].partition("&")[0]))
            elif (name := path.removeprefix(SERVICES + "/")) in cluster.services:
                self._answer(200, cluster.services[name])
            else:
                missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
                self._answer(404, {**missing, "message": f"{path} not found", "details": {"name": name}})

        def do_POST(self) -> None:
            body = self._body()
            if self.path == "/kubectl":
                self._answer(200, cluster.kubectl(**body))
            elif self.path.partition("?")[0] == SERVICES:
                cluster.log.append(f"kn create {body['metadata']['name']}")
                self._answer(201, cluster.put(body["metadata"]["name"], body))
            else:
                self._ingress()

        def do_PATCH(self) -> None:
            name = self._name()
            cluster.log.append(f"kn patch {name}")
            assert self.headers["Content-Type"] == "application/merge-patch+json"
            self._answer(200, cluster.put(name, merged(cluster.services[name], self._body())))

        def do_PUT(self) -> None:
            name = self._name()
            cluster.log.append(f"kn update {name}")
            self._answer(200, cluster.put(name, self._body()))

        def _watched(self, name: str) -> None:
            """A watch on what has failed stays open for longer than kn bears it."""
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps({"type": "MODIFIED", "object": cluster.services[name]}).encode() + b"\n")
            self.wfile.flush()
            if name in cluster.unbound:
                time.sleep(WATCH_SECONDS)

        def _name(self) -> str:
            return self.path.partition("?")[0].removeprefix(SERVICES + "/")

        def _ingress(self) -> None:
            status, headers = cluster.ingress(self.command, self.path, self.headers["Host"])
            self._answer(status, {}, headers)

        def _body(self) -> dict[str, Any]:
            read = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert isinstance(read, dict)
            return read

        def _answer(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            for key, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    cluster.port = server.server_address[1]
    url = f"http://127.0.0.1:{cluster.port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        (folder / "bin").mkdir()
        (folder / "bin" / "kubectl").write_text(_KUBECTL.format(python=sys.executable, url=url))
        (folder / "bin" / "kubectl").chmod(0o755)
        context = {"name": "a-test", "context": {"cluster": "a-test", "user": "nobody", "namespace": "matchcast"}}
        (folder / "kubeconfig").write_text(
            yaml.safe_dump({
                "apiVersion": "v1", "kind": "Config", "current-context": "a-test", "contexts": [context],
                "clusters": [{"name": "a-test", "cluster": {"server": url}}], "users": [{"name": "nobody", "user": {}}],
            })
        )  # fmt: skip
        yield cluster
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def significant(template: Any) -> Any:
    """Without what an API server does not tell from its absence: null, nothing, and the port 0 of a probe."""
    if not isinstance(template, dict):
        return [significant(part) for part in template] if isinstance(template, list) else template
    parts = {key: significant(part) for key, part in template.items()}
    return {key: part for key, part in parts.items() if part not in (None, {}, "") and (key, part) != ("port", 0)}


def merged(old: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    result = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result
