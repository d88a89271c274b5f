"""What the matches to learn from must be like."""

from datetime import datetime

from great_expectations import expectations as expect
from great_expectations.expectations.expectation import Expectation

from matchcast.domain.match import MAX_GOALS, MatchStatus, Outcome

MOST_OF_A_STAT = 199


def suite(as_of: datetime, stats: tuple[str, ...]) -> list[Expectation]:
    """Known outcome, scores in range, nothing from the future.

    Args:
        as_of: the export's.
        stats: columns of counts.
    """
    return [
        expect.ExpectTableRowCountToBeBetween(min_value=1),
        expect.ExpectColumnValuesToNotBeNull(column="outcome"),
        expect.ExpectColumnValuesToBeInSet(column="outcome", value_set=[int(outcome) for outcome in Outcome]),
        expect.ExpectColumnValuesToBeInSet(column="status", value_set=[int(MatchStatus.FINISHED)]),
        expect.ExpectColumnValuesToBeBetween(column="kickoff_at", max_value=as_of),
        *(
            expectation
            for side in ("home_goals", "away_goals")
            for expectation in (
                expect.ExpectColumnValuesToNotBeNull(column=side),
                expect.ExpectColumnValuesToBeBetween(column=side, min_value=0, max_value=MAX_GOALS),
            )
        ),
        *(expect.ExpectColumnValuesToBeBetween(column=s, min_value=0, max_value=MOST_OF_A_STAT) for s in stats),
    ]
