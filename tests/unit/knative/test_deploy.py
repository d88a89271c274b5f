"""A deployment's order, with the real kn and kustomize, and a cluster that records."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from knative.deploy.plan import PHASES, read_images, render
from matchcast.errors import BadInput
from tests.unit.knative.fake_cluster import FakeCluster, fake_cluster
from tests.unit.knative.rendered import BASE, of_kind, rendered

NAMES = sorted(of_kind(rendered(BASE), "Service"))
DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCluster]:
    with fake_cluster(tmp_path) as running:
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
        images(tmp_path, DIGEST)
        yield running


def images(folder: Path, digest: str) -> Path:
    file = folder / "images.txt"
    lines = (f"matchcast/{name}=registry.example.com:5000/matchcast/{name}@{digest}\n" for name in [*NAMES, "retrain"])
    file.write_text("# pushed\n\n" + "".join(lines))
    return file


def deploy(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "knative.deploy", "--overlay", "production", "--pause", "0"]
    return subprocess.run(
        [*command, "--images", str(folder / "images.txt"), *options], capture_output=True, text=True, check=False
    )


def deployed_before(cluster: FakeCluster) -> None:
    """Every Service is there, with other images."""
    for name, service in of_kind(rendered(BASE), "Service").items():
        cluster.put(name, service)
    cluster.history.clear()


def first(log: list[str], pattern: str) -> int:
    return next(index for index, line in enumerate(log) if re.search(pattern, line))


def last(log: list[str], pattern: str) -> int:
    return max(index for index, line in enumerate(log) if re.search(pattern, line))


@pytest.mark.slow
def test_everything_comes_once_in_the_order_in_which_things_need_one_another(
    cluster: FakeCluster, tmp_path: Path
) -> None:
    done = deploy(tmp_path)
    assert done.returncode == 0, done.stderr
    log = cluster.log
    steps = [
        r"apply -f - Namespace/matchcast$",
        r"get secret matchcast ",
        r"apply --dry-run=server",
        r"apply -f - ConfigMap/.*RabbitmqCluster/rabbitmq.*Broker/ingest",
        r"wait --for=condition=AllReplicasReady .*rabbitmqcluster.rabbitmq.com/rabbitmq",
        r"wait --for=condition=Ready .*broker.eventing.knative.dev/inference broker.eventing.knative.dev/ingest",
        r"apply -f - SinkBinding/",
        r"kn create ",
        r"port-forward -n kourier-system service/kourier-internal :80",
        r"GET canary-scrape.matchcast.svc.cluster.local/readyz",
        r"kn patch|kn update",
        r"apply -f - Trigger/.*PingSource/.*HTTPRoute/matchcast",
        r"wait --for=condition=Ready .*trigger.eventing.knative.dev/",
        r"wait --for=condition=Ready .*pingsource.sources.knative.dev/",
    ]
    places = [first(log, step) for step in steps]
    assert places == sorted(places), log
    assert first(log, "port-forward") > last(log, "kn create")
    assert first(log, "kn patch|kn update") > last(log, "^(GET|POST) canary-")
    assert sorted(cluster.services) == NAMES
    for name, service in cluster.services.items():
        container = service["spec"]["template"]["spec"]["containers"][0]
        assert container["image"] == f"registry.example.com:5000/matchcast/{name}@{DIGEST}"

    plan = render("production", read_images(tmp_path / "images.txt"))
    everything = sorted(f"{m['kind']}/{m['metadata']['name']}" for m in plan.manifests)
    applied = [
        name for line in log if line.startswith("kubectl apply -f -") for name in line.split(" -f - ")[1].split()
    ]
    assert sorted([*applied, *(f"Service/{name}" for name in cluster.services)]) == everything
    (checked,) = [line.split(" -f - ")[1].split() for line in log if "--dry-run=server" in line]
    assert sorted(checked) == everything


@pytest.mark.slow
def test_a_second_deployment_moves_traffic_only_after_every_canary_answered(
    cluster: FakeCluster, tmp_path: Path
) -> None:
    deployed_before(cluster)
    done = deploy(tmp_path, "--share", "20")
    assert done.returncode == 0, done.stderr
    for name in NAMES:
        traffic = [
            sorted((t.get("revisionName", "latest"), t.get("percent", 0), t.get("tag")) for t in targets)
            for targets in cluster.history[name]
        ]
        old = f"{name}-00001"
        assert traffic == [
            sorted([(old, 100, None), ("latest", 0, "canary")], key=str),
            sorted([(old, 80, None), ("latest", 20, "canary")], key=str),
            [("latest", 100, None)],
        ]
        assert cluster.services[name]["status"]["traffic"] == [
            {"latestRevision": True, "percent": 100, "revisionName": f"{name}-00002"}
        ]
    looks = [index for index, line in enumerate(cluster.log) if line.startswith("GET canary-")]
    moves = [index for index, line in enumerate(cluster.log) if line.startswith("kn ")]
    # all revisions, a look at each, a share to each, a look at each, the rest to each
    groups = [len([m for m in moves if m < looks[0]]), len([m for m in moves if looks[0] < m < looks[-1]])]
    assert groups == [len(NAMES), len(NAMES)]
    assert len(looks) == 2 * len(NAMES)


@pytest.mark.slow
def test_a_canary_that_is_not_ready_gets_no_traffic_and_stops_the_deployment(
    cluster: FakeCluster, tmp_path: Path
) -> None:
    deployed_before(cluster)
    cluster.sick.add("scrape")
    done = deploy(tmp_path)
    assert done.returncode == 1
    assert "scrape: /readyz answered 503" in done.stderr
    assert "Traceback" not in done.stderr
    for name in NAMES:
        shares = {t["revisionName"]: t.get("percent", 0) for t in cluster.services[name]["status"]["traffic"]}
        assert shares == {f"{name}-00001": 100, f"{name}-00002": 0}
    assert not any("Trigger/" in line for line in cluster.log if "dry-run" not in line)


@pytest.mark.slow
def test_a_canary_that_fails_under_traffic_loses_it_again(cluster: FakeCluster, tmp_path: Path) -> None:
    deployed_before(cluster)
    ingress, asked = cluster.ingress, []

    def failing_later(method: str, path: str, host: str) -> tuple[int, dict[str, str]]:
        asked.append(host)
        return (
            ingress(method, path, host) if asked.count("canary-lookup.matchcast.svc.cluster.local") < 2 else (503, {})
        )

    cluster.ingress = failing_later  # type: ignore[method-assign]
    done = deploy(tmp_path)
    assert done.returncode == 1
    assert "lookup: /readyz answered 503" in done.stderr
    for name in NAMES:
        shares = {t["revisionName"]: t.get("percent", 0) for t in cluster.services[name]["status"]["traffic"]}
        assert shares == {f"{name}-00001": 100, f"{name}-00002": 0}


@pytest.mark.slow
def test_a_first_revision_that_started_before_its_binding_held_gets_a_second_try(
    cluster: FakeCluster, tmp_path: Path
) -> None:
    cluster.unbound = {"scrape", "reload"}
    done = deploy(tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("scrape", "reload"):
        steps = [
            f"kn create {name}$",
            f"wait --for=condition=Ready .* sinkbinding.sources.knative.dev/{name}$",
            f"wait --for=condition=Ready .* service.serving.knative.dev/{name}$",
            f"GET canary-{name}.",
        ]
        places = [first(cluster.log, step) for step in steps]
        assert places == sorted(places), cluster.log
        assert cluster.services[name]["status"]["number"] > 1
    assert not any("sinkbinding" in line and "predict-async" in line for line in cluster.log)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lookup", "scrape"])
def test_a_first_revision_that_fails_for_another_cause_stops_the_deployment(
    cluster: FakeCluster, tmp_path: Path, name: str
) -> None:
    cluster.unbound.add(name)
    cluster.refused["sinkbinding"] = "timed out waiting for the condition"
    done = deploy(tmp_path)
    assert done.returncode == 1
    assert ("timed out waiting" in done.stderr) == (name == "scrape")
    assert "Traceback" not in done.stderr
    assert not any("canary-" in line for line in cluster.log)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (
            "secret",
            "lacks Secret matchcast with cache-url, database-url, hook-token, queues-url, s3-access-key-id, s3-secret-access-key",
        ),
        ("key", "lacks key hook-token of Secret matchcast"),
        ("certificate", "lacks Secret matchcast-tls"),
        ("dry run", "the server could not find the requested resource"),
        ("rabbitmq", "timed out waiting"),
        ("port", "unable to forward"),
    ],
)
def test_what_the_cluster_lacks_stops_the_deployment_before_any_revision_gets_traffic(
    cluster: FakeCluster, tmp_path: Path, what: str, words: str
) -> None:
    match what:
        case "secret":
            del cluster.secrets["matchcast"]
        case "key":
            del cluster.secrets["matchcast"]["hook-token"]
        case "certificate":
            del cluster.secrets["matchcast-tls"]
        case "dry run":
            cluster.refused["dry-run"] = words
        case "rabbitmq":
            cluster.refused["AllReplicasReady"] = words
        case "port":
            cluster.refused["port-forward"] = words
    done = deploy(tmp_path)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    if what != "port":
        assert cluster.services == {}
    assert not any("Trigger/" in line for line in cluster.log if "dry-run" not in line)


@pytest.mark.parametrize(
    ("overlay", "lines", "words"),
    [
        ("staging", "", "there is no staging; choose one of local-cluster, production"),
        ("production", "", "push them and give their digests"),
        ("production", f"matchcast/lookup=registry/lookup@{DIGEST}\n", "images: matchcast/deadletter, matchcast/drift"),
        ("production", "matchcast/lookup=registry/lookup:latest\n", "line 1 of .* is no name=reference@sha256:digest"),
        ("production", None, "cannot be read"),
    ],
)
def test_input_that_is_not_right_is_named(tmp_path: Path, overlay: str, lines: str | None, words: str) -> None:
    file = tmp_path / "images.txt"
    if lines is not None:
        file.write_text(lines)
    with pytest.raises(BadInput, match=words):
        render(overlay, read_images(file))


def test_a_local_cluster_needs_no_digests() -> None:
    plan = render("local-cluster", {})
    assert "dev.local/matchcast/lookup:dev" in plan.text
    assert plan.secret_keys() == {
        "matchcast": {
            "cache-url",
            "database-url",
            "hook-token",
            "queues-url",
            "s3-access-key-id",
            "s3-secret-access-key",
        }
    }


def test_every_kind_has_one_phase() -> None:
    kinds = [kind for phase in PHASES for kind in phase]
    assert len(kinds) == len(set(kinds))
