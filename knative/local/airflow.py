"""Airflow on this machine, private: scheduler, DAG processor, triggerer and API server, with the project's DAGs."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from knative.local.services.program import Program, answers, free_ports, inherited
from matchcast.errors import Unavailable

ROOT: Final = Path(__file__).parents[2]
DAGS: Final = ROOT / "airflow" / "dags"
PROGRAMS: Final = ROOT / ".airflow-venv" / "bin"
USER: Final = "admin"
START_SECONDS: Final = 180.0
PARTS: Final = ("scheduler", "dag-processor", "triggerer", "api-server")
_WORKERS: Final = 2
_SHOWN: Final = 3000


class Airflow:
    """Its four parts, each a process that can be watched; they listen on the loopback interface only. New DAGs are paused.

    Args:
        folder: where its configuration, logs and database are kept.
        password: of the user `admin`.
        calls: environment variables that its tasks read: those of `called`, and settings of the project's commands.
        database_url: of its own database, `postgresql://…`: an SQLite file is locked again and again under its four parts.

    Attributes:
        url: where people and clients find it.
        programs: the parts.
    """

    def __init__(self, folder: Path, port: int, password: str, calls: Mapping[str, str], database_url: str) -> None:
        self._folder = folder
        self._password = password
        logs, trigger_logs = free_ports(2)
        self.url: Final = f"http://127.0.0.1:{port}"
        self._environment = {
            **calls,
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": str(_WORKERS),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self._passwords),
            **database(database_url),
            "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(trigger_logs),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(logs),
            "AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE": "True",  # the triggerer runs
            "PATH": f"{PROGRAMS}:{os.environ.get('PATH', os.defpath)}",
        }
        self.programs: Final = [Program(f"Airflow's {part}", folder / f"{part}.log") for part in PARTS]

    @property
    def _passwords(self) -> Path:
        return self._folder / "passwords.json"

    def launch(self) -> None:
        """Make its tables, and start it.

        Raises:
            Unavailable: it is not installed, or its database is away.
        """
        if not installed():
            raise Unavailable("Airflow is missing: `make airflow` installs it")
        self._folder.mkdir(parents=True, exist_ok=True)
        self._passwords.touch(mode=0o600)
        self._passwords.write_text(json.dumps({USER: self._password}))
        kept = inherited("AIRFLOW", "VIRTUAL_ENV", "PYTHON")
        given = kept | self._environment
        done = subprocess.run(
            [PROGRAMS / "airflow", "db", "migrate"], env=given, cwd=self._folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise Unavailable(f"Airflow's tables could not be made: {done.stdout[-_SHOWN:].strip()}")
        for part, program in zip(PARTS, self.programs, strict=True):
            program.launch([PROGRAMS / "airflow", part], given, self._folder)

    def wait(self) -> None:
        """Wait until it answers."""
        self.programs[PARTS.index("api-server")].wait_until(
            lambda: answers(f"{self.url}/api/v2/monitor/health"), START_SECONDS
        )

    def stop(self) -> None:
        for program in self.programs:
            program.ask_to_end()
        for program in self.programs:
            program.stop()


def installed() -> bool:
    """Whether the environment of Airflow is there."""
    return (PROGRAMS / "airflow").is_file()


def called(functions: str, key: str, brokers: Mapping[str, str], project: Path = ROOT) -> dict[str, str]:
    """Connections and Variables of the DAGs, as environment variables.

    Args:
        functions: their address.
        key: an API key with the scope `ingest`.
        brokers: addresses of `ingest` and `inference`.
        project: the checkout whose commands and pipeline are run.
    """
    return {
        "AIRFLOW_CONN_MATCHCAST": _connection(functions, key),
        **{f"AIRFLOW_CONN_MATCHCAST_{name.upper()}": _connection(url) for name, url in brokers.items()},
        "AIRFLOW_VAR_MATCHCAST_PROJECT": str(project),
    }


def database(url: str) -> dict[str, str]:
    """Where Airflow keeps its own tables, as environment variables."""
    driven = url.replace("postgresql://", "postgresql+psycopg://", 1)
    return dict.fromkeys(("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC"), driven)


def _connection(url: str, key: str | None = None) -> str:
    return json.dumps({"conn_type": "http", "host": url.rstrip("/"), "password": key})


@contextmanager
def private_airflow(folder: Path, calls: Mapping[str, str], database_url: str) -> Iterator[Airflow]:
    """A running Airflow; its password is the word `airflow`."""
    server = Airflow(folder, free_ports(1)[0], "airflow", calls, database_url)
    server.launch()
    try:
        server.wait()
        yield server
    finally:
        server.stop()
