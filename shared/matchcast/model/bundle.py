"""A model bundle: a folder of plain data that holds all that serving needs, with proofs.

Files: `trees.npz`, `linear.json`, `goals.json`, `calibration.json`, `interval.json` (null where none could be measured),
`features.json`, `metrics.json`, `golden.json`, `manifest.json` (SHA-256 of each other file), and `model.ubj`, XGBoost's own
file, which serving only checks the hash of.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from matchcast.errors import BundleBroken
from matchcast.features.contract import FeatureContract
from matchcast.model.forecaster import MEMBERS, Forecaster
from matchcast.model.goals import Goals
from matchcast.model.interval import Interval
from matchcast.model.linear import Linear
from matchcast.model.trees import Trees

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from matchcast.model.explain import Explainer

MANIFEST: Final = "manifest.json"
SERVED_FILES: Final = (
    "trees.npz",
    "linear.json",
    "goals.json",
    "calibration.json",
    "interval.json",
    "features.json",
    "metrics.json",
    "golden.json",
)
GOLDEN_TOLERANCE: Final = 1e-12
"""numpy's exp may differ in the last bits between processors; everything before it is exact."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Where a bundle comes from. Instants are ISO 8601 in UTC.

    Attributes:
        version: unique name of the bundle: a hash over its other files and this manifest's other fields.
        trained_from, trained_until: first and last kick-off day of the training matches.
    """

    version: str
    run_id: str
    trained_from: str
    trained_until: str
    data_version: str
    code_revision: str
    params_hash: str
    created_at: str
    files: dict[str, str]


@dataclass(frozen=True)
class Bundle:
    """A loaded and checked bundle."""

    forecaster: Forecaster
    contract: FeatureContract
    metrics: dict[str, float]
    manifest: Manifest
    interval: Interval | None

    @property
    def version(self) -> str:
        return self.manifest.version

    @property
    def run_id(self) -> str:
        return self.manifest.run_id

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probabilities home, draw, away; rows (n, features) in the contract's order, result (n, 3)."""
        return self.forecaster.predict(rows)

    @cached_property
    def explainer(self) -> Explainer:
        """Takes forecasts apart by family of features."""
        from matchcast.model.explain import Explainer

        return Explainer(self.forecaster, [feature.family for feature in self.contract.features])


