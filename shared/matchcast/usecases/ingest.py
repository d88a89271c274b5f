"""Bring what a source tells into the store."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import NamedTuple

from matchcast.domain.match import RejectedRow, SourceMatch
from matchcast.ports import LoadReport, MatchStore, Parsed, Progress, TeamAlias, TeamRecord, unheard
from matchcast.ports.tournaments import TournamentAlias
from matchcast.usecases.resolution import NewTeams, Pair
from matchcast.usecases.teams import resolve_teams
from matchcast.usecases.tournaments import place_tournaments


class ParsedFile(NamedTuple):
    """One file as its source understood it."""

    name: str
    parsed: Parsed


class RejectedIn(NamedTuple):
    """A rejected row and the file it stands in."""

    file: str
    row: RejectedRow


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What an ingest did.

    Attributes:
        rows_read: rows found in the files, good or bad.
        loaded: counts by table, and rows told twice.
        rejected: rows not loaded, and prices or counts dropped from rows that were.
        new_teams: clubs made.
        recognised: names matched to a known club by their spelling.
        held: names whose rows wait for a decision.
        look_alikes: clubs with similar names that never met.
        by_calendar: names matched to a known club by its matches.
        settled_tournaments: tournaments, unknown by their codes, that were found to be ours by their matches.
        held_tournaments: those whose rows wait for a decision.
    """

    rows_read: int
    loaded: LoadReport
    rejected: Sequence[RejectedIn]
    new_teams: Sequence[TeamRecord]
    recognised: Sequence[TeamAlias]
    held: Sequence[TeamAlias]
    look_alikes: Sequence[Pair]
    by_calendar: Sequence[TeamAlias] = ()
    settled_tournaments: Sequence[TournamentAlias] = ()
    held_tournaments: Sequence[TournamentAlias] = ()

    @property
    def rows_loaded(self) -> int:
        """Rows that stand in the store now, whether they changed it or not."""
        return sum(self.loaded.matches) + self.loaded.repeated


def ingest(
    files: Sequence[ParsedFile],
    store: MatchStore,
    committed: Sequence[TeamAlias],
    now: datetime,
    new_teams: NewTeams = NewTeams.PROPOSE,
    progress: Progress = unheard,
) -> IngestReport:
    """Load files of one source together, in one transaction: all that can be loaded, or nothing.

    Args:
        committed: club names known beforehand.
    Raises:
        Unavailable: the store cannot be reached; nothing was written.
    """
    rows = [row for file in files for row in file.parsed.rows]
    rejected = [RejectedIn(file.name, row) for file in files for row in file.parsed.rejected]
    with store.turn():
        told = [tournament for file in files for tournament in file.parsed.tournaments]
        placed = place_tournaments(rows, told, committed, store, now)
        if placed.changed:
            store.put_tournaments(placed.changed)
        known = store.teams(), store.aliases()
        resolution = resolve_teams(
            placed.rows, *known, committed, now=now, policy=new_teams, calendar=store, unknown=placed.unknown
        )
        loaded = store.load(resolution.rows, resolution.new_teams, resolution.aliases, now, progress)
        waiting = [*resolution.waiting, *placed.waiting]
        if waiting or resolution.released:
            store.keep_waiting(waiting, resolution.released)
    refused = [*resolution.refused, *((resolution.indices[index], reason) for index, reason in loaded.refused)]
    starts = [0, *accumulate(len(file.parsed.rows) for file in files)]
    for index, reason in sorted(refused):
        rejected.append(RejectedIn(files[bisect_right(starts, index) - 1].name, _rejected(rows[index], reason)))
    return IngestReport(
        sum(_rows_in(file.parsed) for file in files),
        loaded,
        rejected,
        resolution.new_teams,
        resolution.recognised,
        resolution.held,
        resolution.look_alikes,
        resolution.by_calendar,
        placed.settled,
        placed.held,
    )


def _rejected(row: SourceMatch, reason: str) -> RejectedRow:
    return RejectedRow(row.line, reason, f"{row.source_id}: {row.home_team} - {row.away_team}"[:200])


def _rows_in(parsed: Parsed) -> int:
    good = {row.line for row in parsed.rows}
    return len(parsed.rows) + len({row.line for row in parsed.rejected} - good)
