"""Stage: the gate before preprocessing."""

from pipeline.files import read_json, read_parquet
from pipeline.gates import DataVersion, pass_gate
from pipeline.params import read_params
from pipeline.paths import RAW_MANIFEST, RAW_MATCHES
from pipeline.stage import run_stage
from pipeline.suites.raw import prepared, suite


def main() -> None:
    """Check data/raw/matches.parquet."""
    data = DataVersion.of(read_json(RAW_MANIFEST))
    matches = prepared(read_parquet(RAW_MATCHES).to_pandas())
    pass_gate("raw", matches, suite(data.as_of, read_params().gates.raw), data)


if __name__ == "__main__":
    run_stage(main)
