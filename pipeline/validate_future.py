"""Stage: the gate on matches to come."""

from pipeline.files import read_json, read_parquet
from pipeline.gates import DataVersion, pass_gate
from pipeline.params import read_params
from pipeline.paths import FUTURE, RAW_MANIFEST
from pipeline.stage import run_stage
from pipeline.suites.future import suite


def main() -> None:
    """Check data/interim/future.parquet."""
    data = DataVersion.of(read_json(RAW_MANIFEST))
    horizon_days = read_params().gates.raw.horizon_days
    pass_gate("future", read_parquet(FUTURE).to_pandas(), suite(data.as_of, horizon_days), data)


if __name__ == "__main__":
    run_stage(main)
