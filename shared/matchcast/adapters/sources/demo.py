"""Real matches for a first try: what the package `premier-league` 1.0.4 (MIT) carries as an SQL dump.

Six leagues, 2017-08 to 2025-05. Kick-off times are local to the league's country (an Italian match told at 15:00 is
told at 14:00 UK time elsewhere). Shots, shots on target and fouls are given by line of the team and summed here;
corners are not told. `home_team_points` and `away_team_points` are totals of the season, which nobody knows before the
match: ignored. The season label is wrong for some matches in July and August; their round tells the season.
"""

import hashlib
import io
import shutil
import sqlite3
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from zoneinfo import ZoneInfo

from matchcast.adapters.sources.openfootball import TIME_ZONES
from matchcast.adapters.sources.tabular import EARLIEST, LATEST, Refused, team_of
from matchcast.domain.competitions import COMPETITION_BY_CODE
from matchcast.domain.match import MAX_GOALS, MatchStats, MatchStatus, RejectedRow, SourceMatch
from matchcast.errors import BadSource, Unavailable
from matchcast.ports import Parsed

WHEEL: Final = "premier_league-1.0.4-py3-none-any.whl"
WHEEL_SHA256: Final = "13a1d7a1b6772010efd80df45c4992ed092b17169e36ee88b23b9eca9cac838a"
_REQUIREMENT: Final = "premier-league==1.0.4"
_DUMP: Final = "premier_league/data/premier_league.sql"
_EXPECTED: Final = f"the wheel {WHEEL} or its {_DUMP}"
_NAME: Final = "demo"
_LATE_ROUND: Final = 20
"""A match in July or August of this round or a later one ends a season; one of an earlier round begins it."""
_DOWNLOAD_TIMEOUT_S: Final = 300


def _sum(side: str, kind: str) -> str:
    return " + ".join(f"{side}.{kind}_{line}" for line in ("FW", "MF", "DF"))


_QUERY: Final = (
    "SELECT g.id, l.name, g.season, g.match_week, g.date, h.name, a.name, g.home_goals, g.away_goals, "
    + ", ".join(
        f"{expression} AS stat_{i}"
        for i, expression in enumerate(
            part
            for kind in ("shots_total", "shots_on_target", "fouls_committed")
            for part in (_sum("hs", kind), _sum("aw", kind))
        )
    )
    + ", hs.yellow_card, aw.yellow_card, hs.red_card, aw.red_card"
    " FROM game g LEFT JOIN league l ON l.id = g.league_id"
    " LEFT JOIN team h ON h.id = g.home_team_id LEFT JOIN team a ON a.id = g.away_team_id"
    " LEFT JOIN game_stats hs ON hs.game_id = g.id AND hs.team_id = g.home_team_id"
    " LEFT JOIN game_stats aw ON aw.game_id = g.id AND aw.team_id = g.away_team_id"
    " ORDER BY g.date, g.id, hs.rowid, aw.rowid"
)
_ALLOWED: Final = frozenset(
    (
        sqlite3.SQLITE_CREATE_INDEX,
        sqlite3.SQLITE_CREATE_TABLE,
        sqlite3.SQLITE_DELETE,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_INSERT,
        sqlite3.SQLITE_PRAGMA,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_REINDEX,
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_TRANSACTION,
        sqlite3.SQLITE_UPDATE,
    )
)
"""What a dump may do; above all it may not attach files."""


class DemoSource:
    """The source `demo`.

    Args:
        until: matches on this day (UTC) or later become fixtures without result, as if it were still that day.
    """

    name = _NAME

    def __init__(self, until: date | None = None) -> None:
        self._until = until

    def parse(self, raw: bytes, file_name: str = "") -> Parsed:
        rows: list[SourceMatch] = []
        rejected: list[RejectedRow] = []
        first_line: dict[tuple[str, int, str, str], int] = {}
        for line, row in enumerate(_games(_dump_of(raw, file_name), file_name), 1):
            try:
                match = _match(row, line, self._until)
                pairing = (match.tournament, match.season, match.home_team, match.away_team)
                earlier = first_line.setdefault(pairing, line)
                if earlier != line:
                    raise Refused(f"date: the season's match of this pairing was told before, on line {earlier}")
            except Refused as refused:
                rejected.append(RejectedRow(line, str(refused), " ".join(str(value) for value in row[:9])[:200]))
                continue
            rows.append(match)
        return Parsed(rows, rejected)


def is_demo(raw: bytes) -> bool:
    """Whether these bytes are the wheel or the dump."""
    return raw.startswith(b"PK\x03\x04") or raw[:200].lstrip().upper().startswith(
        (b"PRAGMA FOREIGN_KEYS", b"CREATE TABLE")
    )


def fetch_demo(directory: Path, uv: str | None = None) -> Path:
    """The wheel, downloaded into the directory unless it is there, by uv or pip from the machine's package index.

    Args:
        uv: the program; searched on PATH if not given.
    Raises:
        BadSource: the file fetched or kept is not the one we know.
        Unavailable: neither uv nor pip could fetch it.
    """
    kept = directory / WHEEL
    if not kept.exists():
        directory.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=directory) as folder:
            _download(folder, uv or shutil.which("uv"))
            fetched = Path(folder) / WHEEL
            _verify(fetched)
            fetched.replace(kept)
    _verify(kept)
    return kept


