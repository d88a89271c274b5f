"""The running system over private services that tests take away, and a load of requests on it."""

import itertools
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from knative.local.services.minio import Minio, private_minio
from knative.local.services.postgres import Postgres, fresh_database, private_postgres
from knative.local.services.rabbitmq import Rabbitmq, private_rabbitmq
from knative.local.services.redis import RedisServer, private_redis
from matchcast.adapters.objects import S3Access, objects_at
from matchcast.ports import ObjectStore
from tests.chaos.house import PostgresHouse
from tests.chaos.system import System, running, until
from tests.entrypoints import house as invented
from tests.entrypoints.fleet import Server, free_ports
from tests.entrypoints.served import PAIRING, served

BUCKET: Final = "matchcast"
OBJECTS: Final = f"s3://{BUCKET}/house"
NOWHERE: Final = "http://127.0.0.1:9"
PAUSE: Final = 0.05
"""Seconds between two requests of one thread."""
_DAYS: Final = itertools.count(1)


@dataclass(frozen=True)
class StageHouse(PostgresHouse):
    """A house whose objects are in a bucket, beside a Redis; MLflow is where nobody listens."""

    further: Mapping[str, str] = field(default_factory=dict)
    store: ObjectStore | None = None

    @property
    def objects(self) -> Any:
        return self.store

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, **self.further}


class Answered(NamedTuple):
    """One answer: when it came, after how many seconds, and how; status 0 is none."""

    at: float
    took: float
    status: int
    body: Any


class Load:
    """Requests of each kind, asked again and again by a thread of its own."""

    def __init__(self, stage: "Stage") -> None:
        self._stage = stage
        self.answers: dict[str, list[Answered]] = {kind: [] for kind in stage.kinds}
        self.stop = threading.Event()

    def run(self, kind: str) -> None:
        ask = self._stage.kinds[kind]
        with httpx.Client(base_url=self._stage.base, headers={"X-API-Key": self._stage.key}, timeout=60) as client:
            while not self.stop.wait(PAUSE):
                begun = time.monotonic()
                try:
                    answer = ask(client)
                    status, body = answer.status_code, answer.json()
                except httpx.TransportError as error:
                    status, body = 0, repr(error)
                now = time.monotonic()
                self.answers[kind].append(Answered(now, now - begun, status, body))

    def during(self, seconds: float = 0.0, each: int = 5) -> dict[str, list[Answered]]:
        """The answers from now on, asked and given; at least so many of each kind, and for so long."""
        begun = time.monotonic()

        def new() -> dict[str, list[Answered]]:
            return {
                kind: [answer for answer in tuple(answers) if answer.at - answer.took >= begun]
                for kind, answers in self.answers.items()
            }

        until(lambda: time.monotonic() - begun >= seconds and min(map(len, new().values())) >= each, 120)
        return new()


