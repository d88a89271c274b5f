"""`matchcast models`, `promote` and `rollback`: which registered model serves."""

import os
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from matchcast.adapters.clock import utc_now
from matchcast.adapters.objects_folder import objects_at
from matchcast.adapters.registry import MlflowRegistry, tracking_uri
from matchcast.ports import ObjectStore
from matchcast.settings import Settings, read_settings
from pipeline.params import read_params
from pipeline.promotion import pointed_at
from pipeline.promotion import promote as promote_version
from pipeline.promotion import rollback as roll_back

_THEN = "forecasts still come from the model before: run `python -m pipeline.batch_inference`"


def models() -> None:
    """List the registered models, and which of them serves."""
    serving = pointed_at(_objects())
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
    Console().print(table)


def promote(
    version: Annotated[str, typer.Argument(help="Number, bundle version or alias (candidate) of a registered model.")],
) -> None:
    """Make a registered model the champion."""
    promoted = promote_version(_registry(), _objects(), version, utc_now())
    Console().print(f"champion: version {promoted.number}, bundle {promoted.bundle}; {_THEN}")


def rollback() -> None:
    """Make the champion before this one the champion again."""
    before = roll_back(_registry(), _objects(), utc_now())
    Console().print(f"champion again: version {before.number}, bundle {before.bundle}; {_THEN}")


def _registry() -> MlflowRegistry:
    names = read_params().registry
    return MlflowRegistry(tracking_uri(), names.experiment, names.model)


def _objects() -> ObjectStore:
    return objects_at(read_settings(Settings, os.environ).objects_url)
