"""A project that ran, a server for S3, and libraries that warn when they are imported.

Those are imported here once, so that warnings can be errors everywhere else.
"""

import warnings

import pytest

from tests.pipeline import league
from tests.pipeline.project import Project, make_project

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="module 'sre_", category=DeprecationWarning)
    import great_expectations  # noqa: F401

    warnings.filterwarnings("ignore", message=".*Any type hint is inferred as AnyType", category=UserWarning)
    import mlflow.pyfunc  # noqa: F401


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that ran once; tests read it only."""
    made = make_project(tmp_path_factory.mktemp("project"), league.rows())
    made.repro()
    return made
