"""A load that is killed."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import date, timedelta
from itertools import permutations
from pathlib import Path

import pytest

HEADER = "Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR,B365H,B365D,B365A,AvgH,AvgD,AvgA\n"
FILE = Path("var/matchcast.db")
CLUBS = [f"{letter * 4} Town" for letter in "ABCDEFGHIJKLMNOPQRST"]
SEASONS = range(1950, 2024)


def season(year: int) -> str:
    first = date(year, 8, 1)
    lines = (
        f"E0,{first + timedelta(days=number % 300):%d/%m/%Y},{home},{away},2,1,H,1.9,3.4,4.2,1.95,3.3,4.1\n"
        for number, (home, away) in enumerate(permutations(CLUBS, 2))
    )
    return HEADER + "".join(lines)


def start(*words: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", "from commands.main import app; app()", *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finished(*words: str) -> bool:
    with start(*words) as process:
        process.communicate()
    return process.returncode == 0


def everything() -> list[str]:
    with closing(sqlite3.connect(FILE)) as connection:
        return list(connection.iterdump())


def is_written_to() -> bool:
    """Whether another process is in a transaction that writes."""
    with closing(sqlite3.connect(FILE, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            assert "locked" in str(error)
            return True
        connection.execute("ROLLBACK")
        return False


def wait_until_rows_are_written(ingest: "subprocess.Popen[bytes]") -> None:
    """The progress bar says so."""
    assert ingest.stderr is not None
    shown = b""
    while b"writing to" not in shown:
        more = os.read(ingest.stderr.fileno(), 65536)
        assert more, f"it ended before it could be killed: {shown.decode()}"
        shown += more


@pytest.mark.slow
def test_a_killed_ingest_leaves_the_database_as_it_was_and_can_be_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MATCHCAST_DATABASE_URL", raising=False)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    Path("old.csv").write_text(season(SEASONS[-1] + 1))
    names = [f"{year}.csv" for year in SEASONS]
    for year, name in zip(SEASONS, names, strict=True):
        Path(name).write_text(season(year))
    assert finished("ingest", "football-data", "old.csv")
    before = everything()

    with start("ingest", "football-data", *names) as killed:
        try:
            wait_until_rows_are_written(killed)
            killed.send_signal(signal.SIGSTOP)
            assert is_written_to(), "it committed before it could be stopped"
        finally:
            killed.kill()
    assert killed.returncode == -signal.SIGKILL
    assert everything() == before

    assert finished("ingest", "football-data", *names)
    with closing(sqlite3.connect(FILE)) as connection:
        counts = [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("matches", "odds")]
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert counts == [380 * (len(SEASONS) + 1), 2 * 380 * (len(SEASONS) + 1)]
