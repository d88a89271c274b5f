"""The two laws of the fold, over every feature there is."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from matchcast.domain.match import Fixture
from matchcast.features.columns import DAY_SECONDS, MatchColumns
from matchcast.features.compiled import PassResult, plain_kernel, run_pass
from matchcast.features.contract import FeatureContract, catalogue
from matchcast.features.layout import L_SEASON
from matchcast.features.online import read_row
from matchcast.features.state import State, empty_pair, empty_seat, empty_team, new_league
from matchcast.ports import PairingState
from tests.unit.features.leagues import FIRST_DAY, Drawn, league, matches

EVERYTHING = FeatureContract(catalogue())
LAWS = settings(max_examples=60, deadline=None)


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    """Equal to the bit, NaN included."""
    return one.shape == other.shape and one.tobytes() == other.tobytes()


def rows_by_match(columns: MatchColumns, result: PassResult) -> dict[tuple[int, str, str, str], bytes]:
    """Rows keyed by what identifies a match, whatever its position and codes."""
    return {
        (
            int(columns.kickoff[i]),
            columns.teams[columns.home[i]],
            columns.teams[columns.away[i]],
            columns.tournaments[columns.tournament[i]],
        ): result.rows[i].tobytes()
        for i in range(len(columns))
    }


def pairing_of(state: State, fixture: Fixture) -> PairingState:
    """What a snapshot gives to serving, straight from the state's arrays."""

    def code(ids: tuple[str, ...], name: str) -> int:
        return ids.index(name) if name in ids else -1

    home, away = code(state.team_ids, fixture.home_team), code(state.team_ids, fixture.away_team)
    tournament = code(state.tournament_ids, fixture.tournament)

    def found(keys: np.ndarray, vectors: np.ndarray, one: int, other: int, missing: list[float]) -> list[float]:
        at = np.flatnonzero((keys[:, 0] == one) & (keys[:, 1] == other))
        return vectors[at[0]].tolist() if len(at) else missing

    return PairingState(
        home=state.teams[home].tolist() if home >= 0 else empty_team(),
        away=state.teams[away].tolist() if away >= 0 else empty_team(),
        home_seat=found(state.seat_keys, state.seats, home, tournament, empty_seat()),
        away_seat=found(state.seat_keys, state.seats, away, tournament, empty_seat()),
        league=state.leagues[tournament].tolist() if tournament >= 0 else new_league(fixture.tournament),
        pair=found(state.pair_keys, state.pairs, min(home, away), max(home, away), empty_pair()),
        home_is_first=fixture.home_team < fixture.away_team,
    )


@LAWS
@given(matches, matches, st.integers(0, 900))
def test_nothing_at_or_after_an_instant_changes_a_row_as_of_it(
    drawn: list[Drawn], other: list[Drawn], day: int
) -> None:
    """Change, add or delete results from T on: rows with as_of <= T stay bit-identical."""
    before = [m for m in drawn if m[0] < day]
    assume(before)
    instant = int(FIRST_DAY.timestamp()) + day * DAY_SECONDS
    one = league([*before, *(m for m in drawn if m[0] >= day)])
    two = league([*(m for m in other if m[0] >= day), *before])
    for as_of_one, as_of_two in ((one.day, two.day), (np.full(len(one), instant), np.full(len(two), instant))):
        rows_one = rows_by_match(one, run_pass(one, EVERYTHING, as_of=as_of_one))
        rows_two = rows_by_match(two, run_pass(two, EVERYTHING, as_of=as_of_two))
        shared = [key for key in rows_one if key[0] < instant]
        assert len(shared) == len(before)
        assert all(rows_one[key] == rows_two[key] for key in shared)


@LAWS
@given(matches, st.randoms())
def test_rows_do_not_depend_on_the_order_of_the_table(drawn: list[Drawn], random: object) -> None:
    """Any order of the same matches gives the same rows and the same state."""
    shuffled = list(drawn)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, two = league(drawn), league(shuffled)
    first, second = run_pass(one, EVERYTHING), run_pass(two, EVERYTHING)
    assert rows_by_match(one, first) == rows_by_match(two, second)
    assert first.state.hash == second.state.hash


@settings(max_examples=25, deadline=None)
@given(matches)
def test_compiled_and_plain_pass_agree_to_the_bit(drawn: list[Drawn]) -> None:
    """numba's machine code and plain Python give the same rows and the same state."""
    columns = league(drawn)
    compiled, plain = run_pass(columns, EVERYTHING), run_pass(columns, EVERYTHING, kernel=plain_kernel())
    assert same_bits(compiled.rows, plain.rows)
    assert compiled.state.hash == plain.state.hash


