"""`matchcast up`: every function on this machine."""

import os
from typing import Annotated

import typer


def up(
    port: Annotated[int, typer.Option(help="TCP port.", min=1, max=65535)] = 8080,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
) -> None:
    """Serve the Services and routes of knative/base in one process until Ctrl-C or SIGTERM."""
    from rich.console import Console

    from knative.local.runtime import run

    Console(stderr=True).print(f"Matchcast at http://{host}:{port}/docs (process {os.getpid()})")
    run(port, host)
