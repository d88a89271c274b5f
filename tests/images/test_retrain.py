"""The image that trains anew."""

import shutil
from pathlib import Path

import pytest

from tests.images import podman
from tests.images.conftest import hand_over
from tests.images.podman import Mounts, built
from tests.pipeline import league
from tests.pipeline.project import make_project

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("containers")]


def test_the_pipeline_runs_in_a_container_on_what_the_database_holds(tmp_path: Path) -> None:
    """As far as the features; the rest of the pipeline is the same program as everywhere."""
    made = make_project(tmp_path / "made", league.rows())
    house, work = made.path("var"), tmp_path / "work"
    shutil.rmtree(house / "export")
    work.mkdir()
    hand_over(house)
    hand_over(work)
    ended = podman.run(
        built("retrain"),
        "feature_engineering",
        mounts=Mounts((), {house: "/house", work: "/work", made.path("params.yaml"): "/project/params.yaml:ro"}),
        environment={
            "MATCHCAST_DATABASE_URL": "sqlite:////house/matchcast.db",
            "MATCHCAST_OBJECTS_URL": "/house/objects",
        },
    )
    assert ended.status == 0, ended.err
    assert (work / "data/features/finished.parquet").stat().st_size > 0


def test_the_training_image_refuses_writes_outside_of_its_folder() -> None:
    ended = podman.run(built("retrain"), "-c", "id -u; touch /project/x", entrypoint="sh")
    assert (ended.status, ended.out.split()) == (1, [str(podman.USER)])
    assert "Read-only file system" in ended.err