@LAWS
@given(matches, st.integers(0, 900), st.integers(0, 60), st.permutations(range(5)), st.integers(0, 1), st.booleans())
def test_one_fixture_online_equals_its_row_in_the_pass(
    drawn: list[Drawn], day: int, days_ahead: int, teams: list[int], tournament: int, season_told: bool
) -> None:
    """Training, batch and online read the same row for the same fixture and as_of, bit for bit.

    The state may be days older than the fixture, and a fixture of the league's current season need not tell it.
    """
    played = [m for m in drawn if not (m[0] == day and m[2] == (teams[0], teams[1]) and m[3] == tournament)]
    fixture_drawn: Drawn = (day, None, (teams[0], teams[1]), tournament, None, None)
    columns = league([*played, fixture_drawn])
    as_of = int(FIRST_DAY.timestamp()) + (day - days_ahead) * DAY_SECONDS
    in_pass = run_pass(columns, EVERYTHING, as_of=np.full(len(columns), as_of)).rows[-1]
    state = run_pass(columns, EVERYTHING, end=as_of).state
    season = int(columns.season[-1])
    current = state.leagues[columns.tournament[-1]][L_SEASON]
    fixture = Fixture(
        tournament=columns.tournaments[columns.tournament[-1]],
        home_team=columns.teams[columns.home[-1]],
        away_team=columns.teams[columns.away[-1]],
        kickoff_at=datetime.fromtimestamp(as_of + days_ahead * DAY_SECONDS, UTC),
        season=season if season_told or current != season else None,
    )
    online = np.array(read_row(pairing_of(state, fixture), fixture, EVERYTHING), dtype=np.float32)
    assert same_bits(online, in_pass)


def test_a_result_is_in_the_row_once_it_is_known() -> None:
    """A guard for the law above: a result known before as_of does change later rows."""
    earlier: Drawn = (0, None, (0, 1), 0, (3, 0), (20, 5, 9, 2, 8, 3, 1, 2, 0, 1))
    other: Drawn = (0, None, (0, 1), 0, (0, 3), (20, 5, 9, 2, 8, 3, 1, 2, 0, 1))
    fixture: Drawn = (1, None, (0, 2), 0, None, None)
    one, two = run_pass(league([earlier, fixture]), EVERYTHING), run_pass(league([other, fixture]), EVERYTHING)
    assert not same_bits(one.rows[1], two.rows[1])
    assert np.isfinite(one.rows[1]).sum() > 200


def test_matches_of_one_day_without_times_do_not_see_one_another() -> None:
    """Two matches dated the same day read before either updates."""
    pair: list[Drawn] = [(5, None, (0, 1), 0, (4, 0), None), (5, None, (0, 2), 0, (1, 1), None)]
    both = run_pass(league(pair), EVERYTHING).rows
    alone = run_pass(league(pair[1:]), EVERYTHING).rows
    assert same_bits(both[1], alone[0])


def test_a_timed_result_is_known_three_hours_after_kickoff() -> None:
    """As of two hours after kick-off the result is not in, as of three hours it is."""
    drawn: list[Drawn] = [(5, 12, (0, 1), 0, (4, 0), None), (5, 20, (0, 2), 0, None, None)]
    columns = league(drawn)
    kickoff = int(columns.kickoff[0])
    at = [
        run_pass(columns, EVERYTHING, as_of=np.array([kickoff, kickoff + hours * 3600], dtype=np.int64)).rows[1]
        for hours in (0, 2, 3)
    ]
    assert same_bits(at[0], at[1])
    assert not same_bits(at[1], at[2])


def test_every_feature_name_is_told_once_and_every_value_is_within_its_bounds() -> None:
    """Names are unique, and rows of a long random league stay within the contract's bounds."""
    generator = np.random.default_rng(7)
    drawn: list[Drawn] = []
    for day in range(800):
        home, away = generator.permutation(5)[:2]
        goals = tuple(int(g) for g in generator.poisson(1.4, 2))
        stats = tuple(int(s) for s in generator.poisson((12, 9, 5, 4, 6, 5, 2, 2, 0.2, 0.2)))
        drawn.append((day, None, (int(home), int(away)), int(day % 2), (goals[0], goals[1]), stats))
    rows = run_pass(league(drawn), EVERYTHING).rows
    assert len(set(EVERYTHING.names)) == len(EVERYTHING.names)
    for f, feature in enumerate(EVERYTHING.features):
        values = rows[:, f][np.isfinite(rows[:, f])]
        assert len(values) > 0, feature.name
        if feature.lowest is not None:
            assert values.min() >= feature.lowest, feature.name
        if feature.highest is not None:
            assert values.max() <= feature.highest, feature.name


def test_a_contract_survives_json() -> None:
    """features.json gives back the same contract, and refuses other feature code."""
    from matchcast.errors import BundleBroken

    text = EVERYTHING.to_json()
    assert FeatureContract.from_json(text) == EVERYTHING
    with pytest.raises(BundleBroken, match="retrain"):
        FeatureContract.from_json(text.replace(EVERYTHING.code_hash, "0" * 64))
