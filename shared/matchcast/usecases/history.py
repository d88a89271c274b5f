"""Show every forecast that was made of a match, which one counts, and how it was settled."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from matchcast.domain.forecast import LedgerRow, counts, in_time, latest_instant
from matchcast.domain.settlement import SettlementRow
from matchcast.errors import NotFound
from matchcast.ports import Ledger, MatchReader, MatchRecord
from matchcast.ports.scores import SettledMatches
from matchcast.usecases.lookup import Page, page_of, read_cursor


class Revision(NamedTuple):
    """A forecast of a match.

    Attributes:
        in_time: made and on record before kick-off, as kick-off is known now; others count for nothing.
        locked: it is the one that counts, the last in time that is not `compared`, and kick-off has passed.
    """

    row: LedgerRow
    in_time: bool
    locked: bool


class MatchHistory(NamedTuple):
    """What was said of a match, oldest first, and what came of it.

    Attributes:
        match: None where it is in the ledger but not among the stored matches.
        settlements: every revision, oldest first; the last one counts.
    """

    match: MatchRecord | None
    kickoff_at: datetime
    kickoff_known: bool
    page: Page[Revision]
    settlements: Sequence[SettlementRow]


def match_history(
    match_id: int,
    cursor: str | None,
    limit: int,
    now: datetime,
    *,
    ledger: Ledger,
    matches: MatchReader,
    settled: SettledMatches,
) -> MatchHistory:
    """A page of a match's forecasts, and all its settlements.

    Args:
        limit: 1 to 200.
    Raises:
        NotFound: there is neither such a match nor a forecast of one.
        BadInput: the cursor is not one of ours.
        Unavailable: the database is away.
    """
    after = read_cursor(cursor)
    match, rows = matches.find(match_id), ledger.history(match_id)
    if match is not None:
        kickoff_at, kickoff_known = match.kickoff_at, match.kickoff_known
    elif rows:
        fixture = rows[-1].forecast.fixture
        kickoff_at, kickoff_known = fixture.kickoff_at, fixture.kickoff_known
    else:
        raise NotFound(f"match_id: there is no match {match_id} and no forecast of one; GET /matches/ lists matches")
    over = now >= latest_instant(kickoff_at, kickoff_known)
    last = max((row.forecast_id for row in rows if counts(row, kickoff_at, kickoff_known)), default=None)
    revisions = [
        Revision(
            row,
            in_time(row.forecast.as_of, row.recorded_at, kickoff_at, kickoff_known),
            over and row.forecast_id == last,
        )
        for row in rows
        if after is None or row.forecast_id > after[1]
    ]
    page = page_of(revisions[: limit + 1], limit, lambda one: (one.row.recorded_at, one.row.forecast_id))
    return MatchHistory(match, kickoff_at, kickoff_known, page, settled.of(match_id))
