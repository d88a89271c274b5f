"""Every DAG, loaded by real Airflow."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.airflow.installed import DAGS, PROGRAMS, ROOT, Airflow

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
        for task in dag["tasks"].values():
            assert (task["retries"], task["on_failure"]) == (3, ["tell_failure"])
            assert task["retry_seconds"] == 300


def test_a_scrape_is_waited_for_every_minute_of_an_hour_and_no_worker_waits(parsed: Any) -> None:
    for number in range(1, 5):
        ask, wait = parsed["dags"][f"etl_livescores_0{number}"]["tasks"].values()
        assert ask["downstream"] == ["wait"]
        assert (wait["mode"], wait["poll_seconds"], wait["wait_seconds"]) == ("reschedule", 60, 3600)


def test_dags_are_typed_as_airflow_has_it(migrated: Airflow) -> None:
    """Checked apart from everything else, because only Airflow's interpreter has its types."""
    assert migrated.home.exists()
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent", "--python-executable",
         PROGRAMS / "python", *sorted(DAGS.glob("*.py"))],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
