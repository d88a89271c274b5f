"""`matchcast up-full`: one machine with private servers and the functions on them, from nothing to forecasts and back."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import psycopg
import pytest
import redis

from knative.local.services.program import free_ports, listens, marked
from matchcast.adapters.objects import S3Access, objects_at
from matchcast.model.bundle import load_bundle
from matchcast.usecases.champion import set_champion
from matchcast.usecases.publish import publish_snapshot
from tests.chaos.house import PostgresHouse
from tests.chaos.system import until
from tests.contract.deliveries import NOW, shelf
from tests.entrypoints import house
from tests.entrypoints.served import PAIRING, assert_problem, served

pytestmark = pytest.mark.slow

ROOT: Final = Path(__file__).parents[2]
SCRAPE: Final = {"source": "football-data", "from": "2025-03-04", "to": "2025-03-14", "tournaments": [house.ENGLAND]}
ASKED: Final = {
    **PAIRING,
    "home_team": "Northgate United",
    "away_team": "Westfield FC",
    "kickoff_at": (NOW + timedelta(days=8)).isoformat(),
}
WAIT_SECONDS: Final = 90.0


@dataclass(frozen=True)
class Full:
    """A system in a folder, and the commands on it."""

    folder: Path
    port: int
    environment: dict[str, str]

    def command(self, *arguments: str, **further: str) -> str:
        """What `matchcast ARGUMENTS` prints; it must succeed."""
        done = subprocess.run(
            self._line(*arguments), cwd=self.folder, env={**self.environment, **further}, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def up(self) -> str:
        return self.command("up-full", "--detach", *self._options, "--port", str(self.port))

    def down(self) -> str:
        return self.command("down-full", "--folder", str(self.home))

    @contextmanager
    def foreground(self) -> "Iterator[subprocess.Popen[str]]":
        """Up until a signal, or the end of the block; what it says is in stderr."""
        process = subprocess.Popen(
            self._line("up-full", *self._options), cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        with process:
            try:
                yield process
            except BaseException:
                process.terminate()
                raise

    @property
    def home(self) -> Path:
        return self.folder / "full"

    @property
    def processes(self) -> list[int]:
        return marked(str(self.home))

    @property
    def told(self) -> dict[str, str]:
        """The variables in the file that an operator's shell reads."""
        lines = (self.home / "env").read_text().splitlines()
        return dict(line.removeprefix("export ").replace("'", "").split("=", 1) for line in lines)

    def client(self) -> httpx.Client:
        told = self.told
        return httpx.Client(
            base_url=told["MATCHCAST_URL"], headers={"X-API-Key": told["MATCHCAST_API_KEY"]}, timeout=60
        )

    @property
    def _options(self) -> tuple[str, ...]:
        return "--folder", str(self.home), "--no-airflow"

    @staticmethod
    def _line(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "commands", *arguments]


@pytest.fixture(scope="module")
def full() -> Iterator[Full]:
    """A system that is down; servers that refuse to be root can enter its folder."""
    folder = Path(tempfile.mkdtemp(prefix="matchcast-full-"))
    folder.chmod(0o755)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MATCHCAST_", "MLFLOW_", "AWS_", "PYTEST_"))}
    with served(shelf()) as source:
        environment = kept | {
            "PYTHONPATH": f"{ROOT}:{ROOT / 'shared'}",
            "MATCHCAST_FOOTBALL_DATA_URL": str(source.base_url),
            "MATCHCAST_FILE_SECONDS": "0",
            "MATCHCAST_CLOCK_STARTS_AT": NOW.isoformat(),
            "MATCHCAST_CODE_REVISION": "c1",
        }
        made = Full(folder, free_ports(1)[0], environment)
        try:
            yield made
        finally:
            made.down()
            shutil.rmtree(folder)


@pytest.fixture(scope="module")
def printed(full: Full) -> str:
    """What the first `up-full` prints."""
    return full.up()


