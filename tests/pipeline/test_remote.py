"""Outputs go to an S3 bucket and come back in a fresh clone."""

from pathlib import Path

import pytest

from knative.local.services.minio import Minio
from tests.pipeline.project import Project, under_git
from tests.pipeline.test_determinism import NOTHING_TO_DO, hashes

pytestmark = pytest.mark.slow


def test_a_clone_pulls_what_was_pushed_and_has_nothing_to_train(project: Project, minio: Minio, tmp_path: Path) -> None:
    """The remote is named by its URL in settings of the machine; git knows nothing of it."""
    minio.client().create_bucket(Bucket="outputs")
    s3 = minio.environment()
    origin = project.copy(tmp_path / "origin")
    under_git(origin)
    origin.run("dvc", "remote", "add", "--local", "--default", "store", "s3://outputs/dvc")
    origin.run("dvc", "push", check=True, **s3)
    assert minio.client().list_objects_v2(Bucket="outputs", Prefix="dvc/")["KeyCount"] > 20
    assert origin.run("git", "status", "--porcelain").stdout == ""

    origin.run("git", "clone", "--quiet", str(origin.folder), str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone")
    clone.run("dvc", "remote", "add", "--local", "--default", "store", "s3://outputs/dvc")
    clone.run("dvc", "pull", check=True, **s3)
    assert hashes(clone) == hashes(origin)
    assert (
        NOTHING_TO_DO in clone.run("dvc", "repro", "--pull", "--allow-missing", "final_train", check=True, **s3).stdout
    )
