"""All the state in a snapshot file, as the fold left it: for those who check the file, not for serving."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matchcast.adapters.snapshot_file import SnapshotFile
from matchcast.errors import SnapshotBroken
from matchcast.features.state import State


def read_state(path: Path, snapshot: SnapshotFile) -> State:
    """Put the state together again; its hash is the one the snapshot claims, unless the file was changed since.

    Args:
        path: of the file that `snapshot` was opened on.
    Raises:
        SnapshotBroken: the file holds no whole state.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            teams = connection.execute("SELECT team_id, vector FROM team_state ORDER BY 1").fetchall()
            leagues = connection.execute("SELECT tournament_id, vector FROM league_state ORDER BY 1").fetchall()
            seats = connection.execute("SELECT team_id, tournament_id, vector FROM seat_state ORDER BY 1, 2").fetchall()
            pairs = connection.execute("SELECT first, second, vector FROM pair_state ORDER BY 1, 2").fetchall()
            market = connection.execute("SELECT match_id, home, draw, away FROM market ORDER BY 1").fetchall()
        team_code = {team: code for code, (team, _) in enumerate(teams)}
        tournament_code = {tournament: code for code, (tournament, _) in enumerate(leagues)}
        return State(
            as_of=int(snapshot.as_of.timestamp()),
            team_ids=tuple(team_code),
            tournament_ids=tuple(tournament_code),
            teams=_vectors(teams),
            leagues=_vectors(leagues),
            seat_keys=_keys([(team_code[team], tournament_code[tournament]) for team, tournament, _ in seats]),
            seats=_vectors(seats),
            pair_keys=_keys([(team_code[first], team_code[second]) for first, second, _ in pairs]),
            pairs=_vectors(pairs),
            code_hash=snapshot.code_hash,
            market_ids=np.array([row[0] for row in market], dtype=np.int64),
            market=np.array([row[1:] for row in market], dtype=np.float64).reshape(-1, 3),
        )
    except (sqlite3.Error, KeyError, ValueError) as error:
        raise SnapshotBroken(f"{path} holds no whole state ({error}): take it from a copy") from error


def _vectors(rows: Sequence[Any]) -> NDArray[np.float64]:
    """The last column of some rows, one vector a row."""
    values = np.frombuffer(b"".join(row[-1] for row in rows), dtype="<f8").astype(np.float64)
    return values.reshape(len(rows), -1) if rows else values.reshape(0, 0)


def _keys(codes: Sequence[tuple[int, int]]) -> NDArray[np.int32]:
    return np.asarray(codes, dtype=np.int32).reshape(-1, 2)
