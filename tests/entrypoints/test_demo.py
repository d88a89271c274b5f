"""The main job as a newcomer runs it: `matchcast demo` in a fresh clone, and the commands that it prints."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from commands.main import app

ROOT = Path(__file__).parents[2]
MATCHCAST = str(Path(sys.executable).parent / "matchcast")
pytestmark = pytest.mark.slow


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program of this environment on the clone's own code, with none of this machine's settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MATCHCAST_", "MLFLOW_", "PYTEST_"))}
    environment = kept | {"PYTHONPATH": f"{cwd}:{cwd}/shared", "COLUMNS": "200"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What a clone of the working tree would hold; its server is stopped in the end."""
    folder = tmp_path_factory.mktemp("clone")
    listed = run("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT).stdout.split("\n")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    assert run("git", "init", "-q", cwd=folder).returncode == 0
    yield folder
    run(MATCHCAST, "stop", cwd=folder)


@pytest.fixture(scope="module")
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def printed(clone: Path, port: int) -> str:
    """What the first run prints."""
    done = run(MATCHCAST, "demo", "--until", "2025-04-01", "--port", str(port), cwd=clone)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def answers(printed: str, clone: Path) -> list[Any]:
    """The printed commands' answers, run as printed."""
    commands = re.findall(r"^curl .*$", printed, flags=re.MULTILINE)
    return [json.loads(run("bash", "-c", command, cwd=clone).stdout) for command in commands]


def ended(accepted: dict[str, Any], printed: str, clone: Path) -> dict[str, Any]:
    """A task in its final state."""
    base, key = re.findall(r"curl -s (http://localhost:\d+)\S* -H '(X-API-Key: \S+)'", printed)[0]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        task: dict[str, Any] = json.loads(run("curl", "-s", base + accepted["status_url"], "-H", key, cwd=clone).stdout)
        if task["status"] in ("success", "failure"):
            return task
        time.sleep(0.1)
    raise AssertionError(f"{accepted} has no end")


def test_the_printed_commands_work_as_printed(printed: str, clone: Path) -> None:
    """The same fixture from the batch and on request, with the same chances; and the list starts with it.

    What is asked for later is done soon, and a scrape of a day that is loaded changes nothing.
    """
    batch, requested, later, scrape, listed = answers(printed, clone)
    assert batch["probabilities"] == requested["probabilities"]
    assert sum(batch["probabilities"].values()) == pytest.approx(1.0)
    assert requested["ledger"] == "written"
    assert [match["status"] for match in listed["items"]] == ["upcoming"] * 3
    assert listed["items"][0]["kickoff_at"] >= "2025-04-01"
    made, scraped = (ended(task, printed, clone) for task in (later, scrape))
    assert made["result"]["probabilities"] == batch["probabilities"]
    assert scraped["result"]["matches"]["unchanged"] > 0
    assert scraped["result"]["matches"]["inserted"] == scraped["result"]["matches"]["updated"] == 0


def test_ten_fixtures_are_shown(printed: str) -> None:
    rows = re.findall(r"│ (2025-04-\d\d \d\d:\d\d) │.*%", printed)
    assert len(rows) == 10
    assert rows == sorted(rows)


def test_a_second_run_reuses_what_stands(printed: str, clone: Path, port: int) -> None:
    """Nothing is loaded or trained again, and the same server goes on."""
    before = json.loads((clone / "var/demo/server.json").read_text())
    again = run(MATCHCAST, "demo", "--until", "2025-04-01", "--port", str(port), cwd=clone)
    assert again.returncode == 0, again.stderr
    assert "17,945" in again.stdout
    assert "training" not in again.stderr
    assert json.loads((clone / "var/demo/server.json").read_text()) == before
    first, second = answers(printed, clone)[0], answers(again.stdout, clone)[0]
    assert first.pop("snapshot")["hash"] == second.pop("snapshot")["hash"]
    assert first == second


def test_forecasts_are_on_record_before_their_kickoff(printed: str, clone: Path) -> None:
    """The demo's own clock rules the ledger too."""
    import sqlite3

    assert printed
    with sqlite3.connect(clone / "var/demo/2025-04-01/matchcast.db") as connection:
        late, rows = connection.execute("SELECT sum(recorded_at >= kickoff_at), count(*) FROM forecasts").fetchone()
    connection.close()
    assert rows > 200
    assert late == 0


@pytest.mark.parametrize("until", ["2017-01-01", "2025-06-01"])
def test_a_day_without_matches_on_both_sides_is_refused(until: str) -> None:
    done = CliRunner().invoke(app, ["demo", "--until", until])
    assert done.exit_code == 1
    assert "allow days from" in done.output
