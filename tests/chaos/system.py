"""The running system for chaos tests: every function a process of its own, real RabbitMQ and PostgreSQL."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
import psycopg

from tests.chaos.house import PostgresHouse
from tests.entrypoints.served import PAIRING

HOOK_TOKEN: Final = "chaos-hook-token-0123456789"
T = TypeVar("T")
FINAL: Final = {"success", "failure"}
_AFTER_ALL: Final = datetime(2025, 9, 1, tzinfo=UTC)
"""No known fixture kicks off so late."""


class System:
    """A running `knative.local`, with what tests do to it and ask of it."""

    def __init__(self, house: PostgresHouse, port: int, runtime: "subprocess.Popen[bytes]", key: str) -> None:
        self.house: Final = house
        self.base: Final = f"http://127.0.0.1:{port}"
        self._runtime = runtime
        self.key: Final = key
        limits = httpx.Limits(max_connections=16)
        self.client: Final = httpx.Client(base_url=self.base, headers={"X-API-Key": key}, timeout=60, limits=limits)
        self._asked = count()

    def broker(self, name: str) -> str:
        """The address of a broker."""
        addresses: dict[str, str] = self.client.get("/_local").json()["addresses"]
        return addresses[f"http://{name}-broker-ingress.matchcast.svc.cluster.local"]

    @property
    def runtime_id(self) -> int:
        """Of the process that the functions' are children of."""
        return self._runtime.pid

    def processes(self, function: str) -> list[int]:
        """Ids of a function's processes."""
        return [pid for pid in _descendants(self._runtime.pid) if f"functions.{function}" in _command(pid)]

    def kill(self, function: str) -> int:
        """SIGKILL a function's processes; how many there were."""
        killed = 0
        for pid in self.processes(function):
            try:
                os.kill(pid, signal.SIGKILL)
                killed += 1
            except ProcessLookupError:
                continue
        return killed

    def ask(self, times: int, threads: int = 4) -> list[str]:
        """Ask for forecasts; the ids of the tasks that were accepted."""
        with ThreadPoolExecutor(threads) as pool:
            return [task_id for task_id in pool.map(self._ask_once, range(times)) if task_id]

    def question(self) -> dict[str, str]:
        """A pairing that nobody asked for before: its forecast is a row of its own."""
        return {**PAIRING, "kickoff_at": (_AFTER_ALL + timedelta(minutes=next(self._asked))).isoformat()}

    def _ask_once(self, _: int) -> str | None:
        try:
            answer = self.client.post("/predict/async/", json=self.question())
        except httpx.TransportError:
            return None
        if answer.status_code != 202:
            assert answer.status_code in (500, 502, 503, 504), answer.text
            return None
        task_id: str = answer.json()["task_id"]
        return task_id

    def states(self) -> Counter[str]:
        """Number of tasks by state."""
        return Counter({state: int(n) for state, n in self.rows("SELECT state, count(*) FROM tasks GROUP BY state")})

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """What the database says."""
        with psycopg.connect(self.house.url) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def wait_until_final(self, task_ids: Sequence[str], seconds: float = 180) -> Counter[str]:
        """The final states of tasks, by the database.

        Raises:
            AssertionError: some have none in time.
        """

        def final() -> Counter[str] | None:
            found = dict(self.rows("SELECT task_id, state FROM tasks WHERE task_id = ANY(%s)", list(task_ids)))
            missing = set(task_ids) - set(found)
            assert not missing, f"{len(missing)} accepted tasks are gone"
            counted = Counter(found.values())
            return counted if set(counted) <= FINAL else None

        return until(final, seconds, lambda: f"tasks are {self.states()}")

    def assert_nothing_lost_or_doubled(self, task_ids: Sequence[str]) -> None:
        """Every successful task has its row of the ledger, every row a task, and no question has two rows.

        A POST that was sent once more because a process died has two tasks, whose forecast is one row; of those that
        were accepted, no two asked the same.
        """
        rows = self.rows(
            "SELECT forecast_id, (home_team, away_team, kickoff_at)::text FROM forecasts WHERE cause = 'requested'"
        )
        told = dict(
            self.rows(
                "SELECT task_id, (result->>'forecast_id')::bigint FROM tasks"
                " WHERE state = 'success' AND kind = 'prediction'"
            )
        )
        assert None not in told.values()
        assert len({fixture for _, fixture in rows}) == len(rows)
        assert set(told.values()) == {forecast_id for forecast_id, _ in rows}
        accepted = [told[task_id] for task_id in task_ids if task_id in told]
        assert len(set(accepted)) == len(accepted)
        assert len(set(task_ids)) == len(task_ids)


def until(question: Callable[[], T | None], seconds: float, told: Callable[[], str] = lambda: "") -> T:
    """The first answer that is neither None nor False; a database or service that is away is asked again."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            answer = question()
        except (psycopg.OperationalError, httpx.TransportError):
            answer = None
        if answer is not None and answer is not False:
            return answer
        assert time.monotonic() < deadline, f"not within {seconds} s: {told()}"
        time.sleep(0.1)


@contextmanager
def running(house: PostgresHouse, amqp_url: str, log: Path, *options: str) -> Iterator[System]:
    """The system on a free port, ready."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "knative.local",
        "--port",
        str(port),
        "--broker",
        amqp_url,
        "--processes",
        *options,
    ]
    environment = {**os.environ, **house.environment, "MATCHCAST_HOOK_TOKEN": HOOK_TOKEN}
    key = house.key("predict", "ingest", "admin")
    with log.open("ab") as written:
        runtime = subprocess.Popen(command, env=environment, stdout=written, stderr=written, start_new_session=True)
    system = System(house, port, runtime, key)
    try:
        until(lambda: system.client.get("/livez").status_code == 200, 60, lambda: log.read_text()[-2000:])
        yield system
    finally:
        system.client.close()
        runtime.terminate()
        try:
            runtime.wait(60)
        finally:
            left = _descendants(runtime.pid)
            runtime.kill()
            for pid in left:
                os.kill(pid, signal.SIGKILL)


@contextmanager
def every(seconds: float, what: Callable[[], int]) -> Iterator[list[int]]:
    """Do something again and again while the block runs; the list says what came of it."""
    over, found = threading.Event(), list[int]()

    def go() -> None:
        while not over.wait(seconds):
            found.append(what())

    thread = threading.Thread(target=go)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def _descendants(pid: int) -> list[int]:
    found = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *_descendants(int(child))]
    except (FileNotFoundError, ProcessLookupError):
        pass  # it ended while we looked
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""
