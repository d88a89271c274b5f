"""Private servers and the functions on them: started in the order of need, watched, ended in reverse."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import httpx
import psycopg

from knative.local.airflow import USER, Airflow, called, installed
from knative.local.full.kept import Kept, keep
from knative.local.runtime import BROKER
from knative.local.services.minio import Minio, webhook
from knative.local.services.mlflow import Mlflow
from knative.local.services.postgres import Postgres
from knative.local.services.program import MARK, Program, answers, end_marked, inherited, run_as
from knative.local.services.prometheus import Prometheus
from knative.local.services.rabbitmq import GUEST, Ports, Rabbitmq
from knative.local.services.redis import RedisServer
from matchcast.adapters.buckets import Buckets
from matchcast.adapters.database.api_keys import SqlApiKeys
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.migrate import migrate
from matchcast.adapters.objects import S3Access
from matchcast.errors import BadInput, Unavailable
from matchcast.usecases.champion import CHAMPION_KEY

BUCKET: Final = "matchcast"
FURTHER_BUCKETS: Final = ("mlflow", "dvc")
BROKERS: Final = ("ingest", "inference")
DATABASES: Final = ("matchcast", "mlflow", "airflow")
START_SECONDS: Final = 120.0
DRAIN_SECONDS: Final = 45.0
LEFT_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.2
Tell = Callable[[str], None]
SOURCES: Final = tuple(
    f"MATCHCAST_{name}" for name in ("FOOTBALL_DATA_URL", "OPENFOOTBALL_URL", "DEMO_WHEEL", "WHOSCORED_URL")
)
"""Variables that configure a source; they reach the functions with the environment."""
_OPERATORS: Final = ("MATCHCAST_URL", "MATCHCAST_API_KEY", "MATCHCAST_AIRFLOW_PASSWORD")
"""Variables that people's commands read, and nothing that is started."""
_FULL_SCOPES: Final = frozenset({"predict", "ingest", "admin"})
_AIRFLOW_SCOPES: Final = frozenset({"ingest"})


class Wanted(NamedTuple):
    """What the operator chose.

    Attributes:
        processes: each function a process of its own.
        jobs: run what events start through JobSinks.
        airflow: with Airflow, which schedules.
    """

    processes: bool = False
    jobs: bool = False
    airflow: bool = True

    def options(self) -> list[str]:
        """As `knative.local` takes them."""
        return [name for name, chosen in (("--processes", self.processes), ("--jobs", self.jobs)) if chosen]


def visits_alone(environment: Mapping[str, str]) -> bool:
    """Whether a site is read with a browser of this machine."""
    return bool(environment.get("MATCHCAST_WHOSCORED_URL")) and not environment.get("MATCHCAST_BROWSER_URL")


def end_left(folder: Path) -> list[int]:
    """End the processes that a run in this folder left, if it was killed; those that there were."""
    return end_marked(str(folder.absolute()), LEFT_SECONDS)


