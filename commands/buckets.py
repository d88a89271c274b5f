"""`matchcast buckets`: what MinIO must hold before anything is put there."""

from typing import Annotated

import typer


def buckets(
    others: Annotated[
        list[str] | None, typer.Argument(help="Further buckets, such as MLflow's artifacts' and DVC's remote's.")
    ] = None,
    hook: Annotated[str, typer.Option(help="The webhook's name in MinIO's environment.")] = "RELOAD",
) -> None:
    """Make the bucket of MATCHCAST_OBJECTS_URL and others, and have new champions told to `reload`.

    What is there already stays as it is. Where MinIO knows no webhook of that name, this says which variables to start
    it with.
    """
    from commands.environment import objects_bucket
    from matchcast.adapters.buckets import Buckets
    from matchcast.usecases.champion import CHAMPION_KEY

    name, access = objects_bucket()
    server = Buckets(access)
    for bucket in (name, *(others or ())):
        typer.echo(f"bucket {bucket}: {'made' if server.make(bucket) else 'is there'}")
    new = server.notify(name, CHAMPION_KEY, hook)
    typer.echo(f"champions put in {name} {'are told' if new else 'were told before'} to the webhook {hook}")
