"""Names that mean one club because their source tells the same id with both."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from matchcast.domain.match import SourceMatch
from matchcast.usecases.resolution import NewTeams
from tests.unit.ingest.leagues import Game, told_by
from tests.unit.ingest.test_calendars import CLUBS, OURS, THEIRS, loaded, season, with_seeds

LATER = [game._replace(day=game.day + timedelta(days=400)) for game in season(seed=2)]
RENAMED = (*OURS[:-1], "Zeppelin")


def with_ids(names: Sequence[str], games: Sequence[Game], source: str = "theirs") -> list[SourceMatch]:
    """The games as told by a source that knows its clubs by number."""
    rows = told_by(source, names, games)
    return [
        row._replace(home_club_id=f"{10 + game.home}", away_club_id=f"{10 + game.away}")
        for row, game in zip(rows, games, strict=True)
    ]


def test_a_club_that_a_source_renames_is_the_one_it_gave_the_id() -> None:
    store = loaded(told_by("ours", OURS, season()), with_ids(with_seeds(2), season()))
    store.take(told_by("ours", OURS, LATER))
    found = store.take(with_ids((*with_seeds(2)[:-1], "Zeppelin"), LATER[:1]))
    assert (found.held, found.new_teams) == ([], [])
    found = store.take(with_ids((*with_seeds(2)[:-1], "Zeppelin"), LATER))
    assert (found.held, found.new_teams, found.refused) == ([], [], [])
    assert store.named()["theirs", "Zeppelin"] == f"norway:{OURS[-1].lower()}"


def test_names_settled_before_their_ids_were_told_get_them() -> None:
    store = loaded(told_by("theirs", OURS, season()))
    decided = {alias.name: alias.decided_at for alias in store.aliases.values()}
    store.take(with_ids(OURS, season()))
    ids = {alias.name: alias.club_id for alias in store.aliases.values()}
    assert ids == {name: f"{10 + number}" for number, name in enumerate(OURS)}
    assert {alias.name: alias.decided_at for alias in store.aliases.values()} == decided
    assert store.take(with_ids(OURS, season())).aliases == []
    assert store.take(with_ids(RENAMED, LATER)).new_teams == []


def test_both_names_of_a_renamed_club_are_one_in_the_first_load_too() -> None:
    store = loaded([*with_ids(OURS, season()), *with_ids(RENAMED, LATER)])
    assert len(store.teams) == CLUBS
    assert store.named()["theirs", OURS[-1]] == store.named()["theirs", "Zeppelin"]


@pytest.mark.parametrize("policy", list(NewTeams))
def test_an_id_is_no_evidence_where_both_names_play_on_one_day(policy: NewTeams) -> None:
    store = loaded(with_ids(OURS, season()))
    games = [*LATER, *(game for game in LATER if CLUBS - 1 in (game.home, game.away))]
    both = with_ids(OURS, games)
    moved = [
        row._replace(source_id=f"{row.source_id}!", home_team="Zeppelin", away_team="Yggdrasil", away_club_id="77")
        for row in both[len(LATER) :]
        if row.home_team == OURS[-1]
    ]
    store.take([*both[: len(LATER)], *moved], policy)
    assert store.named().get(("theirs", "Zeppelin")) != store.named()["theirs", OURS[-1]]


def test_a_name_told_with_two_ids_is_known_by_neither() -> None:
    store = loaded(with_ids(OURS, season()))
    rows = with_ids(RENAMED, LATER)
    first = next(i for i, row in enumerate(rows) if row.home_team == "Zeppelin")
    rows[first] = rows[first]._replace(home_club_id="77")
    store.take(rows)
    assert store.named()["theirs", "Zeppelin"] == "norway:zeppelin"


def test_an_id_of_one_source_means_nothing_to_another() -> None:
    store = loaded(with_ids(OURS, season(), "ours"))
    turned = (*THEIRS[1:], THEIRS[0])
    for games in (season()[:4], LATER[:4]):
        store.take(with_ids(turned, games))
    assert {club for (source, _), club in store.named().items() if source == "theirs"} == set()


def test_an_id_is_not_believed_against_the_matches() -> None:
    """Their number of one club now stands beside the matches of another."""
    store = loaded(told_by("ours", OURS, season()), with_ids(OURS, season()), told_by("ours", OURS, LATER))
    games = [game for game in LATER if CLUBS - 2 in (game.home, game.away)]
    names = (*OURS[:-2], "Zeppelin", OURS[-1])
    wrong = [
        row._replace(
            home_club_id=f"{10 + CLUBS - 1}" if row.home_team == "Zeppelin" else row.home_club_id,
            away_club_id=f"{10 + CLUBS - 1}" if row.away_team == "Zeppelin" else row.away_club_id,
        )
        for row in with_ids(names, games)
        if OURS[-1] not in (row.home_team, row.away_team)
    ]
    store.take(wrong)
    assert store.named().get(("theirs", "Zeppelin")) != f"norway:{OURS[-1].lower()}"
