"""Each gate passes sound data and stops each kind of corrupt data, saying what is wrong where."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from great_expectations.expectations.expectation import Expectation

from matchcast.domain.match import MatchStatus
from matchcast.errors import GateFailed
from matchcast.features.columns import STAT_NAMES
from matchcast.features.contract import choose
from pipeline import data_docs
from pipeline.gates import DataVersion, pass_gate
from pipeline.params import FeaturesGate, RawGate
from pipeline.suites import features, finished, future, raw

AS_OF = datetime(2025, 3, 15, 12, tzinfo=UTC)
RAW_GATE = RawGate(first_day=date(1990, 1, 1), horizon_days=100)
FEATURES_GATE = FeaturesGate(mostly=0.99, least_coverage=0.5)
CONTRACT = choose(["rest", "league"], ["home", "away"], [], [], [])
ROWS = 400
DATA = DataVersion("0123456789abcdef", AS_OF)

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
    "raw": (lambda: raw.prepared(raw_table()), lambda: raw.suite(AS_OF, RAW_GATE)),
    "finished": (finished_table, lambda: finished.suite(AS_OF, STAT_NAMES)),
    "future": (future_table, lambda: future.suite(AS_OF, RAW_GATE.horizon_days)),
    "features": (features_table, lambda: features.suite(CONTRACT.features, FEATURES_GATE, ROWS)),
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


def fewer_rows(expectation: Expectation) -> dict[str, Corruption]:
    least = getattr(expectation, "min_value", None)
    return {"too few rows": lambda table: table.head((len(table) if least is None else least) - 1)}


def outside(expectation: Expectation) -> dict[str, Corruption]:
    """Just beyond each bound, in just enough rows."""
    kwargs = expectation.configuration.kwargs
    step = 1 if isinstance(kwargs.get("min_value", kwargs.get("max_value")), int | float) else timedelta(minutes=1)
    rows = int(ROWS * (1 - kwargs.get("mostly", 1))) + 1
    found = {}
    if "min_value" in kwargs:
        value = kwargs["min_value"] if kwargs.get("strict_min") else kwargs["min_value"] - step
        found["below"] = setting(kwargs["column"], value, rows)
    if "max_value" in kwargs:
        found["above"] = setting(kwargs["column"], kwargs["max_value"] + step, rows)
    return found


def twice(expectation: Expectation) -> dict[str, Corruption]:
    """The first row again under another id."""
    return {
        "a row again": lambda table: pd.concat([table, table.head(1).assign(match_id=1)], ignore_index=True),
    }


def low_mean(expectation: Expectation) -> dict[str, Corruption]:
    kwargs = expectation.configuration.kwargs
    return {"low": setting(kwargs["column"], kwargs["min_value"] - 0.01, ROWS)}


def column_of(expectation: Expectation) -> str:
    return str(expectation.configuration.kwargs["column"])


BREACHES: dict[str, Callable[[Expectation], dict[str, Corruption]]] = {
    "expect_table_row_count_to_be_between": fewer_rows,
    "expect_table_row_count_to_equal": fewer_rows,
    "expect_column_to_exist": lambda e: {"missing": without(column_of(e))},
    "expect_column_values_to_not_be_null": lambda e: {"null": setting(column_of(e), None)},
    "expect_column_values_to_be_null": lambda e: {"not null": setting(column_of(e), 1)},
    "expect_column_values_to_be_unique": lambda e: {"equal": setting(column_of(e), 5)},
    "expect_column_values_to_be_in_set": lambda e: {"unknown": setting(column_of(e), 4)},
    "expect_column_values_to_be_between": outside,
    "expect_column_mean_to_be_between": low_mean,
    "expect_compound_columns_to_be_unique": twice,
}
"""Ways to break an expectation and nothing else, by its kind; one of a kind that is not here has no proof."""


def name_of(expectation: Expectation) -> tuple[str, str | None]:
    """Kind and columns, as a gate's answer names them."""
    kwargs = expectation.configuration.kwargs
    return expectation.expectation_type, kwargs.get("column") or ", ".join(kwargs.get("column_list", ())) or None


def proofs() -> Iterator[Any]:
    """A parameter set for each way to break each expectation of each suite."""
    for gate, (_, suite) in TABLES.items():
        for expectation in suite():
            kind, columns = name_of(expectation)
            for how, corrupt in BREACHES[kind](expectation).items():
                yield pytest.param(gate, (kind, columns), corrupt, id=f"{gate}: {kind} {columns}: {how}")


@pytest.mark.parametrize("gate", TABLES)
def test_sound_data_passes_and_leaves_an_answer(gate: str) -> None:
    table, suite = TABLES[gate]
    pass_gate(gate, table(), suite(), DATA)
    answer = json.loads(Path(f"data/validation/{gate}.json").read_text())
    assert answer["success"]
    assert answer["data_version"] == DATA.hash
    assert len(answer["expectations"]) == len(suite())


