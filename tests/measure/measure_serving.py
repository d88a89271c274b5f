"""How many requests a second one warm process answers, and how fast, beside a bare FastAPI endpoint.

    python -m tests.measure.measure_serving [--postgres] [--rounds 3] [--seconds 2] [--connections 8] [--environment]

The endpoint echoes the JSON that POST /predict/ is asked with. All are served by uvicorn, each by one process that stays
up; in every round the same load goes to each in turn, over connections that stay open. The database is SQLite, or
PostgreSQL. By default an invented house with a small model is served; with --environment what the environment points to
(then an API key in MATCHCAST_API_KEY is needed).
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from itertools import count, islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import psycopg

from knative.local.services.postgres import private_postgres
from tests.measure.cpu import seconds_with_children
from tests.measure.load import Load, loaded, request

BATCH: Final = 100
WARM_SECONDS: Final = 1.0
A_SECOND: Final = 4_000
"""More forecasts a second than can be made: so many new questions are prepared."""

ECHO: Final = """\
import os
import fastapi, uvicorn

app = fastapi.FastAPI()

@app.post("/echo")
async def echo(body: dict) -> dict:
    return body

uvicorn.run(app, port=int(os.environ["PORT"]), log_level="critical", access_log=False, timeout_keep_alive=95)
"""


class Candidate(NamedTuple):
    """What is asked.

    Attributes:
        requests: as they go over the line; where each may be asked once only, those that are left.
        forecasts: in one answer.
        aim: of the issue: requests a second, and the 99th percentile, as ratios to the echo.
    """

    name: str
    server: str
    requests: "Sequence[bytes] | Iterator[bytes]"
    forecasts: int = 1
    aim: str = ""


class Measured(NamedTuple):
    """One candidate in one round."""

    load: Load
    processor: float


def questions(fixtures: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Ever new pairings: fixtures, moved by a day and some minutes."""
    for minutes in count(1):
        for fixture in fixtures:
            at = datetime.fromisoformat(fixture["kickoff_at"]) + timedelta(days=1, minutes=minutes)
            yield {
                "home_team": fixture["home_team"]["id"],
                "away_team": fixture["away_team"]["id"],
                "tournament": fixture["tournament"],
                "kickoff_at": at.isoformat(),
            }


def candidates(fixtures: Sequence[Mapping[str, Any]], key: str) -> list[Candidate]:
    known = [("X-API-Key", key)]
    new = questions(fixtures)

    def post(body: object, path: str = "/predict/") -> bytes:
        return request("POST", path, json.dumps(body).encode(), known)

    again = [question for question, _ in zip(new, range(20), strict=False)]
    return [
        Candidate("FastAPI echo", "echo", [post(question, "/echo") for question in again]),
        Candidate(
            "POST /predict/, asked again", "predict_sync", [post(question) for question in again], 1, ">= 0.5, <= 3"
        ),
        Candidate("POST /predict/, ever new", "predict_sync", (post(question) for question in new)),
        Candidate(
            f"POST /predict/, {BATCH} new at once",
            "predict_sync",
            (post({"matches": list(islice(new, BATCH))}) for _ in count()),
            BATCH,
        ),
        Candidate(
            "GET /predict/{match_id}",
            "lookup",
            [request("GET", f"/predict/{fixture['match_id']}", None, known) for fixture in fixtures],
            1,
            ">= 0.7",
        ),
    ]


