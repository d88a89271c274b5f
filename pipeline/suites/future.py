"""What the matches to forecast must be like."""

from datetime import datetime, timedelta

from great_expectations import expectations as expect
from great_expectations.expectations.expectation import Expectation

from matchcast.domain.match import MatchStatus


def suite(as_of: datetime, horizon_days: int) -> list[Expectation]:
    """Upcoming, not yet kicked off, within the horizon, without a score; the table may be empty.

    Args:
        as_of: the export's.
    """
    return [
        expect.ExpectColumnValuesToBeInSet(column="status", value_set=[int(MatchStatus.UPCOMING)]),
        expect.ExpectColumnValuesToBeUnique(column="match_id"),
        expect.ExpectColumnValuesToBeBetween(column="latest_kickoff_at", min_value=as_of, strict_min=True),
        expect.ExpectColumnValuesToBeBetween(column="kickoff_at", max_value=as_of + timedelta(days=horizon_days)),
        expect.ExpectColumnValuesToBeNull(column="home_goals"),
        expect.ExpectColumnValuesToBeNull(column="away_goals"),
    ]
