"""What the walk-forward stages leave behind, on the project that ran."""

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
import pytest
import yaml

from matchcast.model.fit import FitParams
from matchcast.model.forecaster import MEMBERS
from pipeline.params import SearchSpace, read_params
from tests.pipeline.project import Project

pytestmark = pytest.mark.slow

MODELS: Final = {"base_rate", "logistic_regression", "hist_gradient_boosting", "xgboost", "dixon_coles", "pool"}


def read(project: Project, name: str) -> Any:
    return json.loads(project.path(name).read_text())


def rows(project: Project, name: str) -> list[dict[str, str]]:
    with project.path(name).open(newline="") as file:
        return list(csv.DictReader(file))


def asked_matches(project: Project) -> int:
    return sum(fold["validate_matches"] for fold in read(project, "data/splits/folds.json")["folds"])


def test_tuning_kept_every_trial_and_training_takes_the_best(project: Project) -> None:
    best, history = read(project, "data/tuning/best.json"), rows(project, "data/plots/tuning.csv")
    params = read_params(project.path("params.yaml"))
    assert len(history) == best["trials"] == params.tuning.trials > 0
    assert float(history[-1]["least_so_far"]) == best["log_loss"] == min(float(row["log_loss"]) for row in history)
    assert best["log_loss"] <= best["own_log_loss"] == float(history[0]["log_loss"])
    trained = read(project, "data/metrics/training.json")["trees"]
    assert {name: trained[name] for name in SearchSpace.model_fields} == best["knobs"]


def test_without_trials_the_knobs_are_our_own_and_more_trials_go_on_from_those_made(
    project: Project, tmp_path: Path
) -> None:
    copy = project.copy(tmp_path / "copy")
    made = rows(copy, "data/plots/tuning.csv")
    copy.change_params("tuning", trials=0)
    copy.repro("--single-item", "tune_xgb")
    own = FitParams.of(read_params(copy.path("params.yaml")).model.model_dump()).trees
    best = read(copy, "data/tuning/best.json")
    assert best == {"trials": 0, "knobs": {name: getattr(own, name) for name in SearchSpace.model_fields}}

    copy.change_params("tuning", trials=len(made) + 1)
    copy.repro("--single-item", "tune_xgb")
    continued = rows(copy, "data/plots/tuning.csv")
    assert continued[:-1] == made
    shutil.rmtree(copy.path("var/tuning"))
    copy.repro("--single-item", "--force", "tune_xgb")
    assert rows(copy, "data/plots/tuning.csv") == continued, "at once or in two parts, the trials are the same"


def test_every_model_is_scored_on_the_same_matches_of_every_fold(project: Project) -> None:
    report = read(project, "data/metrics/classification.json")
    matches = asked_matches(project)
    assert {name for name in report if report[name].get("matches") == matches} == MODELS | {"market", "market_shin"}
    assert len(report["folds"]) == len(read(project, "data/splits/folds.json")["folds"])
    assert all(fold.keys() == MODELS for fold in report["folds"].values())
    for name in MODELS - {"pool"}:
        difference = report[name]["log_loss"] - report["pool"]["log_loss"]
        assert report[name]["minus_pool"]["log_loss"]["mean"] == pytest.approx(difference)
        assert report[name]["minus_pool"]["log_loss"]["standard_error"] > 0
        assert report[name]["log_loss"] <= report["base_rate"]["log_loss"]
    assert report["market"]["log_loss"] < report["pool"]["log_loss"], "no model beats the true chances"


def test_the_members_chosen_are_those_of_least_log_loss_and_are_the_ones_that_serve(project: Project) -> None:
    selection = read(project, "data/selection/selection.json")
    losses = {name: each["log_loss"] for name, each in selection["candidates"].items()}
    assert len(losses) == 2 ** len(MEMBERS) - 1
    assert "+".join(selection["members"]) == min(losses, key=lambda name: losses[name])
    weights = read(project, "data/model/bundle/calibration.json")["weights"]
    assert {member for member, weight in weights.items() if weight > 0} <= set(selection["members"])
    assert sum(weights.values()) == pytest.approx(1.0)


