"""`matchcast demo`: the main job end to end on real matches and embedded defaults, left serving."""

import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from rich.console import Console

HOME: Final = Path("var/demo")
SERVER_FILE: Final = HOME / "server.json"
LOG_FILE: Final = HOME / "server.log"
PUBLISHED: Final = Path("data/predictions/published.json")
START_SECONDS: Final = 60.0
FIRST_UNTIL: Final = datetime(2019, 8, 1, tzinfo=UTC)
LAST_UNTIL: Final = datetime(2025, 5, 1, tzinfo=UTC)


def demo(
    until: Annotated[
        datetime,
        typer.Option(formats=["%Y-%m-%d"], help="Matches before this day have results; it is today for the demo."),
    ] = datetime(2025, 4, 1),  # noqa: DTZ001
    port: Annotated[int, typer.Option(help="TCP port to serve on.", min=1, max=65535)] = 8080,
) -> None:
    """Load the demo matches, train, promote, forecast what comes next, and leave it serving.

    Everything it stores lies in var/demo, apart from any database of yours; the pipeline's outputs are in data.
    """
    from rich.console import Console

    from commands.export import export
    from commands.ingest import NewTeamsChoice, SourceName, ingest, migrate
    from matchcast.errors import BadInput

    console = Console(width=120)
    as_of = until.replace(tzinfo=UTC)
    if not FIRST_UNTIL <= as_of <= LAST_UNTIL:
        raise BadInput(
            f"--until {until:%Y-%m-%d}: the demo's matches allow days from {FIRST_UNTIL:%Y-%m-%d} to {LAST_UNTIL:%Y-%m-%d}",
            "until",
        )
    place = _settle(as_of)
    _step(console, "Database")
    migrate()
    _step(console, f"Matches up to {until:%Y-%m-%d}")
    ingest(SourceName.DEMO, None, until, NewTeamsChoice.PROPOSE, None)
    export(as_of.isoformat())
    _step(console, "Pipeline: gates, features, training, promotion, forecasts")
    _train()
    key = _key(place / "key")
    base = f"http://localhost:{port}"
    _step(console, "Serving")
    _serve(base, port)
    fixtures = _ask(f"{base}/predict/?limit=10", key)["items"]
    console.print(_table(fixtures), markup=False)
    _show_commands(console, base, key, fixtures[0])