def features_known(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Share of each row's features that have a value; rows (n, features), result (n,)."""
    return np.asarray(1.0 - np.isnan(rows).mean(axis=1), dtype=np.float64)


def pack_bundle(
    forecaster: Forecaster,
    model_ubj: bytes,
    contract: FeatureContract,
    metrics: Mapping[str, float],
    golden_rows: NDArray[np.float32],
    golden_probabilities: NDArray[np.float64],
    *,
    run_id: str,
    trained_from: str,
    trained_until: str,
    data_version: str,
    code_revision: str,
    params_hash: str,
    created_at: str,
    interval: Interval | None = None,
) -> dict[str, bytes]:
    """All files of a bundle by name; equal inputs give equal bytes, but for what the caller passes as time and run.

    Args:
        golden_rows: shape (n, features), at least one.
        golden_probabilities: shape (n, 3), what the library that trained the model makes of them; `load_bundle` refuses a
            bundle whose plain data give anything else.
    """
    files = {
        "model.ubj": model_ubj,
        "trees.npz": forecaster.trees.to_bytes(),
        "linear.json": forecaster.linear.to_json().encode(),
        "goals.json": forecaster.goals.to_json().encode(),
        "calibration.json": json.dumps(
            {
                "weights": dict(zip(MEMBERS, forecaster.weights.tolist(), strict=True)),
                "temperature": forecaster.temperature,
            }
        ).encode(),
        "interval.json": json.dumps(interval and asdict(interval), indent=1, sort_keys=True).encode(),
        "features.json": contract.to_json().encode(),
        "metrics.json": json.dumps(dict(metrics), indent=1, sort_keys=True).encode(),
        "golden.json": json.dumps(
            {
                "rows": [[None if np.isnan(x) else float(x) for x in row] for row in golden_rows],
                "probabilities": golden_probabilities.tolist(),
            }
        ).encode(),
    }
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    origin = {
        "run_id": run_id, "trained_from": trained_from, "trained_until": trained_until, "data_version": data_version,
        "code_revision": code_revision, "params_hash": params_hash, "created_at": created_at,
    }  # fmt: skip
    manifest = Manifest(version=_version(hashes, origin), **origin, files=hashes)
    files[MANIFEST] = json.dumps(asdict(manifest), indent=1, sort_keys=True).encode()
    return files


def load_bundle(files: Mapping[str, bytes]) -> Bundle:
    """Check hashes and golden rows, then give the bundle.

    Args:
        files: content by name; `model.ubj` may be left out.
    Raises:
        BundleBroken: a file is missing, altered or unreadable, was made by other feature code, or golden rows differ.
    """
    remedy = "publish the bundle again (`matchcast promote`) or roll back"
    missing = [name for name in (MANIFEST, *SERVED_FILES) if name not in files]
    if missing:
        raise BundleBroken(f"the model bundle lacks {', '.join(missing)}: {remedy}")
    try:
        manifest = Manifest(**json.loads(files[MANIFEST]))
    except (ValueError, TypeError) as error:
        raise BundleBroken(f"{MANIFEST} of the model bundle cannot be read ({error}): {remedy}") from error
    origin = {k: v for k, v in asdict(manifest).items() if k not in ("version", "files")}
    if manifest.version != _version(manifest.files, origin):
        raise BundleBroken(f"{MANIFEST} of the model bundle was altered: {remedy}")
    for name, content in files.items():
        if name != MANIFEST and manifest.files.get(name) != hashlib.sha256(content).hexdigest():
            raise BundleBroken(f"{name} of model bundle {manifest.version} was altered: {remedy}")
    try:
        bundle = _unpack(files, manifest)
        golden = json.loads(files["golden.json"])
        rows = np.array([[np.nan if x is None else x for x in row] for row in golden["rows"]], dtype=np.float32)
        expected = np.array(golden["probabilities"], dtype=np.float64)
        reproduced = bundle.predict(rows) if rows.ndim == 2 else expected
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise BundleBroken(
            f"model bundle {manifest.version} is of a form this code does not know ({error}): {remedy}"
        ) from error
    if len(rows) == 0 or rows.shape != (len(expected), len(bundle.contract.features)) or expected.shape[1:] != (3,):
        raise BundleBroken(f"golden.json of model bundle {manifest.version} does not fit its features: {remedy}")
    if not bool(np.all(np.abs(reproduced - expected) <= GOLDEN_TOLERANCE)):
        raise BundleBroken(f"model bundle {manifest.version} does not reproduce its golden rows: {remedy}")
    return bundle


def _unpack(files: Mapping[str, bytes], manifest: Manifest) -> Bundle:
    calibration = json.loads(files["calibration.json"])
    interval = json.loads(files["interval.json"])
    return Bundle(
        forecaster=Forecaster(
            trees=Trees.from_bytes(files["trees.npz"]),
            linear=Linear.from_json(files["linear.json"].decode()),
            goals=Goals.from_json(files["goals.json"].decode()),
            weights=np.array([calibration["weights"][member] for member in MEMBERS], dtype=np.float64),
            temperature=float(calibration["temperature"]),
        ),
        contract=FeatureContract.from_json(files["features.json"].decode()),
        metrics=json.loads(files["metrics.json"]),
        manifest=manifest,
        interval=None if interval is None else Interval.from_dict(interval),
    )


def _version(hashes: Mapping[str, str], origin: Mapping[str, str]) -> str:
    content = json.dumps([sorted(hashes.items()), sorted(origin.items())], separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()[:16]
