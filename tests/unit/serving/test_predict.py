"""Forecasts on request."""

from datetime import datetime, timedelta

import pytest

from matchcast.adapters.snapshot_file import SnapshotFile, open_snapshot
from matchcast.domain.forecast import LITTLE_HISTORY, Cause, Coverage, Forecast, Pairing
from matchcast.domain.match import day_start
from matchcast.errors import BadInput, NotFound, UnknownTeam, UnknownTournament
from matchcast.features.league import NEWCOMER_MATCHES
from matchcast.model.bundle import load_bundle
from matchcast.usecases.predict import forecast_for
from tests.entrypoints import house
from tests.entrypoints.house import AS_OF, ENGLAND, NOW

BUNDLE = load_bundle(house.bundle_files(1))
SOON = NOW + timedelta(days=3, hours=1)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> SnapshotFile:
    return open_snapshot(house.snapshot_file(tmp_path_factory.mktemp("predict") / "s.sqlite", seed=1))


def ask(asked: int | Pairing, snapshot: SnapshotFile, now: datetime = NOW) -> Forecast:
    return forecast_for(asked, bundle=BUNDLE, snapshot=snapshot, code_revision="c1", now=now).forecast


def coverage(asked: int | Pairing, snapshot: SnapshotFile) -> Coverage:
    return forecast_for(asked, bundle=BUNDLE, snapshot=snapshot, code_revision="c1", now=NOW).coverage


def pairing(kickoff_at: datetime = SOON, **changes: object) -> Pairing:
    asked = {"home_team": "Gate", "away_team": "Westfield", "tournament": "Premier League", "kickoff_at": kickoff_at}
    return Pairing(**(asked | changes))  # type: ignore[arg-type]


def test_the_same_question_at_the_same_instant_has_the_same_answer(snapshot: SnapshotFile) -> None:
    assert ask(pairing(), snapshot) == ask(pairing(), snapshot)


def test_a_request_forecasts_a_known_fixture_as_the_batch_did(snapshot: SnapshotFile) -> None:
    for batch in house.current_forecasts(1, snapshot):
        assert batch.fixture.match_id is not None
        if batch.fixture.kickoff_at > NOW:
            asked = ask(batch.fixture.match_id, snapshot)
            assert asked.probabilities == batch.probabilities
            assert (asked.cause, asked.as_of, asked.model_version) == (Cause.REQUESTED, NOW, BUNDLE.version)


def test_a_pairing_on_the_day_of_a_known_fixture_is_that_fixture(snapshot: SnapshotFile) -> None:
    known = house.fixtures()[0]
    asked = pairing(known.kickoff_at, home_team=known.home_team, away_team=known.away_team)
    assert ask(asked, snapshot).fixture == known


def test_any_other_pairing_is_hypothetical(snapshot: SnapshotFile) -> None:
    fixture = ask(pairing(), snapshot).fixture
    assert (fixture.match_id, fixture.season, fixture.kickoff_at) == (None, 2024, SOON)


def test_probabilities_sum_to_one_and_home_advantage_depends_on_the_side(snapshot: SnapshotFile) -> None:
    forward = ask(pairing(), snapshot).probabilities
    swapped = ask(pairing(home_team="Westfield", away_team="Gate"), snapshot).probabilities
    assert sum(forward) == pytest.approx(1, abs=1e-12)
    assert forward != swapped


def test_a_snapshot_newer_than_the_clock_moves_as_of_forward(snapshot: SnapshotFile) -> None:
    assert ask(pairing(), snapshot, AS_OF - timedelta(hours=5)).as_of == AS_OF


def test_a_club_without_a_match_is_forecast_as_a_newcomer(snapshot: SnapshotFile) -> None:
    newcomer = ask(pairing(home_team="Newtown", tournament=ENGLAND), snapshot)
    assert newcomer.fixture.home_team == "england:newtown"
    assert sum(newcomer.probabilities) == pytest.approx(1, abs=1e-12)


def test_coverage_counts_the_matches_of_both_clubs_that_are_known(snapshot: SnapshotFile) -> None:
    def played(team: str) -> int:
        return sum(team in (game.home, game.away) for game in house.games() if game.score is not None)

    known = coverage(pairing(), snapshot)
    assert (known.home_matches, known.away_matches) == (
        played("england:northgate-united"),
        played("england:westfield-fc"),
    )
    assert min(known.home_matches, known.away_matches) >= LITTLE_HISTORY
    assert not known.little_history


def test_the_snapshot_tells_the_coverage_that_a_request_finds(snapshot: SnapshotFile) -> None:
    for batch in house.current_forecasts(1, snapshot):
        match_id = batch.fixture.match_id
        assert match_id is not None
        if batch.fixture.kickoff_at > NOW:
            current = snapshot.forecast(match_id)
            assert current is not None
            assert current.coverage == coverage(match_id, snapshot)
    assert snapshot.forecast(1) is None


