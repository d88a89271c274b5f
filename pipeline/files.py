"""Outputs written whole or not at all, and equal for equal content."""

import csv
import io
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from matchcast.adapters.objects_folder import replace_file
from matchcast.errors import NotFound
from pipeline.paths import UNFINISHED


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file: readers, and a crash, see the old content or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, content, UNFINISHED)
    path.chmod(0o644)


def write_json(path: Path, content: Any) -> None:
    """Write JSON with sorted keys."""
    write_bytes(path, (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode())


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table as DVC's plots read it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_bytes(path, out.getvalue().encode())


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write a table."""
    out = pa.BufferOutputStream()
    pq.write_table(table, out, compression="zstd", compression_level=1)
    write_bytes(path, out.getvalue().to_pybytes())


def write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder with exactly these files, replacing the one before."""
    with unfinished_folder() as folder:
        for name, content in files.items():
            (folder / name).write_bytes(content)
        replace_folder(folder, path)


@contextmanager
def unfinished_folder() -> Iterator[Path]:
    """A folder to work in, on the file system of the outputs; what is left in it at the end goes."""
    UNFINISHED.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=UNFINISHED) as name:
        folder = Path(name) / "content"
        folder.mkdir()
        yield folder


def replace_folder(finished: Path, path: Path) -> None:
    """Move a finished folder to its place; the one before goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(path, ignore_errors=True)
    finished.rename(path)


def read_json(path: Path) -> Any:
    """Read a stage's output.

    Raises:
        NotFound: the stage has not run.
    """
    return json.loads(_existing(path).read_bytes())


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a stage's output.

    Raises:
        NotFound: the stage has not run.
    """
    return pq.read_table(_existing(path), columns=None if columns is None else list(columns), partitioning=None)


def read_folder(path: Path) -> dict[str, bytes]:
    """Content by name.

    Raises:
        NotFound: the stage has not run.
    """
    return {file.name: file.read_bytes() for file in sorted(_existing(path).iterdir()) if file.is_file()}


def _existing(path: Path) -> Path:
    if not path.exists():
        raise NotFound(f"{path} does not exist: run `dvc repro`, which runs the stage that writes it")
    return path
