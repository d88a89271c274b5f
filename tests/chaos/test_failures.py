"""A service is taken away while everything is asked for: what answers meanwhile, what is said, and what comes back."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from redis import Redis

from tests.chaos.stage import Stage, counted, staged, statuses
from tests.chaos.system import until
from tests.entrypoints.fleet import ROOT, Server
from tests.entrypoints.served import PAIRING, assert_problem

pytestmark = pytest.mark.slow

FORECASTS = ("new", "known", "current", "list")
STORED = ("matches", "history", "accuracy", "task")
ACCEPTED = ("later", "scrape")
GOOD = {200, 202}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


def matchcast(stage: Stage, *arguments: str, folder: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    """Run a command in the stage's environment."""
    return subprocess.run(
        [sys.executable, "-m", "commands", *arguments], cwd=folder, env={**stage.house.environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def assert_ledger_is_whole(stage: Stage) -> None:
    done = matchcast(stage, "ledger", "verify")
    assert done.returncode == 0, done.stdout + done.stderr


def p99(seconds: Sequence[float]) -> float:
    return sorted(seconds)[int(0.99 * (len(seconds) - 1))]


def test_without_rabbitmq_nothing_is_accepted_and_everything_else_answers(stage: Stage) -> None:
    accepted = set()
    with stage.load() as load:
        stage.rabbit.kill()
        until(lambda: load.answers["later"][-1].status == 503 and load.answers["scrape"][-1].status == 503, 60)
        meanwhile = load.during(1.0)
        assert statuses(meanwhile, *ACCEPTED) == {503}, counted(meanwhile)
        assert statuses(meanwhile, *FORECASTS, *STORED) == {200}, counted(meanwhile)
        assert "POST /predict/ forecasts at once" in meanwhile["later"][0].body["meanwhile"]
        assert "forecasts stand" in meanwhile["scrape"][0].body["meanwhile"]
        stage.rabbit.start()
        until(lambda: load.answers["later"][-1].status == 202 and load.answers["scrape"][-1].status == 202, 60)
        assert statuses(load.during()) == GOOD
    assert statuses(load.answers, *ACCEPTED) == {202, 503}
    for kind in ACCEPTED:
        accepted |= {answer.body["task_id"] for answer in load.answers[kind] if answer.status == 202}
    until(lambda: set(stage.system.states()) <= {"success", "failure"}, 90, lambda: str(stage.system.states()))
    told = {task_id for (task_id,) in stage.system.rows("SELECT task_id FROM tasks")}
    assert accepted <= told, "an accepted task is gone"
    begun = {task_id for (task_id,) in stage.system.rows("SELECT task_id FROM tasks WHERE state = 'pending'")}
    assert begun == set(), "a refused request left a task"


def test_without_redis_nothing_changes_but_what_readiness_says(stage: Stage) -> None:
    with stage.load() as load:
        stage.redis.kill()
        assert "answers are slower" in stage.until_behind("predict-sync", "cache")["cache"]
        assert statuses(load.during(1.0)) == GOOD
        limited = stage.system.client.post("/predict/", json=PAIRING)
        assert "r=" in limited.headers["ratelimit"]
        stage.redis.start()
        stage.until_behind("predict-sync")
        assert statuses(load.during()) == GOOD
        with Redis.from_url(stage.redis.url) as redis:
            assert redis.keys("matchcast:bucket:*"), "limits are not shared again"
    assert statuses(load.answers) == GOOD, counted(load.answers)


def test_without_the_object_store_warm_instances_go_on_and_cold_ones_use_their_copies(stage: Stage) -> None:
    with stage.load() as load:
        stage.minio.kill()
        assert "cannot be used" in stage.until_behind("predict-sync", "objects")["objects"]
        assert statuses(load.during(1.0)) == GOOD
        for function in ("predict_sync", "lookup"):
            assert stage.system.kill(function) == 1
        assert statuses(load.during(1.0, 10), *FORECASTS, *STORED) == {200}
        with stage.cold("predict_sync") as alone:
            ready = until_missing(alone)
            assert {error["field"] for error in ready["errors"]} == {"model", "snapshot"}
            assert "cannot be used" in ready["detail"]
            answer = httpx.post(f"{alone.url}/predict/", json=PAIRING, headers={"X-API-Key": stage.key}, timeout=60)
            body = assert_problem(answer, 503, None, "cannot be used")
            assert "GET /predict/{match_id}" in body["meanwhile"]
            for path in ("/livez", "/metrics", "/openapi.json", "/docs"):
                assert httpx.get(f"{alone.url}{path}", timeout=60).status_code == 200
            stage.minio.start()
            until(lambda: httpx.get(f"{alone.url}/readyz", timeout=60).status_code == 200, 60)
        pointer = stage.house.promote(2)
        until(lambda: load.answers["new"][-1].body["model_version"] == pointer.version, 60)
        stage.until_behind("predict-sync")
        assert statuses(load.during()) == GOOD
    assert statuses(load.answers, *FORECASTS, *STORED) == {200}, counted(load.answers)
    stage.house.promote(1)


def test_without_the_database_forecasts_go_on_and_the_ledger_is_said_to_be_behind(
    stage: Stage, record_testsuite_property: Callable[[str, object], None]
) -> None:
    with stage.load() as load:
        before = load.during(1.0)
        stage.postgres.kill()
        until(lambda: load.answers["new"][-1].body["ledger"] == "behind", 60)
        until(lambda: all(load.answers[kind][-1].status == 503 for kind in (*STORED, *ACCEPTED)), 60)
        meanwhile = load.during(7.0)  # keys are read anew every five seconds
        assert statuses(meanwhile, *FORECASTS) == {200}, counted(meanwhile)
        assert statuses(meanwhile, *STORED, *ACCEPTED) == {503}, counted(meanwhile)
        assert {(a.body["ledger"], a.body["forecast_id"]) for a in meanwhile["new"]} == {("behind", None)}
        for kind in STORED:
            assert "show the current forecasts" in meanwhile[kind][0].body["meanwhile"]
        assert "database" in stage.until_behind("lookup", "database")["database"]
        keyed = stage.system.client.post("/predict/", json=PAIRING, headers={"Idempotency-Key": "once"})
        assert_problem(keyed, 503, None, "without Idempotency-Key the request may still be answered")
        with stage.cold("predict_sync") as cold:
            until(lambda: httpx.get(f"{cold.url}/readyz", timeout=60).status_code == 200, 60)
            answer = httpx.post(f"{cold.url}/predict/", json=PAIRING, headers={"X-API-Key": stage.key}, timeout=60)
            assert_problem(answer, 503, None, "instances that have read the keys before go on")
        stage.postgres.start()
        until(lambda: load.answers["new"][-1].body["ledger"] == "written", 60)
        until(lambda: all(load.answers[kind][-1].status in GOOD for kind in (*STORED, *ACCEPTED)), 60)
        stage.until_behind("lookup")
        assert statuses(load.during()) == GOOD
    assert statuses(load.answers, *FORECASTS) == {200}, counted(load.answers)
    assert statuses(load.answers) <= {*GOOD, 503}, counted(load.answers)
    for name, told in (("with", before), ("without", meanwhile)):
        seconds = p99([answer.took for kind in FORECASTS for answer in told[kind]])
        record_testsuite_property(f"p99 of forecasts {name} the database, s", round(seconds, 3))
    assert_ledger_is_whole(stage)


def test_a_database_that_hangs_holds_up_no_forecast_for_long(stage: Stage) -> None:
    with stage.load() as load:
        stage.postgres.freeze()
        try:
            until(lambda: load.answers["new"][-1].body["ledger"] == "behind", 60)
            until(lambda: load.answers["matches"][-1].status == 503, 60)
            meanwhile = load.during(3.0)
        finally:
            stage.postgres.thaw()
        assert statuses(meanwhile, *FORECASTS) == {200}, counted(meanwhile)
        until(lambda: load.answers["new"][-1].body["ledger"] == "written", 60)
        until(lambda: all(answers[-1].status in GOOD for answers in load.answers.values()), 60)
    assert statuses(load.answers, *FORECASTS) == {200}, counted(load.answers)
    assert_ledger_is_whole(stage)


def test_without_mlflow_everything_is_served_and_commands_of_the_registry_say_so(stage: Stage, tmp_path: Path) -> None:
    assert stage.house.environment["MLFLOW_TRACKING_URI"].endswith(":9"), "nobody listens there"
    with stage.load() as load:
        assert statuses(load.during()) == GOOD
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    for command in (("promote", "1"), ("models",)):
        done = matchcast(stage, *command, folder=tmp_path)
        assert done.returncode != 0
        assert "MLflow" in done.stderr
        assert "start it, or set MLFLOW_TRACKING_URI" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_start_where_nothing_answers_is_alive_at_once_and_says_what_is_missing(stage: Stage) -> None:
    nothing = {
        "MATCHCAST_DATABASE_URL": "postgresql://app@127.0.0.1:9/none",
        "MATCHCAST_CACHE_URL": "redis://127.0.0.1:9/0",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "MATCHCAST_INGEST_BROKER_URL": "http://127.0.0.1:9",
        "MATCHCAST_INFERENCE_BROKER_URL": "http://127.0.0.1:9",
        "MATCHCAST_HOOK_TOKEN": "a-made-up-word-of-length",
    }
    for function in ("predict_sync", "lookup"):
        with stage.cold(function, **nothing) as server:
            for path in ("/livez", "/metrics", "/openapi.json", "/docs"):
                assert httpx.get(f"{server.url}{path}", timeout=60).status_code == 200, path
            ready = until_missing(server)
            assert "snapshot" in {error["field"] for error in ready["errors"]}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        nobody = {
            "MATCHCAST_DATABASE_URL": f"postgresql://app@{place}/none",
            "MATCHCAST_CACHE_URL": f"redis://{place}/0",
            "AWS_ENDPOINT_URL": f"http://{place}",
        }
        with stage.cold("predict_sync", **nobody) as server:
            for path in ("/livez", "/metrics", "/openapi.json", "/docs"):
                assert httpx.get(f"{server.url}{path}", timeout=60).status_code == 200, path
            assert_problem(httpx.get(f"{server.url}/readyz", timeout=60), 503, "model")
    for function in ("predict_async", "scrape", "drift", "deadletter", "reload"):
        with stage.cold(function, **nothing) as server:

            def behind(url: str = server.url) -> bool:
                told = httpx.get(f"{url}/readyz", timeout=60).json()
                return {"database", "objects", "cache"} - set(told["behind"]) <= {"cache"}

            until(behind, 60)


def until_missing(server: Server) -> dict[str, Any]:
    """What /readyz says once it has looked for everything and not found it."""

    def told() -> dict[str, Any] | None:
        answer = httpx.get(f"{server.url}/readyz", timeout=60)
        looked = answer.status_code == 503 and "is being looked for" not in answer.text
        return answer.json() if looked else None

    return until(told, 60)