def test_a_club_without_a_match_is_little_history_and_leaves_features_unknown(snapshot: SnapshotFile) -> None:
    known, newcomer = (
        coverage(pairing(), snapshot),
        coverage(pairing(home_team="Newtown", tournament=ENGLAND), snapshot),
    )
    assert (newcomer.home_matches, newcomer.away_matches) == (0, known.away_matches)
    assert newcomer.little_history
    assert 0 < newcomer.features_known < known.features_known <= 1


def test_a_club_has_little_history_as_long_as_the_features_learn_what_newcomers_are_like_from_it() -> None:
    assert LITTLE_HISTORY == NEWCOMER_MATCHES


@pytest.mark.parametrize(
    ("known", "little"),
    [
        (Coverage(0.5, LITTLE_HISTORY, LITTLE_HISTORY), False),
        (Coverage(0.49, 300, 300), True),
        (Coverage(1.0, LITTLE_HISTORY - 1, 300), True),
        (Coverage(1.0, 300, LITTLE_HISTORY - 1), True),
    ],
)
def test_little_history_is_a_new_club_or_half_of_the_features(known: Coverage, little: bool) -> None:
    assert known.little_history is little


@pytest.mark.parametrize(
    ("changes", "error", "field"),
    [
        ({"home_team": "Nobody"}, UnknownTeam, "home_team"),
        ({"away_team": "Nobody"}, UnknownTeam, "away_team"),
        ({"tournament": "Nowhere"}, UnknownTournament, "tournament"),
        ({"away_team": "northgate united"}, BadInput, "away_team"),
        ({"kickoff_at": NOW - timedelta(seconds=1)}, BadInput, "kickoff_at"),
        ({"kickoff_at": AS_OF - timedelta(days=1)}, BadInput, "kickoff_at"),
        ({"kickoff_at": NOW + timedelta(days=366, seconds=1)}, BadInput, "kickoff_at"),
        ({"season": 2026}, BadInput, "season"),
        ({"season": 2023}, BadInput, "season"),
    ],
)
def test_bad_input_names_its_field(
    snapshot: SnapshotFile, changes: dict[str, object], error: type[BadInput], field: str
) -> None:
    with pytest.raises(error, match=f"^{field}: ") as caught:
        ask(pairing(**changes), snapshot)  # type: ignore[arg-type]
    assert caught.value.field == field


def test_a_match_of_today_without_a_known_time_can_be_forecast_all_day(snapshot: SnapshotFile) -> None:
    asked = pairing(AS_OF, kickoff_known=False)
    fixture = ask(asked, snapshot, NOW).fixture
    assert (fixture.kickoff_at, fixture.kickoff_known) == (AS_OF, False)
    with pytest.raises(BadInput, match="kickoff_at"):
        ask(asked, snapshot, AS_OF + timedelta(days=1))


def test_a_match_known_to_start_at_midnight_is_not_forecast_once_it_started(snapshot: SnapshotFile) -> None:
    midnight = AS_OF + timedelta(days=1)
    fixture = ask(pairing(midnight), snapshot, midnight).fixture
    assert (fixture.kickoff_at, fixture.kickoff_known) == (midnight, True)
    with pytest.raises(BadInput, match=r"kickoff_at: the kick-off .* is before"):
        ask(pairing(midnight), snapshot, midnight + timedelta(seconds=1))


def test_a_fixture_whose_day_alone_is_known_is_forecast_until_its_day_ends(snapshot: SnapshotFile) -> None:
    known = next(f for f in house.fixtures() if not f.kickoff_known)
    assert known.match_id is not None
    by_day = pairing(
        known.kickoff_at, home_team=known.home_team, away_team=known.away_team, tournament=known.tournament,
        kickoff_known=False,
    )  # fmt: skip
    for asked in (known.match_id, by_day):
        assert ask(asked, snapshot, known.kickoff_at + timedelta(hours=23)).fixture == known
        with pytest.raises(BadInput, match="is before"):
            ask(asked, snapshot, known.kickoff_at + timedelta(days=1))


def test_a_known_kick_off_counts_also_when_only_the_day_is_asked_for(snapshot: SnapshotFile) -> None:
    known = next(f for f in house.fixtures() if f.kickoff_known)
    asked = pairing(
        day_start(known.kickoff_at), home_team=known.home_team, away_team=known.away_team,
        tournament=known.tournament, kickoff_known=False,
    )  # fmt: skip
    assert ask(asked, snapshot, known.kickoff_at).fixture == known
    with pytest.raises(BadInput, match=r"kickoff_at: the kick-off .* is before"):
        ask(asked, snapshot, known.kickoff_at + timedelta(seconds=1))


def test_an_unknown_match_tells_what_exists(snapshot: SnapshotFile) -> None:
    with pytest.raises(NotFound, match="GET /predict/ lists the fixtures"):
        ask(1, snapshot)


def test_a_fixture_that_kicked_off_is_not_forecast(snapshot: SnapshotFile) -> None:
    known = house.fixtures()[0]
    assert known.match_id is not None
    with pytest.raises(BadInput, match=r"match_id: the kick-off .* is before"):
        ask(known.match_id, snapshot, known.kickoff_at + timedelta(minutes=1))
