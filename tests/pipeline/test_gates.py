"""Each gate passes sound data and stops each kind of corrupt data, saying what is wrong where."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from great_expectations.expectations.expectation import Expectation

from matchcast.domain.match import MatchStatus
from matchcast.errors import GateFailed
from matchcast.features.columns import STAT_NAMES
from matchcast.features.contract import choose
from pipeline.gates import pass_gate
from pipeline.params import FeaturesGate, RawGate
from pipeline.suites import features, finished, future, raw

AS_OF = datetime(2025, 3, 15, 12, tzinfo=UTC)
RAW_GATE = RawGate(first_day=date(1990, 1, 1), horizon_days=100)
FEATURES_GATE = FeaturesGate(mostly=0.99, least_coverage=0.5)
CONTRACT = choose(["elo", "momentum", "rest", "league"], [], [], [], [])
ROWS = 400

Corruption = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def raw_table() -> pd.DataFrame:
    n = np.arange(ROWS)
    table = pd.DataFrame(
        {
            "match_id": n + 2**50,
            "tournament_id": "england:premier-league",
            "season": 2024,
            "kickoff_at": [AS_OF - timedelta(days=int(i) + 1) for i in n],
            "kickoff_known": True,
            "home_team_id": [f"england:club-{i % 20}" for i in n],
            "away_team_id": [f"england:club-{i % 20 + 20}" for i in n],
            "match_day": [(AS_OF - timedelta(days=int(i) + 1)).date() for i in n],
            "status": int(MatchStatus.FINISHED),
            "home_goals": pd.array(n % 4, dtype="float64"),
            "away_goals": pd.array(n % 3, dtype="float64"),
        }
    )
    for name in STAT_NAMES:
        table[name] = np.where(n % 5 == 0, np.nan, n % 12)
    return table


def finished_table() -> pd.DataFrame:
    table = raw_table()
    table["outcome"] = (1 - np.sign(table["home_goals"] - table["away_goals"])).astype("int8")
    return table


def future_table() -> pd.DataFrame:
    table = raw_table().head(20)
    table["kickoff_at"] = [AS_OF + timedelta(hours=i + 1) for i in range(len(table))]
    table["latest_kickoff_at"] = table["kickoff_at"]
    table["status"] = int(MatchStatus.UPCOMING)
    table[["home_goals", "away_goals"]] = np.nan
    return table


def features_table() -> pd.DataFrame:
    draw = np.random.default_rng(3)
    columns: dict[str, object] = {"match_id": np.arange(ROWS), "coverage": np.full(ROWS, 0.9, dtype=np.float32)}
    for feature in CONTRACT.features:
        low = feature.lowest if feature.lowest is not None else -30.0
        high = feature.highest if feature.highest is not None else 30.0
        columns[feature.name] = draw.uniform(low, high, ROWS).astype(np.float32)
    return pd.DataFrame(columns)


TABLES: dict[str, tuple[Callable[[], pd.DataFrame], Callable[[], Sequence[Expectation]]]] = {
    "raw": (raw_table, lambda: raw.suite(AS_OF, RAW_GATE)),
    "finished": (finished_table, lambda: finished.suite(AS_OF, STAT_NAMES)),
    "future": (future_table, lambda: future.suite(AS_OF, RAW_GATE.horizon_days)),
    "features": (features_table, lambda: features.suite(CONTRACT.features, FEATURES_GATE)),
}


def setting(column: str, value: object, rows: int = 3) -> Corruption:
    """Put one value into the first rows of a column."""

    def corrupt(table: pd.DataFrame) -> pd.DataFrame:
        values = table[column].astype(object)
        values.iloc[:rows] = value
        return table.assign(**{column: values.infer_objects()})

    return corrupt


def without(column: str) -> Corruption:
    return lambda table: table.drop(columns=column)


def empty(table: pd.DataFrame) -> pd.DataFrame:
    return table.head(0)


def same_pairing_twice(table: pd.DataFrame) -> pd.DataFrame:
    again = table.head(1).assign(match_id=1)
    return pd.concat([table, again], ignore_index=True)


CORRUPTIONS: list[tuple[str, str, str, str, Corruption]] = [
    ("raw", "no rows", "the table", "expect_table_row_count_to_be_between", empty),
    ("raw", "a column is missing", "column season", "expect_column_to_exist", without("season")),
    ("raw", "no id", "column match_id", "expect_column_values_to_not_be_null", setting("match_id", None)),
    ("raw", "no home team", "column home_team_id", "expect_column_values_to_not_be_null",
     setting("home_team_id", None)),
    ("raw", "no kick-off", "column kickoff_at", "expect_column_values_to_not_be_null", setting("kickoff_at", None)),
    ("raw", "an id twice", "column match_id", "expect_column_values_to_be_unique", setting("match_id", 5)),
    ("raw", "a match twice", "tournament_id, home_team_id", "expect_compound_columns_to_be_unique", same_pairing_twice),
    ("raw", "a club against itself", "home_team_id, away_team_id",
     "expect_select_column_values_to_be_unique_within_record",
     lambda table: table.assign(away_team_id=table["home_team_id"])),
    ("raw", "long ago", "column kickoff_at", "expect_column_values_to_be_between",
     setting("kickoff_at", datetime(1899, 1, 1, tzinfo=UTC))),
    ("raw", "too far ahead", "column kickoff_at", "expect_column_values_to_be_between",
     setting("kickoff_at", AS_OF + timedelta(days=101))),
    ("raw", "unknown status", "column status", "expect_column_values_to_be_in_set", setting("status", 4)),
    ("finished", "no rows", "the table", "expect_table_row_count_to_be_between", empty),
    ("finished", "no outcome", "column outcome", "expect_column_values_to_not_be_null", setting("outcome", None)),
    ("finished", "a fourth outcome", "column outcome", "expect_column_values_to_be_in_set", setting("outcome", 3)),
    ("finished", "not finished", "column status", "expect_column_values_to_be_in_set",
     setting("status", int(MatchStatus.UPCOMING))),
    ("finished", "from the future", "column kickoff_at", "expect_column_values_to_be_between",
     setting("kickoff_at", AS_OF + timedelta(minutes=1))),
    ("finished", "no score", "column home_goals", "expect_column_values_to_not_be_null",
     setting("home_goals", None)),
    ("finished", "a mistyped score", "column away_goals", "expect_column_values_to_be_between",
     setting("away_goals", 41)),
    ("finished", "a negative score", "column home_goals", "expect_column_values_to_be_between",
     setting("home_goals", -1)),
    ("finished", "negative shots", "column home_shots", "expect_column_values_to_be_between",
     setting("home_shots", -1)),
    ("future", "already finished", "column status", "expect_column_values_to_be_in_set",
     setting("status", int(MatchStatus.FINISHED))),
    ("future", "a match twice", "column match_id", "expect_column_values_to_be_unique", setting("match_id", 5)),
    ("future", "kicked off", "column latest_kickoff_at", "expect_column_values_to_be_between",
     setting("latest_kickoff_at", AS_OF)),
    ("future", "beyond the horizon", "column kickoff_at", "expect_column_values_to_be_between",
     setting("kickoff_at", AS_OF + timedelta(days=101))),
    ("future", "a home score", "column home_goals", "expect_column_values_to_be_null",
     setting("home_goals", 1)),
    ("future", "an away score", "column away_goals", "expect_column_values_to_be_null",
     setting("away_goals", 1)),
    ("features", "no rows", "the table", "expect_table_row_count_to_be_between", empty),
    ("features", "a match twice", "column match_id", "expect_column_values_to_be_unique", setting("match_id", 5)),
    ("features", "a column is missing", "column home_elo", "expect_column_values_to_be_between", without("home_elo")),
    ("features", "a column without bounds is missing", "column diff_rest_days", "expect_column_to_exist",
     without("diff_rest_days")),
    ("features", "rates above 1 in over 1 % of rows", "column league_home_rate", "expect_column_values_to_be_between",
     setting("league_home_rate", 1.2, rows=5)),
    ("features", "negative goal averages", "column league_home_goals", "expect_column_values_to_be_between",
     setting("league_home_goals", -0.1, rows=5)),
    ("features", "coverage above 1", "column coverage", "expect_column_values_to_be_between", setting("coverage", 1.5)),
    ("features", "no coverage", "column coverage", "expect_column_values_to_not_be_null", setting("coverage", None)),
    ("features", "little is known", "column coverage", "expect_column_mean_to_be_between",
     setting("coverage", 0.1, rows=ROWS)),
]  # fmt: skip


@pytest.mark.parametrize("gate", TABLES)
def test_sound_data_passes_and_leaves_an_answer_and_a_report(gate: str) -> None:
    table, suite = TABLES[gate]
    pass_gate(gate, table(), suite())
    answer = json.loads(Path(f"data/validation/{gate}.json").read_text())
    assert answer["success"]
    assert len(answer["expectations"]) == len(suite())
    assert "<html" in Path(f"data/docs/{gate}/index.html").read_text()


@pytest.mark.parametrize(
    ("gate", "subject", "expectation", "corrupt"),
    [pytest.param(*c[:1], *c[2:], id=f"{c[0]}: {c[1]}") for c in CORRUPTIONS],
)
def test_corrupt_data_is_stopped_and_the_message_names_column_and_expectation(
    gate: str, subject: str, expectation: str, corrupt: Corruption
) -> None:
    table, suite = TABLES[gate]
    with pytest.raises(GateFailed) as stopped:
        pass_gate(gate, corrupt(table()), suite())
    lines = [line for line in str(stopped.value).splitlines() if subject in line and expectation in line]
    assert lines, str(stopped.value)
    answer = json.loads(Path(f"data/validation/{gate}.json").read_text())
    assert not answer["success"]
    assert Path(f"data/docs/{gate}/index.html").exists()


def test_every_expectation_of_every_suite_is_broken_by_some_corruption() -> None:
    """Columns that a suite treats alike are represented by one of them."""
    for gate, (_, suite) in TABLES.items():
        kinds = {expectation.expectation_type for expectation in suite()}
        assert kinds == {c[3] for c in CORRUPTIONS if c[0] == gate}


def test_the_message_counts_rows_and_gives_examples() -> None:
    table, suite = TABLES["finished"]
    with pytest.raises(GateFailed, match=rf"in 3 rows, for example match_id {2**50}: 100(\.0)?; match_id {2**50 + 1}"):
        pass_gate("finished", setting("home_goals", 100)(table()), suite())


def test_a_list_without_fixtures_is_no_reason_to_stop() -> None:
    pass_gate("future", future_table().head(0), TABLES["future"][1]())


def test_few_rows_outside_the_bounds_are_tolerated() -> None:
    pass_gate("features", setting("league_home_rate", 1.2, rows=4)(features_table()), TABLES["features"][1]())
