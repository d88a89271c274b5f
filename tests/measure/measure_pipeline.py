"""The whole pipeline: its time, the share of it inside XGBoost's own fit, and its highest peak memory.

Runs `dvc repro --force` on var/export with the knobs of params.yaml; `--log FILE` reads what an earlier run said instead.
"""

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
EXPORT: Final = ROOT / "var/export"
STAGE: Final = re.compile(r"^Running stage '([^']+)'", re.MULTILINE)
FIT: Final = re.compile(r"XGBoost's own fit took (\d+\.\d) s")
END: Final = re.compile(r"^(\d+\.\d) s, peak memory (\d+) MB", re.MULTILINE)


class StageRun(NamedTuple):
    """What one stage said: seconds, those of them inside XGBoost's own fit, and peak memory in MB."""

    stage: str
    seconds: float
    fit_seconds: float
    peak: int


def ended_stages(log: str) -> list[StageRun]:
    """Every stage of a log that ran to its end, in the log's order."""
    runs = []
    _, *parts = STAGE.split(log)
    for stage, said in zip(parts[::2], parts[1::2], strict=True):
        end = END.search(said)
        if end is not None:
            runs.append(StageRun(stage, float(end[1]), sum(map(float, FIT.findall(said))), int(end[2])))
    return runs


def tell(log: str, whole: float | None) -> None:
    """Print the stages and their totals.

    Args:
        whole: seconds of the whole run, starts of programs and DVC's own work included, where it was measured.
    """
    runs = ended_stages(log)
    if not runs:
        raise SystemExit("no stage of this log ran to its end: give --log what `dvc repro --force` printed")
    for run in runs:
        print(f"{run.stage:<22} {run.seconds:8.1f} s, XGBoost {run.fit_seconds:7.1f} s, peak {run.peak:5} MB")
    unfinished = set(STAGE.findall(log)) - {run.stage for run in runs}
    if unfinished:
        print(f"not to its end: {', '.join(sorted(unfinished))}")
    stages, fit = sum(run.seconds for run in runs), sum(run.fit_seconds for run in runs)
    total = stages if whole is None else whole
    highest = max(runs, key=lambda run: run.peak)
    name = "stages together" if whole is None else "whole pipeline"
    print(
        f"{name} {total:.1f} s; XGBoost's own fit {fit:.1f} s, {fit / total:.0%}; "
        f"all else {total - fit:.1f} s; highest peak memory {highest.peak} MB ({highest.stage})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", type=Path, help="what a run of `dvc repro --force` printed")
    log: Path | None = parser.parse_args().log
    if log is not None:
        tell(log.read_text(), None)
        return
    if not EXPORT.exists():
        print(
            f"{EXPORT} is not here: nothing to measure; run `matchcast ingest`, `matchcast export` and "
            "`python -m pipeline.profiles prod`, or give --log FILE"
        )
        return
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro", "--force"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    whole = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"{done.stdout}\n`dvc repro --force` ended with {done.returncode}")
    tell(done.stdout, whole)


if __name__ == "__main__":
    main()
