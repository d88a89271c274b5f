"""What an export must be like before anything is made of it."""

from datetime import UTC, datetime, time, timedelta
from typing import Final

import pandas as pd
from great_expectations import expectations as expect
from great_expectations.expectations.expectation import Expectation

from matchcast.domain.match import MatchStatus
from pipeline.match_table import KEYS, REQUIRED
from pipeline.params import RawGate

ITSELF: Final = "plays_itself"
NEVER_NULL: Final = (*KEYS, "match_day", "status")


def prepared(matches: pd.DataFrame) -> pd.DataFrame:
    """The table with a column that tells whether a club would meet itself, if it tells the clubs."""
    if not {"home_team_id", "away_team_id"} <= set(matches.columns):
        return matches
    return matches.assign(**{ITSELF: matches["home_team_id"] == matches["away_team_id"]})


def suite(as_of: datetime, gate: RawGate) -> list[Expectation]:
    """For a `prepared` table: required columns, keys that are known and unique, two clubs, dates within bounds, known status.

    Args:
        as_of: the export's; the last day allowed lies `horizon_days` after it.
    """
    first = datetime.combine(gate.first_day, time(), UTC)
    return [
        expect.ExpectTableRowCountToBeBetween(min_value=1),
        *(expect.ExpectColumnValuesToNotBeNull(column=name) for name in NEVER_NULL),
        *(expect.ExpectColumnToExist(column=name) for name in REQUIRED if name not in NEVER_NULL),
        expect.ExpectColumnValuesToBeUnique(column="match_id"),
        expect.ExpectCompoundColumnsToBeUnique(
            column_list=["tournament_id", "home_team_id", "away_team_id", "match_day"]
        ),
        expect.ExpectColumnValuesToBeInSet(column=ITSELF, value_set=[False]),
        expect.ExpectColumnValuesToBeBetween(
            column="kickoff_at", min_value=first, max_value=as_of + timedelta(days=gate.horizon_days)
        ),
        expect.ExpectColumnValuesToBeInSet(column="status", value_set=[int(status) for status in MatchStatus]),
    ]
