"""The whole pipeline on made-up leagues, run by `dvc repro` in a folder of its own."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.ledger import SqlLedger
from matchcast.adapters.objects import objects_at
from matchcast.adapters.snapshot_file import open_snapshot
from matchcast.domain.forecast import Cause, LedgerRow
from matchcast.features.online import read_row
from matchcast.model.bundle import load_bundle
from matchcast.usecases.champion import load_champion
from matchcast.usecases.publish import SNAPSHOT_KEY
from tests.pipeline import league
from tests.pipeline.project import Project, make_project

pytestmark = pytest.mark.slow


def read(project: Project, name: str) -> Any:
    return json.loads(project.path(name).read_text())


def ledger(project: Project) -> list[LedgerRow]:
    return list(SqlLedger(Database(project.database_url)).rows())


def champion(project: Project) -> str:
    return load_champion(objects_at(str(project.path("var/objects")))).bundle.version


def test_every_match_is_accounted_for(project: Project) -> None:
    counts = read(project, "data/metrics/preprocessing.json")
    assert counts["matches"] == len(league.rows()) == sum(v for k, v in counts.items() if k != "matches")
    assert counts["future"] > 50
    assert counts["postponed"] > 10


def test_the_holdout_is_scored_beside_base_rate_and_market(project: Project) -> None:
    report = read(project, "data/metrics/training.json")
    assert report["model"]["log_loss"] < report["base_rate"]["log_loss"]
    assert report["model"]["matches"] == report["market"]["matches"]
    assert report["market"]["model_minus_this"]["log_loss"]["mean"] > 0, "no model beats the true chances"
    assert report["measured_fit"]["matches"] + report["model"]["matches"] == report["served_fit"]["matches"]


def test_the_bundle_is_the_one_that_serves_and_says_where_it_comes_from(project: Project) -> None:
    files = {file.name: file.read_bytes() for file in project.path("data/model/bundle").iterdir()}
    bundle = load_bundle(files)
    manifest = read(project, "data/raw/manifest.json")
    assert champion(project) == bundle.version
    assert bundle.manifest.data_version == manifest["data_version"]
    assert bundle.manifest.created_at == manifest["as_of"]
    assert bundle.manifest.code_revision == "made-up"
    assert bundle.metrics["holdout_log_loss"] == read(project, "data/metrics/training.json")["model"]["log_loss"]


def test_the_run_is_on_record_and_its_model_gives_the_bundles_forecasts(project: Project) -> None:
    script = """
