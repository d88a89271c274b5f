"""The hold-out chooses nothing: no stage before the final evaluation sees what happened in it."""

import hashlib
import json
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from matchcast.domain.match import MatchStatus
from matchcast.ports import ResolvedMatch
from tests.pipeline import league
from tests.pipeline.project import ROOT, Project

STAGES: Final[dict[str, Any]] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
CHOOSING: Final = ("tune_xgb", "classification_models", "ablation_study", "select_model")
FINAL: Final = {"final_train", "error_analysis", "register_model", "promote_model", "batch_inference"}
BEFORE_THE_SPLIT: Final = {
    "load_data_from_sources", "validate_raw", "preprocessing", "validate_finished", "validate_future",
    "feature_engineering", "validate_features", "data_docs", "split_data",
}  # fmt: skip
"""These tell the hold-out apart; they choose nothing."""
WITHOUT_HOLDOUT: Final = {
    "data/features/features.json",  # names of columns
    "data/splits/train.parquet",
    "data/splits/train_odds.parquet",
    "data/splits/folds.json",
}


def paths(stage: str, *kinds: str) -> list[str]:
    entries = [entry for kind in kinds for entry in STAGES[stage].get(kind, [])]
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


def outs(stage: str) -> list[str]:
    return paths(stage, "outs", "metrics", "plots")


def data_deps(stage: str) -> list[str]:
    return [dep for dep in paths(stage, "deps") if dep.startswith(("data/", "var/"))]


def hashes(project: Project, names: list[str]) -> dict[str, str]:
    return {name: hashlib.sha256(project.path(name).read_bytes()).hexdigest() for name in names}


def test_every_stage_is_before_the_split_or_chooses_or_evaluates_finally() -> None:
    """A new stage has to be given its place here."""
    assert {*BEFORE_THE_SPLIT, *CHOOSING, *FINAL} == STAGES.keys()


@pytest.mark.parametrize("stage", CHOOSING)
def test_what_a_choosing_stage_reads_comes_from_the_training_part(stage: str) -> None:
    chosen = {out for other in CHOOSING for out in outs(other)}
    assert set(data_deps(stage)) <= WITHOUT_HOLDOUT | chosen


def test_the_final_evaluation_reads_the_holdout() -> None:
    """Else the test above would pass for want of a hold-out."""
    assert "data/splits/holdout.parquet" in data_deps("final_train")
    assert "data/splits/holdout.parquet" in outs("split_data")
    assert {*outs("split_data"), *outs("feature_engineering")} >= WITHOUT_HOLDOUT


@pytest.mark.slow
@pytest.mark.parametrize("stage", CHOOSING)
def test_a_choosing_stage_opens_nothing_but_what_it_declares(stage: str, project: Project, tmp_path: Path) -> None:
    """In a folder that holds nothing else it puts out the same bytes."""
    for name in (*paths(stage, "deps"), "params.yaml"):
        if not name.startswith("pipeline/"):
            copy(project.path(name), tmp_path / name)
    shutil.copytree(project.path("pipeline"), tmp_path / "pipeline")
    alone = Project(tmp_path)
    alone.run(sys.executable, "-m", f"pipeline.{stage}")
    assert hashes(alone, outs(stage)) == hashes(project, outs(stage))
    made = {str(file.relative_to(tmp_path)) for file in (tmp_path / "data").rglob("*") if file.is_file()}
    assert made == {*outs(stage), *data_deps(stage)}


@pytest.mark.slow
def test_other_results_in_the_holdout_change_the_final_evaluation_and_no_choice(
    project: Project, tmp_path: Path
) -> None:
    copied = project.copy(tmp_path / "copy")
    starts = datetime.fromisoformat(json.loads(copied.path("data/splits/folds.json").read_text())["holdout_from"])
    shutil.rmtree(copied.path("var"))
    shutil.rmtree(copied.path("data"))
    copied.start_anew(
        [turned(row) if row.told.kickoff_at >= starts.replace(tzinfo=UTC) else row for row in league.rows()]
    )
    copied.repro("final_train")
    for stage in CHOOSING:
        copied.repro("--force", "--single-item", stage)
    choices = [out for stage in CHOOSING for out in outs(stage)]
    known = sorted(WITHOUT_HOLDOUT)
    assert hashes(copied, [*choices, *known]) == hashes(project, [*choices, *known])
    for name in ("data/splits/holdout.parquet", "data/metrics/training.json"):
        assert hashes(copied, [name]) != hashes(project, [name])


def turned(row: ResolvedMatch) -> ResolvedMatch:
    """The match as if the away side had been the home side."""
    told = row.told
    if told.status is not MatchStatus.FINISHED:
        return row
    return row._replace(told=told._replace(home_goals=told.away_goals, away_goals=told.home_goals))


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy(source, target)
