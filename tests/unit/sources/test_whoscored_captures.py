"""WhoScored's parsers on real captures, where those are at hand, beside what football-data.co.uk says of the same matches."""

from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import pytest

from matchcast.adapters.files import read_file
from matchcast.adapters.sources import detect, source_named
from matchcast.adapters.sources.aliases import committed_aliases
from matchcast.adapters.sources.whoscored import WhoScored, block_reason, days_of, months_of, tournaments_of
from matchcast.adapters.sources.whoscored.centre import referee_of, stats_of
from matchcast.adapters.sources.whoscored.match_page import read_centre
from matchcast.adapters.sources.whoscored.tournaments import ID_BY_NAME
from matchcast.domain.match import MatchStats, MatchStatus, SourceMatch
from matchcast.domain.names import fold_name, normalise_team_name
from matchcast.errors import SourceBlocked
from matchcast.ports import Parsed

CLUBS = {
    (a.country, fold_name(a.name)): a.team_id for source in ("*", "whoscored") for a in committed_aliases()
    if a.source == source
}  # fmt: skip


@pytest.fixture
def captures(real_data: Path) -> Path:
    folder = real_data / "whoscored"
    if not folder.is_dir():
        pytest.skip("no captures at ../shared/data/whoscored")
    return folder


@pytest.fixture(scope="module")
def published() -> dict[tuple[str, date, str], SourceMatch]:
    """What football-data.co.uk says: by country, day and home club."""
    path = Path(__file__).parents[4] / "shared/data/football-data/matches_1993_2025.csv.gz"
    if not path.exists():
        pytest.skip("no third-party data at ../shared/data")
    name, raw = read_file(str(path))
    wanted = (b"E0,2020", b"E0,2021", b"SP1,2022", b"I1,2015")
    header, *lines = raw.splitlines(keepends=True)
    kept = b"".join(line for line in lines if line.startswith(wanted))
    rows = source_named("football-data").parse(header + kept, name).rows
    return {(row.tournament, row.kickoff_at.date(), club(row.tournament, row.home_team)): row for row in rows}


def club(tournament: str, name: str) -> str:
    country = tournament.partition(":")[0]
    return CLUBS.get((country, fold_name(name))) or f"{country}:{normalise_team_name(name)}"


def parsed(folder: Path, name: str) -> Parsed:
    raw = (folder / name).read_bytes()
    told = WhoScored().parse(raw, name)
    assert detect(raw, name).name == "whoscored"
    assert block_reason(raw, 200) is None
    return told


def test_the_month_feed_says_of_each_match_what_football_data_says(
    captures: Path, published: dict[tuple[str, date, str], SourceMatch]
) -> None:
    rows, rejected, _ = parsed(captures, "tournaments_data_feed_202010.json")
    assert (len(rows), rejected) == (34, [])
    for row in rows:
        other = published[row.tournament, row.kickoff_at.date(), club(row.tournament, row.home_team)]
        assert club(row.tournament, row.away_team) == club(row.tournament, other.away_team)
        assert (row.season, row.status, row.home_goals, row.away_goals) == (
            2020, MatchStatus.FINISHED, other.home_goals, other.away_goals,
        )  # fmt: skip
        assert row.stats is not None
        assert other.stats is not None
        assert row.stats[8:] == other.stats[8:]


def test_the_match_page_says_what_football_data_says(
    captures: Path, published: dict[tuple[str, date, str], SourceMatch]
) -> None:
    (row,), rejected, _ = parsed(captures, "match_page_1650630.html")
    other = published["spain:la-liga", date(2022, 8, 13), "spain:barcelona"]
    assert not rejected
    assert row.kickoff_at == datetime(2022, 8, 13, 19, tzinfo=UTC)
    assert (row.source_id, row.season, row.home_goals, row.away_goals, row.stats) == (
        "1650630",
        2022,
        0,
        0,
        other.stats,
    )
    assert row.referee == "Alejandro José Hernández Hernández"