import json, warnings
import mlflow
mlflow.set_tracking_uri("sqlite:///var/mlflow.db")
model = mlflow.pyfunc.load_model("models:/matchcast@candidate")
client = mlflow.MlflowClient()
run = client.get_run(model.metadata.run_id)
folders = client.list_artifacts(run.info.run_id)
files = [file.path for folder in folders for file in client.list_artifacts(run.info.run_id, folder.path)]
print(json.dumps({
    "aliases": sorted(client.get_registered_model("matchcast").aliases),
    "name": run.info.run_name, "tags": run.data.tags, "metrics": run.data.metrics, "params": run.data.params,
    "files": files, "datasets": [d.dataset.name for d in run.inputs.dataset_inputs],
    "signature": model.metadata.signature.outputs.input_names(),
    "example": model.input_example.to_dict("list"), "forecasts": model.predict(model.input_example).to_numpy().tolist(),
}))
"""
    told = json.loads(
        project.run(sys.executable, "-c", script, MLFLOW_DISABLE_TELEMETRY="true").stdout.splitlines()[-1]
    )
    bundle = load_champion(objects_at(str(project.path("var/objects")))).bundle
    example = np.array([told["example"][name] for name in bundle.contract.names], dtype=np.float32).T
    assert told["forecasts"] == bundle.predict(example).tolist()
    assert told["signature"] == ["home", "draw", "away"]
    assert told["aliases"] == ["candidate", "champion"]
    assert told["name"] == bundle.run_id
    assert {"data.version", "pipeline.git_sha", "params_hash", "window", "gate.passed"} <= told["tags"].keys()
    assert {"model.log_loss", "market.log_loss", "curve.validation"} <= told["metrics"].keys()
    assert told["params"]["model.seed"] == str(read_seed(project))
    assert told["datasets"] == ["matchcast"]
    assert {
        "data/reference_features.parquet",
        "evaluation/holdout_forecasts.parquet",
        "figures/calibration.png",
        "figures/confusion_matrix.png",
        "plots/importance.csv",
    } <= set(told["files"])


def read_seed(project: Project) -> int:
    import yaml

    return int(yaml.safe_load(project.path("params.yaml").read_text())["model"]["seed"])


def test_every_fixture_is_forecast_recorded_and_published(project: Project) -> None:
    forecasts = pq.read_table(project.path("data/predictions/forecasts.parquet")).to_pylist()
    recorded = ledger(project)
    assert len(forecasts) == read(project, "data/metrics/preprocessing.json")["future"]
    assert [row.forecast.fixture.match_id for row in recorded] == [f["match_id"] for f in forecasts]
    assert {row.forecast.cause for row in recorded} == {Cause.NEW_MODEL}
    assert all(f["kickoff_at"] > league.AS_OF for f in forecasts)


def test_a_forecast_of_the_batch_is_the_one_that_serving_would_make(project: Project) -> None:
    objects = objects_at(str(project.path("var/objects")))
    pointer = json.loads(objects.get(SNAPSHOT_KEY))
    snapshot = open_snapshot(project.path("var/objects") / pointer["key"])
    bundle = load_champion(objects).bundle
    rows = ledger(project)
    for row in rows:
        forecast = row.forecast
        features = read_row(snapshot.pairing(forecast.fixture), forecast.fixture, bundle.contract)
        probs = bundle.predict(np.array([features], dtype=np.float32))[0]
        assert tuple(probs) == forecast.probabilities
        assert forecast.snapshot_hash == snapshot.state_hash
        current = snapshot.forecast(forecast.fixture.match_id or 0)
        assert current is not None
        assert current.forecast == forecast


def test_forecasting_again_records_and_publishes_nothing_new(project: Project, tmp_path: Path) -> None:
    copy = project.copy(tmp_path / "copy")
    before, pointer = ledger(copy), copy.path("var/objects/snapshots/current.json").read_bytes()
    copy.repro("--single-item", "--force", "batch_inference")
    assert ledger(copy) == before
    assert copy.path("var/objects/snapshots/current.json").read_bytes() == pointer


def test_registering_again_finds_the_same_version(project: Project, tmp_path: Path) -> None:
    copy = project.copy(tmp_path / "copy")
    before = read(copy, "data/registry/registered.json")
    copy.repro("--single-item", "--force", "register_model")
    again = read(copy, "data/registry/registered.json")
    assert again | {"recorded_at": ""} == before | {"recorded_at": ""}


@contextmanager
def running(project: Project, stage: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", f"pipeline.{stage}"],
        cwd=project.folder,
        env=project.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_stage_killed_while_it_writes_leaves_no_half_written_output(project: Project, tmp_path: Path) -> None:
    """Whatever stands afterwards is whole, and the next run mends what is missing."""
    copy = project.copy(tmp_path / "copy")
    whole = {file.name: file.read_bytes() for file in copy.path("data/features").iterdir()}
    shutil.rmtree(copy.path("data/features"))
    with running(copy, "feature_engineering") as process:
        unfinished = copy.path("data/.unfinished")
        while process.poll() is None and not (unfinished.exists() and any(unfinished.iterdir())):
            time.sleep(0.0005)
        process.send_signal(signal.SIGKILL)
    left = {file.name: file.read_bytes() for file in copy.path("data").glob("features/*")}
    assert left == {name: whole[name] for name in left}
    copy.repro("feature_engineering")
    assert {file.name: file.read_bytes() for file in copy.path("data/features").iterdir()} == whole


def test_a_closed_gate_stops_the_pipeline_and_names_what_is_wrong(tmp_path: Path) -> None:
    rows = league.rows()
    late = [
        row._replace(told=row.told._replace(kickoff_at=row.told.kickoff_at + timedelta(days=2000)))
        if row.told.kickoff_at > league.AS_OF
        else row
        for row in rows
    ]
    broken = make_project(tmp_path, late)
    stopped = broken.repro(check=False)
    assert stopped.returncode != 0
    assert "gate raw is closed" in stopped.stderr
    assert "column kickoff_at: expect_column_values_to_be_between" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert not broken.path("data/interim").exists()


def test_a_refused_model_is_recorded_and_can_be_promoted_by_hand_and_rolled_back(
    project: Project, tmp_path: Path
) -> None:
    copy = project.copy(tmp_path / "copy")
    first = champion(copy)
    copy.change_params("features", families=["rest"])
    copy.repro()
    gate = read(copy, "data/promotion/gate.json")
    assert not gate["passed"]
    assert gate["champion"] == first != gate["candidate"]
    assert "not worse than the champion" in [check["name"] for check in gate["checks"] if not check["passed"]]
    assert champion(copy) == first, "a refused candidate changes nothing"
    assert {row.forecast.model_version for row in ledger(copy)} == {first}

    told = copy.run("matchcast", "promote", "candidate").stdout
    assert champion(copy) == gate["candidate"]
    assert gate["candidate"] in told
    listed = copy.run("matchcast", "models", COLUMNS="200").stdout
    assert "refused" in listed
    assert "candidate, champion" in listed

    copy.run("matchcast", "rollback")
    assert champion(copy) == first
    nothing_before = copy.run("matchcast", "rollback", check=False)
    assert nothing_before.returncode == 1
    assert "no champion was before this one" in nothing_before.stderr
    unknown = copy.run("matchcast", "promote", "17", check=False)
    assert unknown.returncode == 1
    assert "no registered version of matchcast goes by '17'" in unknown.stderr


def test_what_was_done_outside_is_done_again_when_it_is_lost(project: Project, tmp_path: Path) -> None:
    """DVC restores files from its cache; registration, promotion and forecasts are made anew."""
    copy = project.copy(tmp_path / "copy")
    first, rows = champion(copy), len(ledger(copy))
    for lost in ("data", "var"):
        shutil.rmtree(copy.path(lost))
    copy.start_anew(league.rows())
    done = copy.repro()
    assert "Running stage 'final_train'" not in done.stdout
    assert champion(copy) == first
    assert len(ledger(copy)) == rows


def test_without_any_champion_nothing_is_forecast_and_the_run_still_succeeds(project: Project, tmp_path: Path) -> None:
    copy = project.copy(tmp_path / "copy")
    for lost in ("data/registry", "data/promotion", "data/predictions", "var"):
        shutil.rmtree(copy.path(lost))
    copy.start_anew(league.rows())
    copy.change_params("gates.promotion", worst_ece=0.0001)
    done = copy.repro()
    assert "no champion yet" in done.stderr
    assert not read(copy, "data/promotion/gate.json")["passed"]
    assert read(copy, "data/predictions/published.json") == {"forecasts": 0, "recorded": 0, "snapshot": None}
    assert ledger(copy) == []

    assert "dvc repro -s -f batch_inference" in copy.run("matchcast", "promote", "candidate").stdout
    copy.repro("-s", "-f", "batch_inference")
    assert len(ledger(copy)) == len(ledger(project))


def test_mlflow_away_is_one_clear_message(project: Project) -> None:
    done = project.run("matchcast", "models", check=False, MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert done.returncode == 1
    assert "MLflow at http://127.0.0.1:9 cannot be used" in done.stderr
    assert "MLFLOW_TRACKING_URI" in done.stderr
    assert "Traceback" not in done.stderr
