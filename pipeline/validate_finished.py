"""Stage: the gate on finished matches."""

from matchcast.features.columns import STAT_NAMES
from pipeline.files import read_json, read_parquet
from pipeline.gates import DataVersion, pass_gate
from pipeline.paths import FINISHED, RAW_MANIFEST
from pipeline.stage import run_stage
from pipeline.suites.finished import suite


def main() -> None:
    """Check data/interim/finished.parquet."""
    data = DataVersion.of(read_json(RAW_MANIFEST))
    pass_gate("finished", read_parquet(FINISHED).to_pandas(), suite(data.as_of, STAT_NAMES), data)


if __name__ == "__main__":
    run_stage(main)
