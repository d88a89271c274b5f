"""`matchcast models`, `promote`, `rollback` and `challenge`: which registered models serve."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from matchcast.adapters.registry import MlflowRegistry

_THEN: Final = (
    "where the functions run, its announcement (model.promoted) renews the forecasts; elsewhere they are still those of the"
    " model before: run `dvc repro -s -f batch_inference`"
)


def models() -> None:
    """List the registered models, and which of them serves."""
    from rich.console import Console
    from rich.table import Table

    from commands.environment import objects
    from pipeline.promotion import pointed_at

    serving = pointed_at(objects())
    table = Table("version", "bundle", "registered", "window", "gate", "aliases", "serving")
    for version in _registry().versions():
        table.add_row(
            str(version.number),
            version.bundle,
            f"{version.registered_at:%Y-%m-%d %H:%M}",
            version.tags.get("window", ""),
            {"true": "passed", "false": "refused"}.get(version.tags.get("gate.passed", ""), "not asked"),
            ", ".join(version.aliases),
            "yes" if version.bundle == serving else "",
        )
    Console(markup=False).print(table)


def promote(
    version: Annotated[
        str, typer.Argument(help="Number, bundle version or alias (candidate, challenger) of a registered model.")
    ],
) -> None:
    """Make a registered model the champion."""
    from commands.environment import objects
    from matchcast.adapters.clock import utc_now
    from pipeline.promotion import promote as run

    promoted = run(_registry(), objects(), version, utc_now())
    typer.echo(f"champion: version {promoted.number}, bundle {promoted.bundle}; {_THEN}")


def rollback() -> None:
    """Make the champion before this one the champion again."""
    from commands.environment import objects
    from matchcast.adapters.clock import utc_now
    from pipeline.promotion import rollback as run

    before = run(_registry(), objects(), utc_now())
    typer.echo(f"champion again: version {before.number}, bundle {before.bundle}; {_THEN}")


def challenge(
    version: Annotated[str, typer.Argument(help="Number, bundle version or alias (candidate) of a registered model.")],
) -> None:
    """Make a registered model the challenger: POST /predict/ answers with it where `model` says so."""
    from commands.environment import objects
    from matchcast.adapters.clock import utc_now
    from pipeline.promotion import challenge as run

    named = run(_registry(), objects(), version, utc_now())
    typer.echo(f"challenger: version {named.number}, bundle {named.bundle}")


def _registry() -> "MlflowRegistry":
    from matchcast.adapters.registry import MlflowRegistry, tracking_uri
    from pipeline.params import read_params

    names = read_params().registry
    return MlflowRegistry(tracking_uri(), names.experiment, names.model)
