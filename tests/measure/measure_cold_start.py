"""How long a function takes from process start to its first answer, beside a bare functions-framework hello world.

    python -m tests.measure.measure_cold_start [--rounds 9] [--all] [--postgres] [--redis] [--mlflow] [--environment]
    python -m tests.measure.measure_cold_start --left

Each round starts every candidate once, so that what else the machine does hits all alike. Bytecode is compiled before.
By default predict-sync and lookup serve a small invented house on SQLite, with its cache in memory; --all measures all
functions, --postgres has them on PostgreSQL, --redis gives them a cache. With --environment they serve what the
environment points to (then an API key in MATCHCAST_API_KEY and a match_id in MATCHCAST_MATCH_ID are needed).
--mlflow starts `mlflow models serve` with the same model, once: the bundle in a pyfunc model as the pipeline registers it,
asked for the forecast of one row of features.
--left tells instead what is imported and called from the start to the first answer, and what it takes.
"""

import argparse
import compileall
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import psycopg

from knative.local.services.postgres import private_postgres
from knative.local.services.redis import private_redis
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.tasks import SqlTasks
from matchcast.ports.events import Task, TaskState
from tests.measure.first_answer import tell_what_is_left
from tests.unit.events.examples import EXAMPLES

TOKEN: Final = "measured-with-this-token"

HELLO = """\
import functions_framework

@functions_framework.http
def hello(request):
    return "hello"
"""


class Candidate(NamedTuple):
    """What to start and what to ask it; an event gets an id of its own with every request."""

    name: str
    command: tuple[str, ...]
    method: str
    path: str
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = MappingProxyType({})
    event: str | None = None


class Start(NamedTuple):
    """Milliseconds to the first 200, processor time spent by then, resident MB, milliseconds of the second answer."""

    first_ms: float
    processor_ms: float
    resident_mb: float
    second_ms: float


def candidates(hello: Path, match_id: int, *, with_all: bool) -> list[Candidate]:
    python = sys.executable
    framework = (str(Path(python).parent / "functions-framework"), "--source", str(hello), "--target", "hello")

    def of(function: str) -> tuple[str, ...]:
        return (python, "-m", f"functions.{function}")

    asked, ingested = {"match_id": match_id}, EXAMPLES["matches.ingested"] | {"finished": [], "upcoming": []}
    window = {"source": "football-data", "from": "2025-02-01", "to": "2025-02-02"}
    put = {
        "EventName": "s3:ObjectCreated:Put",
        "Key": "matchcast/models/champion.json",
        "Records": [{"eventName": "s3:ObjectCreated:Put", "s3": {"object": {"key": "models%2Fchampion.json"}}}],
    }
    asked_first = [
        Candidate("functions-framework hello", (*framework, "--port", "{port}"), "POST", "/"),
        Candidate("predict-sync POST /predict/", of("predict_sync"), "POST", "/predict/", asked),
        Candidate("lookup GET /predict/{id}", of("lookup"), "GET", f"/predict/{match_id}"),
    ]
    others = [
        Candidate("lookup GET /livez", of("lookup"), "GET", "/livez"),
        Candidate("predict-async POST /predict/async/", of("predict_async"), "POST", "/predict/async/", asked),
        Candidate(
            "predict-async prediction.requested", of("predict_async"), "POST", "/", asked, {}, "prediction.requested"
        ),
        Candidate("scrape POST /scrape", of("scrape"), "POST", "/scrape", window),
        Candidate("drift matches.ingested", of("drift"), "POST", "/", ingested, {}, "matches.ingested"),
        Candidate(
            "reload POST /hooks/minio", of("reload"), "POST", "/hooks/minio", put, {"Authorization": f"Bearer {TOKEN}"}
        ),
        Candidate(
            "deadletter POST /from/inference",
            of("deadletter"),
            "POST",
            "/from/inference",
            asked,
            {},
            "prediction.requested",
        ),
    ]
    return [*asked_first, *(others if with_all else ())]