@pytest.mark.parametrize("gate", TABLES)
def test_no_two_expectations_of_a_suite_ask_the_same(gate: str) -> None:
    names = [name_of(expectation) for expectation in TABLES[gate][1]()]
    assert len(names) == len(set(names))


@pytest.mark.slow
@pytest.mark.parametrize(("gate", "broken", "corrupt"), list(proofs()))
def test_each_expectation_alone_closes_its_gate_and_is_named(
    gate: str, broken: tuple[str, str | None], corrupt: Corruption
) -> None:
    table, suite = TABLES[gate]
    with pytest.raises(GateFailed) as stopped:
        pass_gate(gate, corrupt(table()), suite(), DATA)
    answer = json.loads(Path(f"data/validation/{gate}.json").read_text())
    failed = [(e["expectation"], e["column"]) for e in answer["expectations"] if not e["success"]]
    assert failed == [broken]
    assert not answer["success"]
    kind, columns = broken
    assert f"{f'column {columns}' if columns else 'the table'}: {kind} " in str(stopped.value)


@pytest.mark.parametrize("gate", TABLES)
def test_a_missing_column_is_named(gate: str) -> None:
    table, suite = TABLES[gate]
    for column in {column_of(e) for e in suite()[:4] if "column" in e.configuration.kwargs}:
        with pytest.raises(GateFailed, match=f"column {column}: .* does not hold: the column is missing"):
            pass_gate(gate, without(column)(table()), suite(), DATA)


def test_a_table_without_clubs_is_stopped_by_name() -> None:
    table = raw.prepared(raw_table().drop(columns="home_team_id"))
    with pytest.raises(GateFailed, match=r"column home_team_id: .* does not hold: the column is missing"):
        pass_gate("raw", table, raw.suite(AS_OF, RAW_GATE), DATA)


def test_a_club_that_would_meet_itself_is_found() -> None:
    table = raw_table()
    table.loc[[3, 5], "away_team_id"] = table.loc[[3, 5], "home_team_id"]
    found = raw.prepared(table)
    assert found.index[found[raw.ITSELF]].tolist() == [3, 5]


def pages() -> set[str]:
    return {str(file.relative_to("data/docs")) for file in Path("data/docs").rglob("*.html")}


def test_data_docs_are_one_site_with_every_gate_of_the_run() -> None:
    for gate, (table, suite) in TABLES.items():
        pass_gate(gate, table(), suite(), DATA)
    data_docs.main()
    index = Path("data/docs/index.html").read_text()
    for gate in TABLES:
        page = f"validations/{gate}/{DATA.hash}/{AS_OF:%Y%m%dT%H%M%S.%fZ}/{gate}.html"
        assert {page, f"expectations/{gate}.html"} <= pages()
        assert page in index
        assert "Succeeded" in Path(f"data/docs/{page}").read_text()
    assert len(pages()) == 2 * len(TABLES) + 1


def test_a_gate_that_closes_shows_itself_and_what_the_same_data_passed_before() -> None:
    for gate, data in {"raw": DATA, "finished": DATA, "future": DATA._replace(hash="older")}.items():
        pass_gate(gate, TABLES[gate][0](), TABLES[gate][1](), data)
    with pytest.raises(GateFailed, match=r"full report: data/docs/index\.html"):
        pass_gate("features", features_table().head(3), TABLES["features"][1](), DATA)
    (failed,) = [page for page in pages() if page.startswith("validations/features/")]
    assert "Failed" in Path(f"data/docs/{failed}").read_text()
    assert {page.split("/")[1] for page in pages() if page != "index.html"} >= {"raw", "finished", "features"}
    assert not any("future" in page for page in pages())


def test_equal_results_give_equal_sites() -> None:
    for gate, (table, suite) in TABLES.items():
        pass_gate(gate, table(), suite(), DATA)
    sites = []
    for _ in range(2):
        data_docs.main()
        sites.append({file: file.read_bytes() for file in Path("data/docs").rglob("*") if file.is_file()})
    assert sites[0] == sites[1]


def test_the_message_counts_rows_and_gives_examples() -> None:
    table, suite = TABLES["finished"]
    with pytest.raises(GateFailed, match=rf"in 3 rows, for example match_id {2**50}: 100(\.0)?; match_id {2**50 + 1}"):
        pass_gate("finished", setting("home_goals", 100)(table()), suite(), DATA)


def test_a_list_without_fixtures_is_no_reason_to_stop() -> None:
    pass_gate("future", future_table().head(0), TABLES["future"][1](), DATA)


def test_few_rows_outside_the_bounds_are_tolerated() -> None:
    pass_gate("features", setting("league_home_rate", 1.2, rows=4)(features_table()), TABLES["features"][1](), DATA)