def test_every_server_answers_and_says_what_is_missing(full: Full, printed: str) -> None:
    """An empty system says how it is filled; no password is printed."""
    shown = dict(re.findall(r"^  (\w+) +(\S+)", printed, re.M))
    told = full.told
    assert shown["key"] == told["MATCHCAST_API_KEY"]
    assert httpx.get(f"{shown['MLflow']}/health").text == "OK"
    assert httpx.get(f"{shown['Prometheus']}/-/ready").status_code == 200
    assert httpx.get(f"{told['MATCHCAST_QUEUES_URL']}/api/overview").json()["node"] == "matchcast@localhost"
    assert told["MATCHCAST_QUEUES_URL"].endswith(shown["RabbitMQ"].removeprefix("http://"))
    assert redis.Redis.from_url(told["MATCHCAST_CACHE_URL"]).ping()
    with psycopg.connect(told["MATCHCAST_DATABASE_URL"]) as connection:
        assert connection.info.port == int(shown["PostgreSQL"].partition(":")[2])
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(re.sub(r":\w+@", ":guessed@", told["MATCHCAST_DATABASE_URL"]))
    for word in ("AWS_SECRET_ACCESS_KEY", "MATCHCAST_CACHE_URL"):
        assert told[word] not in printed
    for private in ("env", "state.json", "log"):
        assert (full.home / private).stat().st_mode & 0o077 == 0
    with full.client() as client:
        assert_problem(client.get("/readyz"), 503, words="no champion yet: run")
        assert_problem(client.post("/predict/", json=PAIRING), 503, words="no champion yet")
        assert {queue["consumers"] for queue in client.get("/monitoring/queues").json()["items"]} == {1}
    assert full.up().startswith("it is up already")
    assert told["MATCHCAST_API_KEY"] not in (full.home / "log").read_text()
    assert "No source is configured" not in printed


@pytest.fixture(scope="module")
def filled(full: Full, printed: str) -> dict[str, Any]:
    """Matches, and a scrape of two results on top; how its task ended."""
    PostgresHouse(full.folder, full.told["MATCHCAST_DATABASE_URL"]).fill_database()
    with full.client() as client:
        task = client.post("/scrape", json=SCRAPE).json()
        return until(
            partial(_ended, client, task["status_url"]), WAIT_SECONDS, lambda: _seen(client, task["status_url"])
        )


@pytest.fixture(scope="module")
def promoted(full: Full, filled: dict[str, Any]) -> str:
    """A champion put into MinIO, which tells of it; its version."""
    told = full.told
    access = S3Access(told["AWS_ENDPOINT_URL"], told["AWS_ACCESS_KEY_ID"], told["AWS_SECRET_ACCESS_KEY"])
    objects = objects_at(told["MATCHCAST_OBJECTS_URL"], access)
    bundle = load_bundle(house.bundle_files(1))
    publish_snapshot(
        objects, house.snapshot_bytes(1, full.folder), state_hash=house.passed().state.hash, as_of=house.AS_OF,
        model_version=bundle.version, run_id=bundle.run_id, published_at=NOW,
    )  # fmt: skip
    set_champion(objects, house.bundle_files(1), NOW.isoformat(), NOW.isoformat())
    with full.client() as client:
        until(lambda: client.get("/readyz").status_code == 200, WAIT_SECONDS, lambda: _seen(client, "/readyz"))
    return bundle.version


def _ended(client: httpx.Client, status_url: str) -> dict[str, Any] | None:
    told: dict[str, Any] = client.get(status_url).json()
    return told if told["status"] in ("success", "failure") else None


def _seen(client: httpx.Client, address: str) -> str:
    answer = client.get(address)
    return f"{answer.status_code} {answer.text}"