class System:
    """All parts.

    Args:
        folder: where all of it is kept.
        tell: takes lines for the operator.
    """

    def __init__(self, folder: Path, kept: Kept, wanted: Wanted, tell: Tell) -> None:
        self._folder = folder.absolute()
        self._kept = kept
        self._wanted = wanted
        self._tell = tell
        ports, secrets = kept.ports, kept.secrets
        os.environ[MARK] = str(self._folder)
        self._postgres = Postgres(self._place("postgres"), ports["postgres"], secrets["postgres"], fsync=True)
        node_ports = Ports(*(ports[name] for name in Ports._fields))
        self._rabbitmq = Rabbitmq(self._place("rabbitmq"), node_ports, "matchcast", secrets["rabbitmq"], managed=True)
        self._redis = RedisServer(self._place("redis"), ports["redis"], secrets["redis"])
        self._minio = Minio(self._place("minio"), ports["minio"], ports["console"], secrets["minio"])
        self._mlflow = Mlflow(
            self._place("mlflow"), ports["mlflow"], "s3://mlflow/artifacts", self._minio.environment(),
            self._postgres.url.replace("postgresql:", "postgresql+psycopg:") + "/mlflow",
        )  # fmt: skip
        self._prometheus = Prometheus(self._place("prometheus"), ports["prometheus"], [f"localhost:{ports['front']}"])
        self._functions = Program("the functions", self._place("functions") / "log")
        self._airflow: Airflow | None = None
        self.base: Final = f"http://localhost:{ports['front']}"

    def _place(self, name: str) -> Path:
        place = self._folder / name
        place.mkdir(parents=True, exist_ok=True)
        return place

    @property
    def addresses(self) -> dict[str, str]:
        """Where everything is, without passwords."""
        return {
            "API": f"{self.base}/docs",
            "MLflow": self._mlflow.url,
            "MinIO": f"{self._minio.console} (user {self._minio.user})",
            "RabbitMQ": f"http://127.0.0.1:{self._kept.ports['management']} (user {GUEST})",
            "Prometheus": self._prometheus.url,
            **({"Airflow": f"{self._airflow.url} (user {USER})"} if self._airflow else {}),
            "PostgreSQL": f"127.0.0.1:{self._kept.ports['postgres']}",
            "Redis": f"127.0.0.1:{self._kept.ports['redis']}",
        }

    @property
    def environment(self) -> dict[str, str]:
        """By which commands work on this system."""
        return {
            **self._minio.environment(),
            "MATCHCAST_DATABASE_URL": f"{self._postgres.url}/matchcast",
            "MATCHCAST_OBJECTS_URL": f"s3://{BUCKET}",
            "MATCHCAST_CACHE_URL": self._redis.url,
            "MATCHCAST_QUEUES_URL": self._rabbitmq.management_url,
            "MATCHCAST_URL": self.base,
            "MATCHCAST_API_KEY": self._kept.key or "",
            "MATCHCAST_AIRFLOW_PASSWORD": self._kept.secrets["airflow"],
            "MLFLOW_TRACKING_URI": self._mlflow.url,
        }

    @property
    def _servers(self) -> list[Program]:
        """What the others use."""
        return [self._rabbitmq.program, self._redis.program, self._minio.program, self._postgres.program]

    @property
    def _programs(self) -> list[Program]:
        schedulers = [] if self._airflow is None else self._airflow.programs
        return [*schedulers, self._functions, self._prometheus.program, self._mlflow.program, *self._servers]

    def start(self) -> None:
        """Start everything, and wait until it answers.

        Raises:
            BadInput: a server's user cannot reach the folder.
            Unavailable: a part is not installed or does not start.
        """
        self._check_reach()
        if self._wanted.airflow and not installed():
            raise Unavailable("Airflow is missing: `make airflow` installs it; or go without, with --no-airflow")
        if visits_alone(os.environ) and shutil.which("chromedriver") is None:
            raise Unavailable(
                "MATCHCAST_WHOSCORED_URL is set, and no chromedriver is on PATH: `make up-full` installs it (Debian:"
                " apt-get install chromium chromium-driver), or set MATCHCAST_BROWSER_URL to a hub"
            )
        self._tell("PostgreSQL, RabbitMQ, Redis and MinIO start")
        self._postgres.launch()
        self._rabbitmq.launch()
        self._redis.launch()
        self._minio.launch(webhook(f"{self.base}/hooks/minio", self._kept.secrets["hook"], self._place("minio/queue")))
        self._postgres.wait()
        self._make_databases()
        self._mlflow.launch()
        self._redis.wait()
        self._minio.wait()
        self._make_buckets()
        self._rabbitmq.wait()
        self._tell("the functions, MLflow and Prometheus start")
        self._launch_functions()
        self._prometheus.launch()
        self._functions.wait_until(lambda: answers(f"{self.base}/livez"), START_SECONDS)
        self._prometheus.wait()
        self._mlflow.wait()
        if self._wanted.airflow:
            self._tell("Airflow starts")
            self._start_airflow()

    def _check_reach(self) -> None:
        """PostgreSQL and RabbitMQ refuse to be root, and run as users of their own then."""
        if os.geteuid() != 0:
            return
        for user in ("postgres", "rabbitmq"):
            try:
                run_as(user, ["test", "-x", self._folder], {"PATH": os.defpath}, Path("/"))
            except Unavailable as error:
                raise BadInput(
                    f"--folder {self._folder}: the user {user} cannot enter it, and {user}'s server refuses to run as root;"
                    " give another one, e.g. `make up-full FOLDER=/srv/matchcast`",
                    "folder",
                ) from error

    def _make_databases(self) -> None:
        with psycopg.connect(f"{self._postgres.url}/postgres", autocommit=True) as connection:
            there = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
            for name in DATABASES:
                if name not in there:
                    connection.execute(f"CREATE DATABASE {name}".encode())
        url = f"{self._postgres.url}/matchcast"
        migrate(url)
        if self._kept.key is None:
            self._keep(self._kept._replace(key=_made_key(url, "first", _FULL_SCOPES)))
        if self._wanted.airflow and self._kept.airflow_key is None:
            self._keep(self._kept._replace(airflow_key=_made_key(url, "airflow", _AIRFLOW_SCOPES)))

    def _keep(self, kept: Kept) -> None:
        self._kept = kept
        keep(self._folder, kept)

    def _make_buckets(self) -> None:
        server = Buckets(S3Access(self._minio.url, self._minio.user, self._minio.password))
        for bucket in (BUCKET, *FURTHER_BUCKETS):
            server.make(bucket)
        server.notify(BUCKET, CHAMPION_KEY, "RELOAD")

    def _launch_functions(self) -> None:
        own = {
            BROKER: self._rabbitmq.url,
            "MATCHCAST_HOOK_TOKEN": self._kept.secrets["hook"],
            "MATCHCAST_CACHE_DIR": str(self._place("cache")),
        }
        given = inherited("AWS_", "MLFLOW_") | self.environment | own
        for name in _OPERATORS:
            del given[name]
        command = [sys.executable, "-m", "knative.local", "--port", str(self._kept.ports["front"])]
        self._functions.launch([*command, *self._wanted.options()], given, Path.cwd())

    def _start_airflow(self) -> None:
        local = httpx.get(f"{self.base}/_local", trust_env=False).json()["addresses"]
        brokers = {name: local[f"http://{name}-broker-ingress.matchcast.svc.cluster.local"] for name in BROKERS}
        ports, secrets = self._kept.ports, self._kept.secrets
        commands = {name: value for name, value in self.environment.items() if name not in _OPERATORS}
        calls = {**commands, **called(self.base, self._kept.airflow_key or "", brokers)}
        self._airflow = Airflow(
            self._place("airflow"), ports["airflow"], secrets["airflow"], calls, f"{self._postgres.url}/airflow"
        )
        self._airflow.launch()
        self._airflow.wait()

    def watch(self) -> Program:
        """Wait for ever, or until a part ends by itself; that one."""
        while True:
            for program in self._programs:
                if program.pid is None:
                    return program
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End everything in good order, and whatever is left of it."""
        users = [program for program in self._programs if program not in self._servers]
        for program in users:
            program.ask_to_end()
        for program in users:
            program.stop(DRAIN_SECONDS)
        self._rabbitmq.shut()
        for program in self._servers:
            program.stop()
        end_left(self._folder)


def _made_key(url: str, name: str, scopes: frozenset[str]) -> str:
    database = Database(url)
    try:
        return SqlApiKeys(database).create(name, scopes, datetime.now(UTC)).text
    finally:
        database.close()
