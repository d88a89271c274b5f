"""Stage: ask the gate about the candidate; promote it if the answer is yes. A no is recorded, and no error."""

import io
from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from matchcast.adapters.objects import objects_at
from matchcast.adapters.registry import MlflowRegistry, RegisteredVersion, tracking_uri
from matchcast.errors import BundleBroken, NotFound
from matchcast.features.contract import FeatureContract
from matchcast.model.bundle import load_bundle
from pipeline.files import read_json, read_parquet, write_json
from pipeline.match_table import BASELINE_COLUMNS, FORECAST_COLUMNS, feature_rows
from pipeline.params import read_params
from pipeline.paths import CONTRACT, GATE, HOLDOUT, HOLDOUT_FORECASTS, PROMOTED, REGISTERED, TRAINING_METRICS
from pipeline.promotion import HoldoutForecasts, ask_gate, challenge, promote, withdrawn_at
from pipeline.stage import environment, now, run_stage, say

FORECASTS_IN_RUN = "evaluation/" + HOLDOUT_FORECASTS.name


def main() -> None:
    """Read what registration wrote, write data/promotion."""
    params, settings = read_params(), environment()
    registry = MlflowRegistry(tracking_uri(), params.registry.experiment, params.registry.model)
    candidate = registry.find(str(read_json(REGISTERED)["number"]))
    champion = registry.champion()
    holdout = read_parquet(HOLDOUT_FORECASTS)
    answer = ask_gate(
        params.gates.promotion,
        candidate=candidate.bundle,
        report=read_json(TRAINING_METRICS),
        ours=forecasts_of(holdout),
        baseline=forecasts_of(holdout, BASELINE_COLUMNS),
        champion=champion.bundle if champion else None,
        theirs=_unseen_forecasts(registry, champion) if champion and champion.bundle != candidate.bundle else [],
        withdrawn_at=withdrawn_at(candidate),
    )
    for check in answer.checks:
        say(f"{'yes' if check.passed else 'NO '} {check.name}: {check.detail}")
    registry.tag(
        candidate,
        {"gate.passed": str(answer.passed).lower()}
        | {f"gate.{check.name.replace(' ', '_')}": f"{check.passed}: {check.detail}" for check in answer.checks},
    )
    at = now(settings)
    objects = objects_at(settings.objects_url, settings.s3)
    if answer.passed:
        champion = promote(registry, objects, str(candidate.number), at)
    elif answer.challenges:
        challenge(registry, objects, str(candidate.number), at)
    write_json(GATE, answer.to_json())
    serving = champion.bundle if champion else None
    write_json(PROMOTED, {"promoted": answer.passed, "champion": serving, "recorded_at": at.isoformat()})
    say(f"champion: {serving}")


def forecasts_of(table: pa.Table, columns: Sequence[str] = FORECAST_COLUMNS) -> HoldoutForecasts:
    """A table of hold-out forecasts by match id; `columns` hold the probabilities of home, draw and away.

    Raises:
        NotFound: a column is missing.
    """
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise NotFound(f"{HOLDOUT_FORECASTS} lacks {', '.join(missing)}: run `dvc repro -s -f final_train`")
    order = np.argsort(table["match_id"].to_numpy())
    probs = np.column_stack([table[name].to_numpy() for name in columns])
    return HoldoutForecasts(
        table["match_id"].to_numpy()[order], probs[order], table["outcome"].to_numpy().astype(np.int64)[order]
    )


def _unseen_forecasts(registry: MlflowRegistry, champion: RegisteredVersion) -> list[HoldoutForecasts]:
    """The champion's forecasts of matches it had not seen: its own hold-out, and ours after its training ended."""
    found = []
    kept = registry.artifact(champion, FORECASTS_IN_RUN)
    if kept is not None:
        found.append(forecasts_of(pq.read_table(io.BytesIO(kept))))
    try:
        bundle = load_bundle(registry.bundle_files(champion))
    except BundleBroken as error:
        say(f"the champion cannot be run by this code, only its recorded forecasts count: {error}")
        return found
    holdout = read_parquet(HOLDOUT)
    seen_until = int(datetime.fromisoformat(bundle.manifest.trained_until).timestamp())
    later = holdout.filter(pa.array(holdout["day"].to_numpy() > seen_until))
    made = FeatureContract.from_json(CONTRACT.read_text())
    if not are_made(bundle.contract, made):
        say("the champion reads other features than were made here, only its recorded forecasts count")
    elif len(later):
        probs = bundle.predict(feature_rows(later, bundle.contract))
        outcomes = later["outcome"].to_numpy().astype(np.int64)
        found.append(HoldoutForecasts(later["match_id"].to_numpy(), probs, outcomes))
    return found


def are_made(read: FeatureContract, made: FeatureContract) -> bool:
    """Whether a model's columns are among those made; a name alone says nothing of whose prices it holds."""
    return set(read.features) <= set(made.features)


if __name__ == "__main__":
    run_stage(main)
