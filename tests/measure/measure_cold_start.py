"""How long a function takes from process start to its first answer, beside a bare functions-framework hello world.

    python -m tests.measure.measure_cold_start [--rounds 9] [--environment]

Each round starts every candidate once, so that what else the machine does hits all alike. Bytecode is compiled before.
By default the functions serve a small invented house; with --environment, what the environment points to (then an API
key in MATCHCAST_API_KEY and a match_id in MATCHCAST_MATCH_ID are needed).
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
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

HELLO = """\
import functions_framework

@functions_framework.http
def hello(request):
    return "hello"
"""


class Candidate(NamedTuple):
    """What to start and what to ask it."""

    name: str
    command: tuple[str, ...]
    method: str
    path: str
    body: bytes | None = None


class Start(NamedTuple):
    """Milliseconds to the first 200, processor time spent by then, resident MB, milliseconds of the second answer."""

    first_ms: float
    processor_ms: float
    resident_mb: float
    second_ms: float


def candidates(hello: Path, match_id: int) -> list[Candidate]:
    python = sys.executable
    framework = (str(Path(python).parent / "functions-framework"), "--source", str(hello), "--target", "hello")
    body = json.dumps({"match_id": match_id}).encode()
    return [
        Candidate("functions-framework hello", (*framework, "--port", "{port}"), "POST", "/"),
        Candidate("predict-sync POST /predict/", (python, "-m", "functions.predict_sync"), "POST", "/predict/", body),
        Candidate("lookup GET /predict/{id}", (python, "-m", "functions.lookup"), "GET", f"/predict/{match_id}"),
        Candidate("lookup GET /livez", (python, "-m", "functions.lookup"), "GET", "/livez"),
    ]


def start(candidate: Candidate, environment: dict[str, str], key: str) -> Start:
    """Start a process, ask it until it answers 200, once more, then stop it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [part.format(port=port) for part in candidate.command]
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, env={**environment, "PORT": str(port)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for_port(port, process)
        ask(candidate, port, key)
        first = time.perf_counter()
        spent = processor_ms(process.pid)
        ask(candidate, port, key)
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
        data=candidate.body if candidate.body is not None else (b"" if candidate.method == "POST" else None),
        method=candidate.method,
        headers={"X-API-Key": key, "Content-Type": "application/json"},
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


def small_house(folder: Path) -> tuple[dict[str, str], str, int]:
    """Environment, API key and match of an invented house."""
    from tests.entrypoints import house

    here = house.House(folder)
    here.promote(1)
    here.publish(1, folder)
    here.fill_database()
    match_id = next(f.match_id for f in house.fixtures() if f.kickoff_at > house.NOW)
    assert match_id is not None
    return here.environment, here.key("predict"), match_id


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--environment", action="store_true")
    arguments = parser.parse_args()
    root = Path(__file__).parents[2]
    for folder in ("shared/matchcast", "functions", "knative"):
        compileall.compile_dir(root / folder, quiet=1)
    with tempfile.TemporaryDirectory() as temporary:
        hello = Path(temporary) / "main.py"
        hello.write_text(HELLO)
        environment = dict(os.environ)
        if arguments.environment:
            key, match_id = environment["MATCHCAST_API_KEY"], int(environment["MATCHCAST_MATCH_ID"])
        else:
            added, key, match_id = small_house(Path(temporary))
            environment |= added
        found: defaultdict[str, list[Start]] = defaultdict(list)
        for _ in range(arguments.rounds):
            for candidate in candidates(hello, match_id):
                found[candidate.name].append(start(candidate, environment, key))
    base = {column: median(found["functions-framework hello"], column) for column in Start._fields}
    print(f"{arguments.rounds} rounds, medians; in brackets the ratio to functions-framework hello")
    print(f"{'':30}{'first 200, ms':>18}{'processor, ms':>18}{'resident, MB':>18}{'second, ms':>18}")
    for name, starts in found.items():
        cells = [f"{median(starts, c):8.1f} ({median(starts, c) / base[c]:.2f})" for c in Start._fields]
        print(f"{name:30}" + "".join(f"{cell:>18}" for cell in cells))


def median(starts: Iterable[Start], column: str) -> float:
    return float(statistics.median(getattr(start, column) for start in starts))


if __name__ == "__main__":
    main()