def mlflow_candidate(folder: Path) -> Candidate:
    """`mlflow models serve` of the model that the invented house serves."""
    import mlflow
    import numpy as np

    from pipeline.register_model import MODEL_CODE
    from tests.entrypoints.house import bundle_files, contract, passed

    bundle, model = folder / "bundle", folder / "model"
    bundle.mkdir()
    for name, content in bundle_files(1).items():
        (bundle / name).write_bytes(content)
    mlflow.pyfunc.save_model(
        model, python_model=MODEL_CODE, artifacts={"bundle": str(bundle)}, pip_requirements=["matchcast"]
    )
    rows = passed().rows
    row = rows[~np.isnan(rows).any(axis=1)][0]
    program = str(Path(sys.executable).parent / "mlflow")
    return Candidate(
        "mlflow models serve POST /invocations",
        (program, "models", "serve", "-m", str(model), "-p", "{port}", "--env-manager", "local"),
        "POST",
        "/invocations",
        {"dataframe_split": {"columns": list(contract().names), "data": [row.tolist()]}},
    )


def with_event(candidate: Candidate, tasks: SqlTasks) -> Candidate:
    """The request as it is sent: an event has an id, and a prediction a task that waits for it."""
    if candidate.event is None:
        return candidate
    id_, now = uuid.uuid4().hex, datetime.now(UTC)
    data = dict(candidate.body or {})
    if candidate.event == "prediction.requested":
        data |= {"task_id": id_}
        tasks.add(Task(id_, "prediction", TaskState.PENDING, now, now, now + timedelta(hours=1)))
    headers = {
        "ce-specversion": "1.0",
        "ce-id": id_,
        "ce-source": "/matchcast/predict-async",
        "ce-type": f"org.matchcast.{candidate.event}",
        "ce-time": now.isoformat(),
    }
    return candidate._replace(body=data, headers={**candidate.headers, **headers})


class Taking(BaseHTTPRequestHandler):
    """A broker that takes everything."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", "0")))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


def start(candidate: Candidate, environment: dict[str, str], key: str, tasks: SqlTasks) -> Start:
    """Start a process, ask it until it answers 2xx, once more, then stop it."""
    first_request, second_request = with_event(candidate, tasks), with_event(candidate, tasks)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [part.format(port=port) for part in candidate.command]
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, env={**environment, "PORT": str(port)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for_port(port, process)
        ask(first_request, port, key)
        first = time.perf_counter()
        spent = processor_ms(process.pid)
        ask(second_request, port, key)
        second = time.perf_counter()
        return Start((first - begun) * 1000, spent, resident_mb(process.pid), (second - first) * 1000)
    finally:
        process.terminate()
        process.wait(30)


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            time.sleep(0.001)
        else:
            return
    raise SystemExit(f"{process.args!r} ended by itself")


def ask(candidate: Candidate, port: int, key: str) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{candidate.path}",
        data=None if candidate.method == "GET" else json.dumps(candidate.body or {}).encode(),
        method=candidate.method,
        headers={"X-API-Key": key, "Content-Type": "application/json", **candidate.headers},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{candidate.name}: {error.code} {error.read().decode()}") from error


def processor_ms(pid: int) -> float:
    """Of a process and its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return ticks * 1000 / os.sysconf("SC_CLK_TCK") + sum(processor_ms(child) for child in children(pid))


