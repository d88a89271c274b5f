"""What the walk-forward stages decide, on invented matches."""

from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matchcast.errors import BadInput
from matchcast.features.contract import FeatureContract, catalogue
from matchcast.model.fit import FitParams, GoalsParams, LinearParams, TreeParams, fit_forecaster
from matchcast.model.forecaster import MEMBERS
from matchcast.model.metrics import base_rates, log_loss_each
from pipeline.ablation_study import member_forecasts, narrowed, study
from pipeline.classification_models import compare, members_table
from pipeline.error_analysis import Judged, bin_edges, by_group, gap_labels, promoted_labels, season_rows
from pipeline.params import ErrorAnalysis, SearchSpace, read_params
from pipeline.select_model import POOLS, folds_of, forecast
from pipeline.training import FitTime, with_knobs
from pipeline.tune_xgb import Knobs, open_study, problem, space_of, tune, walk_forward_loss
from pipeline.walk_forward import Walk, read_walk, walk_of

ROOT = Path(__file__).parents[2]
FIRST_DAY = date(2018, 1, 1)
YEARS = [("2021-01-01", "2022-01-01"), ("2022-01-01", "2023-01-01")]
SIGNAL, NOISE = "elo", "rest"
NAMES = ("home_elo", "away_elo", "elo_expected", "home_rest_days", "away_rest_days")
CONTRACT = FeatureContract(tuple(feature for feature in catalogue() if feature.name in NAMES))
PARAMS = FitParams(
    seed=5,
    trees=TreeParams(2, 0.2, 0.8, 0.8, 5, 1.0, 15, 5),
    linear=LinearParams(0.01, 8, 5.0),
    goals=GoalsParams(10, 8, 5.0, 8),
    validation_days=365,
    prior_matches=50,
    threads=1,
)
SPACE = SearchSpace(
    max_depth=(2, 5), eta=(0.02, 0.3), subsample=(0.4, 0.9), colsample_bytree=(0.1, 0.9),
    min_child_weight=(1, 100), reg_lambda=(0.5, 50),
)  # fmt: skip
OWN: Knobs = {name: getattr(PARAMS.trees, name) for name in SearchSpace.model_fields}


def feature_table(n: int = 1900) -> pa.Table:
    """A match a day; the Elo features decide much, rest nothing."""
    generator = np.random.default_rng(3)
    edge = generator.normal(size=n)
    goals = generator.poisson(np.exp(np.stack([0.3 + 0.4 * edge, 0.1 - 0.4 * edge], axis=1)))
    midnight = int(datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC).timestamp())
    columns: dict[str, Any] = {
        "match_id": np.arange(n)[::-1].copy() + 1,
        "day": midnight + 86_400 * np.arange(n, dtype=np.int64),
        "known_at": midnight + 86_400 * np.arange(1, n + 1, dtype=np.int64),
        "outcome": (1 - np.sign(goals[:, 0] - goals[:, 1])).astype(np.int8),
        "home_goals": goals[:, 0].astype(np.float64),
        "away_goals": goals[:, 1].astype(np.float64),
        "home_elo": 1500 + 100 * edge,
        "away_elo": 1500 - 100 * edge,
        "elo_expected": 1 / (1 + np.exp(-edge)),
        "home_rest_days": generator.uniform(2, 20, n),
        "away_rest_days": generator.uniform(2, 20, n),
    }
    return pa.table({name: column.astype(np.float32) if name in NAMES else column for name, column in columns.items()})


@pytest.fixture(scope="module")
def walk() -> Walk:
    """Two folds over the invented matches."""
    return walk_of(feature_table(), CONTRACT, YEARS)


def test_a_fold_is_trained_on_the_days_before_it_alone_and_asked_about_its_own(walk: Walk) -> None:
    folds = list(walk.folds(PARAMS))
    assert [fold.name for fold in folds] == ["2021-01-01", "2022-01-01"]
    for fold, start in zip(folds, walk.starts, strict=True):
        assert fold.training.day.max() < start <= fold.asked.day.min()
        assert len(fold.asked) == 365
        days = walk.matches.day
        assert (days[fold.training_rows] == fold.training.day).all()
        assert (days[fold.asked_rows] == fold.asked.day).all()
        assert fold.training.day[fold.validation].min() > fold.training.day[~fold.validation].max()


def test_the_last_folds_are_the_same_folds(walk: Walk) -> None:
    (last,) = walk.last(1).folds(PARAMS)
    assert last.name == "2022-01-01"
    assert (last.asked_rows == list(walk.folds(PARAMS))[1].asked_rows).all()
    assert len(list(walk.last(5).folds(PARAMS))) == 2


