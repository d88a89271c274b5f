"""What feature rows must be like: the contract's bounds, and enough that is known."""

from collections.abc import Sequence

from great_expectations import expectations as expect
from great_expectations.expectations.expectation import Expectation

from matchcast.features.contract import Feature
from pipeline.params import FeaturesGate


def suite(features: Sequence[Feature], gate: FeaturesGate, matches: int) -> list[Expectation]:
    """Every column exists and keeps its bounds in most rows (rates 0 to 1, averages not negative); coverage 0 to 1.

    Args:
        features: the contract's; gate: how strictly.
        matches: finished and future ones; each has its row.
    """
    return [
        expect.ExpectTableRowCountToEqual(value=matches),
        expect.ExpectColumnValuesToBeUnique(column="match_id"),
        expect.ExpectColumnValuesToNotBeNull(column="coverage"),
        expect.ExpectColumnValuesToBeBetween(column="coverage", min_value=0, max_value=1),
        expect.ExpectColumnMeanToBeBetween(column="coverage", min_value=gate.least_coverage, max_value=1),
        *(
            expect.ExpectColumnValuesToBeBetween(
                column=feature.name, min_value=feature.lowest, max_value=feature.highest, mostly=gate.mostly
            )
            if feature.lowest is not None or feature.highest is not None
            else expect.ExpectColumnToExist(column=feature.name)
            for feature in features
        ),
    ]
