"""`matchcast export`."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from commands.environment import database_url

if TYPE_CHECKING:
    from matchcast.ports import ObjectStore

MANIFEST: Final = "manifest.json"
LATEST: Final = "exports/latest.json"


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
    """Put an export's files, last its manifest, and then `exports/latest.json`, which is that manifest unless it is one
    of a later instant already.
    """
    from commands.environment import objects

    kept, manifest = objects(), folder / MANIFEST
    place = f"exports/{version}/"
    for file in sorted(folder.iterdir(), key=lambda file: file == manifest):
        kept.put(place + file.name, file.read_bytes())
    content = manifest.read_bytes()
    if _instant_of(content) >= _instant_of(_latest(kept) or content):
        kept.put(LATEST, content)
    return place


def _latest(kept: "ObjectStore") -> bytes | None:
    from matchcast.errors import NotFound

    try:
        return kept.get(LATEST)
    except NotFound:
        return None


def _instant_of(manifest: bytes) -> datetime:
    return datetime.fromisoformat(json.loads(manifest)["as_of"])


def _instant(written: str) -> datetime:
    from matchcast.errors import BadInput

    try:
        told = datetime.fromisoformat(written)
    except ValueError as error:
        raise BadInput(f"--as-of: {written!r} is not an instant; write 2025-01-31 or 2025-01-31T12:00:00Z") from error
    return told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)
