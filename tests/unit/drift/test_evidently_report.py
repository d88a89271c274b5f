"""Comparisons by Evidently: what they call drift, and that they call nobody."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from matchcast.adapters.evidently_report import MOST, compare
from matchcast.usecases.drift import LEAST_MATCHES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # Evidently's imports
    pytest.mark.filterwarnings("ignore::SyntaxWarning"),
]

FEATURES = [f"f{i}" for i in range(20)]
FORECASTS = ["home", "draw", "away"]
NAMES = [*FEATURES, *FORECASTS]


@pytest.mark.parametrize("seed", range(3))
def test_as_few_matches_as_may_be_compared_raise_no_false_alarm(seed: int) -> None:
    rng = np.random.default_rng(seed)
    reference, recent = rng.normal(size=(2000, 23)), rng.normal(size=(LEAST_MATCHES, 23))
    found = compare(FEATURES, FORECASTS, recent, reference, share=0.2)
    assert [column.name for column in found.columns] == NAMES
    assert np.mean([column.drifted for column in found.columns]) < 0.2


def test_columns_that_moved_by_more_than_may_be_are_named_and_no_others() -> None:
    rng = np.random.default_rng(11)
    reference, recent = rng.normal(3, 2, (3000, 23)), rng.normal(3, 2, (900, 23))
    moved = [1, 4, 5, 22]
    recent[:, moved] += 2 * 1.4 * MOST
    recent[:100, 7] = np.nan
    found = compare(FEATURES, FORECASTS, recent, reference, share=0.2)
    assert [column.name for column in found.columns if column.drifted] == [NAMES[i] for i in moved]
    assert found.columns[1].statistic == pytest.approx(1.4 * MOST, abs=0.1)
    assert json.dumps(found.details, allow_nan=False)


def test_the_page_is_whole_in_itself() -> None:
    rng = np.random.default_rng(1)
    html = compare(["f0"], FORECASTS, rng.normal(size=(60, 4)), rng.normal(size=(90, 4)), share=0.2).html
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=[\"']?(https?:)?//", html)


WATCHED = """
import sys
sys.dont_write_bytecode = True
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen"):
        print(event, arguments[1:], flush=True)
    if event == "open" and isinstance(arguments[0], str) and isinstance(arguments[1], str) and set("wax+") & set(arguments[1]):
        print(event, arguments[:2], flush=True)
sys.addaudithook(watch)
import numpy as np
from matchcast.adapters.evidently_report import compare
rows = np.random.default_rng(1).normal(size=(90, 4))
compare(["f0"], ["home", "draw", "away"], rows[:60], rows, share=0.2)
"""


def test_nothing_is_sent_anywhere_or_written_outside_the_folder_for_temporary_files(tmp_path: Path) -> None:
    place = {name: str(tmp_path) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "MPLCONFIGDIR")}
    done = subprocess.run(
        [sys.executable, "-c", WATCHED],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": "shared"} | place,
        capture_output=True,
        text=True,
        check=True,
    )
    outside = [line for line in done.stdout.splitlines() if str(tmp_path) not in line and "/dev/null" not in line]
    assert outside == []
