"""Names that mean one club because they play the same opponents on the same days."""

from collections.abc import Sequence
from datetime import date, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matchcast.domain.match import SourceMatch
from matchcast.usecases.resolution import NewTeams
from tests.unit.ingest.leagues import START, WORDS, Game, MemoryStore, double_round, told_by

CLUBS = 6
OURS = WORDS[:CLUBS]
THEIRS = WORDS[CLUBS : 2 * CLUBS]


def season(clubs: int = CLUBS, seed: int = 1, played: bool = True) -> list[Game]:
    """A double round, a round a week, by default with results."""
    random = Random(seed)
    rounds = list(range(2 * (clubs - 1)))
    random.shuffle(rounds)
    return [
        Game(
            home,
            away,
            START + timedelta(days=7 * rounds[number]),
            (random.randrange(5), random.randrange(4)) if played else None,
        )
        for number, home, away in double_round(clubs)
    ]


def one_club_each(ours: Sequence[str] = OURS, theirs: Sequence[str] = THEIRS) -> set[frozenset[tuple[str, str]]]:
    return {frozenset({("ours", one), ("theirs", other)}) for one, other in zip(ours, theirs, strict=True)}


def loaded(*loads: list[SourceMatch]) -> MemoryStore:
    store = MemoryStore()
    for rows in loads:
        store.take(rows)
    return store


def with_seeds(settled: int) -> tuple[str, ...]:
    """Their names: the first so many as ours, the others unlike."""
    return (*OURS[:settled], *THEIRS[settled:])


def test_names_unlike_ours_are_found_by_whom_they_play() -> None:
    names = with_seeds(2)
    store = loaded(told_by("ours", OURS, season()))
    found = store.take(told_by("theirs", names, season(), hour=20))
    assert {alias.name for alias in found.by_calendar} == set(names[2:])
    assert (found.held, found.refused, found.new_teams) == ([], [], [])
    assert store.groups() == one_club_each(theirs=names)


def test_a_whole_league_of_names_unlike_ours_is_found_by_its_results() -> None:
    """No name is settled beforehand: they stand together."""
    store = loaded(told_by("ours", OURS, season()), told_by("theirs", THEIRS, season()))
    assert store.groups() == one_club_each()


def test_without_a_settled_name_fixtures_alone_settle_nothing() -> None:
    games = season(played=False)
    store = loaded(told_by("ours", OURS, games))
    found = store.take(told_by("theirs", THEIRS, games))
    assert {alias.name for alias in found.held} == set(THEIRS)
    assert found.by_calendar == []


def test_fixtures_settle_names_beside_settled_ones() -> None:
    games = season(played=False)
    names = with_seeds(CLUBS - 1)
    store = loaded(told_by("ours", OURS, games), told_by("theirs", names, games))
    assert store.groups() == one_club_each(theirs=names)


@pytest.mark.parametrize(("matches", "settled"), [(4, False), (5, True)])
def test_five_matches_settle_a_name(matches: int, settled: bool) -> None:
    names = with_seeds(CLUBS - 1)
    last = CLUBS - 1
    mine = [game for game in season() if last in (game.home, game.away)][:matches]
    others = [game for game in season() if last not in (game.home, game.away)]
    store = loaded(told_by("ours", OURS, season()))
    found = store.take(told_by("theirs", names, [*others, *mine]))
    assert (names[last] in {alias.name for alias in found.by_calendar}) is settled
    if not settled:
        (held,) = found.held
        assert held.proposals == (f"norway:{OURS[last].lower()}",)
        assert len(found.refused) == len(found.waiting) == matches


def test_another_opponent_on_one_day_leaves_a_name_open() -> None:
    names = with_seeds(CLUBS - 2)
    games = season()
    one, other = CLUBS - 2, CLUBS - 1
    day = next(g.day for g in games if one in (g.home, g.away) and {g.home, g.away} != {one, other})
    swapped = [
        g._replace(home={one: other, other: one}.get(g.home, g.home), away={one: other, other: one}.get(g.away, g.away))
        if g.day == day
        else g
        for g in games
    ]
    store = loaded(told_by("ours", OURS, games))
    found = store.take(told_by("theirs", names, swapped))
    assert {alias.name for alias in found.held} == {names[one], names[other]}
    assert found.held[0].proposals[0] in {f"norway:{OURS[one].lower()}", f"norway:{OURS[other].lower()}"}


@pytest.mark.parametrize(("wrong", "held"), [(1, False), (2, True)])
def test_one_result_in_twenty_may_differ_between_settled_opponents(wrong: int, held: bool) -> None:
    clubs = 12
    ours, last = WORDS[:clubs], clubs - 1
    names = (*ours[:-1], WORDS[clubs])
    games = season(clubs)
    mine = [i for i, game in enumerate(games) if last in (game.home, game.away)][:wrong]
    told = [game._replace(goals=(9, 9)) if i in mine else game for i, game in enumerate(games)]
    store = loaded(told_by("ours", ours, games))
    assert bool(store.take(told_by("theirs", names, told)).held) is held


