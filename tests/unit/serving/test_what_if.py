"""What would be forecast under an assumption."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from matchcast.adapters.snapshot_file import SnapshotFile, open_snapshot
from matchcast.domain.assumption import MOST_REST_DAYS, Assumption, Hypothetical, Supposed
from matchcast.domain.forecast import Pairing, Probabilities
from matchcast.errors import BadInput, MatchcastError
from matchcast.features.assuming import with_rest
from matchcast.features.contract import FeatureContract
from matchcast.features.online import read_row
from matchcast.features.reading import REST_MOST_DAYS
from matchcast.model.bundle import Bundle, load_bundle
from matchcast.model.venue import neutral
from matchcast.ports import PairingState
from matchcast.usecases.predict import forecast_each, forecast_for
from tests.entrypoints import house
from tests.entrypoints.house import ENGLAND, NOW

BUNDLE = load_bundle(house.bundle_files(1))
CLUBS = [team.team_id for team in house.TEAMS if team.country == "england" and team != house.NEWCOMER]
SOON = NOW + timedelta(days=3, hours=1)
PAIRING = Pairing("Gate", "Westfield", "Premier League", SOON)
shares = st.floats(0.001, 1.0)
triples = st.tuples(shares, shares, shares).map(lambda t: Probabilities(*(p / sum(t) for p in t)))


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> SnapshotFile:
    return open_snapshot(house.snapshot_file(tmp_path_factory.mktemp("what-if") / "s.sqlite", seed=1))


def ask(
    snapshot: SnapshotFile, asked: int | Pairing = PAIRING, bundle: Bundle = BUNDLE, **assumed: Any
) -> Supposed | MatchcastError:
    question = Hypothetical(asked, Assumption(**assumed))
    (answer,) = forecast_each([question], bundle=bundle, snapshot=snapshot, code_revision="c1", now=NOW)
    assert isinstance(answer, Supposed | MatchcastError)
    return answer


def supposed(snapshot: SnapshotFile, asked: int | Pairing = PAIRING, **assumed: Any) -> Supposed:
    answer = ask(snapshot, asked, **assumed)
    assert isinstance(answer, Supposed)
    return answer


def plain(snapshot: SnapshotFile, asked: int | Pairing = PAIRING) -> Probabilities:
    answer = forecast_for(asked, bundle=BUNDLE, snapshot=snapshot, code_revision="c1", now=NOW)
    return answer.forecast.probabilities


def other_way_round(asked: Pairing) -> Pairing:
    return replace(asked, home_team=asked.away_team, away_team=asked.home_team)


def test_nothing_assumed_is_refused_rather_than_called_hypothetical(snapshot: SnapshotFile) -> None:
    for fixture in house.fixtures()[:10]:
        if fixture.kickoff_at > NOW and fixture.match_id is not None:
            answer = ask(snapshot, fixture.match_id)
            assert isinstance(answer, BadInput)
            assert (answer.field, str(answer)[:24]) == ("assume", "assume: changes nothing ")


@given(st.permutations(CLUBS), st.integers(1, 28))
def test_clubs_swapped_at_a_neutral_venue_have_their_chances_swapped_to_the_bit(
    snapshot: SnapshotFile, clubs: list[str], days: int
) -> None:
    asked = Pairing(clubs[0], clubs[1], ENGLAND, NOW + timedelta(days=days, hours=0.5))
    turned = other_way_round(asked)
    assume(  # a fixture kicks off when it does, whatever hour is asked for
        all(
            snapshot.fixture_of(ENGLAND, p.home_team, p.away_team, p.kickoff_at.date()) is None for p in (asked, turned)
        )
    )
    this = supposed(snapshot, asked, neutral_venue=True).probabilities
    that = supposed(snapshot, turned, neutral_venue=True).probabilities
    assert this == Probabilities(that.away, that.draw, that.home)
    assert sum(this) == pytest.approx(1, abs=1e-15)


@given(triples, triples)
def test_a_neutral_venue_takes_out_whatever_multiplies_home_wins_and_divides_away_wins(
    at_home: Probabilities, away: Probabilities
) -> None:
    pooled = neutral(at_home, away)
    ratio = (at_home.home / at_home.away * away.away / away.home) ** 0.5
    assert pooled.home / pooled.away == pytest.approx(ratio, rel=1e-9)
    assert neutral(away, at_home) == Probabilities(pooled.away, pooled.draw, pooled.home)


@given(triples, st.floats(0.5, 2.0))
def test_an_advantage_of_one_factor_leaves_no_trace_at_a_neutral_venue(chances: Probabilities, edge: float) -> None:
    def at(home: float, draw: float, away: float) -> Probabilities:
        total = home * edge + draw + away / edge
        return Probabilities(home * edge / total, draw / total, away / edge / total)

    pooled = neutral(at(*chances), at(chances.away, chances.draw, chances.home))
    assert pooled == pytest.approx(chances, rel=1e-9)


@given(st.sampled_from(CLUBS), st.sampled_from(CLUBS), st.integers(1, 21), st.integers(1, 21))
def test_rest_changes_the_features_of_rest_and_no_others(
    snapshot: SnapshotFile, home: str, away: str, home_days: int, away_days: int
) -> None:
    fixture = house.moved(house.fixtures()[0], home_team=home, away_team=away, match_id=None)
    state = snapshot.pairing(fixture)
    before = read_row(state, fixture, BUNDLE.contract)
    after = read_row(with_rest(state, fixture, home_days, away_days), fixture, BUNDLE.contract)
    told = dict(zip(BUNDLE.contract.names, after, strict=True))
    assert (told["home_rest_days"], told["diff_rest_days"]) == (home_days, home_days - away_days)
    others = [number for number, name in enumerate(BUNDLE.contract.names) if "rest_days" not in name]
    assert np.array_equal(np.array(before)[others], np.array(after)[others], equal_nan=True)


@given(st.integers(1, 21), st.integers(1, 21))
def test_the_rest_that_clubs_had_anyway_is_refused_and_another_is_the_forecast_after_it_to_the_bit(
    snapshot: SnapshotFile, home_days: int, away_days: int
) -> None:
    class Rested:
        """The snapshot, in which both clubs have rested so many days."""

        def pairing(self, fixture: object) -> PairingState:
            assert fixture == known
            return with_rest(snapshot.pairing(known), known, home_days, away_days)

        def __getattr__(self, name: str) -> object:
            return getattr(snapshot, name)

    known = next(f for f in house.fixtures() if f.kickoff_at > NOW)
    there: SnapshotFile = Rested()  # type: ignore[assignment]
    assert known.match_id is not None
    same = ask(there, known.match_id, home_rest_days=home_days, away_rest_days=away_days)
    assert isinstance(same, BadInput)
    assert same.field == "assume"
    other = ask(snapshot, known.match_id, home_rest_days=home_days, away_rest_days=away_days)
    if isinstance(other, Supposed):
        assert other.probabilities == plain(there, known.match_id)
    else:
        assert isinstance(other, BadInput)


def test_rest_goes_with_the_club_when_the_clubs_are_swapped(snapshot: SnapshotFile) -> None:
    this = supposed(snapshot, neutral_venue=True, home_rest_days=2, away_rest_days=9).probabilities
    that = supposed(
        snapshot, other_way_round(PAIRING), neutral_venue=True, home_rest_days=9, away_rest_days=2
    ).probabilities
    assert this == Probabilities(that.away, that.draw, that.home)
    assert this != supposed(snapshot, neutral_venue=True).probabilities


def test_the_answer_says_what_was_assumed_and_of_what(snapshot: SnapshotFile) -> None:
    told = supposed(snapshot, neutral_venue=True, home_rest_days=3)
    assert told.assumed == Assumption(neutral_venue=True, home_rest_days=3)
    assert (told.model_version, told.snapshot_hash, told.as_of) == (BUNDLE.version, snapshot.state_hash, NOW)
    assert told.coverage.home_matches > 0


@pytest.mark.parametrize(
    ("assumed", "asked", "field", "words"),
    [
        ({"home_rest_days": 0}, PAIRING, "assume.home_rest_days", "give 1 to 21"),
        ({"away_rest_days": 22}, PAIRING, "assume.away_rest_days", "give 1 to 21"),
        ({"home_rest_days": 3}, replace(PAIRING, home_team="Newtown"), "assume.home_rest_days", "could rest from"),
        ({"neutral_venue": True}, replace(PAIRING, away_team="Nobody"), "away_team", "no club"),
    ],
)
def test_what_cannot_be_assumed_is_refused_by_its_field(
    snapshot: SnapshotFile, assumed: dict[str, Any], asked: Pairing, field: str, words: str
) -> None:
    answer = ask(snapshot, asked, **assumed)
    assert isinstance(answer, BadInput)
    assert answer.field == field
    assert str(answer).startswith(f"{field}: ")
    assert words in str(answer)


def test_what_the_model_takes_no_notice_of_is_refused(snapshot: SnapshotFile) -> None:
    restless = FeatureContract(tuple(f for f in BUNDLE.contract.features if f.family != "rest"))
    answer = ask(snapshot, bundle=replace(BUNDLE, contract=restless), away_rest_days=3)
    assert isinstance(answer, BadInput)
    assert "takes no notice of rest" in str(answer)


def test_as_many_days_can_be_assumed_as_the_features_tell_apart() -> None:
    assert MOST_REST_DAYS == REST_MOST_DAYS


def test_a_club_without_a_match_plays_at_a_neutral_venue_too(snapshot: SnapshotFile, tmp_path: Path) -> None:
    newcomer = supposed(snapshot, replace(PAIRING, home_team="Newtown"), neutral_venue=True)
    assert newcomer.coverage.home_matches == 0
    assert sum(newcomer.probabilities) == pytest.approx(1, abs=1e-15)