def test_forecasts_out_of_fold_cover_the_folds_once_and_leave_the_holdout_alone(project: Project) -> None:
    forecasts = pq.read_table(project.path("data/selection/forecasts.parquet"))
    ids = forecasts["match_id"].to_pylist()
    holdout = pq.read_table(project.path("data/splits/holdout.parquet"))["match_id"].to_pylist()
    assert len(ids) == len(set(ids)) == asked_matches(project)
    assert set(ids).isdisjoint(holdout)


def test_every_family_of_features_is_left_out_and_tried_alone(project: Project) -> None:
    report = read(project, "data/metrics/ablation.json")
    families = set(yaml.safe_load(project.path("params.yaml").read_text())["features"]["families"])
    for way, plot in (("left_out", "families_left_out"), ("alone", "families_alone")):
        assert report[way].keys() == families == {row["family"] for row in rows(project, f"data/plots/{plot}.csv")}
        assert all(each["log_loss"]["standard_error"] >= 0 for each in report[way].values())
    assert report["all"]["matches"] == asked_matches(project)


def test_errors_are_told_by_group_out_of_fold_and_on_the_holdout_beside_the_market(project: Project) -> None:
    errors, overall = read(project, "data/evaluation/errors.json"), read(project, "data/metrics/errors.json")
    holdout = read(project, "data/metrics/training.json")["model"]
    assert overall["holdout"]["log_loss"] == pytest.approx(holdout["log_loss"], rel=1e-12)
    assert overall["walk_forward"]["matches"] == asked_matches(project)
    for part in ("walk_forward", "holdout"):
        assert errors[part].keys() == {"league", "season", "month", "rating_gap", "promoted"}
        for grouping, groups in errors[part].items():
            assert sum(group["matches"] for group in groups.values()) == overall[part]["matches"]
            assert len(groups) > 1 or grouping == "promoted", "no club of the made-up leagues goes up"
            assert all("model_minus_this" in group["market"] for group in groups.values() if group["matches"] > 1)
    seasons = rows(project, "data/plots/seasons.csv")
    assert [row["season"] for row in seasons] == sorted(row["season"] for row in seasons)
    assert sum(int(row["matches"]) for row in seasons) == sum(overall[part]["matches"] for part in overall)


def test_dvc_shows_every_plot(project: Project, tmp_path: Path) -> None:
    project.run("dvc", "plots", "show", "--out", str(tmp_path / "plots"))
    page = (tmp_path / "plots/index.html").read_text()
    shown = set(re.findall(r'id = "([^"]+)"', page))
    assert {
        "calibration_curve", "learning_curve", "data_plots_confusion_matrix_csv",
        "data_plots_families_left_out_csv", "data_plots_families_alone_csv", "data_plots_tuning_csv",
        "data_plots_models_csv", "data_plots_candidates_csv", "data_plots_errors_league_csv",
        "data_plots_errors_promoted_csv", "models_by_fold", "model_against_market_over_seasons",
    } <= shown  # fmt: skip
    assert '"market"' in page
    for curve in ("training", "validation", *(f"calibration_{outcome}.csv" for outcome in ("home", "draw", "away"))):
        assert f'"{curve}"' in page
    assert '"dixon_coles"' in page


def test_dvc_shows_every_stages_metrics(project: Project) -> None:
    told = json.loads(project.run("dvc", "metrics", "show", "--json").stdout)
    assert {
        f"data/{name}.json"
        for name in ("tuning/best", "metrics/classification", "metrics/ablation", "selection/selection",
                     "metrics/training", "metrics/errors", "metrics/preprocessing")
    } <= told[""]["data"].keys()  # fmt: skip


def test_a_stage_tells_its_time_its_memory_and_what_went_into_xgboosts_fit(project: Project, tmp_path: Path) -> None:
    copy = project.copy(tmp_path / "copy")
    told = copy.repro("--single-item", "--force", "classification_models").stderr
    assert re.search(r"XGBoost's own fit took \d+\.\d s", told)
    assert re.search(r"\d+\.\d s, peak memory \d+ MB", told)