def test_the_other_side_is_another_match() -> None:
    names = with_seeds(CLUBS - 1)
    last = CLUBS - 1
    turned = [g._replace(home=g.away, away=g.home) if last in (g.home, g.away) else g for g in season()]
    store = loaded(told_by("ours", OURS, season()))
    assert [alias.name for alias in store.take(told_by("theirs", names, turned)).held] == [names[last]]


def test_an_equal_spelling_that_plays_other_matches_is_not_that_club() -> None:
    games = season()
    told = [
        g._replace(home=(g.home + 1) % CLUBS, away=(g.away + 1) % CLUBS) if {4, 5} & {g.home, g.away} else g
        for g in games
    ]
    store = loaded(told_by("ours", OURS, games))
    turned = (*OURS[1:], OURS[0])  # each name at its neighbour's matches
    found = store.take(told_by("theirs", turned, games))
    assert found.recognised == []
    assert store.groups() == one_club_each(theirs=turned)
    assert told != games


def test_a_second_name_of_a_club_is_held_with_the_club_as_proposal() -> None:
    """One name of a source a club; a source that renames a club is asked about."""
    names = with_seeds(CLUBS - 1)
    store = loaded(told_by("ours", OURS, season()), told_by("theirs", names, season()))
    later = [game._replace(day=game.day + timedelta(days=400)) for game in season(seed=2)]
    store.take(told_by("ours", OURS, later))
    found = store.take(told_by("theirs", (*names[:-1], "Zeppelin"), later))
    (held,) = found.held
    assert (held.name, held.proposals) == ("Zeppelin", (f"norway:{OURS[-1].lower()}",))


def test_a_club_that_no_other_source_tells_is_new_once_theirs_all_have_names() -> None:
    ours = season(CLUBS)
    store = loaded(told_by("ours", OURS, ours), told_by("theirs", OURS, ours))
    friendly = [Game(0, CLUBS, date(2024, 12, 1), (1, 0))]
    found = store.take(told_by("theirs", (*OURS, "Zeppelin"), friendly))
    assert [team.name for team in found.new_teams] == ["Zeppelin"]


def test_two_sources_in_one_load_are_compared_too() -> None:
    store = loaded([*told_by("ours", OURS, season()), *told_by("theirs", THEIRS, season())])
    assert store.groups() == one_club_each()


def test_a_second_name_of_an_opponent_does_not_leave_a_club_open() -> None:
    """Of a club's 22 matches one is against a name that is not settled, since its club has another name."""
    clubs = 12
    ours, games = WORDS[:clubs], season(clubs)
    names = (ours[0], "Zeppelin", *ours[2:])
    told = told_by("theirs", names, games)
    second = next(i for i, game in enumerate(games) if (game.home, game.away) == (0, 1))
    told[second] = told[second]._replace(home_team="Yggdrasil")
    store = loaded(told_by("ours", ours, games))
    found = store.take(told)
    assert [alias.name for alias in found.held] == ["Yggdrasil"]
    assert store.named()["theirs", "Zeppelin"] == f"norway:{ours[1].lower()}"


def test_matches_that_wait_are_evidence_for_the_next_load() -> None:
    names = with_seeds(2)
    days = sorted({game.day for game in season()})
    store = loaded(told_by("ours", OURS, season()))
    held = []
    for day in days:
        found = store.take(told_by("theirs", names, [game for game in season() if game.day == day]))
        held.append(len(found.held))
    assert held[0] == CLUBS - 2
    assert held[-1] == 0
    store.take(told_by("theirs", names, season()))
    assert store.waiting == {}
    assert store.groups() == one_club_each(theirs=names)


@st.composite
def orders(draw: st.DrawFn) -> tuple[tuple[str, ...], list[list[SourceMatch]], list[list[SourceMatch]]]:
    """Their names; both seasons whole, ours first; and the same rows in parts, in any order."""
    clubs = draw(st.sampled_from([4, 6]))
    same = draw(st.integers(0, clubs))
    names = (*OURS[:same], *THEIRS[same:clubs])
    games = season(clubs, draw(st.integers(0, 50)))
    apart = draw(st.lists(st.sampled_from([-1, 0, 0, 1]), min_size=len(games), max_size=len(games)))
    ours = told_by("ours", OURS, games)
    theirs = told_by(
        "theirs", names, (g._replace(day=g.day + timedelta(days=d)) for g, d in zip(games, apart, strict=True))
    )
    parts = []
    for rows in (ours, theirs):
        cuts = sorted(draw(st.lists(st.integers(0, len(rows)), max_size=4)))
        shuffled = draw(st.permutations(rows)) if draw(st.booleans()) else rows
        parts += [list(shuffled[a:b]) for a, b in zip([0, *cuts], [*cuts, len(rows)], strict=True) if a < b]
    return names, [ours, theirs], draw(st.permutations(parts))


