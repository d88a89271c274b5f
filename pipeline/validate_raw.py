"""Stage: the gate before preprocessing."""

from pipeline.files import read_json, read_parquet
from pipeline.gates import pass_gate
from pipeline.match_table import as_of_of
from pipeline.params import read_params
from pipeline.paths import RAW_MANIFEST, RAW_MATCHES
from pipeline.stage import run_stage
from pipeline.suites.raw import suite


def main() -> None:
    """Check data/raw/matches.parquet."""
    as_of = as_of_of(read_json(RAW_MANIFEST))
    pass_gate("raw", read_parquet(RAW_MATCHES).to_pandas(), suite(as_of, read_params().gates.raw))


if __name__ == "__main__":
    run_stage(main)