@contextmanager
def serving(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[tuple[int, int]]:
    """A process that listens; its port and its id."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    process = subprocess.Popen(
        command, env={**environment, "PORT": str(port)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while True:
            if process.poll() is not None:
                raise SystemExit(f"{command!r} ended by itself")
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.01)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(40)


def fixtures_of(port: int, key: str) -> list[dict[str, Any]]:
    """The fixtures that have forecasts, at most 200."""
    asked = urllib.request.Request(f"http://127.0.0.1:{port}/predict/?limit=200", headers={"X-API-Key": key})
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return [item["fixture"] for item in json.load(answer)["items"]]


@contextmanager
def invented(with_postgres: bool) -> Iterator[tuple[dict[str, str], str]]:
    """Environment and API key of an invented house."""
    from tests.chaos.house import furnished
    from tests.entrypoints.house import House

    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        if with_postgres:
            server = stack.enter_context(private_postgres(fsync=True))
            with psycopg.connect(f"{server.url}/postgres", autocommit=True) as connection:
                connection.execute("CREATE DATABASE measured")
            house: House = furnished(folder, f"{server.url}/measured")
        else:
            house = House(folder)
            house.promote(1)
            house.publish(1, folder)
            house.fill_database()
        yield house.environment, house.key("predict")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--environment", action="store_true")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        if arguments.environment:
            added: dict[str, str] = {}
            key = os.environ["MATCHCAST_API_KEY"]
        else:
            added, key = stack.enter_context(invented(arguments.postgres))
        environment = {**os.environ, **added, "MATCHCAST_RATE_QUOTA": "0"}
        commands = {"echo": ("-c", ECHO)} | {name: ("-m", f"functions.{name}") for name in ("predict_sync", "lookup")}
        servers = {
            name: stack.enter_context(serving((sys.executable, *options), environment))
            for name, options in commands.items()
        }
        asked = candidates(fixtures_of(servers["lookup"][0], key), key)
        found: defaultdict[str, list[Measured]] = defaultdict(list)
        for turn in range(arguments.rounds + 1):
            for candidate in asked:
                seconds = arguments.seconds if turn else WARM_SECONDS
                measured = measure(candidate, servers[candidate.server], arguments.connections, seconds)
                if turn:
                    found[candidate.name].append(measured)
    tell(asked, found, arguments.connections)


def measure(candidate: Candidate, server: tuple[int, int], connections: int, seconds: float) -> Measured:
    port, pid = server
    requests = candidate.requests
    if isinstance(requests, Iterator):
        requests = list(islice(requests, round(seconds * A_SECOND / min(candidate.forecasts, 4))))
    before = seconds_with_children(pid)
    load = loaded(port, connections, seconds, requests)
    return Measured(load, seconds_with_children(pid) - before)


def tell(asked: Sequence[Candidate], found: Mapping[str, Sequence[Measured]], connections: int) -> None:
    """Medians over rounds, percentiles over all answers; ratios to the echo of the same round."""
    echo = found[asked[0].name]
    print(
        f"{connections} connections, {len(echo)} rounds; in brackets the ratio to the echo of the same round, its range"
    )
    print(f"{'':30}{'requests/s':>26}{'p50, ms':>18}{'p99, ms':>26}{'processor, µs':>20}  aims")
    for name, _, _, forecasts, aim in asked:
        rounds = found[name]
        cells = [
            cell(rounds, echo, lambda one: len(one.load.took) / one.load.seconds, 26),
            cell(rounds, echo, lambda one: percentile(one, 0.5), 18, False),
            cell(rounds, echo, lambda one: percentile(one, 0.99), 26),
            cell(rounds, echo, lambda one: one.processor / len(one.load.took) * 1e6, 20, False),
        ]
        print(f"{name:30}{''.join(cells)}  {aim}")
        if forecasts > 1:
            a_second = statistics.median(len(one.load.took) * forecasts / one.load.seconds for one in rounds)
            print(f"{'':30}{a_second:12,.0f} forecasts/s")


def percentile(one: Measured, share: float) -> float:
    """Milliseconds."""
    return float(np.quantile(one.load.took, share) * 1000)


def cell(rounds: Sequence[Measured], echo: Sequence[Measured], of: Any, width: int, with_range: bool = True) -> str:
    ratios = [of(one) / of(base) for one, base in zip(rounds, echo, strict=True)]
    told = f"{statistics.median(map(of, rounds)):,.1f} ({statistics.median(ratios):.2f}"
    told += f", {min(ratios):.2f}-{max(ratios):.2f})" if with_range else ")"
    return f"{told:>{width}}"


if __name__ == "__main__":
    main()
