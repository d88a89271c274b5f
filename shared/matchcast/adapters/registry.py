"""MLflow: training runs, registered versions and their aliases.

MLflow is imported on first use, and never speaks to anyone but the tracking server it is given.
"""

import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from matchcast.errors import NotFound, Unavailable

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion as MlflowVersion

DEFAULT_TRACKING_URI: Final = "sqlite:///var/mlflow.db"
DEFAULT_ARTIFACTS: Final = Path("var/mlartifacts")
CANDIDATE: Final = "candidate"
CHALLENGER: Final = "challenger"
CHAMPION: Final = "champion"
BUNDLE_VERSION: Final = "bundle.version"
"""Tag of a registered version: which bundle it holds."""
BUNDLE_FOLDER: Final = "bundle"
_PROMOTIONS: Final = "promotions"
_TWO_SOURCES: Final = "The specified dataset source can be interpreted in multiple ways"
_INTEGER_COLUMNS: Final = "Hint: Inferred schema contains integer column"
"""What MLflow warns of when a dataset is a local file, and has a column of outcomes."""


class RegisteredVersion(NamedTuple):
    """One version of the registered model.

    Attributes:
        number: MLflow's own, counting from 1.
        bundle: version of the bundle it holds.
        run_id: of the MLflow run that made it.
    """

    number: int
    bundle: str
    run_id: str
    registered_at: datetime
    aliases: tuple[str, ...]
    tags: Mapping[str, str]


class Promotion(NamedTuple):
    """When a version became the champion; `number` is MLflow's."""

    number: int
    at: str


@dataclass(frozen=True)
class TrainingRun:
    """What goes on record about one training run.

    Attributes:
        params, metrics, tags: by name.
        curves: metrics by step.
        artifacts: local files by the folder they go to in the run.
        figures: matplotlib figures by file name.
        reference: the last rows that were trained on, from a file; `targets` names the column to forecast.
        data_version: of the export that was trained on.
        bundle: folder of the bundle.
        model_code: script that gives the pyfunc model from a bundle; `packages` and `requirements` are what it imports.
        input_example, output_example: rows for the model and what it answers; the signature follows from them.
    """

    name: str
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    curves: Mapping[str, Sequence[float]]
    tags: Mapping[str, str]
    artifacts: Mapping[str, Sequence[Path]]
    figures: Mapping[str, Any]
    reference: "pd.DataFrame"
    reference_source: Path
    targets: str
    data_version: str
    bundle: Path
    bundle_version: str
    model_code: Path
    packages: Sequence[Path]
    requirements: Sequence[str]
    input_example: "pd.DataFrame"
    output_example: "pd.DataFrame"


