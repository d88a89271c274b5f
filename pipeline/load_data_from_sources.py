"""Stage: take over the database's export, its hashes checked."""

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from matchcast.errors import BadSource
from pipeline.files import write_bytes
from pipeline.paths import EXPORT, MANIFEST, RAW
from pipeline.stage import run_stage, say

FILES: Final = ("matches.parquet", "teams.parquet", "tournaments.parquet")


def main() -> None:
    """Read var/export, write data/raw."""
    content = verified(EXPORT)
    for name in FILES:
        write_bytes(RAW / name, content[name])
    write_bytes(RAW / MANIFEST, content[MANIFEST])
    manifest = json.loads(content[MANIFEST])
    say(f"export as of {manifest['as_of']}, data version {manifest['data_version']}")


def verified(export: Path) -> dict[str, bytes]:
    """The export's files by name.

    Raises:
        BadSource: a file is missing, altered or no parquet, or the manifest cannot be read.
    """
    remedy = "run `matchcast export`"
    missing = [name for name in (MANIFEST, *FILES) if not (export / name).is_file()]
    if missing:
        raise BadSource(f"{export} lacks {', '.join(missing)}: {remedy}", "export")
    content = {name: (export / name).read_bytes() for name in (MANIFEST, *FILES)}
    hashes = _hashes(content[MANIFEST], export / MANIFEST)
    for name in FILES:
        if hashes.get(name) != hashlib.sha256(content[name]).hexdigest():
            raise BadSource(f"{export / name} is not the file that its manifest describes: {remedy} again", "export")
        try:
            pq.read_schema(pa.BufferReader(content[name]))
        except pa.ArrowInvalid as error:
            raise BadSource(f"{export / name} is no parquet file ({error}): {remedy} again", "export") from error
    return content


def _hashes(raw: bytes, path: Path) -> dict[str, str]:
    try:
        manifest: dict[str, Any] = json.loads(raw)
        lacking = [name for name in ("as_of", "data_version", "files") if name not in manifest]
        if lacking:
            raise ValueError(f"it lacks {', '.join(lacking)}")
        return {name: str(entry["sha256"]) for name, entry in manifest["files"].items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadSource(f"{path} cannot be read ({error}): run `matchcast export` again", "export") from error


if __name__ == "__main__":
    run_stage(main)
