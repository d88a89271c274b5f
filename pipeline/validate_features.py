"""Stage: the gate on feature rows, of finished matches and of those to come."""

import pyarrow as pa

from matchcast.features.contract import FeatureContract
from pipeline.files import read_json, read_parquet
from pipeline.gates import DataVersion, pass_gate
from pipeline.params import read_params
from pipeline.paths import CONTRACT, FEATURES_FINISHED, FEATURES_FUTURE, PREPROCESSING_METRICS, RAW_MANIFEST
from pipeline.stage import run_stage
from pipeline.suites.features import suite


def main() -> None:
    """Check data/features."""
    contract = FeatureContract.from_json(CONTRACT.read_text())
    columns = ["match_id", "coverage", *contract.names]
    rows = pa.concat_tables([read_parquet(FEATURES_FINISHED, columns), read_parquet(FEATURES_FUTURE, columns)])
    data = DataVersion.of(read_json(RAW_MANIFEST))
    counts = read_json(PREPROCESSING_METRICS)
    wanted = suite(contract.features, read_params().gates.features, counts["finished"] + counts["future"])
    pass_gate("features", rows.to_pandas(), wanted, data)


if __name__ == "__main__":
    run_stage(main)
