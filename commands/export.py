"""`matchcast export`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from commands.environment import database_url

MANIFEST: Final = "manifest.json"


def export(
    as_of: Annotated[
        str | None, typer.Option(help="ISO 8601 instant or day; nothing known later is told. Default: now.")
    ] = None,
    to: Annotated[Path, typer.Option(help="Folder; replaced as a whole.")] = Path("var/export"),
    store: Annotated[
        bool, typer.Option("--store", help="Put the files into the object store too, below exports/DATA_VERSION/.")
    ] = False,
) -> None:
    """Write the database's content as parquet files with a manifest."""
    from matchcast.adapters.database.contents import SqlContents
    from matchcast.adapters.database.engine import Database
    from matchcast.adapters.parquet_export import ParquetExport
    from matchcast.usecases.export import export as run

    instant = datetime.now(UTC) if as_of is None else _instant(as_of)
    manifest = run(SqlContents(Database(database_url())), ParquetExport(to), instant)
    files = ", ".join(f"{name} {file.rows:,} rows" for name, file in manifest.files.items())
    typer.echo(f"{to}: {files}; as of {manifest.as_of.isoformat()}, data version {manifest.data_version}")
    if store:
        typer.echo(f"object store: {_put(to, manifest.data_version)}")


def _put(folder: Path, version: str) -> str:
    """Put an export's files, last its manifest, and then `exports/latest.json`, which is that manifest."""
    from commands.environment import objects

    kept, manifest = objects(), folder / MANIFEST
    place = f"exports/{version}/"
    for file in sorted(folder.iterdir(), key=lambda file: file == manifest):
        kept.put(place + file.name, file.read_bytes())
    kept.put("exports/latest.json", manifest.read_bytes())
    return place


def _instant(written: str) -> datetime:
    from matchcast.errors import BadInput

    try:
        told = datetime.fromisoformat(written)
    except ValueError as error:
        raise BadInput(f"--as-of: {written!r} is not an instant; write 2025-01-31 or 2025-01-31T12:00:00Z") from error
    return told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)
