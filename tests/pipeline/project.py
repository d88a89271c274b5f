"""A copy of the pipeline in a folder of its own, with a database and an export of made-up leagues."""

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import yaml

from matchcast.adapters.database.contents import SqlContents
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.match_store import SqlMatchStore
from matchcast.adapters.database.migrate import migrate
from matchcast.adapters.parquet_export import ParquetExport
from matchcast.ports import ResolvedMatch
from matchcast.usecases.export import export
from tests.pipeline import league

ROOT: Final = Path(__file__).parents[2]
LOADED_AT: Final = datetime(2025, 3, 15, 6, tzinfo=UTC)


class Project:
    """One checkout-like folder; `dvc repro` runs in it with nothing of this machine's settings."""

    def __init__(self, folder: Path) -> None:
        self.folder: Final = folder
        self.database_url: Final = f"sqlite:///{folder}/var/matchcast.db"

    def run(self, *command: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a program of this environment in the folder."""
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment() | environment, capture_output=True, text=True, check=False
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    def repro(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `dvc repro`."""
        return self.run("dvc", "repro", *arguments, check=check)

    def environment(self) -> dict[str, str]:
        """Of the programs: this Python first, this folder's stages, a fixed code revision."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MATCHCAST_", "MLFLOW_", "PYTEST_"))}
        return kept | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": f"{self.folder}:{ROOT / 'shared'}",
            "MATCHCAST_CODE_REVISION": "made-up",
        }

    def commit(self, message: str) -> None:
        """Commit all that git does not ignore."""
        who = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
        self.run("git", "add", "--all")
        self.run("git", *who, "commit", "--quiet", "--message", message)

    def copy(self, folder: Path) -> "Project":
        """The folder as it stands; the files of MLflow's old runs stay where they are."""
        shutil.copytree(self.folder, folder)
        return Project(folder)

    def path(self, name: str) -> Path:
        """A file of the folder."""
        return self.folder / name

    def change_params(self, section: str, **values: Any) -> None:
        """Set knobs of one section of params.yaml."""
        file = self.path("params.yaml")
        params = yaml.safe_load(file.read_text())
        target = params
        for name in section.split("."):
            target = target[name]
        target.update(values)
        file.write_text(yaml.safe_dump(params))

    def start_anew(self, rows: list[ResolvedMatch]) -> None:
        """A new database, nothing else in var, and an export of the matches."""
        self.path("var").mkdir()
        migrate(self.database_url)
        self.load(rows)

    def load(self, rows: list[ResolvedMatch], as_of: datetime = league.AS_OF) -> None:
        """Put matches into the database and export them."""
        database = Database(self.database_url)
        report = SqlMatchStore(database).load(rows, league.teams(), [], LOADED_AT)
        assert not report.refused
        export(SqlContents(database), ParquetExport(self.path("var/export")), as_of)


def make_project(folder: Path, rows: list[ResolvedMatch], code: Path = ROOT) -> Project:
    """Copy what the stages depend on, take the profile for small leagues, and load the matches."""
    for name in ("pipeline", "shared/matchcast"):
        shutil.copytree(code / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "params.yaml", ".dvcignore", ".dvc/config"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(code / name, folder / name)
    (folder / ".dvc/config.local").write_text("[core]\n    no_scm = true\n")
    project = Project(folder)
    project.run(sys.executable, "-m", "pipeline.profiles", "test")
    project.start_anew(rows)
    return project


def under_git(project: Project) -> None:
    """Make the folder a git repository with one commit, as a clone is; `dvc exp run` needs that."""
    project.path(".dvc/config.local").unlink()
    for name in (".gitignore", ".dvc/.gitignore"):
        shutil.copy(ROOT / name, project.path(name))
    project.run("git", "init", "--quiet")
    project.commit("start")
