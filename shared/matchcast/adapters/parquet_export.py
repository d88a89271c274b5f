"""Exports as parquet files in a folder, with a manifest of their hashes."""

import ctypes
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from matchcast.adapters.team_names import other_names
from matchcast.domain.competitions import COMPETITION_BY_ID
from matchcast.domain.match import MatchStats, OddsMoment
from matchcast.errors import Unavailable
from matchcast.ports import Contents, ExportFile, ExportManifest, FullMatch, TeamAlias, TeamRecord

BOOKMAKERS: Final = ("Avg", "B365", "PS", "BbAv")
"""The bookmakers whose odds are exported."""

_ROWS_IN_GROUP: Final = 65_536
_CURRENT_FOLDER: Final = -100
_RENAME_EXCHANGE: Final = 2
_NO_STATS: Final = MatchStats()
_PRICES: Final = [(moment.value, bookmaker) for moment in OddsMoment for bookmaker in BOOKMAKERS]


def _required(name: str, kind: pa.DataType) -> "pa.Field[Any]":
    return pa.field(name, kind, nullable=False)


def _optional(name: str, kind: pa.DataType) -> "pa.Field[Any]":
    return pa.field(name, kind)


MATCHES_SCHEMA: Final = pa.schema(
    [
        _required("match_id", pa.int64()),
        _required("source", pa.string()),
        _required("source_id", pa.string()),
        _required("tournament_id", pa.string()),
        _required("season", pa.int32()),
        _optional("stage", pa.string()),
        _optional("region", pa.string()),
        _required("sex", pa.string()),
        _required("kickoff_at", pa.timestamp("us", tz="UTC")),
        _required("kickoff_known", pa.bool_()),
        _required("match_day", pa.date32()),
        _required("home_team_id", pa.string()),
        _required("away_team_id", pa.string()),
        _required("status", pa.int8()),
        _optional("home_goals", pa.int16()),
        _optional("away_goals", pa.int16()),
        _optional("home_goals_extra_time", pa.int16()),
        _optional("away_goals_extra_time", pa.int16()),
        _optional("home_penalties", pa.int16()),
        _optional("away_penalties", pa.int16()),
        *(_optional(name, pa.int16()) for name in MatchStats._fields),
        *(
            _optional(f"odds_{moment}_{bookmaker}_{outcome}", pa.float64())
            for moment, bookmaker in _PRICES
            for outcome in ("home", "draw", "away")
        ),
    ]
)
TEAMS_SCHEMA: Final = pa.schema(
    [
        _required("team_id", pa.string()),
        _required("name", pa.string()),
        _required("country", pa.string()),
        _required("aliases", pa.list_(pa.string())),
    ]
)
TOURNAMENTS_SCHEMA: Final = pa.schema(
    [
        _required("tournament_id", pa.string()),
        _required("name", pa.string()),
        _required("country", pa.string()),
        _required("level", pa.int16()),
        _required("season_starts_in", pa.int16()),
    ]
)


class ParquetExport:
    """The `ExportWriter` port: matches, teams and tournaments as parquet, and `manifest.json`.

    The times of writing (`ingested_at`, `updated_at`) are left out, so that equal contents give equal bytes whenever
    they were loaded.

    Args:
        directory: made anew by every export, under a hidden name next to its old self; then the two change names in one
            step. A process that is killed leaves the old or the new export, and the hidden folder.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def write(self, contents: Contents, as_of: datetime) -> ExportManifest:
        """Write the export.

        Raises:
            Unavailable: the folder cannot be written; the old export stands.
        """
        parent = self._directory.parent
        try:
            parent.mkdir(parents=True, exist_ok=True)
            new = Path(mkdtemp(prefix=f".{self._directory.name}-", dir=parent))
            try:
                manifest = _write_all(new, contents, as_of)
                self._replace(new)
            finally:
                shutil.rmtree(new, ignore_errors=True)
        except OSError as error:
            raise Unavailable(f"{self._directory}: cannot be written ({error}); free or name another folder") from error
        return manifest

    def _replace(self, new: Path) -> None:
        new.chmod(0o755)
        if not self._directory.exists():
            new.rename(self._directory)
            return
        _exchange(new, self._directory)


def _exchange(one: Path, other: Path) -> None:
    """Make two names change places; nobody sees a moment without either (Linux, on most of its file systems)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_CURRENT_FOLDER, os.fsencode(one), _CURRENT_FOLDER, os.fsencode(other), _RENAME_EXCHANGE):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(one), None, str(other))


def _write_all(folder: Path, contents: Contents, as_of: datetime) -> ExportManifest:
    tournaments = [COMPETITION_BY_ID[i] for i in contents.tournaments]
    tables: Mapping[str, tuple[pa.Schema, Iterable[Sequence[Any]]]] = {
        "matches.parquet": (MATCHES_SCHEMA, map(_match_row, contents.matches)),
        "teams.parquet": (TEAMS_SCHEMA, _team_rows(contents.teams, contents.aliases)),
        "tournaments.parquet": (
            TOURNAMENTS_SCHEMA,
            ((c.id, c.name, c.country, c.level, c.season_starts_in) for c in tournaments),
        ),
    }
    files = {}
    for name, (schema, rows) in tables.items():
        count = _write_table(folder / name, schema, iter(rows))
        files[name] = ExportFile(count, hashlib.sha256((folder / name).read_bytes()).hexdigest())
    told = "".join(f"{name} {file.sha256}\n" for name, file in sorted(files.items()))
    manifest = ExportManifest(as_of.astimezone(UTC), hashlib.sha256(told.encode()).hexdigest(), files)
    text = json.dumps(
        {
            "as_of": manifest.as_of.isoformat(),
            "data_version": manifest.data_version,
            "files": {name: file._asdict() for name, file in files.items()},
        },
        indent=2,
    )
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")
    return manifest


def _write_table(path: Path, schema: pa.Schema, rows: Iterator[Sequence[Any]]) -> int:
    count = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while batch := list(islice(rows, _ROWS_IN_GROUP)):
            columns = zip(*batch, strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            count += len(batch)
    return count


def _match_row(full: FullMatch) -> Sequence[Any]:
    match = full.match
    prices = {(price.moment.value, price.bookmaker): price[2:5] for price in full.odds}
    odds = [number for key in _PRICES for number in prices.get(key, (None, None, None))]
    return (*match[:13], match.status.value, *match[14:20], *(full.stats or _NO_STATS), *odds)


def _team_rows(teams: Sequence[TeamRecord], aliases: Sequence[TeamAlias]) -> Iterator[Sequence[Any]]:
    names = other_names(teams, aliases)
    for team in sorted(teams):
        yield (team.team_id, team.name, team.country, names[team.team_id])
