"""What becomes of stored matches when sources tell theirs."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from matchcast.domain.match import MatchStatus, SourceMatch
from matchcast.domain.merging import Plan, StoredMatch, plan_load
from tests.contract.matches import KICKOFF, fixture, told

Row = tuple[SourceMatch, str, str]


def after(stored: list[StoredMatch], plan: Plan) -> list[StoredMatch]:
    by_id = {match.id: match for match in (*stored, *plan.inserted, *plan.updated)}
    return [by_id[match_id] for match_id in sorted(by_id)]


def load(*loads: list[Row]) -> list[StoredMatch]:
    stored: list[StoredMatch] = []
    for rows in loads:
        stored = after(stored, plan_load(stored, rows))
    return stored


@st.composite
def rows(draw: st.DrawFn, source: str) -> Row:
    home, away = draw(st.sampled_from([("Arsenal", "Chelsea"), ("Chelsea", "Arsenal"), ("Arsenal", "Everton")]))
    status = draw(st.sampled_from(list(MatchStatus)))
    goals = draw(st.tuples(st.integers(0, 2), st.integers(0, 2))) if status is MatchStatus.FINISHED else (None, None)
    kickoff_at = KICKOFF + timedelta(days=draw(st.sampled_from([0, 1, 4, 40])))
    known = draw(st.booleans())
    return fixture(
        home,
        away,
        source=source,
        source_id=f"{home} {away} {draw(st.sampled_from('abc'))}",  # a source's id stands for one pairing for good
        status=status,
        home_goals=goals[0],
        away_goals=goals[1],
        kickoff_at=kickoff_at if known else kickoff_at.replace(hour=0),
        kickoff_known=known,
    )


LOAD = st.sampled_from(["one", "two"]).flatmap(lambda source: st.lists(rows(source), max_size=6))
CONSISTENT_LOAD = st.sampled_from(["one", "two"]).flatmap(
    lambda source: st.lists(
        rows(source),
        max_size=6,
        unique_by=(lambda row: row[0].source_id, lambda row: (*row[1:], row[0].kickoff_at.date())),
    )
)
"""A load in which the source tells nothing twice."""
BATCHES = st.lists(LOAD, max_size=4)


@given(BATCHES)
def test_no_load_breaks_the_keys_of_the_table(batches: list[list[Row]]) -> None:
    stored = load(*batches)
    assert len({match.id for match in stored}) == len(stored)
    assert len({(m.source, m.source_id) for m in stored}) == len(stored)
    assert len({(m.tournament_id, m.home_team_id, m.away_team_id, m.match_day) for m in stored}) == len(stored)


@given(BATCHES, LOAD)
def test_every_row_is_counted_once(batches: list[list[Row]], last: list[Row]) -> None:
    plan = plan_load(load(*batches), last)
    touched = len(plan.inserted) + len(plan.updated) + plan.unchanged
    assert touched + plan.repeated + len(plan.refused) == len(last)
    assert len(plan.accepted) == touched


@given(BATCHES, CONSISTENT_LOAD)
def test_the_same_load_again_changes_nothing(batches: list[list[Row]], last: list[Row]) -> None:
    stored = load(*batches, last)
    again = plan_load(stored, last)
    assert (again.inserted, again.updated) == ([], [])


@given(BATCHES, LOAD)
def test_a_result_is_never_lost(batches: list[list[Row]], last: list[Row]) -> None:
    before = load(*batches)
    now = {match.id: match for match in after(before, plan_load(before, last))}
    for match in before:
        if match.status is MatchStatus.FINISHED:
            assert now[match.id].status in (
                MatchStatus.FINISHED, MatchStatus.POSTPONED, MatchStatus.ABANDONED, MatchStatus.CANCELLED,
            )  # fmt: skip


def test_another_source_a_day_apart_means_the_same_match() -> None:
    stored = load([told(source="one")], [told(source="two", kickoff_at=KICKOFF + timedelta(days=1))])
    assert [match.source for match in stored] == ["one"]


def test_the_same_source_a_day_apart_means_another_match() -> None:
    assert len(load([told()], [told(kickoff_at=KICKOFF + timedelta(days=1))])) == 2


def test_a_result_of_another_source_finds_its_moved_fixture() -> None:
    moved = KICKOFF + timedelta(days=40)
    (match,) = load([fixture(source="one")], [told(source="two", kickoff_at=moved)])
    assert (match.kickoff_at, match.status, match.source) == (moved, MatchStatus.FINISHED, "two")


def test_an_earlier_result_is_not_taken_for_a_later_fixture() -> None:
    assert len(load([fixture(source="one")], [told(source="two", kickoff_at=KICKOFF - timedelta(days=40))])) == 2


def test_two_sources_with_different_results_are_a_conflict_and_the_stored_one_stays() -> None:
    stored = load([told(source="one")])
    plan = plan_load(stored, [told(source="two", home_goals=5)])
    assert plan.refused[0][0] == 0
    assert "one says 2-1, this row 5-1" in plan.refused[0][1]
    assert not plan.updated


def test_a_stale_fixture_list_does_not_take_a_result_back() -> None:
    stored = load([fixture()], [told()], [fixture()])
    assert [match.status for match in stored] == [MatchStatus.FINISHED]


def test_a_source_may_take_its_own_result_back_by_name() -> None:
    (match,) = load([told()], [fixture(status=MatchStatus.ABANDONED)])
    assert (match.status, match.home_goals) == (MatchStatus.ABANDONED, None)


def test_a_row_of_the_first_day_of_a_moved_match_is_refused() -> None:
    first = fixture(source_id="x")
    stored = load([first], [fixture(source_id="x", kickoff_at=KICKOFF + timedelta(days=40))])
    plan = plan_load(stored, [fixture(source_id="y")])
    assert "already stands for" in plan.refused[0][1]


def test_a_match_that_moves_onto_the_day_of_another_is_refused() -> None:
    later = KICKOFF + timedelta(days=40)
    stored = load([fixture(source_id="x"), fixture(source_id="y", kickoff_at=later)])
    plan = plan_load(stored, [fixture(source_id="x", kickoff_at=later)])
    assert "another match of this pairing is already stored" in plan.refused[0][1]