def test_a_result_that_is_not_known_as_a_fold_begins_is_not_learnt_from(walk: Walk) -> None:
    """A match that kicks off late on the day before is in neither side of the fold, but in the next fold's training."""
    table = feature_table()
    known_at = table["known_at"].to_numpy().copy()
    late = int(np.flatnonzero(walk.matches.day == walk.starts[0] - 86_400)[0])
    known_at[late] = walk.starts[0] + 1
    other = walk_of(
        table.set_column(table.column_names.index("known_at"), "known_at", pa.array(known_at)), CONTRACT, YEARS
    )
    first, second = other.folds(PARAMS)
    assert late in next(walk.folds(PARAMS)).training_rows
    assert late not in {*first.training_rows.tolist(), *first.asked_rows.tolist()}
    assert late in second.training_rows


def test_what_happens_in_a_fold_or_later_does_not_change_what_it_is_trained_on(walk: Walk) -> None:
    table = feature_table()
    changed = table["outcome"].to_numpy().copy()
    changed[walk.matches.day >= walk.starts[0]] = 1
    other = walk_of(
        table.set_column(table.column_names.index("outcome"), "outcome", pa.array(changed)), CONTRACT, YEARS
    )
    ours, theirs = next(walk.folds(PARAMS)), next(other.folds(PARAMS))
    assert (ours.training.outcomes == theirs.training.outcomes).all()
    assert (ours.asked.outcomes != theirs.asked.outcomes).any()


def test_a_fold_with_too_little_before_it_names_the_knob() -> None:
    early = walk_of(feature_table(), CONTRACT, [("2018-09-01", "2019-09-01")])
    with pytest.raises(BadInput, match=r"fold from 2018-09-01: .*lower split.folds .* in pipeline/conf"):
        next(early.folds(PARAMS))


def test_no_fold_at_all_names_the_knob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in (("splits/folds.json", '{"folds": []}'), ("features/features.json", CONTRACT.to_json())):
        file = tmp_path / "data" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    with pytest.raises(BadInput, match=r"split.folds: no year before the hold-out"):
        read_walk()


def quadratic(knobs: Knobs) -> float:
    """Least at an eta of 0.1 and a depth of 3."""
    return float(np.log(knobs["eta"] / 0.1) ** 2 + (knobs["max_depth"] - 3) ** 2)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("here")
def test_tuning_tries_our_own_knobs_first_and_ends_no_worse() -> None:
    trials = tune(open_study("a"), 15, 1, space_of(SPACE), OWN, quadratic)
    assert trials[0].knobs == OWN
    assert len(trials) == 15
    assert min(trial.log_loss for trial in trials) < quadratic(OWN)
    for trial in trials:
        assert trial.log_loss == quadratic(trial.knobs)
        for name, value in trial.knobs.items():
            lowest, highest = getattr(SPACE, name)
            assert lowest <= value <= highest


@pytest.mark.usefixtures("here")
def test_tuning_that_was_killed_or_stopped_goes_on_as_if_it_had_not_been() -> None:
    whole = tune(open_study("whole"), 14, 1, space_of(SPACE), OWN, quadratic)

    def killed_at_the_seventh(knobs: Knobs) -> float:
        if len(open_study("parts").get_trials(states=(optuna.trial.TrialState.COMPLETE,))) == 6:
            raise KeyboardInterrupt
        return quadratic(knobs)

    with pytest.raises(KeyboardInterrupt):
        tune(open_study("parts"), 14, 1, space_of(SPACE), OWN, killed_at_the_seventh)
    tried: list[Knobs] = []

    def noted(knobs: Knobs) -> float:
        tried.append(knobs)
        return quadratic(knobs)

    assert tune(open_study("parts"), 10, 1, space_of(SPACE), OWN, noted) == whole[:10]
    assert len(tried) == 4
    assert tune(open_study("parts"), 14, 1, space_of(SPACE), OWN, quadratic) == whole
    assert tune(open_study("parts"), 3, 1, space_of(SPACE), OWN, quadratic) == whole[:3]


@pytest.mark.usefixtures("here")
def test_another_seed_tries_other_knobs() -> None:
    one, two = (tune(open_study(str(seed)), 4, seed, space_of(SPACE), OWN, quadratic) for seed in (1, 2))
    assert one[0] == two[0]
    assert one[1:] != two[1:]


@pytest.mark.usefixtures("here")
def test_our_own_knobs_outside_the_space_are_refused_by_name() -> None:
    with pytest.raises(BadInput, match=r"model.trees.max_depth is 9, outside tuning.space.max_depth"):
        tune(open_study("a"), 1, 1, space_of(SPACE), OWN | {"max_depth": 9}, quadratic)


