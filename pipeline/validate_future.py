"""Stage: the gate on matches to come."""

from pipeline.files import read_json, read_parquet
from pipeline.gates import pass_gate
from pipeline.match_table import as_of_of
from pipeline.params import read_params
from pipeline.paths import FUTURE, RAW_MANIFEST
from pipeline.stage import run_stage
from pipeline.suites.future import suite


def main() -> None:
    """Check data/interim/future.parquet."""
    as_of = as_of_of(read_json(RAW_MANIFEST))
    pass_gate("future", read_parquet(FUTURE).to_pandas(), suite(as_of, read_params().gates.raw.horizon_days))


if __name__ == "__main__":
    run_stage(main)