def test_a_scrape_goes_through_rabbitmq_into_postgresql(full: Full, filled: dict[str, Any]) -> None:
    assert "first" in full.command("keys", "list", **full.told)
    assert (filled["status"], filled["result"]["matches"]["updated"]) == ("success", 2), filled
    with full.client() as client:
        played = client.get("/matches/?status=finished&date_from=2025-03-04&date_to=2025-03-15").json()["items"]
    assert {(match["home_goals"], match["away_goals"]) for match in played} >= {(2, 0), (1, 1)}


def test_a_champion_put_into_minio_is_told_and_forecasts_come(full: Full, promoted: str) -> None:
    with full.client() as client:
        hook = re.compile(r"^http_requests_total\{.*hooks/minio.*204.*\} ", re.M)
        until(
            lambda: hook.search(client.get("/metrics").text) is not None, WAIT_SECONDS,
            lambda: "\n".join(re.findall(r"^http_requests_total.*hooks.*", client.get("/metrics").text, re.M)),
        )  # fmt: skip
        answer = client.post("/predict/", json=ASKED)
        assert answer.status_code == 200, answer.text
        assert answer.json()["model_version"] == promoted

        def renewed() -> bool:
            return {forecast["cause"] for forecast in client.get("/predict/").json()["items"]} == {"new_model"}

        until(renewed, WAIT_SECONDS, lambda: _seen(client, "/predict/"))


def test_down_ends_everything_and_a_second_up_finds_it_again(full: Full, promoted: str) -> None:
    """The second ends by itself, with a word about the part that was killed."""
    assert len(full.processes) > 8
    key = full.told["MATCHCAST_API_KEY"]
    with full.client() as client:
        asked = client.post("/predict/", json=ASKED)
        assert asked.status_code == 200, asked.text
        made = asked.json()["forecast_id"]
    assert "is stopped" in full.down()
    assert full.processes == []
    assert "it is not up" in full.down()

    with full.foreground() as second:
        heard = _listen(second, "everything is up")
        assert full.told["MATCHCAST_API_KEY"] == key
        with full.client() as client:
            until(lambda: client.get("/readyz").status_code == 200, WAIT_SECONDS, lambda: _seen(client, "/readyz"))
            again = client.post("/predict/", json=ASKED)
            assert again.status_code == 200, again.text
            assert again.json()["forecast_id"] == made
            assert client.get("/matches/?status=finished&date_from=2025-03-14&date_to=2025-03-15").json()["items"]
        (killed,) = (p for p in full.processes if b"redis-server" in Path(f"/proc/{p}/cmdline").read_bytes())
        os.kill(killed, signal.SIGKILL)
        assert second.stderr is not None
        heard += second.stderr.read()
    assert second.returncode == 1
    assert "Redis ended by itself (-9), everything is stopped" in re.sub(r"\s+", " ", heard)
    assert full.processes == []


def test_what_one_that_was_killed_left_is_no_stranger_to_the_next(full: Full) -> None:
    """It is ended, and keeps its ports; Ctrl-C ends the next while it starts."""
    full.down()
    with full.foreground() as killed:
        _listen(killed, "Redis and MinIO start")
        kept = json.loads((full.home / "state.json").read_text())
        until(lambda: listens(kept["ports"]["redis"]), WAIT_SECONDS)
        killed.kill()
    assert full.processes
    with full.foreground() as following:
        heard = _listen(following, "Redis and MinIO start")
        following.send_signal(signal.SIGINT)
        assert following.stderr is not None
        heard += following.stderr.read()
    assert following.returncode == 0, heard
    assert "processes that a run before this one had left" in heard
    assert json.loads((full.home / "state.json").read_text()) == kept
    assert full.processes == []


def _listen(process: "subprocess.Popen[str]", words: str) -> str:
    """Wait until it says so; what it said until then."""
    assert process.stderr is not None
    heard = ""
    for line in process.stderr:
        heard += line
        if words in line:
            return heard
    raise AssertionError(f"it ended: {heard}")
