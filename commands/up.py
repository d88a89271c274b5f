"""`matchcast up`: every function on this machine."""

import os
from pathlib import Path
from typing import Annotated

import typer

BASE = Path(__file__).parents[1] / "knative" / "base"


def up(
    port: Annotated[int, typer.Option(help="TCP port.", min=1, max=65535)] = 8080,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    broker: Annotated[
        str, typer.Option(help="Where events are kept: memory, or the amqp:// URL of a RabbitMQ.")
    ] = "memory",
    processes: Annotated[
        bool, typer.Option("--processes", help="Each function is a process, started on first traffic.")
    ] = False,
    idle_seconds: Annotated[float, typer.Option(help="After which such a process is stopped.", min=0.1)] = 60.0,
    jobs: Annotated[bool, typer.Option("--jobs", help="Run what events start through JobSinks.")] = False,
    manifests: Annotated[Path, typer.Option(help="Folder of a kustomization.")] = BASE,
) -> None:
    """Serve the Services, Brokers, Triggers, sources and routes of knative/base until Ctrl-C or SIGTERM."""
    from rich.console import Console

    from knative.local.runtime import run

    Console(stderr=True).print(f"Matchcast at http://{host}:{port}/docs (process {os.getpid()})")
    run(port, host, broker, processes, idle_seconds, jobs, manifests)
