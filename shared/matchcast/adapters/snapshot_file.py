"""The state snapshot as one immutable SQLite file: opened in milliseconds, nothing parsed, a club found by index.

`snapshot_writer` makes the file; this module reads it, without numpy until a pairing is asked for.
"""

import sqlite3
import sys
from array import array
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from math import nan
from pathlib import Path
from threading import Lock
from typing import Any, Final

from matchcast.domain.forecast import Cause, Coverage, Forecast, Probabilities
from matchcast.domain.match import Fixture, MatchStatus
from matchcast.domain.names import fold_name, normalise_team_name
from matchcast.errors import SnapshotBroken, UnknownTeam, UnknownTournament
from matchcast.ports import CurrentForecast, MatchFilter, PairingState

APPLICATION_ID: Final = 0x4D435353
FORMAT: Final = 4
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_REMEDY: Final = "run the pipeline's batch_inference stage again"
_SUGGESTIONS: Final = 5
_SIMILAR: Final = 70
"""Of 100, from where on a name is near enough to be suggested beside the nearest."""
_FIXTURE: Final = "f.tournament, f.home_team, f.away_team, f.kickoff_at, f.season, f.match_id, f.kickoff_known"
_FORECAST: Final = (
    f"{_FIXTURE}, c.as_of, c.home_prob, c.draw_prob, c.away_prob, c.model_version, c.snapshot_hash, c.code_revision,"
    " c.cause, c.features_known, c.home_matches, c.away_matches FROM forecasts c JOIN fixtures f USING (match_id)"
)


def open_snapshot(path: Path, code_hash: str | None = None) -> "SnapshotFile":
    """Open a snapshot for reading; the file must not change while it is open.

    Args:
        code_hash: of the feature code that will read from it; None for those who read no state.
    Raises:
        SnapshotBroken: the file is missing, damaged, no snapshot, or made by other feature code.
    """
    if not path.is_file():
        raise SnapshotBroken(f"there is no state snapshot at {path}: {_REMEDY}")
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        connection = sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None)
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        (page,) = connection.execute("PRAGMA page_size").fetchone()
        if application != APPLICATION_ID:
            raise SnapshotBroken(f"{path} is not a state snapshot: {_REMEDY}")
        if version != FORMAT:
            raise SnapshotBroken(f"{path} has snapshot format {version}, this code reads {FORMAT}: {_REMEDY}")
        if pages * page != path.stat().st_size:
            raise SnapshotBroken(f"{path} is truncated: {_REMEDY}")
        meta = dict(connection.execute("SELECT key, value FROM meta"))
        snapshot = SnapshotFile(connection, path, meta)
    except (sqlite3.Error, KeyError, ValueError) as error:
        raise SnapshotBroken(f"{path} cannot be read ({error}): {_REMEDY}") from error
    if code_hash is not None and snapshot.code_hash != code_hash:
        raise SnapshotBroken(
            f"{path} was made by feature code {snapshot.code_hash[:12]}, this is {code_hash[:12]}: {_REMEDY}"
        )
    return snapshot


