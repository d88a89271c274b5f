"""Pages and cursors."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.matches import SqlMatchReader
from matchcast.adapters.snapshot_file import SnapshotFile, open_snapshot
from matchcast.domain.match import MatchStatus
from matchcast.errors import BadInput, NotFound, UnknownTeam, UnknownTournament
from matchcast.ports import CurrentForecast, MatchFilter, MatchRecord
from matchcast.usecases.lookup import (
    current_forecast,
    cursor_after,
    list_forecasts,
    list_matches,
    read_cursor,
    resolve_filter,
)
from tests.entrypoints import house
from tests.entrypoints.house import ENGLAND, SPAIN, House


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> SnapshotFile:
    return open_snapshot(house.snapshot_file(tmp_path_factory.mktemp("lookup") / "s.sqlite", seed=1))


@pytest.fixture(scope="module")
def matches(tmp_path_factory: pytest.TempPathFactory) -> SqlMatchReader:
    here = House(tmp_path_factory.mktemp("matches"))
    here.fill_database()
    return SqlMatchReader(Database(here.database_url))


instants = st.datetimes(datetime(1870, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  made aware


@given(kickoff_at=instants, match_id=st.integers(0, 2**53))
def test_a_cursor_says_what_it_was_made_of(kickoff_at: datetime, match_id: int) -> None:
    assert read_cursor(cursor_after(kickoff_at, match_id)) == (kickoff_at, match_id)


@given(st.text(max_size=60))
def test_any_other_text_is_no_cursor(text: str) -> None:
    try:
        after = read_cursor(text)
    except BadInput as error:
        assert error.field == "cursor"
    else:
        assert after is not None
        assert cursor_after(*after) == text


@given(limit=st.integers(1, 200), team=st.sampled_from([None, "england:westfield-fc"]))
def test_a_walk_through_forecasts_meets_each_once_in_order(
    snapshot: SnapshotFile, limit: int, team: str | None
) -> None:
    chosen = MatchFilter(team=team)
    walked: list[CurrentForecast] = []
    cursor = None
    while True:
        page = list_forecasts(chosen, cursor, limit, snapshot)
        assert len(page.items) <= limit
        walked += page.items
        cursor = page.next
        if cursor is None:
            break
    assert walked == list(snapshot.forecasts(chosen, None, 1000))
    assert walked


@given(limit=st.integers(1, 200), status=st.sampled_from([None, MatchStatus.UPCOMING]))
def test_a_walk_through_matches_meets_each_once_in_order(
    matches: SqlMatchReader, limit: int, status: MatchStatus | None
) -> None:
    walked: list[MatchRecord] = []
    cursor = None
    while True:
        page = list_matches(MatchFilter(status=status), cursor, limit, matches)
        walked += page.items
        cursor = page.next
        if cursor is None:
            break
    expected = sorted((g.kickoff_at, g.id) for g in house.games() if status is None or g.score is None)
    assert [(m.kickoff_at, m.match_id) for m in walked] == expected


def test_a_fixture_without_a_forecast_and_an_unknown_match_are_told_apart(snapshot: SnapshotFile) -> None:
    without = house.fixtures()[-1].match_id
    assert without is not None
    with pytest.raises(NotFound, match="has no forecast yet"):
        current_forecast(without, snapshot)
    with pytest.raises(NotFound, match="is no upcoming fixture"):
        current_forecast(1, snapshot)


def test_names_in_filters_become_ids(snapshot: SnapshotFile) -> None:
    resolved = resolve_filter(MatchFilter(tournament="la liga", team="Atlético Río"), lambda: snapshot)
    assert (resolved.tournament, resolved.team) == (SPAIN, "spain:atletico-rio")


def test_ids_in_filters_need_no_snapshot() -> None:
    def none() -> SnapshotFile:
        raise AssertionError

    chosen = MatchFilter(kickoff_to=house.NOW + timedelta(days=1), tournament=ENGLAND, team="england:x")
    assert resolve_filter(chosen, none) == chosen


@pytest.mark.parametrize(
    ("chosen", "error", "field"),
    [
        (MatchFilter(tournament="Nowhere"), UnknownTournament, "tournament"),
        (MatchFilter(tournament=ENGLAND, team="Nobody"), UnknownTeam, "team"),
        (MatchFilter(team="Gate"), BadInput, "team"),
    ],
)
def test_a_bad_filter_names_its_field(
    snapshot: SnapshotFile, chosen: MatchFilter, error: type[BadInput], field: str
) -> None:
    with pytest.raises(error, match=f"^{field}: ") as caught:
        resolve_filter(chosen, lambda: snapshot)
    assert caught.value.field == field