def test_a_study_goes_on_only_with_the_same_matches_and_knobs(here: Path) -> None:
    for name in ("train.parquet", "folds.json"):
        (here / "data/splits").mkdir(parents=True, exist_ok=True)
        (here / "data/splits" / name).write_bytes(b"1")
    before = problem(PARAMS, SPACE)
    assert problem(PARAMS, SPACE) == before
    assert problem(replace(PARAMS, seed=6), SPACE) != before
    assert problem(PARAMS, SPACE.model_copy(update={"eta": (0.01, 0.3)})) != before
    (here / "data/splits/train.parquet").write_bytes(b"2")
    assert problem(PARAMS, SPACE) != before


def test_the_loss_of_a_trial_is_that_of_trees_with_its_knobs(walk: Walk) -> None:
    fit_time = FitTime()
    loss = walk_forward_loss(walk, PARAMS, fit_time)
    blunt = walk_forward_loss(walk, with_knobs(PARAMS, OWN | {"min_child_weight": 1e6}), fit_time)
    base = np.concatenate(
        [
            log_loss_each(np.tile(base_rates(fold.training.outcomes), (len(fold.asked), 1)), fold.asked.outcomes)
            for fold in walk.folds(PARAMS)
        ]
    ).mean()
    assert loss < blunt == pytest.approx(base, abs=0.05)
    assert fit_time.seconds > 0


def test_a_space_whose_ends_are_swapped_is_refused() -> None:
    with pytest.raises(ValueError, match="eta: give the lowest value"):
        SearchSpace(**SPACE.model_dump() | {"eta": (0.3, 0.02)})


def test_the_committed_knobs_lie_inside_the_committed_space() -> None:
    params = read_params(ROOT / "params.yaml")
    trees = asdict(FitParams.of(params.model.model_dump()).trees)
    for name in SearchSpace.model_fields:
        lowest, highest = getattr(params.tuning.space, name)
        assert lowest <= trees[name] <= highest


def test_a_candidate_forecasts_a_fold_as_training_with_its_members_would(walk: Walk) -> None:
    """Selection refits nothing, yet judges exactly what would be served."""
    tables, fitted = [], {}
    for fold in walk.folds(PARAMS):
        of_all = fit_forecaster(fold.training, PARAMS)
        tables.append(members_table(walk.match_ids, fold, of_all, of_all.members(fold.asked.rows)))
        for pool in POOLS:
            fitted[fold.name, pool] = fit_forecaster(fold.training, PARAMS, pool).predict(fold.asked.rows)
    kept = folds_of(pa.concat_tables(tables))
    for pool in POOLS:
        expected = np.concatenate([fitted[start, pool] for start, _ in YEARS])
        assert (forecast(kept, pool, PARAMS.prior_matches) == expected).all()
    assert np.concatenate([fold.outcomes for fold in kept]).tolist() == walk.matches.outcomes[
        np.concatenate([fold.asked_rows for fold in walk.folds(PARAMS)])
    ].tolist()  # fmt: skip


def test_members_left_out_of_the_pool_have_no_weight(walk: Walk) -> None:
    fold = next(walk.folds(PARAMS))
    fitted = fit_forecaster(fold.training, PARAMS, ("trees", "goals"))
    weights = dict(zip(MEMBERS, fitted.forecaster.weights.tolist(), strict=True))
    assert weights["linear"] == 0.0
    assert weights["trees"] + weights["goals"] == pytest.approx(1.0)


@pytest.mark.parametrize("member", MEMBERS)
def test_leaving_out_what_decides_costs_much_and_leaving_out_noise_nothing(walk: Walk, member: str) -> None:
    report = study(walk, member, PARAMS, FitTime())
    signal, noise = report["left_out"][SIGNAL]["log_loss"], report["left_out"][NOISE]["log_loss"]
    assert signal["mean"] > 3 * signal["standard_error"] > 0
    assert abs(noise["mean"]) < signal["mean"] / 5
    assert report["alone"][SIGNAL] | {"features": 0} == report["left_out"][NOISE] | {"features": 0}
    assert report["all"]["matches"] == 730


def test_a_member_without_features_gives_base_rates(walk: Walk) -> None:
    fold = narrowed(next(walk.folds(PARAMS)), np.zeros(len(CONTRACT.features), dtype=np.bool_))
    for member in MEMBERS:
        probs = member_forecasts(fold, member, PARAMS, [])
        assert (probs == base_rates(fold.training.outcomes)).all()