def _settle(as_of: datetime) -> Path:
    """Point this process and all that it starts at the demo's own database, objects, registry and clock."""
    place = (HOME / f"{as_of:%Y-%m-%d}").absolute()
    place.mkdir(parents=True, exist_ok=True)
    os.environ |= {
        "MATCHCAST_DATABASE_URL": f"sqlite:///{place}/matchcast.db",
        "MATCHCAST_OBJECTS_URL": str(place / "objects"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{place}/mlflow.db",
        "MATCHCAST_CLOCK_STARTS_AT": as_of.isoformat(),
        # the stages' commands are called by name
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    return place


def _train() -> None:
    """Run the pipeline.

    Raises:
        GateFailed: a stage or a gate said no, or the first model was not good enough to be promoted.
    """
    from matchcast.errors import GateFailed

    done = subprocess.run([sys.executable, "-m", "dvc", "repro", "--quiet"], check=False)
    if done.returncode != 0:
        raise GateFailed("the pipeline stopped; its last lines above say where and why, `dvc repro` goes on from there")
    if json.loads(PUBLISHED.read_text())["snapshot"] is None:
        raise GateFailed("no model was good enough to be promoted; data/promotion/gate.json says why")


def stop() -> None:
    """Stop the server that `matchcast demo` left running."""
    server = _server()
    if server is None:
        typer.echo("no demo server is running")
        return
    os.kill(server["pid"], signal.SIGTERM)
    deadline = time.monotonic() + START_SECONDS
    while _alive(server["pid"]) and time.monotonic() < deadline:
        time.sleep(0.05)
    SERVER_FILE.unlink()
    typer.echo(f"stopped process {server['pid']}")


def _step(console: "Console", name: str) -> None:
    console.rule(f"[bold]{name}", align="left")


def _key(file: Path) -> str:
    """The demo's API key; made once, kept in a file that only its owner reads."""
    from commands.environment import database_url
    from matchcast.adapters.database.api_keys import SqlApiKeys
    from matchcast.adapters.database.engine import Database

    keys = SqlApiKeys(Database(database_url()))
    now = datetime.now(UTC)
    if file.exists():
        key = file.read_text().strip()
        if hashlib.sha256(key.encode()).hexdigest() in {k.sha256 for k in keys.active(now)}:
            return key
    made = keys.create("demo", frozenset({"predict", "ingest"}), now)
    file.touch(mode=0o600)
    file.write_text(made.text)
    return made.text


def _serve(base: str, port: int) -> None:
    """Leave a server running, or go on with the one that stands if it runs this code on this data.

    Raises:
        Unavailable: the port is taken, or the server does not become ready.
    """
    from commands.environment import cache_directory
    from matchcast.adapters.git_revision import git_revision
    from matchcast.adapters.sources.demo import WHEEL
    from matchcast.errors import Unavailable

    wanted = {"port": port, "database": os.environ["MATCHCAST_DATABASE_URL"], "code": git_revision()}
    server = _server()
    if server is not None:
        if {k: server.get(k) for k in wanted} == wanted:
            return
        stop()
    if _answers(base):
        raise Unavailable(
            f"port {port} is taken by another program: give another one, e.g. `make demo PORT={port + 1}`"
        )
    functions = {
        "MATCHCAST_DEMO_WHEEL": str(cache_directory() / WHEEL),
        "MATCHCAST_HOOK_TOKEN": secrets.token_urlsafe(32),
    }
    with LOG_FILE.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "knative.local", "--port", str(port)],
            env={**os.environ, **functions},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while not _answers(f"{base}/readyz"):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise Unavailable(f"the server did not become ready; see {LOG_FILE}")
        time.sleep(0.1)
    SERVER_FILE.write_text(json.dumps({"pid": process.pid, **wanted}))


def _server() -> dict[str, Any] | None:
    """The demo server that runs, if one does."""
    if not SERVER_FILE.exists():
        return None
    server: dict[str, Any] = json.loads(SERVER_FILE.read_text())
    command = Path(f"/proc/{server['pid']}/cmdline")
    return server if _alive(server["pid"]) and b"knative.local" in command.read_bytes() else None


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def _answers(url: str) -> bool:
    import httpx

    try:
        return httpx.get(url, timeout=2.0, trust_env=False).is_success or not url.endswith("/readyz")
    except httpx.TransportError:
        return False


def _ask(url: str, key: str) -> Any:
    import httpx

    reply = httpx.get(url, headers={"X-API-Key": key}, timeout=30.0, trust_env=False)
    reply.raise_for_status()
    return reply.json()


def _table(fixtures: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table(title="The next ten fixtures")
    for name in ("kick-off (UTC)", "tournament", "home", "away", "home", "draw", "away"):
        table.add_column(name, justify="right" if len(table.columns) > 3 else "left")
    for item in fixtures:
        fixture, probs = item["fixture"], item["probabilities"]
        table.add_row(
            fixture["kickoff_at"].replace("T", " ")[:16], fixture["tournament"], fixture["home_team"]["name"],
            fixture["away_team"]["name"], *(f"{probs[side]:.1%}" for side in ("home", "draw", "away")),
        )  # fmt: skip
    return table


def _show_commands(console: "Console", base: str, key: str, item: dict[str, Any]) -> None:
    fixture = item["fixture"]
    day = fixture["kickoff_at"][:10]
    body = json.dumps(
        {
            "home_team": fixture["home_team"]["name"],
            "away_team": fixture["away_team"]["name"],
            "tournament": fixture["tournament"],
            "kickoff_at": fixture["kickoff_at"],
        },
        ensure_ascii=False,
    ).replace("'", "\\u0027")
    console.print(
        f"\nServing at {base} (documents at {base}/docs, log in {LOG_FILE}; stop it with `make stop`). Try:\n"
    )
    for command in (
        f"curl -s {base}/predict/{fixture['match_id']} -H 'X-API-Key: {key}'",
        f"curl -s {base}/predict/ -H 'X-API-Key: {key}' -H 'Content-Type: application/json' -d '{body}'",
        f"curl -s {base}/predict/async/ -H 'X-API-Key: {key}' -H 'Content-Type: application/json' "
        f"-d '{{\"match_id\": {fixture['match_id']}}}'",
        f"curl -s {base}/scrape -H 'X-API-Key: {key}' -H 'Content-Type: application/json' "
        f'-d \'{{"source": "demo", "from": "{day}", "to": "{day}"}}\'',
        f"curl -s '{base}/matches/?tournament={fixture['tournament']}&status=upcoming&limit=3'",
    ):
        typer.echo(command + "\n")
