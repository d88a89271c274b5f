"""Writes the state snapshot file that `snapshot_file` reads; needs numpy, so serving does not import it."""

import os
import sqlite3
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from matchcast.adapters.snapshot_file import APPLICATION_ID, FORMAT, microseconds
from matchcast.domain.competitions import COMPETITION_BY_ID
from matchcast.domain.forecast import Forecast
from matchcast.domain.match import Fixture
from matchcast.domain.names import fold_name, normalise_team_name
from matchcast.features.layout import T_PLAYED
from matchcast.features.state import State
from matchcast.ports import TeamRecord

_TABLES: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE teams (team_id TEXT PRIMARY KEY, name TEXT NOT NULL, country TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE team_names (country TEXT, name TEXT, team_id TEXT, rank INTEGER NOT NULL,
  PRIMARY KEY (country, name, team_id)) WITHOUT ROWID;
CREATE TABLE tournaments (tournament_id TEXT PRIMARY KEY, name TEXT NOT NULL, country TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE team_state (team_id TEXT PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE seat_state (team_id TEXT, tournament_id TEXT, vector BLOB NOT NULL, PRIMARY KEY (team_id, tournament_id));
CREATE TABLE league_state (tournament_id TEXT PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE pair_state (first TEXT, second TEXT, vector BLOB NOT NULL, PRIMARY KEY (first, second)) WITHOUT ROWID;
CREATE TABLE market (match_id INTEGER PRIMARY KEY, home REAL NOT NULL, draw REAL NOT NULL, away REAL NOT NULL);
CREATE TABLE fixtures (match_id INTEGER PRIMARY KEY, tournament TEXT NOT NULL, home_team TEXT NOT NULL,
  away_team TEXT NOT NULL, kickoff_at INTEGER NOT NULL, season INTEGER, kickoff_known INTEGER NOT NULL);
CREATE TABLE forecasts (match_id INTEGER PRIMARY KEY REFERENCES fixtures, as_of INTEGER NOT NULL,
  home_prob REAL NOT NULL, draw_prob REAL NOT NULL, away_prob REAL NOT NULL, model_version TEXT NOT NULL,
  snapshot_hash TEXT NOT NULL, code_revision TEXT NOT NULL, cause TEXT NOT NULL, features_known REAL NOT NULL,
  home_matches INTEGER NOT NULL, away_matches INTEGER NOT NULL);
CREATE INDEX fixtures_by_time ON fixtures (kickoff_at, match_id);
CREATE INDEX fixtures_by_tournament ON fixtures (tournament, kickoff_at, match_id);
CREATE INDEX fixtures_by_pairing ON fixtures (home_team, away_team, tournament, kickoff_at);
"""


def write_snapshot(
    path: Path,
    *,
    state: State,
    teams: Sequence[TeamRecord],
    aliases: Mapping[str, Sequence[str]],
    fixtures: Sequence[Fixture],
    forecasts: Sequence[Forecast],
    features_known: Sequence[float],
    model_version: str,
) -> None:
    """Write a snapshot beside `path` and rename it: a crash leaves no half-written one. Equal input, equal bytes.

    Args:
        teams: names and countries; clubs of the state that are not among them go by the slug of their id.
        aliases: other names by team id.
        fixtures: upcoming ones; each has a match_id.
        forecasts: the current ones, at most one a fixture; features_known: the share of each one's features with a value.
        model_version: of the bundle that made them.
    Raises:
        ValueError: a fixture has no match_id, a forecast is of no fixture among these, or they are not as many as features_known.
    """
    known = {fixture.match_id: fixture for fixture in fixtures}
    if None in known or len(known) != len(fixtures):
        raise ValueError("every fixture in a snapshot needs a match_id of its own")
    if any(known.get(f.fixture.match_id) != f.fixture for f in forecasts):
        raise ValueError("every forecast in a snapshot must be of one of its fixtures")
    if len(forecasts) != len(features_known):
        raise ValueError("every forecast in a snapshot needs the share of its features that have a value")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".snapshot-")
    os.close(handle)
    unfinished = Path(name)
    try:
        connection = sqlite3.connect(unfinished, isolation_level=None)
        try:
            connection.executescript(f"PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={FORMAT};")
            connection.execute("PRAGMA synchronous=OFF")
            connection.execute("BEGIN")
            for statement in filter(str.strip, _TABLES.split(";")):
                connection.execute(statement)
            _fill_state(connection, state, model_version)
            _fill_names(connection, state, teams, aliases, fixtures)
            _fill_forecasts(connection, fixtures, forecasts, features_known, state)
            connection.execute("COMMIT")
        finally:
            connection.close()
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.chmod(0o644)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


class SnapshotWriter:
    """Gives the bytes of snapshot files.

    Args:
        folder: to write in; made if need be, left as it was.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(
        self,
        *,
        state: State,
        teams: Sequence[TeamRecord],
        aliases: Mapping[str, Sequence[str]],
        fixtures: Sequence[Fixture],
        forecasts: Sequence[Forecast],
        features_known: Sequence[float],
        model_version: str,
    ) -> bytes:
        """As `write_snapshot`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            file = Path(folder, "snapshot.sqlite")
            write_snapshot(
                file, state=state, teams=teams, aliases=aliases, fixtures=fixtures, forecasts=forecasts,
                features_known=features_known, model_version=model_version,
            )  # fmt: skip
            return file.read_bytes()


def _insert(connection: sqlite3.Connection, table: str, rows: Iterable[Sequence[Any]]) -> None:
    for row in rows:
        connection.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", row)


def _fill_state(connection: sqlite3.Connection, state: State, model_version: str) -> None:
    as_of = datetime.fromtimestamp(state.as_of, UTC).isoformat()
    meta = {"as_of": as_of, "code_hash": state.code_hash, "model_version": model_version, "state_hash": state.hash}
    _insert(connection, "meta", meta.items())
    _insert(connection, "team_state", zip(state.team_ids, _vectors(state.teams), strict=True))
    _insert(connection, "league_state", zip(state.tournament_ids, _vectors(state.leagues), strict=True))
    seats = (
        (state.team_ids[team], state.tournament_ids[tournament], vector)
        for (team, tournament), vector in zip(state.seat_keys, _vectors(state.seats), strict=True)
    )
    _insert(connection, "seat_state", seats)
    pairs = (
        (state.team_ids[first], state.team_ids[second], vector)
        for (first, second), vector in zip(state.pair_keys, _vectors(state.pairs), strict=True)
    )
    _insert(connection, "pair_state", pairs)
    market = zip(state.market_ids.tolist(), state.market.tolist(), strict=True)
    _insert(connection, "market", ((match_id, *log_odds) for match_id, log_odds in market))


def _fill_names(
    connection: sqlite3.Connection,
    state: State,
    teams: Sequence[TeamRecord],
    aliases: Mapping[str, Sequence[str]],
    fixtures: Sequence[Fixture],
) -> None:
    records = {team.team_id: team for team in teams}
    playing = {team for f in fixtures for team in (f.home_team, f.away_team)}
    for team_id in (playing | set(state.team_ids)) - records.keys():
        country, _, slug = team_id.partition(":")
        records[team_id] = TeamRecord(team_id, slug.replace("-", " ").title() or team_id, country)
    ordered = [records[team_id] for team_id in sorted(records)]
    _insert(connection, "teams", ordered)
    _insert(connection, "team_names", (row for team in ordered for row in _names(team, aliases)))
    tournaments = sorted({*state.tournament_ids, *(f.tournament for f in fixtures)})
    _insert(connection, "tournaments", map(_tournament, tournaments))


def _fill_forecasts(
    connection: sqlite3.Connection,
    fixtures: Sequence[Fixture],
    forecasts: Sequence[Forecast],
    features_known: Sequence[float],
    state: State,
) -> None:
    upcoming = (
        (f.match_id, f.tournament, f.home_team, f.away_team, microseconds(f.kickoff_at), f.season, f.kickoff_known)
        for f in sorted(fixtures, key=lambda f: f.match_id or 0)
    )
    _insert(connection, "fixtures", upcoming)
    played = dict(zip(state.team_ids, state.teams[:, T_PLAYED].astype(int).tolist(), strict=True))
    current = (
        (
            f.fixture.match_id, microseconds(f.as_of), *f.probabilities, f.model_version, f.snapshot_hash,
            f.code_revision, f.cause.value, known, played.get(f.fixture.home_team, 0), played.get(f.fixture.away_team, 0),
        )
        for f, known in sorted(
            zip(forecasts, features_known, strict=True), key=lambda pair: pair[0].fixture.match_id or 0
        )
    )  # fmt: skip
    _insert(connection, "forecasts", current)


def _vectors(rows: Any) -> Iterable[bytes]:
    return (row.astype("<f8").tobytes() for row in rows)


def _names(team: TeamRecord, aliases: Mapping[str, Sequence[str]]) -> Iterable[tuple[str, str, str, int]]:
    """Normalised names with rank 0 for the usual name and the id, 1 for an alias; the better rank of equal ones."""
    slug = team.team_id.partition(":")[2].replace("-", " ")
    ranked = [(name, 0) for name in (team.name, slug)] + [(name, 1) for name in aliases.get(team.team_id, ())]
    best: dict[str, int] = {}
    for name, rank in ranked:
        best.setdefault(normalise_team_name(name), rank)
    return [(team.country, name, team.team_id, rank) for name, rank in sorted(best.items())]


def _tournament(tournament_id: str) -> tuple[str, str, str]:
    competition = COMPETITION_BY_ID.get(tournament_id)
    country, _, slug = tournament_id.partition(":")
    name = competition.name if competition else slug.replace("-", " ")
    return tournament_id, fold_name(name), competition.country if competition else country
