"""What a training run was made of, and the name that follows from it."""

import hashlib
import json
from datetime import UTC
from typing import Any, TypedDict

from pipeline.match_table import as_of_of
from pipeline.params import Params


class TrainingIdentity(TypedDict):
    """Equal identities train equal models. `created_at` is the export's as_of, ISO 8601 in UTC."""

    data_version: str
    code_revision: str
    params_hash: str
    created_at: str


def training_identity(manifest: dict[str, Any], params: Params, code_revision: str) -> TrainingIdentity:
    """From the export's manifest, params.yaml and the code."""
    return TrainingIdentity(
        data_version=str(manifest["data_version"]),
        code_revision=code_revision,
        params_hash=params.hash,
        created_at=as_of_of(manifest).astimezone(UTC).isoformat(),
    )


def run_name(identity: TrainingIdentity) -> str:
    """Name of the run in MLflow, and `run_id` of the bundle: day of the data and a hash over the identity."""
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return f"{identity['created_at'][:10]}-{digest[:12]}"
