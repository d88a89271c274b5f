"""Stage: the gate on finished matches."""

from matchcast.features.columns import STAT_NAMES
from pipeline.files import read_json, read_parquet
from pipeline.gates import pass_gate
from pipeline.match_table import as_of_of
from pipeline.paths import FINISHED, RAW_MANIFEST
from pipeline.stage import run_stage
from pipeline.suites.finished import suite


def main() -> None:
    """Check data/interim/finished.parquet."""
    pass_gate("finished", read_parquet(FINISHED).to_pandas(), suite(as_of_of(read_json(RAW_MANIFEST)), STAT_NAMES))


if __name__ == "__main__":
    run_stage(main)