def resident_mb(pid: int) -> float:
    """Of a process and its children."""
    (line,) = [one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmRSS")]
    return int(line.split()[1]) / 1024 + sum(resident_mb(child) for child in children(pid))


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def small_house(folder: Path, postgres_url: str | None) -> tuple[dict[str, str], str, int]:
    """Environment, API key and match of an invented house."""
    from tests.chaos.house import PostgresHouse
    from tests.entrypoints import house

    here = house.House(folder) if postgres_url is None else PostgresHouse(folder, postgres_url)
    here.promote(1)
    here.publish(1, folder)
    here.fill_database()
    match_id = next(f.match_id for f in house.fixtures() if f.kickoff_at > house.NOW)
    assert match_id is not None
    return here.environment, here.key("predict", "ingest"), match_id


@contextmanager
def furnished(arguments: argparse.Namespace, folder: Path) -> Iterator[tuple[dict[str, str], str, int]]:
    """Environment, API key and match of what is asked for."""
    with ExitStack() as stack:
        programs = str(Path(sys.executable).parent)  # mlflow looks for uvicorn by its name
        environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
        url = None
        if arguments.postgres:
            server = stack.enter_context(private_postgres(fsync=True))
            with psycopg.connect(f"{server.url}/postgres", autocommit=True) as connection:
                connection.execute("CREATE DATABASE measured")
            url = f"{server.url}/measured"
        if arguments.environment:
            key, match_id = environment["MATCHCAST_API_KEY"], int(environment["MATCHCAST_MATCH_ID"])
        else:
            added, key, match_id = small_house(folder, url)
            environment |= added
        if arguments.redis:
            environment["MATCHCAST_CACHE_URL"] = stack.enter_context(private_redis()).url
        broker = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
        threading.Thread(target=broker.serve_forever, daemon=True).start()
        stack.callback(broker.shutdown)
        sink = f"http://127.0.0.1:{broker.server_port}"
        environment |= {
            "K_SINK": sink,
            "MATCHCAST_INGEST_BROKER_URL": sink,
            "MATCHCAST_INFERENCE_BROKER_URL": sink,
            "MATCHCAST_HOOK_TOKEN": TOKEN,
            "MATCHCAST_FOOTBALL_DATA_URL": sink,
        }
        yield environment, key, match_id


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    for option in ("--all", "--postgres", "--redis", "--mlflow", "--environment", "--left"):
        parser.add_argument(option, action="store_true")
    arguments = parser.parse_args()
    root = Path(__file__).parents[2]
    for part in ("shared/matchcast", "functions", "knative"):
        compileall.compile_dir(root / part, quiet=1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        hello = folder / "main.py"
        hello.write_text(HELLO)
        with furnished(arguments, folder) as (environment, key, match_id):
            asked = candidates(hello, match_id, with_all=arguments.all)
            if arguments.left:
                for candidate in asked[1:3]:
                    body = "" if candidate.body is None else json.dumps(candidate.body)
                    function = candidate.command[-1].rpartition(".")[2]
                    print(f"\n{candidate.name}")
                    tell_what_is_left((function, candidate.method, candidate.path, key, body), environment)
                return
            tasks = SqlTasks(Database(environment["MATCHCAST_DATABASE_URL"]))
            found: defaultdict[str, list[Start]] = defaultdict(list)
            for _ in range(arguments.rounds):
                for candidate in asked:
                    found[candidate.name].append(start(candidate, environment, key, tasks))
            if arguments.mlflow:
                served = mlflow_candidate(folder)
                found[served.name].append(start(served, environment, key, tasks))
    tell(found)


def tell(found: Mapping[str, Sequence[Start]]) -> None:
    hello = found["functions-framework hello"]
    base = {column: median(hello, column) for column in Start._fields}
    print(f"{len(hello)} rounds, medians; in brackets the ratio to functions-framework hello")
    print(f"{'':38}{'first 2xx, ms':>18}{'processor, ms':>18}{'resident, MB':>18}{'second, ms':>18}")
    for name, starts in found.items():
        cells = [f"{median(starts, c):8.1f} ({median(starts, c) / base[c]:.2f})" for c in Start._fields]
        print(f"{name:38}" + "".join(f"{cell:>18}" for cell in cells))


def median(starts: Iterable[Start], column: str) -> float:
    return float(statistics.median(getattr(start, column) for start in starts))


if __name__ == "__main__":
    main()
