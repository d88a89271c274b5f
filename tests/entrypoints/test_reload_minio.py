"""From a champion put in MinIO's bucket, by MinIO's own notification, to the event on the broker."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from functions.reload.main import app as reload_app
from knative.local.services.minio import private_minio, webhook
from matchcast.adapters.buckets import Buckets
from matchcast.adapters.database.migrate import migrate
from matchcast.adapters.objects import S3Access, objects_at
from matchcast.events import ModelPromoted, ModelRejected, payload_of
from matchcast.ports import ObjectStore
from matchcast.usecases.champion import CHAMPION_KEY, ChampionPointer, set_champion
from tests.entrypoints.house import NOW, bundle_files
from tests.entrypoints.recorder import Recorder, recording
from tests.entrypoints.served import served

pytestmark = pytest.mark.slow

BUCKET = "matchcast"
OBJECTS = f"s3://{BUCKET}/a house/of ours"
TOKEN = "a-made-up-word-of-length"
WAIT_SECONDS = 30.0


@dataclass(frozen=True)
class Watched:
    """A bucket whose champions the function hears of from MinIO, and the broker it tells."""

    objects: ObjectStore
    reload: httpx.Client
    broker: Recorder

    def promote(self, seed: int) -> ChampionPointer:
        return set_champion(self.objects, bundle_files(seed), NOW.isoformat(), NOW.isoformat())

    def hears(self, times: int) -> None:
        """Wait until the function has taken so many notifications."""
        until(lambda: self._taken() >= times)
        assert self._taken() == times

    def _taken(self) -> int:
        counted = re.search(
            r"^http_requests_total\{.*hooks/minio.*204.*\} (\d+)", self.reload.get("/metrics").text, re.M
        )
        return int(counted[1]) if counted else 0


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "nothing came"
        time.sleep(0.05)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """All set up as the runbook says."""
    migrate(f"sqlite:///{tmp_path}/matchcast.db")
    with recording() as broker, private_minio(started=False) as server:
        environment = {
            "MATCHCAST_DATABASE_URL": f"sqlite:///{tmp_path}/matchcast.db",
            "MATCHCAST_OBJECTS_URL": OBJECTS,
            "MATCHCAST_CACHE_DIR": str(tmp_path / "cache"),
            "MATCHCAST_HOOK_TOKEN": TOKEN,
            "K_SINK": broker.url,
        }
        with served(reload_app(environment | server.environment())) as reload:
            server.start(webhook(str(reload.base_url.join("/hooks/minio")), TOKEN, tmp_path / "queue"))
            access = S3Access(server.url, server.user, server.password)
            buckets = Buckets(access)
            buckets.make(BUCKET)
            buckets.notify(BUCKET, CHAMPION_KEY, "RELOAD")
            yield Watched(objects_at(OBJECTS, access), reload, broker)


def test_a_champion_in_the_bucket_is_announced_once_and_a_damaged_one_rejected(watched: Watched) -> None:
    pointer = watched.promote(1)
    watched.hears(1)
    (event,) = watched.broker.events
    assert payload_of(event, ModelPromoted).version == pointer.version

    watched.objects.put(CHAMPION_KEY, watched.objects.get(CHAMPION_KEY))
    watched.hears(2)
    assert watched.broker.types == ["model.promoted"]

    later = watched.promote(2)
    watched.hears(3)
    watched.objects.put(f"{later.prefix}golden.json", b"[]")
    watched.objects.put(CHAMPION_KEY, watched.objects.get(CHAMPION_KEY))
    watched.hears(4)
    assert watched.broker.types == ["model.promoted", "model.promoted", "model.rejected"]
    rejected = payload_of(watched.broker.events[-1], ModelRejected)
    assert rejected.version == later.version
    assert "golden.json" in rejected.reason