class SnapshotFile:
    """The `StateSnapshot` port over an open file; safe to share between threads."""

    def __init__(self, connection: sqlite3.Connection, path: Path, meta: dict[str, str]) -> None:
        self._connection = connection
        self._lock = Lock()
        self._path = path
        self._names: dict[str, str] = {}
        self._forecasts: dict[int, CurrentForecast] = {}
        self.state_hash: Final = meta["state_hash"]
        self.model_version: Final = meta["model_version"]
        self.code_hash: Final = meta["code_hash"]
        self.as_of: Final = datetime.fromisoformat(meta["as_of"])

    def team_id(self, name: str, tournament: str) -> str:
        country = self._country_of(tournament)
        exact = self._rows("SELECT team_id FROM teams WHERE team_id = ? AND country = ?", name, country)
        if exact:
            return str(exact[0][0])
        found = self._rows(
            "SELECT team_id, rank FROM team_names WHERE country = ? AND name = ? ORDER BY rank, team_id",
            country, normalise_team_name(name),
        )  # fmt: skip
        best = [team for team, rank in found if rank == found[0][1]]
        if len(best) == 1:
            return str(best[0])
        if best:
            raise UnknownTeam(
                f"{name!r} is the name of several clubs of {country}; give one of the ids {', '.join(best)}",
                suggestions=tuple(best),
            )
        nearest = self._nearest(name, country)
        listed = f"; did you mean {', '.join(nearest)}?" if nearest else ""
        raise UnknownTeam(f"no club of {country} goes by {name!r}{listed}", suggestions=nearest)

    def team_name(self, team_id: str) -> str:
        name = self._names.get(team_id)
        if name is None:
            found = self._rows("SELECT name FROM teams WHERE team_id = ?", team_id)
            if not found:
                return team_id
            name = self._names[team_id] = str(found[0][0])
        return name

    def tournament_id(self, name: str) -> str:
        if self._rows("SELECT 1 FROM tournaments WHERE tournament_id = ?", name):
            return name
        folded = fold_name(name)
        tournaments = [str(row[0]) for row in self._rows("SELECT tournament_id FROM tournaments ORDER BY 1")]
        by_id = [t for t in tournaments if fold_name(t) == folded]
        named = by_id or [
            str(row[0]) for row in self._rows("SELECT tournament_id FROM tournaments WHERE name = ? ORDER BY 1", folded)
        ]
        if len(named) == 1:
            return named[0]
        if named:
            raise UnknownTournament(f"{name!r} is the name of several tournaments; give one of {', '.join(named)}")
        raise UnknownTournament(f"no tournament goes by {name!r}; known are {', '.join(tournaments) or 'none'}")

    def pairing(self, fixture: Fixture) -> PairingState:
        from matchcast.features.state import empty_pair, empty_seat, empty_team, new_league  # numpy

        home, away, tournament = fixture.home_team, fixture.away_team, fixture.tournament
        team = "SELECT vector FROM team_state WHERE team_id = ?"
        seat = "SELECT vector FROM seat_state WHERE team_id = ? AND tournament_id = ?"
        return PairingState(
            home=self._vector(team, home) or empty_team(),
            away=self._vector(team, away) or empty_team(),
            home_seat=self._vector(seat, home, tournament) or empty_seat(),
            away_seat=self._vector(seat, away, tournament) or empty_seat(),
            league=self._vector("SELECT vector FROM league_state WHERE tournament_id = ?", tournament)
            or new_league(tournament),
            pair=self._vector("SELECT vector FROM pair_state WHERE first = ? AND second = ?", *sorted((home, away)))
            or empty_pair(),
            home_is_first=home < away,
            market=self._market(fixture.match_id),
        )

    def fixture(self, match_id: int) -> Fixture | None:
        rows = self._rows(f"SELECT {_FIXTURE} FROM fixtures f WHERE match_id = ?", match_id)
        return _fixture(rows[0]) if rows else None

    def fixture_of(self, tournament: str, home_team: str, away_team: str, day: date) -> Fixture | None:
        start = microseconds(datetime(day.year, day.month, day.day, tzinfo=UTC))
        rows = self._rows(
            f"SELECT {_FIXTURE} FROM fixtures f WHERE tournament = ? AND home_team = ? AND away_team = ?"
            " AND kickoff_at >= ? AND kickoff_at < ? ORDER BY kickoff_at, match_id",
            tournament, home_team, away_team, start, start + microseconds(EPOCH + timedelta(days=1)),
        )  # fmt: skip
        return _fixture(rows[0]) if rows else None

    def forecast(self, match_id: int) -> CurrentForecast | None:
        found = self._forecasts.get(match_id)
        if found is None:
            rows = self._rows(f"SELECT {_FORECAST} WHERE c.match_id = ?", match_id)
            if not rows:
                return None
            found = self._forecasts[match_id] = _forecast(rows[0])
        return found

    def forecasts(
        self, chosen: MatchFilter, after: tuple[datetime, int] | None, limit: int
    ) -> Sequence[CurrentForecast]:
        if chosen.status is not None and chosen.status is not MatchStatus.UPCOMING:
            return []
        conditions: list[tuple[str, Sequence[Any]]] = []
        if chosen.kickoff_from is not None:
            conditions.append(("f.kickoff_at >= ?", [microseconds(chosen.kickoff_from)]))
        if chosen.kickoff_to is not None:
            conditions.append(("f.kickoff_at < ?", [microseconds(chosen.kickoff_to)]))
        if chosen.tournament is not None:
            conditions.append(("f.tournament = ?", [chosen.tournament]))
        if chosen.team is not None:
            conditions.append(("? IN (f.home_team, f.away_team)", [chosen.team]))
        if after is not None:
            conditions.append(("(f.kickoff_at, f.match_id) > (?, ?)", [microseconds(after[0]), after[1]]))
        where = " AND ".join(text for text, _ in conditions) or "1"
        values = [value for _, some in conditions for value in some]
        query = f"SELECT {_FORECAST} WHERE {where} ORDER BY f.kickoff_at, f.match_id LIMIT ?"
        return [_forecast(row) for row in self._rows(query, *values, limit)]

    def _country_of(self, tournament: str) -> str:
        rows = self._rows("SELECT country FROM tournaments WHERE tournament_id = ?", tournament)
        if not rows:
            raise UnknownTournament(f"no tournament has the id {tournament!r}")
        return str(rows[0][0])

    def _nearest(self, name: str, country: str) -> tuple[str, ...]:
        from rapidfuzz import fuzz, process

        rows = self._rows(
            "SELECT n.name, t.name FROM team_names n JOIN teams t USING (team_id) WHERE n.country = ? ORDER BY 1, 2",
            country,
        )
        scored = process.extract(normalise_team_name(name), [row[0] for row in rows], scorer=fuzz.WRatio, limit=20)
        near = [position for _, score, position in scored if score >= _SIMILAR]
        best = near or [position for _, _, position in scored[:1]]
        return tuple(dict.fromkeys(str(rows[position][1]) for position in best))[:_SUGGESTIONS]

    def _market(self, match_id: int | None) -> Sequence[float]:
        rows = self._rows("SELECT home, draw, away FROM market WHERE match_id = ?", match_id)
        return tuple(rows[0]) if rows else (nan, nan, nan)

    def _vector(self, query: str, *key: str) -> "array[float] | None":
        rows = self._rows(query, *key)
        if not rows:
            return None
        vector = array("d")
        vector.frombytes(rows[0][0])
        if sys.byteorder == "big":
            vector.byteswap()
        return vector

    def _rows(self, query: str, *values: Any) -> list[Any]:
        try:
            with self._lock:
                return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise SnapshotBroken(f"{self._path} cannot be read ({error}): {_REMEDY}") from error


def microseconds(instant: datetime) -> int:
    """Microseconds since 1970: how the file holds instants."""
    return (instant - EPOCH) // timedelta(microseconds=1)


def _instant(value: int) -> datetime:
    return EPOCH + timedelta(microseconds=value)


def _fixture(row: Sequence[Any]) -> Fixture:
    return Fixture(row[0], row[1], row[2], _instant(row[3]), row[4], row[5], bool(row[6]))


def _forecast(row: Sequence[Any]) -> CurrentForecast:
    forecast = Forecast(
        fixture=_fixture(row),
        as_of=_instant(row[7]),
        probabilities=Probabilities(row[8], row[9], row[10]),
        model_version=row[11],
        snapshot_hash=row[12],
        code_revision=row[13],
        cause=Cause(row[14]),
    )
    return CurrentForecast(forecast, Coverage(*row[15:18]))