def test_the_market_is_compared_on_the_matches_that_have_odds() -> None:
    generator = np.random.default_rng(1)
    models = {name: generator.dirichlet([4, 3, 3], 40) for name in ("base_rate", "pool")}
    odds = np.full((40, 3), 2.9)
    odds[:15] = np.nan
    report = compare(models, generator.integers(0, 3, 40), odds)
    assert report["market"]["matches"] == report["market"]["pool_on_the_same"]["matches"] == 25
    gap = report["market"]["log_loss"] - report["market"]["pool_on_the_same"]["log_loss"]
    assert report["market"]["minus_pool"]["log_loss"]["mean"] == pytest.approx(gap)
    assert report["market_shin"].keys() == report["market"].keys()
    assert "market" not in compare(models, generator.integers(0, 3, 40), np.full((40, 3), np.nan))


def judged_matches(n: int, seed: int) -> Judged:
    generator = np.random.default_rng(seed)
    market = generator.dirichlet([4, 3, 3], n)
    market[generator.random(n) < 0.4] = np.nan
    labels = np.array(["one", "two", "three"])[generator.integers(0, 3, n)]
    return Judged(
        generator.dirichlet([4, 3, 3], n), generator.integers(0, 3, n), market, {"league": labels, "season": labels}
    )


@settings(max_examples=25)
@given(n=st.integers(5, 60), seed=st.integers(0, 1000))
def test_every_match_is_in_one_group_and_the_groups_add_up(n: int, seed: int) -> None:
    matches = judged_matches(n, seed)
    groups = by_group(matches, "league")
    assert sum(group["matches"] for group in groups.values()) == n
    total = sum(group["log_loss"] * group["matches"] for group in groups.values())
    assert total / n == pytest.approx(float(log_loss_each(matches.probs, matches.outcomes).mean()))


@settings(max_examples=25)
@given(n=st.integers(5, 60), seed=st.integers(0, 1000))
def test_seasons_compare_model_and_market_on_the_same_matches_of_both_parts(n: int, seed: int) -> None:
    parts = [judged_matches(n, seed), judged_matches(n, seed + 1)]
    priced = [part.of(~np.isnan(part.market[:, 0])) for part in parts]
    rows = season_rows(parts)
    assert sum(matches for _, matches, _, _ in rows) == sum(len(part.outcomes) for part in priced)
    for column, which in ((2, "probs"), (3, "market")):
        losses = np.concatenate([log_loss_each(getattr(p, which), p.outcomes) for p in priced if len(p.outcomes)])
        assert sum(row[1] * float(row[column]) for row in rows) == pytest.approx(float(losses.sum()))


def test_gaps_are_bins_of_equal_numbers_out_of_fold_and_hold_every_match_of_the_holdout() -> None:
    table = feature_table()
    params = ErrorAnalysis(rating_bins=4, promoted_matches=38)
    edges = bin_edges(table, params)
    assert all(low < high for low, high in pairwise(edges.tolist()))
    _, counts = np.unique(gap_labels(table, edges), return_counts=True)
    assert counts.tolist() == [475] * 4
    far = table.slice(0, 2).set_column(
        table.column_names.index("elo_expected"), "elo_expected", pa.array([0.0, 1.0], pa.float32())
    )
    assert len(set(gap_labels(far, edges).tolist()) & set(gap_labels(table, edges).tolist())) == 2
    without = table.drop_columns(["elo_expected"])
    assert set(gap_labels(without, bin_edges(without, params)).tolist()) == {"unknown"}


def test_a_club_counts_as_promoted_in_its_first_matches_unless_it_came_down() -> None:
    table = pa.table(
        {
            "home_since_entry": [0.0, 37.0, 38.0, 5.0, 60.0, 3.0],
            "home_came_down": [0.0, 0.0, 0.0, 1.0, 0.0, 0.0],
            "away_since_entry": [50.0, 50.0, 50.0, 50.0, 2.0, 3.0],
            "away_came_down": [0.0, 0.0, 1.0, 0.0, 0.0, 0.0],
        }
    )
    assert promoted_labels(table, 38).tolist() == ["home", "home", "neither", "neither", "away", "both"]
    assert promoted_labels(table.select(["home_since_entry"]), 38).tolist() == ["unknown"] * 6


def test_the_walk_starts_and_ends_at_midnight_utc(walk: Walk) -> None:
    first = datetime.fromtimestamp(walk.starts[0], UTC)
    assert first == datetime(2021, 1, 1, tzinfo=UTC)
    assert datetime.fromtimestamp(walk.ends[0], UTC) - first == timedelta(days=365)
