"""Airflow in its own environment and its own interpreter, with a folder, a database and connections of the tests."""

import json
import os
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
DAGS: Final = ROOT / "airflow" / "dags"
PROGRAMS: Final = ROOT / ".airflow-venv" / "bin"
PAUSES: Final = {"AIRFLOW__MATCHCAST__POLL_SECONDS": "1", "AIRFLOW__MATCHCAST__RETRY_SECONDS": "1"}
INSIDE: Final = Path(__file__).with_name("inside.py")


class Ended(NamedTuple):
    """A run.

    Attributes:
        tasks: state and tries of each.
        gave: what tasks returned.
    """

    run: str
    state: str
    tasks: dict[str, tuple[str, int]]
    gave: dict[str, Any]
    log: str


@dataclass(frozen=True)
class Airflow:
    """Commands of Airflow over one migrated database."""

    home: Path

    def command(self, *arguments: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `airflow` to its end."""
        return self._run([str(PROGRAMS / "airflow"), *arguments], environment, check)

    def parsed(self, folder: Path = DAGS) -> Any:
        """What `inside.py` finds in a folder of DAGs."""
        done = self._run([str(PROGRAMS / "python"), str(INSIDE), str(folder)], {}, True)
        return json.loads(done.stdout.splitlines()[-1])

    def told(self, *errors: str) -> Any:
        """What `calling` tells of tasks that failed of these, each an expression of Python."""
        return self._value(
            "from airflow.sdk.exceptions import AirflowSensorTimeout",
            "from calling import Away, _problem, refusal",
            f"value = [_problem(error) for error in [{', '.join(errors)}]]",
        )

    def raised(self, url: str) -> Any:
        """What `call` raises where this address refuses: its class, and the problem."""
        return self._value(
            "from calling import Away, Refused, call",
            "try: call('POST', '/scrape', body={})",
            "except (Away, Refused) as error: value = [type(error).__name__, error.problem]",
            AIRFLOW_CONN_MATCHCAST=connection(url),
        )

    def _value(self, *lines: str, **environment: str) -> Any:
        """What lines of Python beside the DAGs leave in `value`."""
        program = "\n".join((*lines, "import json; print(json.dumps(value))"))
        given = {"PYTHONPATH": str(DAGS), **environment}
        done = self._run([str(PROGRAMS / "python"), "-c", program], given, True)
        return json.loads(done.stdout.splitlines()[-1])

    def test(self, dag: str, at: str, conf: object = None, **environment: str) -> "Ended":
        """`airflow dags test`, and how it ended."""
        given = [] if conf is None else ["--conf", json.dumps(conf)]
        done = self.command("dags", "test", dag, at, *given, check=False, **PAUSES, **environment)
        ((run, state),) = self.read("SELECT run_id, state FROM dag_run WHERE dag_id = ?", dag)
        tasks = self.read("SELECT task_id, state, try_number FROM task_instance WHERE dag_id = ?", dag)
        values = self.read("SELECT task_id, value FROM xcom WHERE dag_id = ? AND key = 'return_value'", dag)
        return Ended(
            run,
            state,
            {task: (state, tries) for task, state, tries in tasks},
            {task: json.loads(value) for task, value in values},
            done.stdout + done.stderr,
        )

    def read(self, query: str, *values: str) -> list[Any]:
        """Rows of Airflow's database."""
        with closing(sqlite3.connect(self.home / "airflow.db")) as connection:
            return list(connection.execute(query, values))

    def environment(self) -> dict[str, str]:
        """Of every command: nothing of this machine's settings, no examples."""
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("MATCHCAST_", "AIRFLOW", "MLFLOW_", "PYTEST_"))
        }
        return kept | {
            "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home}/airflow.db?timeout=60",
        }

    def _run(self, command: list[str], environment: Mapping[str, str], check: bool) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            cwd=self.home,
            env={**self.environment(), **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done


def install() -> None:
    """Bring the environment to what the lock says; a moment where it is so already."""
    subprocess.run(["make", "--silent", "airflow"], cwd=ROOT, check=True, capture_output=True)


def connection(url: str, key: str | None = None) -> str:
    """An HTTP connection, as Airflow reads it from an environment variable."""
    return json.dumps({"conn_type": "http", "host": url.rstrip("/"), "password": key})
