"""What the stages put out depends on the matches, the knobs and the code; not on where, when or for whom they run."""

import hashlib
import shutil
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.pipeline import league
from tests.pipeline.project import ROOT, Project, make_project, under_git

pytestmark = pytest.mark.slow

NOTHING_TO_DO: Final = "Data and pipelines are up to date."


def receipts(project: Project) -> set[str]:
    """Outputs that record what was done outside; dvc.yaml declares them by keeping them out of the cache."""
    stages: dict[str, Any] = yaml.safe_load(project.path("dvc.yaml").read_text())["stages"]
    outs = (out for stage in stages.values() for out in stage.get("outs", []) if isinstance(out, dict))
    return {name for out in outs for name, settings in out.items() if settings.get("cache") is False}


def hashes(project: Project) -> dict[str, str]:
    """SHA-256 of every output but the receipts."""
    files = (file for file in project.path("data").rglob("*") if file.is_file())
    by_name = {str(file.relative_to(project.folder)): file for file in files}
    return {
        name: hashlib.sha256(file.read_bytes()).hexdigest()
        for name, file in by_name.items()
        if name not in receipts(project)
    }


def test_a_second_run_does_nothing(project: Project) -> None:
    assert NOTHING_TO_DO in project.repro().stdout


def test_the_receipts_are_those_of_registry_promotion_and_publication(project: Project) -> None:
    assert receipts(project) == {
        "data/registry/registered.json",
        "data/promotion/promoted.json",
        "data/predictions/published.json",
    }


def test_equal_inputs_give_equal_bytes_in_another_place(tmp_path: Path) -> None:
    """Another folder, home, language, time zone and thread count, matches loaded in another order, as an experiment.

    With the demo's knobs; the matches are the made-up ones.
    """
    here = make_project(tmp_path / "here", league.rows())
    here.run(sys.executable, "-m", "pipeline.profiles", "demo")
    here.repro()
    other = make_project(tmp_path / "somewhere else", list(reversed(league.rows())), code=here.folder)
    shutil.copy(ROOT / "params.yaml", other.path("params.yaml"))
    under_git(other)
    (tmp_path / "home").mkdir()
    elsewhere = {
        "HOME": str(tmp_path / "home"),
        "LC_ALL": "C.UTF-8",
        "TZ": "Pacific/Auckland",
        "PYTHONHASHSEED": "7",
        "OMP_NUM_THREADS": "1",
    }
    other.run("dvc", "exp", "run", "-S", "experiment=demo", check=True, **elsewhere)
    ours, theirs = hashes(here), hashes(other)
    assert len(ours) > 40
    assert {name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name]} == set()
    assert ours.keys() == theirs.keys()
    assert NOTHING_TO_DO in other.run("dvc", "repro", check=True, **elsewhere).stdout