def test_the_match_centre_says_what_football_data_says(
    captures: Path, published: dict[tuple[str, date, str], SourceMatch]
) -> None:
    centre = read_centre((captures / "matchcentre_1485184.json").read_bytes(), "x")
    other = published["england:premier-league", date(2021, 1, 12), "england:burnley"]
    assert stats_of(centre, longer=False) == (other.stats, [])
    assert (referee_of(centre), centre.ftScore) == ("Kevin Friend", "0 : 1")
    assert not parsed(captures, "matchcentre_1485184.json").rows


def test_a_mobile_match_has_the_result_of_football_data(
    captures: Path, published: dict[tuple[str, date, str], SourceMatch]
) -> None:
    (row,), rejected, _ = parsed(captures, "mapi_match_FT_stats_1005916.json")
    other = published["italy:serie-a", date(2015, 8, 23), "italy:empoli"]
    assert not rejected
    assert (row.season, row.home_goals, row.away_goals) == (2015, other.home_goals, other.away_goals)
    assert row.stats == MatchStats(14, 12, 4, 3, 8, 5, 15, 19, 1, 2, 0, 0)
    assert other.stats is not None
    assert row.stats[4:] == other.stats[4:]


@pytest.mark.parametrize(
    ("clock", "status", "scores"),
    [
        ("AET_stats_1035333", MatchStatus.FINISHED, (2, 2, 4, 2, None, None)),
        ("PEN_stats_1035336", MatchStatus.FINISHED, (0, 0, 0, 0, 8, 7)),
        ("FT_nostats_1001154", MatchStatus.FINISHED, (0, 0, None, None, None, None)),
        ("NS_nostats_1051334", MatchStatus.UPCOMING, (None,) * 6),
        ("Post_nostats_1061582", MatchStatus.POSTPONED, (None,) * 6),
        ("Abd_nostats_1052168", MatchStatus.ABANDONED, (None,) * 6),
        ("Can_nostats_1051209", MatchStatus.CANCELLED, (None,) * 6),
        ("unknown_nostats_1050941", MatchStatus.UNKNOWN, (None,) * 6),
    ],
)
def test_every_status_of_the_mobile_api_is_read(
    captures: Path, clock: str, status: MatchStatus, scores: tuple[int | None, ...]
) -> None:
    """The captures are of cups and leagues that we do not know: under the name of one that we do, they are rows."""
    name = f"mapi_match_{clock}.json"
    (refused,) = parsed(captures, name).rejected
    assert "is none we know" in refused.reason
    info = msgspec.json.decode((captures / name).read_bytes())
    info["info"] |= {"regionName": "England", "tournamentName": "Premier League"}
    (row,), rejected, _ = WhoScored().parse(msgspec.json.encode(info), "mapi/1.json")
    assert not rejected
    assert row.status is status
    assert (
        row.home_goals, row.away_goals, row.home_goals_extra_time, row.away_goals_extra_time, row.home_penalties,
        row.away_penalties,
    ) == scores  # fmt: skip


def test_a_mobile_match_that_the_source_does_not_know_is_rejected(captures: Path) -> None:
    (refused,) = parsed(captures, "mapi_match_NS_nostats_1065636.json").rejected
    assert "is no day of a match" in refused.reason


def test_the_block_page_is_one(captures: Path) -> None:
    raw = (captures / "blocked_incapsula.html").read_bytes()
    with pytest.raises(SourceBlocked, match="an Incapsula block page"):
        WhoScored().parse(raw, "blocked_incapsula.html")


def test_the_calendar_is_a_season_of_august_to_may(captures: Path) -> None:
    raw = (captures / "calendar_mask.json").read_bytes()
    days = days_of(raw)
    assert (days[0], days[-1]) == (date(2020, 9, 12), date(2021, 5, 23))
    assert months_of(raw) == tuple([f"2020{m:02}" for m in range(9, 13)] + [f"2021{m:02}" for m in range(1, 6)])


def test_each_tournament_we_know_is_listed_with_its_region_and_name(captures: Path) -> None:
    listed = tournaments_of((captures / "tiers.json").read_bytes())
    by_name = {(fold_name(t.region), fold_name(t.name)): t.id for t in listed}
    for number in set(ID_BY_NAME.values()):
        assert [key for key, code in ID_BY_NAME.items() if code == number and by_name.get(key) == number]
    assert all(by_name.get(key, number) == number for key, number in ID_BY_NAME.items())
