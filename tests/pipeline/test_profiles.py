"""Profiles of the pipeline: what Hydra composes from pipeline/conf, and that params.yaml is one of them."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

from matchcast.errors import BadInput
from matchcast.model.fit import FitParams
from pipeline.params import read_params
from pipeline.profiles import CONF, composed, main, profiles
from tests.pipeline import league
from tests.pipeline.project import ROOT, Project, make_project, under_git


def test_params_yaml_is_what_the_default_profile_composes() -> None:
    """Knobs are changed in pipeline/conf; `python -m pipeline.profiles` then writes params.yaml."""
    assert (ROOT / "params.yaml").read_text() == composed()


def test_there_are_profiles_for_the_demo_the_tests_and_production() -> None:
    assert {"demo", "test", "prod"} <= set(profiles())


@pytest.mark.parametrize("profile", profiles())
def test_each_profile_gives_knobs_that_the_stages_accept(profile: str, tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(composed(profile))
    FitParams.of(read_params(file).model.model_dump())


@pytest.mark.parametrize("profile", profiles())
def test_a_profile_changes_only_knobs_that_exist(profile: str) -> None:
    known = knobs(yaml.safe_load((CONF / "config.yaml").read_text()))
    assert knobs(OmegaConf.to_container(OmegaConf.load(CONF / "experiment" / f"{profile}.yaml"))) <= known


def test_an_unknown_profile_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(BadInput, match=r"no profile 'large': take one of demo, .*prod.*, test"):
        composed("large")


def test_a_folder_without_the_pipeline_is_refused_and_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["profiles", "prod"])
    with pytest.raises(BadInput, match=r"beside dvc.yaml, which is not here"):
        main()
    assert list(tmp_path.iterdir()) == []


def knobs(section: Any, prefix: str = "") -> set[str]:
    """Dotted names."""
    if not isinstance(section, dict):
        return {prefix}
    return {name for key, value in section.items() for name in knobs(value, f"{prefix}.{key}" if prefix else key)}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A folder under git, as a clone is, with params.yaml as it is committed."""
    project = make_project(tmp_path_factory.mktemp("clone"), league.rows())
    shutil.copy(ROOT / "params.yaml", project.path("params.yaml"))
    under_git(project)
    return project


@pytest.mark.slow
def test_an_experiment_of_dvc_runs_a_profile_from_a_clean_clone(clone: Project) -> None:
    clone.run("dvc", "exp", "run", "-S", "experiment=prod", "-S", "split.folds=4", "load_data_from_sources")
    wanted = yaml.safe_load(composed("prod"))
    wanted["split"]["folds"] = 4
    assert yaml.safe_load(clone.path("params.yaml").read_text()) == wanted
    assert clone.path("data/raw/matches.parquet").exists()

    clone.run("dvc", "exp", "run", "-S", "experiment=prod", "load_data_from_sources")
    assert clone.path("params.yaml").read_text() == composed("prod")


@pytest.mark.slow
def test_without_a_commit_dvc_runs_no_experiment_but_a_profile_can_be_written(tmp_path: Path) -> None:
    project = make_project(tmp_path, league.rows())
    refused = project.run("dvc", "exp", "run", "-S", "experiment=prod", check=False)
    assert refused.returncode != 0
    project.run("python", "-m", "pipeline.profiles", "prod")
    assert project.path("params.yaml").read_text() == composed("prod")
    unknown = project.run("python", "-m", "pipeline.profiles", "large", check=False)
    assert unknown.returncode == 1
    assert unknown.stderr.startswith("error: no profile 'large'")
