"""`matchcast up-full` and `matchcast down-full`: all servers and functions on one machine, private."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from knative.local.full.system import Wanted

FOLDER: Final = Path("var/full")
DOWN_SECONDS: Final = 180.0
POLL_SECONDS: Final = 0.1
_SHOWN: Final = 3000

FolderOption = Annotated[Path, typer.Option(help="Where everything is kept.")]


class _Ended(BaseException):
    """SIGTERM or Ctrl-C."""


def up_full(
    folder: FolderOption = FOLDER,
    port: Annotated[
        int | None,
        typer.Option(
            help="TCP port of the API; by default the one before, at first 8080 or a free one.", min=1, max=65535
        ),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Leave it running, until `matchcast down-full`.")] = False,
    processes: Annotated[
        bool, typer.Option("--processes", help="Each function is a process, started on first traffic.")
    ] = False,
    jobs: Annotated[bool, typer.Option("--jobs", help="Run what events start through JobSinks.")] = False,
    airflow: Annotated[bool, typer.Option(help="With Airflow, which schedules; `make airflow` installs it.")] = True,
) -> None:
    """Run PostgreSQL, RabbitMQ, Redis, MinIO, MLflow, Prometheus, Airflow and the functions until Ctrl-C or SIGTERM.

    Everything is kept in the folder and found there the next time: data, ports, passwords. Nothing else on this machine
    is touched.
    """
    from knative.local.full.kept import told_up
    from knative.local.full.system import Wanted

    wanted = Wanted(processes, jobs, airflow)
    addresses = told_up(folder)
    if addresses is not None:
        typer.echo("it is up already; `matchcast down-full` ends it")
        _show(folder, addresses)
    elif detach:
        _detach(folder, port, wanted)
    else:
        _run(folder, port, wanted)


def down_full(folder: FolderOption = FOLDER) -> None:
    """Stop what `matchcast up-full` started; what it keeps stays."""
    from knative.local.full.kept import holder
    from knative.local.full.system import end_left
    from knative.local.services.program import runs
    from matchcast.errors import Unavailable

    pid = holder(folder)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + DOWN_SECONDS
        while runs(pid):
            if time.monotonic() > deadline:
                raise Unavailable(f"process {pid} does not end; see {folder}/log")
            time.sleep(POLL_SECONDS)
        typer.echo(f"everything of process {pid} is stopped; {folder} keeps its data")
        return
    left = end_left(folder)
    typer.echo(f"ended {len(left)} processes that were left" if left else "it is not up")


def _run(folder: Path, port: int | None, wanted: "Wanted") -> None:
    """
    Raises:
        Unavailable: a part ended by itself, or does not start; everything is stopped.
    """
    from knative.local.full.kept import held, settle, tell_up
    from knative.local.full.system import System, end_left
    from matchcast.errors import Unavailable

    begun = time.monotonic()
    with held(folder), _ending() as end:
        if left := end_left(folder):
            _tell(f"ended {len(left)} processes that a run before this one had left")
        system = System(folder, settle(folder, port), wanted, _tell)
        try:
            system.start()
            tell_up(folder, system.addresses, system.environment)
            _tell(f"everything is up after {time.monotonic() - begun:.0f} s (process {os.getpid()})")
            _show(folder, system.addresses, secret=not sys.stdout.isatty())
            _show_sources()
            ended = system.watch()
            raise Unavailable(
                f"{ended.name} ended by itself ({ended.code}), everything is stopped: {ended.last_words()}"
            )
        except _Ended:
            _tell("everything is being stopped")
        finally:
            end()
            system.stop()
    _tell("everything is stopped")


@contextmanager
def _ending() -> Iterator[Any]:
    """The first signal ends the block, later ones nothing: stopping takes its bounded time.

    Yields:
        Call it before stopping.
    """

    def first(*_: object) -> None:
        ignore()
        raise _Ended

    def ignore() -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    before = {number: signal.signal(number, first) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield ignore
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _detach(folder: Path, port: int | None, wanted: "Wanted") -> None:
    """
    Raises:
        Unavailable: it ended before everything was up.
    """
    from knative.local.full.kept import told_up
    from matchcast.errors import Unavailable

    folder.mkdir(parents=True, exist_ok=True)
    options = ["--folder", str(folder), *(["--port", str(port)] if port else [])]
    options += [*wanted.options(), "--airflow" if wanted.airflow else "--no-airflow"]
    (folder / "log").unlink(missing_ok=True)
    (folder / "log").touch(mode=0o600)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "commands", "up-full", *options],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        while (addresses := told_up(folder)) is None:
            if process.poll() is not None:
                raise Unavailable(f"it did not start: {(folder / 'log').read_text()[-_SHOWN:].strip()}")
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    _show(folder, addresses)
    _show_sources()
    typer.echo("\n`make down-full` (`matchcast down-full`) stops it.")


def _show(folder: Path, addresses: "Mapping[str, str]", *, secret: bool = False) -> None:
    """
    Args:
        secret: do not show the key.
    """
    from knative.local.full.kept import first_key

    for name, address in addresses.items():
        typer.echo(f"  {name:<12}{address}")
    typer.echo(f"  {'key':<12}{f'in {folder}/env' if secret else first_key(folder)}")
    typer.echo(
        f"\nPasswords are in {folder}/env. In a shell that has read it, commands work on this system, for example:\n"
        f"  source {folder}/env\n"
        "  matchcast ingest auto results.csv && matchcast export && dvc repro"
    )


def _show_sources() -> None:
    from knative.local.full.system import SOURCES

    if not any(map(os.environ.get, SOURCES)):
        typer.echo(
            "\nNo source is configured, so nothing is scraped: start it with one of these variables set, for example\n"
            "  MATCHCAST_FOOTBALL_DATA_URL=https://www.football-data.co.uk make up-full\n"
            f"  (or {', '.join(SOURCES[1:])})"
        )


def _tell(line: str) -> None:
    typer.echo(f"{time.strftime('%H:%M:%S', time.gmtime())} {line}", err=True)
