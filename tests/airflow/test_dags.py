"""Every DAG, loaded by real Airflow."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.airflow.installed import DAGS, PROGRAMS, ROOT, Airflow
from tests.entrypoints.served import served
from tests.entrypoints.shelf import Shelf

pytestmark = pytest.mark.slow

SCHEDULES = {
    "etl_livescores_01": ("0 * * * *", "CronTriggerTimetable"),
    "etl_livescores_02": ("30 4 * * *", "CronTriggerTimetable"),
    "etl_livescores_03": ("0 0 1 * *", "CronDataIntervalTimetable"),
    "etl_livescores_04": (None, "NullTimetable"),
    "etl_export_01": ("30 5 * * *", "CronTriggerTimetable"),
    "drift": ("0 6 * * *", "CronTriggerTimetable"),
    "retraining": ("0 7 * * 1", "CronTriggerTimetable"),
}


@pytest.fixture(scope="module")
def parsed(migrated: Airflow) -> Any:
    return migrated.parsed()


def test_every_file_is_one_dag_and_does_nothing_while_it_is_parsed(parsed: Any) -> None:
    assert parsed["errors"] == {}
    assert {name: dag["file"] for name, dag in parsed["dags"].items()} == {name: f"{name}.py" for name in SCHEDULES}
    heavy = {"airflow.providers.http.hooks.http", "requests", "pandas", "matchcast"}
    assert heavy.isdisjoint(parsed["imported"])


def test_what_a_file_does_while_it_is_parsed_is_found(migrated: Airflow, tmp_path: Path) -> None:
    """The guard of the test above sees a Variable, a Connection and the network."""
    work = {
        "variable": "from airflow.sdk import Variable; Variable.get('x')",
        "connection": "from airflow.sdk import Connection; Connection.get('x')",
        "network": "import socket; socket.create_connection(('127.0.0.1', 9))",
    }
    for name, line in work.items():
        (tmp_path / f"{name}.py").write_text(f"from airflow.sdk import DAG\n{line}\nDAG('{name}')\n")
    found = migrated.parsed(tmp_path)
    assert {Path(file).stem for file in found["errors"]} == set(work)
    assert found["dags"] == {}


def test_schedules(parsed: Any) -> None:
    found = {name: (dag["schedule"], dag["interval"]) for name, dag in parsed["dags"].items()}
    assert found == SCHEDULES
    assert not any(dag["catchup"] for dag in parsed["dags"].values())


def test_every_task_is_tried_four_times_five_minutes_apart_and_tells_when_it_failed(parsed: Any) -> None:
    for dag in parsed["dags"].values():
        for name, task in dag["tasks"].items():
            # a training takes hours
            assert (task["retries"], task["on_failure"]) == (1 if name == "train" else 3, ["tell_failure"])
            assert task["retry_seconds"] == 300


def test_a_training_that_is_tried_again_has_the_export_of_the_try_before(parsed: Any) -> None:
    assert parsed["dags"]["retraining"]["tasks"]["export"]["downstream"] == ["train"]


def test_what_is_told_of_a_failure(migrated: Airflow) -> None:
    """What a function told comes first; a worker that was killed leaves no exception, or text in its place."""
    told = migrated.told(
        "None",
        "'SIGKILL'",
        "KeyError('x')",
        "Away('asked: away')",
        "Away('503', {'title': 'T', 'status': 503, 'detail': 'football-data does not answer', 'instance': '/scrape'})",
        "refusal('to: is missing', 'to')",
        "AirflowSensorTimeout('late')",
    )
    unknown = {"type": "about:blank", "status": 500}
    away = {"type": "urn:matchcast:problem:unavailable", "title": "Unavailable", "status": 503}
    refused = {"type": "urn:matchcast:problem:bad-input", "title": "Bad input", "status": 422}
    late = {"type": "urn:matchcast:problem:timed-out", "title": "Timed out", "status": 504}
    assert told == [
        unknown | {"title": "Ended from outside", "detail": "the task's log tells more"},
        unknown | {"title": "Ended from outside", "detail": "SIGKILL"},
        unknown | {"title": "KeyError", "detail": "'x'"},
        away | {"detail": "asked: away"},
        {"type": "about:blank", "title": "T", "status": 503, "detail": "football-data does not answer"},
        refused | {"detail": "to: is missing", "field": "to"},
        late | {"detail": "late"},
    ]


def test_a_scrape_is_waited_for_every_minute_of_an_hour_and_no_worker_waits(parsed: Any) -> None:
    for number in range(1, 5):
        ask, wait = parsed["dags"][f"etl_livescores_0{number}"]["tasks"].values()
        assert ask["downstream"] == ["wait"]
        assert (wait["mode"], wait["poll_seconds"], wait["wait_seconds"]) == ("reschedule", 60, 3600)


@pytest.mark.parametrize(("seconds", "raised"), [("900", "Away"), ("901", "Refused")])
def test_a_fault_that_outlasts_all_retries_is_told_at_once(migrated: Airflow, seconds: str, raised: str) -> None:
    problem = {"type": "urn:x", "title": "T", "status": 503, "detail": "left alone until 13:00"}
    with served(Shelf(status=503, headers={"Retry-After": seconds}, body=json.dumps(problem))) as server:
        assert migrated.raised(str(server.base_url)) == [raised, problem]


def test_dags_are_typed_as_airflow_has_it(migrated: Airflow) -> None:
    """Checked apart from everything else, because only Airflow's interpreter has its types."""
    assert migrated.home.exists()
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent", "--python-executable",
         PROGRAMS / "python", *sorted(DAGS.glob("*.py"))],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
