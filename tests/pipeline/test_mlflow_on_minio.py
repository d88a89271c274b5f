"""MLflow keeps its models in a bucket of the same MinIO that champions are served from."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from knative.local.services.minio import Minio
from knative.local.services.mlflow import private_mlflow
from matchcast.adapters.objects import S3Access, objects_at
from matchcast.adapters.registry import BUNDLE_FOLDER, CANDIDATE, CHAMPION, MlflowRegistry, TrainingRun
from matchcast.errors import Unavailable
from matchcast.model.bundle import load_bundle
from matchcast.usecases.champion import load_champion, reference_key
from pipeline.promotion import promote, rollback
from pipeline.register_model import MODEL_CODE, REQUIREMENTS
from tests.entrypoints.house import NOW, bundle_files, contract, passed

pytestmark = pytest.mark.slow


def tiny_run(folder: Path, seed: int) -> TrainingRun:
    """A training run of a small, real bundle, and five rows."""
    bundle = load_bundle(bundle_files(seed))
    kept = folder / bundle.run_id / BUNDLE_FOLDER
    kept.mkdir(parents=True)
    for name, content in bundle_files(seed).items():
        (kept / name).write_bytes(content)
    rows = pd.DataFrame(passed().rows[:5], columns=list(contract().names))
    reference = folder / "reference_features.parquet"
    rows.assign(outcome=[0, 1, 2, 0, 1]).to_parquet(reference)
    return TrainingRun(
        name=bundle.run_id, params={"a": 1}, metrics={"log_loss": 1.0}, curves={}, tags={"made": "up"},
        artifacts={"data": [reference]}, figures={}, reference=rows.assign(outcome=[0, 1, 2, 0, 1]),
        reference_source=reference, targets="outcome", data_version="d1", bundle=kept, bundle_version=bundle.version,
        model_code=MODEL_CODE, packages=(), requirements=REQUIREMENTS,
        input_example=rows,
        output_example=pd.DataFrame(bundle.predict(rows.to_numpy(dtype=np.float32)), columns=["home", "draw", "away"]),
    )  # fmt: skip


def test_a_model_registered_into_a_bucket_comes_back_and_serves_from_another(minio: Minio, tmp_path: Path) -> None:
    """Whoever registers and promotes needs MLflow's address, and keys of the serving bucket only."""
    for bucket in ("mlflow", "champions"):
        minio.client().create_bucket(Bucket=bucket)
    objects = objects_at("s3://champions/house", S3Access(minio.url, minio.user, minio.password))
    with private_mlflow(tmp_path, "s3://mlflow/artifacts", minio.environment()) as url:
        registry = MlflowRegistry(url, "made-up", "made-up")
        first, second = (registry.register(tiny_run(tmp_path, seed)) for seed in (1, 2))
        stored = minio.client().list_objects_v2(Bucket="mlflow", Prefix="artifacts/")
        assert any(found["Key"].endswith("bundle/manifest.json") for found in stored["Contents"])
        assert registry.find(CANDIDATE).number == second.number
        assert registry.bundle_files(first) == bundle_files(1)
        for version, seed in ((first, 1), (second, 2)):
            promote(registry, objects, str(version.number), NOW)
            assert load_champion(objects).bundle.version == load_bundle(bundle_files(seed)).version
            assert objects.get(reference_key(version.bundle)) == (tmp_path / "reference_features.parquet").read_bytes()
        rollback(registry, objects, NOW)
        assert load_champion(objects).bundle.run_id == "run1"
        assert registry.find(CHAMPION).number == first.number
    with pytest.raises(Unavailable, match="MLflow at http"):
        registry.versions()
    assert load_champion(objects).bundle.run_id == "run1"
