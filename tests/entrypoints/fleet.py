"""Four warm predict-sync processes and a reload over private MinIO, Redis and PostgreSQL, and a load on them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final, NamedTuple

import httpx

from knative.local.services.minio import Minio, private_minio, webhook
from knative.local.services.postgres import fresh_database
from knative.local.services.redis import RedisServer, private_redis
from matchcast.adapters.objects import S3Access, objects_at
from matchcast.model.bundle import load_bundle
from matchcast.ports import ObjectStore
from matchcast.usecases.champion import CHAMPION_KEY, ChampionPointer, champion_pointer, set_champion
from matchcast.usecases.publish import publish_snapshot
from tests.entrypoints import house
from tests.entrypoints.recorder import Recorder, recording
from tests.entrypoints.served import PAIRING

ROOT: Final = Path(__file__).parents[2]
PROCESSES: Final = 4
CONNECTIONS: Final = 8
BUCKET: Final = "matchcast"
OBJECTS: Final = f"s3://{BUCKET}/house"
TOKEN: Final = "a-made-up-word-of-length"
REGISTERED: Final = "made-up"
START_SECONDS: Final = 60.0
PAUSE: Final = 0.01
"""Seconds between two requests of one connection: two cores serve everything here."""


class Answered(NamedTuple):
    """One answer under load: when it came (seconds of the monotonic clock), from which process, and how."""

    at: float
    took: float
    process: int
    status: int
    body: dict[str, Any]

    @property
    def forecast(self) -> tuple[str, str, tuple[float, ...]]:
        """What must belong together: version, run, probabilities."""
        body = self.body
        return body["model_version"], body["run_id"], tuple(body["probabilities"].values())


def until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "nothing came"
        time.sleep(0.02)


@dataclass
class Server:
    """A function in a process of its own, on a port that stays its own."""

    function: str
    port: int
    environment: Mapping[str, str]
    folder: Path
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self.launch()
        until(self._is_ready, START_SECONDS)

    def launch(self) -> None:
        """Start it; it need not get ready."""
        own = {"PORT": str(self.port), "MATCHCAST_HOST": "127.0.0.1", "MATCHCAST_CACHE_DIR": str(self.folder / "cache")}
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"functions.{self.function}"], cwd=ROOT, env={**self.environment, **own},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(40)
            self.process = None

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False


@dataclass
class Fleet:
    """Everything, and what is done to it."""

    folder: Path
    environment: Mapping[str, str]
    minio: Minio
    redis: RedisServer
    broker: Recorder
    reload: Server
    servers: list[Server]
    key: str

    @property
    def objects(self) -> ObjectStore:
        return objects_at(OBJECTS, S3Access(self.minio.url, self.minio.user, self.minio.password))

    def set_champion(self, seed: int) -> ChampionPointer:
        """Put bundle and pointer, as `matchcast promote` does at its end."""
        now = house.NOW.isoformat()
        return set_champion(self.objects, house.bundle_files(seed), now, now)

    def command(self, *arguments: str) -> str:
        """Run `matchcast` in the folder of the operator."""
        done = subprocess.run(
            [sys.executable, "-m", "commands", *arguments], cwd=self.folder / "operator", env=dict(self.environment),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def client(self, process: int) -> httpx.Client:
        """Of one predict-sync process."""
        return httpx.Client(base_url=self.servers[process].url, headers={"X-API-Key": self.key}, timeout=30)

    def ask(self) -> set[tuple[str, str, tuple[float, ...]]]:
        """What the processes answer now, each once."""
        found = set()
        for process in range(PROCESSES):
            with self.client(process) as client:
                answer = client.post("/predict/", json=PAIRING)
                assert answer.status_code == 200, answer.text
                found.add(Answered(0, 0, process, 200, answer.json()).forecast)
        return found

    def settled(self, pointer: ChampionPointer) -> tuple[str, str, tuple[float, ...]]:
        """Wait until all processes serve this champion; the one forecast that all give then."""
        until(lambda: {version for version, _, _ in self.ask()} == {pointer.version})
        (forecast,) = self.ask()
        assert forecast[1] == pointer.run_id
        return forecast

    def hook(self, **request: Any) -> int:
        """Status of what reload answers to a notification."""
        return httpx.post(f"{self.reload.url}/hooks/minio", timeout=30, **request).status_code

    @contextmanager
    def load(self) -> "Iterator[Load]":
        """Requests over all connections until the end of the block."""
        load = Load(self)
        threads = [Thread(target=load.run, args=(number % PROCESSES,)) for number in range(CONNECTIONS)]
        threads.append(Thread(target=load.watch_pointer))
        for thread in threads:
            thread.start()
        try:
            until(lambda: len(load.answers) > 10 * CONNECTIONS)
            yield load
        finally:
            load.stop.set()
            for thread in threads:
                thread.join()
        assert not load.broken, load.broken


@dataclass
class Load:
    """What came of the requests."""

    fleet: Fleet
    answers: list[Answered] = field(default_factory=list)
    puts: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    stop: Event = field(default_factory=Event)

    def run(self, process: int) -> None:
        try:
            with self.fleet.client(process) as client:
                while not self.stop.wait(PAUSE):
                    begun = time.monotonic()
                    answer = client.post("/predict/", json=PAIRING)
                    now = time.monotonic()
                    self.answers.append(Answered(now, now - begun, process, answer.status_code, answer.json()))
        except (httpx.HTTPError, ValueError) as error:
            self.broken.append(f"process {process}: {error!r}")

    def watch_pointer(self) -> None:
        """Note when the pointer changes."""
        objects, seen = self.fleet.objects, self.fleet.objects.etag(CHAMPION_KEY)
        while not self.stop.wait(0.005):
            now, etag = time.monotonic(), objects.etag(CHAMPION_KEY)
            if etag != seen:
                self.puts.append(now)
                seen = etag

    def swap(self, promote: Callable[[], object]) -> tuple[ChampionPointer, float]:
        """Promote, and wait until every process answered with the new version.

        Returns:
            The pointer, and the seconds from when it was put to the last process's first such answer.
        """
        before = len(self.puts)
        promote()
        until(lambda: len(self.puts) > before)
        put, pointer = self.puts[before], champion_pointer(self.fleet.objects)

        def firsts() -> dict[int, float]:
            found: dict[int, float] = {}
            for answer in tuple(self.answers):
                if answer.at > put and answer.status == 200 and answer.body["model_version"] == pointer.version:
                    found.setdefault(answer.process, answer.at)
            return found

        until(lambda: len(firsts()) == PROCESSES)
        return pointer, max(firsts().values()) - put


@contextmanager
def running(folder: Path, postgres: str) -> Iterator[Fleet]:
    """The fleet, with the first bundle as champion, seen by all."""
    with (
        fresh_database(postgres) as database_url,
        private_minio(started=False) as minio,
        private_redis() as redis,
        recording() as broker,
    ):
        place = _House(folder, database_url)
        place.fill_database()
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MATCHCAST_", "MLFLOW_", "AWS_", "K_"))}
        environment = {
            **kept, **minio.environment(),
            "PYTHONPATH": f"{ROOT / 'shared'}:{ROOT}",
            "MATCHCAST_DATABASE_URL": place.database_url,
            "MATCHCAST_OBJECTS_URL": OBJECTS,
            "MATCHCAST_CACHE_URL": redis.url,
            "MATCHCAST_HOOK_TOKEN": TOKEN,
            "MATCHCAST_RATE_QUOTA": "1000000",
            "MATCHCAST_CLOCK_STARTS_AT": house.NOW.isoformat(),
            "MATCHCAST_CODE_REVISION": "c1",
            "MATCHCAST_LOG_LEVEL": "WARNING",
            "K_SINK": broker.url,
        }  # fmt: skip
        ports = free_ports(PROCESSES + 1)
        servers = [Server("predict_sync", p, environment, folder / f"sync{p}") for p in ports[1:]]
        reload = Server("reload", ports[0], environment, folder / "reload")
        (folder / "operator").mkdir()
        fleet = Fleet(folder, environment, minio, redis, broker, reload, servers, place.key("predict"))
        try:
            minio.start(webhook(f"{reload.url}/hooks/minio", TOKEN, folder / "queue"))
            fleet.command("buckets")
            bundle = load_bundle(house.bundle_files(1))
            publish_snapshot(
                fleet.objects, house.snapshot_bytes(1, folder), state_hash=house.passed().state.hash, as_of=house.AS_OF,
                model_version=bundle.version, run_id=bundle.run_id, published_at=house.NOW,
            )  # fmt: skip
            reload.start()
            pointer = fleet.set_champion(1)
            for server in servers:
                server.start()
            fleet.settled(pointer)
            until(lambda: broker.types == ["model.promoted"])
            yield fleet
        finally:
            for server in (*servers, reload):
                server.stop()


class _House(house.House):
    """With a database elsewhere."""

    def __init__(self, folder: Path, database_url: str) -> None:
        super().__init__(folder)
        object.__setattr__(self, "_database_url", database_url)

    @property
    def database_url(self) -> str:
        return str(self.__dict__["_database_url"])


def free_ports(count: int) -> list[int]:
    import socket

    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