def tracking_uri() -> str:
    """Where MLflow is: MLFLOW_TRACKING_URI, or a file of this folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_TRACKING_URI


class MlflowRegistry:
    """One registered model and its experiment; every method raises Unavailable when MLflow cannot be used.

    Args:
        uri: of the tracking server or database.
        experiment, model: names; made when something is registered.
        artifacts: where runs keep files if `uri` is a database here; a server decides for itself.
    """

    def __init__(self, uri: str, experiment: str, model: str, artifacts: Path = DEFAULT_ARTIFACTS) -> None:
        self._uri = uri
        self._experiment = experiment
        self._model = model
        self._artifacts = artifacts

    def register(self, run: TrainingRun) -> RegisteredVersion:
        """Record a run and register its bundle as the candidate; one registered before is found again."""
        with self._translated():
            known = [v for v in self.versions() if v.bundle == run.bundle_version]
            version = known[-1] if known else self._record(run)
            self._client.set_registered_model_alias(self._model, CANDIDATE, str(version.number))
            return self.find(str(version.number))

    def versions(self) -> list[RegisteredVersion]:
        """All versions, oldest first; none before the first registration."""
        with self._translated():
            found = self._client.search_model_versions(f"name = '{self._model}'", max_results=10_000)
            aliases = self._aliases() if found else {}
            return sorted((_version(v, aliases) for v in found), key=lambda v: v.number)

    def find(self, name: str) -> RegisteredVersion:
        """A version by number, by its bundle's version, or by alias.

        Raises:
            NotFound: there is none; the message lists what there is.
        """
        versions = self.versions()
        for version in reversed(versions):
            if name in (str(version.number), version.bundle, *version.aliases):
                return version
        listed = ", ".join(f"{v.number} ({v.bundle})" for v in versions[-10:]) or "none, run `dvc repro`"
        raise NotFound(f"no registered version of {self._model} goes by {name!r}; there are: {listed}")

    def champion(self) -> RegisteredVersion | None:
        """The version with the alias champion."""
        return next((v for v in self.versions() if CHAMPION in v.aliases), None)

    def bundle_files(self, version: RegisteredVersion) -> dict[str, bytes]:
        """The bundle's files by name."""
        with self._translated(), TemporaryDirectory() as folder:
            bundle = self._mlflow.artifacts.download_artifacts(
                artifact_uri=f"models:/{self._model}/{version.number}/artifacts/{BUNDLE_FOLDER}",
                dst_path=folder,
                tracking_uri=self._uri,
            )
            return {file.name: file.read_bytes() for file in Path(bundle).iterdir()}

    def artifact(self, version: RegisteredVersion, path: str) -> bytes | None:
        """A file of the run that made a version; None if the run kept no such file."""
        with self._translated(), TemporaryDirectory() as folder:
            kept = self._client.list_artifacts(version.run_id, str(Path(path).parent))
            if path not in {file.path for file in kept}:
                return None
            return Path(self._client.download_artifacts(version.run_id, path, folder)).read_bytes()

    def tag(self, version: RegisteredVersion, tags: Mapping[str, str]) -> None:
        """Note something on a version and on its run."""
        with self._translated():
            for name, value in tags.items():
                self._client.set_model_version_tag(self._model, str(version.number), name, value)
                self._client.set_tag(version.run_id, name, value)

    def promotions(self) -> list[Promotion]:
        """The champions one after another, but for those rolled back; the last one serves."""
        with self._translated():
            if not self.versions():
                return []
            tags = self._client.get_registered_model(self._model).tags
            return [Promotion(*entry) for entry in json.loads(tags.get(_PROMOTIONS, "[]"))]

    def set_promotions(self, promotions: Sequence[Promotion]) -> None:
        """Record the champions, at least one; the last one gets the alias, and is no challenger any more."""
        number = promotions[-1].number
        with self._translated():
            self._client.set_registered_model_tag(self._model, _PROMOTIONS, json.dumps(promotions))
            self._client.set_registered_model_alias(self._model, CHAMPION, str(number))
            if self._aliases().get(CHALLENGER) == number:
                self._client.delete_registered_model_alias(self._model, CHALLENGER)

    def set_challenger(self, version: RegisteredVersion) -> None:
        """Give a version the alias challenger; the one before loses it."""
        with self._translated():
            self._client.set_registered_model_alias(self._model, CHALLENGER, str(version.number))

    def _record(self, run: TrainingRun) -> RegisteredVersion:
        mlflow = self._mlflow
        mlflow.set_tracking_uri(self._uri)
        with mlflow.start_run(experiment_id=self._experiment_id(), run_name=run.name, tags=dict(run.tags)) as active:
            mlflow.log_params(dict(run.params))
            mlflow.log_metrics(dict(run.metrics))
            steps = [
                mlflow.entities.Metric(name, value, 0, step)
                for name, values in run.curves.items()
                for step, value in enumerate(values, 1)
            ]
            for start in range(0, len(steps), 1000):
                self._client.log_batch(active.info.run_id, metrics=steps[start : start + 1000])
            for folder, files in run.artifacts.items():
                for file in files:
                    mlflow.log_artifact(str(file), folder)
            for name, figure in run.figures.items():
                mlflow.log_figure(figure, f"figures/{name}")
            with warnings.catch_warnings():
                for hint in (_TWO_SOURCES, _INTEGER_COLUMNS):
                    warnings.filterwarnings("ignore", message=hint, category=UserWarning)
                model = self._log_model(run)
        if not self._client.search_registered_models(f"name = '{self._model}'"):
            self._client.create_registered_model(self._model, description="1X2 forecasts of football matches")
        made = self._client.create_model_version(
            self._model, model.model_uri, active.info.run_id, model_id=model.model_id,
            tags={**run.tags, BUNDLE_VERSION: run.bundle_version},
        )  # fmt: skip
        return _version(made, {})

    def _log_model(self, run: TrainingRun) -> Any:
        mlflow = self._mlflow
        source = str(run.reference_source.resolve())
        dataset = mlflow.data.from_pandas(run.reference, source, run.targets, self._model, run.data_version[:36])
        mlflow.log_input(dataset, context="training")
        return mlflow.pyfunc.log_model(
            name=self._model,
            python_model=str(run.model_code),
            artifacts={BUNDLE_FOLDER: str(run.bundle.resolve())},
            code_paths=[str(package) for package in run.packages],
            pip_requirements=list(run.requirements),
            signature=mlflow.models.infer_signature(run.input_example, run.output_example),
            input_example=run.input_example,
        )

    def _experiment_id(self) -> str:
        known = self._client.get_experiment_by_name(self._experiment)
        if known is not None:
            return str(known.experiment_id)
        local = self._uri.startswith("sqlite:")
        location = self._artifacts.resolve().as_uri() if local else None
        return str(self._client.create_experiment(self._experiment, artifact_location=location))

    def _aliases(self) -> dict[str, int]:
        """Version numbers by alias; a search of versions does not tell aliases on every store."""
        return {a: int(n) for a, n in self._client.get_registered_model(self._model).aliases.items()}

    @cached_property
    def _mlflow(self) -> Any:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        import mlflow
        import mlflow.data
        import mlflow.pyfunc

        for noisy in ("mlflow", "alembic"):
            logging.getLogger(noisy).setLevel(logging.ERROR)
        return mlflow

    @cached_property
    def _client(self) -> "MlflowClient":
        mlflow = self._mlflow
        if self._uri.startswith("sqlite:///"):
            Path(self._uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(self._uri)
        client: MlflowClient = mlflow.MlflowClient(self._uri, self._uri)
        return client

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (MlflowException, SQLAlchemyError, OSError) as error:
            raise Unavailable(
                f"MLflow at {self._uri} cannot be used ({str(error).splitlines()[0]}): "
                "start it, or set MLFLOW_TRACKING_URI, or run `dvc repro -s -f register_model`"
            ) from error


def _version(found: "MlflowVersion", aliases: Mapping[str, int]) -> RegisteredVersion:
    number = int(found.version)
    return RegisteredVersion(
        number=number,
        bundle=str(found.tags.get(BUNDLE_VERSION, "")),
        run_id=str(found.run_id),
        registered_at=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
        aliases=tuple(sorted(alias for alias, n in aliases.items() if n == number)),
        tags=dict(found.tags),
    )