def _verify(wheel: Path) -> None:
    if not wheel.exists():
        raise BadSource(f"{wheel.name}: the package index served another file; expected {_EXPECTED}", "file")
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != WHEEL_SHA256:
        raise BadSource(
            f"{wheel}: its SHA-256 is {found}, expected {WHEEL_SHA256}; delete it and try again, with a trusted index",
            "file",
        )


def _download(folder: str, uv: str | None) -> None:
    arguments = ["download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", folder, _REQUIREMENT]
    commands: list[list[str]] = [[sys.executable, "-m", "pip", *arguments]]
    if uv is not None:
        commands.insert(0, [uv, "tool", "run", "--python", sys.executable, "pip", *arguments])
    said = []
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_DOWNLOAD_TIMEOUT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            said.append(str(error))
            continue
        if done.returncode == 0:
            return
        output = done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}"
        said.append(f"{Path(command[0]).name}: {output.splitlines()[-1]}")
    raise Unavailable(
        f"{_REQUIREMENT} cannot be downloaded ({'; '.join(said)}); check the network and the package index, or fetch"
        f" {WHEEL} elsewhere and give its path"
    )


def _dump_of(raw: bytes, file_name: str) -> str:
    shown = file_name or "the file"
    if raw.startswith(b"PK"):
        try:
            with zipfile.ZipFile(io.BytesIO(raw)) as wheel:
                raw = wheel.read(_DUMP)
        except (zipfile.BadZipFile, zlib.error, LookupError, RuntimeError, OSError, ValueError, EOFError) as error:
            raise BadSource(f"{shown}: {error}; expected {_EXPECTED}", "file") from error
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise BadSource(f"{shown}: this is not UTF-8 text; expected {_EXPECTED}", "file") from error
    if not text.strip():
        raise BadSource(f"{shown}: the file is empty; expected {_EXPECTED}", "file")
    return text


def _games(dump: str, file_name: str) -> Sequence[tuple[Any, ...]]:
    with closing(sqlite3.connect(":memory:")) as memory:
        memory.set_authorizer(lambda code, *_: sqlite3.SQLITE_OK if code in _ALLOWED else sqlite3.SQLITE_DENY)
        try:
            memory.executescript(dump)
            return memory.execute(_QUERY).fetchall()
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            raise BadSource(f"{file_name or 'the file'}: {error}; expected {_EXPECTED}", "file") from error


def _match(row: tuple[Any, ...], line: int, until: date | None) -> SourceMatch:
    game_id, league, label, match_week, written, home_name, away_name, home_goals, away_goals, *told = row
    competition = COMPETITION_BY_CODE.get((_NAME, league))
    if competition is None:
        raise Refused(f"league {str(league)[:40]!r} is unknown; add it to domain/competitions.py")
    local = _instant(written)
    home, away = team_of(home_name or "", "home_team"), team_of(away_name or "", "away_team")
    if home == away:
        raise Refused(f"home_team and away_team are both {home!r}")
    kickoff_at = local.replace(tzinfo=ZoneInfo(TIME_ZONES[competition.country])).astimezone(UTC)
    finished = until is None or kickoff_at.date() < until
    if not all(type(goals) is int and 0 <= goals <= MAX_GOALS for goals in (home_goals, away_goals)):
        raise Refused(f"home_goals, away_goals: {home_goals}-{away_goals} is not a score")
    return SourceMatch(
        _NAME,
        str(game_id),
        line,
        competition.id,
        _season(label, match_week, local),
        kickoff_at,
        True,
        home,
        away,
        MatchStatus.FINISHED if finished else MatchStatus.UPCOMING,
        home_goals if finished else None,
        away_goals if finished else None,
        _stats(told) if finished else None,
    )


def _instant(written: Any) -> datetime:
    try:
        local = datetime.fromisoformat(str(written)).replace(tzinfo=None)
    except ValueError as error:
        raise Refused(f"date {str(written)[:30]!r} is not a date and time") from error
    if not EARLIEST <= local.date() <= LATEST:
        raise Refused(f"date {local.date().isoformat()} is not between 1870 and 2100")
    return local


def _season(label: Any, match_week: Any, local: datetime) -> int:
    if local.month in (7, 8) and isinstance(match_week, int):
        return local.year - 1 if match_week >= _LATE_ROUND else local.year
    first = str(label)[:4]
    if not (first.isdecimal() and abs(int(first) - local.year) <= 1):
        raise Refused(f"season {str(label)[:20]!r} is not the season of {local.date().isoformat()}")
    return int(first)


def _stats(told: Sequence[Any]) -> MatchStats | None:
    counts = [value if type(value) is int and value >= 0 else None for value in told]
    if not any(count is not None for count in counts):
        return None
    shots, on_target, fouls, yellows, reds = zip(counts[::2], counts[1::2], strict=True)
    return MatchStats(*shots, *on_target, None, None, *fouls, *yellows, *reds)