@dataclass
class Stage:
    """Everything, and what is done to it."""

    folder: Path
    house: StageHouse
    system: System
    postgres: Postgres
    redis: RedisServer
    minio: Minio
    rabbit: Rabbitmq

    def __post_init__(self) -> None:
        upcoming = [f.match_id for f in invented.fixtures() if f.kickoff_at > invented.NOW and f.match_id is not None]
        match_id = upcoming[0]
        task = self.system.client.post("/predict/async/", json={"match_id": match_id}).json()
        feeds = {"source": "football-data", "from": "2025-03-01", "to": "2025-03-02"}
        self.kinds: Mapping[str, Callable[[httpx.Client], httpx.Response]] = {
            "new": lambda client: client.post("/predict/", json=pairing()),
            "known": lambda client: client.post("/predict/", json={"match_id": match_id}),
            "current": lambda client: client.get(f"/predict/{match_id}"),
            "list": lambda client: client.get("/predict/?limit=5"),
            "matches": lambda client: client.get("/matches/?limit=5"),
            "history": lambda client: client.get(f"/predict/{match_id}/history"),
            "accuracy": lambda client: client.get("/accuracy"),
            "task": lambda client: client.get(task["status_url"]),
            "later": lambda client: client.post("/predict/async/", json={"match_id": match_id}),
            "scrape": lambda client: client.post("/scrape", json=feeds),
        }

    @property
    def base(self) -> str:
        return self.system.base

    @property
    def key(self) -> str:
        return self.system.key

    def readiness(self, function: str) -> dict[str, Any]:
        """What /readyz of a function says, by its own address."""
        addresses = httpx.get(f"{self.base}/_local").json()["addresses"]
        told: dict[str, Any] = httpx.get(
            f"{addresses[f'http://{function}.matchcast.svc.cluster.local']}/readyz", timeout=60
        ).json()
        return told

    def until_behind(self, function: str, *what: str) -> dict[str, str]:
        """Wait until a function says that it goes on without exactly this."""

        told: dict[str, Any] = {}

        def is_so() -> bool:
            told.clear()
            told.update(self.readiness(function))
            return "behind" in told and set(told["behind"]) == set(what)

        until(is_so, 60, lambda: str(told))
        behind: dict[str, str] = told["behind"]
        return behind

    @contextmanager
    def load(self) -> Iterator[Load]:
        """Requests of every kind until the end of the block; all are answered well before it begins."""
        load = Load(self)
        threads = [threading.Thread(target=load.run, args=(kind,)) for kind in self.kinds]
        for thread in threads:
            thread.start()
        try:
            until(lambda: all(answers and answers[-1].status < 300 for answers in load.answers.values()), 120)
            yield load
        finally:
            load.stop.set()
            for thread in threads:
                thread.join()

    @contextmanager
    def cold(self, function: str, **environment: str) -> Iterator[Server]:
        """A process of a function for itself, without copies of anything; it need not be ready."""
        folder = self.folder / f"cold{next(_DAYS)}"
        whole = {**os.environ, **self.house.environment, "K_SINK": NOWHERE, **environment}
        server = Server(function, free_ports(1)[0], whole, folder)
        server.launch()
        try:
            until(lambda: httpx.get(f"{server.url}/livez").status_code == 200, 60, lambda: server.log)
            yield server
        finally:
            server.stop()


def pairing() -> dict[str, str]:
    """A pairing that nobody asked for before."""
    kickoff_at = datetime(2025, 3, 9, 15, tzinfo=UTC) + timedelta(minutes=next(_DAYS))
    return {**PAIRING, "kickoff_at": kickoff_at.isoformat()}


def statuses(answers: Mapping[str, list[Answered]], *kinds: str) -> set[int]:
    """Those of these kinds, or of all."""
    return {answer.status for kind in kinds or answers for answer in answers[kind]}


def counted(answers: Mapping[str, list[Answered]]) -> dict[str, Counter[int]]:
    return {kind: Counter(answer.status for answer in found) for kind, found in answers.items()}


async def _gone(scope: Scope, receive: Receive, send: Send) -> None:
    """A source that has moved: what is read from it fails at once."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await Response(status_code=410)(scope, receive, send)


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    """The system, with the first bundle as champion, over services of its own."""
    with ExitStack() as stack:
        postgres = stack.enter_context(private_postgres())
        redis = stack.enter_context(private_redis())
        minio = stack.enter_context(private_minio())
        rabbit = stack.enter_context(private_rabbitmq())
        minio.client().create_bucket(Bucket=BUCKET)
        database_url = stack.enter_context(fresh_database(postgres.url))
        further = {
            **minio.environment(),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "MATCHCAST_OBJECTS_URL": OBJECTS,
            "MATCHCAST_CACHE_URL": redis.url,
            "MATCHCAST_RATE_QUOTA": "1000000",
            "MATCHCAST_LOG_LEVEL": "WARNING",
            "MATCHCAST_FOOTBALL_DATA_URL": str(stack.enter_context(served(_gone)).base_url),
            "MATCHCAST_FILE_SECONDS": "0",
            "MLFLOW_TRACKING_URI": NOWHERE,
        }
        store = objects_at(OBJECTS, S3Access(minio.url, minio.user, minio.password))
        house = StageHouse(folder, database_url, further, store)
        house.promote(1)
        house.publish(1, folder)
        house.fill_database()
        system = stack.enter_context(running(house, rabbit.url, folder / "log"))
        until(lambda: system.client.get("/readyz").status_code == 200, 60)
        yield Stage(folder, house, system, postgres, redis, minio, rabbit)
