"""How long a promotion takes to reach warm processes under load, and what it does to their answers.

    python -m tests.measure.measure_reload [--promotions 6]

Four predict-sync processes over private MinIO, Redis and PostgreSQL, eight connections that ask with short pauses. The
time counts from the put of the pointer until the last process answered with the new version. The 99th percentile of
answer times is of the seconds in which processes swap, beside those in which nothing happens.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np

from knative.local.services.postgres import private_postgres
from tests.entrypoints import fleet as fleets
from tests.entrypoints.fleet import Answered, Fleet

CALM_SECONDS: Final = 5.0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--promotions", type=int, default=6)
    promotions = parser.parse_args().promotions
    with tempfile.TemporaryDirectory() as folder, private_postgres() as postgres:
        place = Path(folder) / "fleet"
        place.mkdir()
        with fleets.running(place, postgres.url) as fleet:
            measure(fleet, promotions)


def measure(fleet: Fleet, promotions: int) -> None:
    """Print the figures."""
    took: list[float] = []
    calm: list[Answered] = []
    swapping: list[Answered] = []
    with fleet.load() as load:
        for number in range(promotions):
            begun = len(load.answers)
            time.sleep(CALM_SECONDS)
            calm += load.answers[begun:]
            begun = len(load.answers)
            _, seconds = load.swap(lambda: fleet.set_champion(2 if number % 2 == 0 else 3))  # noqa: B023
            took.append(seconds)
            swapping += load.answers[begun:]
    failed = sum(answer.status != 200 for answer in load.answers)
    print(f"answers {len(load.answers)}, failed {failed}, promotions {promotions}")
    print(
        f"put of the pointer to the last of {fleets.PROCESSES} processes, s: median {np.median(took):.2f}, most {max(took):.2f}"
    )
    for share in (0.5, 0.99):
        quiet, busy = percentile(calm, share), percentile(swapping, share)
        print(f"p{share * 100:g} of an answer, ms: calm {quiet:.1f}, swapping {busy:.1f}, ratio {busy / quiet:.2f}")


def percentile(answers: list[Answered], share: float) -> float:
    """Milliseconds."""
    return float(np.quantile([answer.took for answer in answers], share) * 1000)


if __name__ == "__main__":
    main()
