"""Stage: tell finished matches from those to come; what is neither is counted and reported."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from matchcast.domain.match import MatchStatus
from pipeline.files import read_json, read_parquet, write_json, write_parquet
from pipeline.match_table import as_of_of, outcomes_of
from pipeline.paths import FINISHED, FUTURE, PREPROCESSING_METRICS, RAW_MANIFEST, RAW_MATCHES
from pipeline.stage import run_stage, say


def main() -> None:
    """Read data/raw, write data/interim and data/metrics/preprocessing.json."""
    matches = read_parquet(RAW_MATCHES)
    finished, future, counts = sort_out(matches, as_of_of(read_json(RAW_MANIFEST)))
    write_parquet(FINISHED, finished)
    write_parquet(FUTURE, future)
    write_json(PREPROCESSING_METRICS, counts)
    say(", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counts.items()))


def sort_out(matches: pa.Table, as_of: datetime) -> tuple[pa.Table, pa.Table, dict[str, int]]:
    """Finished matches (with `outcome`), matches to come (with `latest_kickoff_at`), and how many went where.

    A match counts as to come while it may not have kicked off: its kick-off is after `as_of`, or only its day is known
    and that day is not over.

    Args:
        matches: as exported; as_of: the export's.
    """
    matches = matches.sort_by([("kickoff_at", "ascending"), ("match_id", "ascending")])
    status = matches["status"].to_numpy()
    scored = np.array(matches["home_goals"].is_valid()) & np.array(matches["away_goals"].is_valid())
    played = status == MatchStatus.FINISHED
    upcoming = status == MatchStatus.UPCOMING
    latest = latest_kickoff(matches)
    to_come = upcoming & (latest.to_numpy() > np.datetime64(as_of.astimezone(UTC).replace(tzinfo=None), "us"))
    finished = matches.filter(pa.array(played & scored))
    future = matches.append_column("latest_kickoff_at", latest).filter(pa.array(to_come))
    counts = {
        "matches": len(matches),
        "finished": len(finished),
        "future": len(future),
        "finished_without_score": int((played & ~scored).sum()),
        "upcoming_but_overdue": int((upcoming & ~to_come).sum()),
    }
    for other in MatchStatus:
        if other not in (MatchStatus.FINISHED, MatchStatus.UPCOMING):
            counts[other.name.lower()] = int((status == other).sum())
    return finished.append_column("outcome", pa.array(outcomes_of(finished))), future, counts


def latest_kickoff(matches: pa.Table) -> "pa.Array[Any]":
    """The kick-off, or the end of the day where only the day is known; microseconds, UTC."""
    kickoff = matches["kickoff_at"].cast(pa.timestamp("us")).to_numpy()
    known = matches["kickoff_known"].to_numpy()
    return pa.array(np.where(known, kickoff, kickoff + np.timedelta64(1, "D")), pa.timestamp("us", "UTC"))


if __name__ == "__main__":
    run_stage(main)