@settings(max_examples=60)
@given(orders())
def test_clubs_are_the_same_whatever_is_loaded_first_in_parts_or_whole(
    told: tuple[tuple[str, ...], list[list[SourceMatch]], list[list[SourceMatch]]],
) -> None:
    """What was held back is loaded again, as the reports ask; a name that is settled stays."""
    names, whole, parts = told
    expected = loaded(*whole)
    store = MemoryStore()
    for _ in range(4):
        for part in parts:
            before = store.named()
            store.take(part)
            assert store.named().items() >= before.items()
    assert store.groups() == expected.groups()
    truth = {frozenset({("ours", one), ("theirs", other)}) for one, other in zip(OURS, names, strict=False)}
    assert {frozenset(group) for group in store.groups()} <= truth | {frozenset({one}) for t in truth for one in t}


def years_ago(old: str) -> Sequence[str]:
    """Our names, the last of them in place of the first."""
    return (*OURS[1:], old)


def told_apart() -> MemoryStore:
    """Both sources tell one league; of earlier years each tells a club that the other has no name for."""
    store = loaded(told_by("ours", OURS, season()), told_by("theirs", OURS, season()))
    for source, old, years in (("ours", "Quarz", 5), ("theirs", "Rhabarber", 8)):
        games = [game._replace(day=game.day - timedelta(days=years * 365)) for game in season()]
        store.take(told_by(source, years_ago(old), games), NewTeams.CREATE)
    assert {"norway:quarz", "norway:rhabarber"} <= set(store.teams)
    return store


def by_day(games: Sequence[Game]) -> list[list[Game]]:
    return [[game for game in games if game.day == day] for day in sorted({game.day for game in games})]


NEXT = [game._replace(day=game.day + timedelta(days=400)) for game in season(seed=3)]


@pytest.mark.parametrize("sources", [("ours", "theirs"), ("theirs", "ours")])
@pytest.mark.parametrize("promoted", [("Zeppelin", "Zeppelin"), ("Zeppelin", "Yggdrasil")])
def test_a_promoted_club_does_not_wait_for_ever_beside_clubs_of_years_ago(
    sources: tuple[str, str], promoted: tuple[str, str]
) -> None:
    """Both sources tell its matches, and on its days the clubs of years ago did not play."""
    store = told_apart()
    names = {source: (*OURS[:-1], name) for source, name in zip(sources, promoted, strict=True)}
    held = []
    for games in by_day(NEXT):
        found = [store.take(told_by(source, names[source], games, hour=15)) for source in sources]
        held.append(sum(len(resolution.held) for resolution in found))
    assert (held[0], held[-1]) == (2, 0)
    (club,) = {store.named()[source, names[source][-1]] for source in sources}
    assert club in {"norway:zeppelin", "norway:yggdrasil"}


def test_a_promoted_club_waits_while_the_other_source_tells_nothing_of_its_days() -> None:
    """It may be a club of years ago that is back, by another name than the other source's."""
    store = told_apart()
    back = (*OURS[:-1], "Zeppelin")
    for games in by_day(NEXT):
        held = store.take(told_by("theirs", back, games, hour=15)).held
        assert [alias.name for alias in held] == ["Zeppelin"]
    store.take(told_by("ours", (*OURS[:-1], "Quarz"), NEXT))
    store.take(told_by("theirs", back, NEXT, hour=15))
    assert store.named()["theirs", "Zeppelin"] == "norway:quarz"


def test_a_club_that_is_back_is_not_made_anew_while_its_matches_wait() -> None:
    """Of the other source too: it writes most of the names anew, so that its rows wait."""
    store = told_apart()
    back = (*OURS[:-1], "Zeppelin")
    anew = (*WORDS[2 * CLUBS : 2 * CLUBS + 3], *OURS[3:-1], "Quarz")
    for games in by_day(NEXT):
        store.take(told_by("ours", anew, games))
        store.take(told_by("theirs", back, games, hour=15))
        assert store.named().get(("theirs", "Zeppelin"), "norway:quarz") == "norway:quarz"


def test_a_club_that_only_one_source_tells_is_made_once_the_other_told_its_days() -> None:
    store = told_apart()
    names = (*OURS[:-1], "Zeppelin")
    last = CLUBS - 1
    for games in by_day(NEXT):
        store.take(told_by("ours", names, [game for game in games if last not in (game.home, game.away)]))
        found = store.take(told_by("theirs", names, games, hour=15))
    assert found.held == []
    assert store.named()["theirs", "Zeppelin"] == "norway:zeppelin"
