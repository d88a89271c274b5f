"""Which club a name means."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from matchcast.adapters.sources.aliases import committed_aliases
from matchcast.domain.match import SourceMatch
from matchcast.ports import AliasStatus, TeamAlias, TeamRecord
from matchcast.usecases.resolution import NewTeams, Resolution
from matchcast.usecases.teams import resolve_teams
from tests.contract.matches import NOW, fixture

CLUBS = ["Racing Avellaneda", "Boca Juniors", "Independiente", "Estudiantes L.P."]
TEAMS = [TeamRecord(f"argentina:club-{i}", name, "argentina") for i, name in enumerate(CLUBS)]
ALIASES = [TeamAlias("old", t.country, t.name, t.team_id, AliasStatus.CONFIRMED, (), NOW) for t in TEAMS]


def pairs(*names: tuple[str, str], source: str = "new", season: int = 2024, day: int = 1) -> list[SourceMatch]:
    """Matches of one day."""
    kickoff = datetime(season, 9, day, tzinfo=UTC)
    return [
        fixture(
            home, away, source=source, tournament="argentina:primera-division", season=season, kickoff_at=kickoff
        ).told
        for home, away in names
    ]


def resolve(rows: Sequence[SourceMatch], **changes: Any) -> Resolution:
    known: dict[str, Any] = {"teams": TEAMS, "aliases": ALIASES, "committed": [], "now": NOW}
    return resolve_teams(rows, **(known | changes))


def ids(resolution: Resolution) -> list[tuple[str, str]]:
    return [(row.home_team, row.away_team) for row in resolution.rows]


def test_a_settled_name_stays_settled() -> None:
    settled = TeamAlias("new", "argentina", "Boca Juniors", "argentina:club-2", AliasStatus.CONFIRMED, (), NOW)
    resolution = resolve(pairs(("Boca Juniors", "Racing Avellaneda")), aliases=[*ALIASES, settled])
    assert ids(resolution) == [("argentina:club-2", "argentina:club-0")]


def test_an_equal_spelling_is_recognised_and_listed() -> None:
    resolution = resolve(pairs(("CA Boca Juniors", "INDEPENDIENTE"), ("Racing Avellaneda FC", "Independiente!")))
    assert ("argentina:club-0", "argentina:club-2") in ids(resolution)
    assert {alias.name for alias in resolution.recognised} == {
        "INDEPENDIENTE",
        "Independiente!",
        "Racing Avellaneda FC",
    }
    assert set(resolution.recognised) <= set(resolution.aliases)


def test_a_similar_name_is_held_back_with_proposals_and_the_way_to_decide() -> None:
    resolution = resolve(pairs(("Estudiantes", "Boca Juniors")))
    assert resolution.rows == []
    (held,) = resolution.held
    assert (held.status, held.team_id, held.proposals) == (AliasStatus.REVIEW, None, ("argentina:club-3",))
    assert 'matchcast teams alias new argentina "Estudiantes" TEAM_ID' in resolution.refused[0].reason


def test_a_typo_beside_the_right_name_is_held_back() -> None:
    """Both names stand in one season of one file, but never on one day: perhaps one club."""
    rows = pairs(("Boca Juniors", "Independiente"), day=1) + pairs(("Boca Junors", "Racing Avellaneda"), day=8)
    resolution = resolve(rows)
    assert [alias.name for alias in resolution.held] == ["Boca Junors"]
    assert resolution.new_teams == []
    assert "club-1" in resolution.refused[0].reason


def test_two_names_that_play_on_one_day_are_two_clubs() -> None:
    rows = pairs(("Estudiantes", "Estudiantes L.P."), ("Estudiantes L.P.", "Boca Juniors"))
    resolution = resolve(rows)
    assert resolution.held == []
    assert resolution.new_teams == [TeamRecord("argentina:estudiantes", "Estudiantes", "argentina")]
    assert ids(resolution)[0] == ("argentina:estudiantes", "argentina:club-3")


def test_a_name_like_no_other_is_a_new_club() -> None:
    resolution = resolve(pairs(("Tigre", "Boca Juniors")))
    assert resolution.new_teams == [TeamRecord("argentina:tigre", "Tigre", "argentina")]


@pytest.mark.parametrize(("policy", "loaded"), [(NewTeams.CREATE, 2), (NewTeams.REVIEW, 0), (NewTeams.PROPOSE, 1)])
def test_the_policy_decides_on_unknown_names(policy: NewTeams, loaded: int) -> None:
    rows = pairs(("Estudiantes", "Boca Juniors"), ("Tigre", "Boca Juniors"))
    assert len(resolve(rows, policy=policy).rows) == loaded


def test_the_first_load_of_a_country_makes_clubs_and_lists_look_alikes() -> None:
    rows = pairs(("Velez", "Colon Santa FE"), season=2023) + pairs(
        ("Velez", "Colon Santa Fe."), ("Velez Sarsfield", "X")
    )
    resolution = resolve(rows, teams=[], aliases=[])
    assert len(resolution.rows) == 3
    assert [team.team_id for team in resolution.new_teams] == [
        "argentina:colon-santa-fe",
        "argentina:velez",
        "argentina:velez-sarsfield",
        "argentina:x",
    ]
    assert resolution.look_alikes == []
    apart = resolve(pairs(("Velez", "A")) + pairs(("Velez Sarsfield", "A"), season=2020), teams=[], aliases=[])
    assert [(pair.one, pair.other) for pair in apart.look_alikes] == [("argentina:velez", "argentina:velez-sarsfield")]


def test_a_committed_name_gives_the_id_whichever_source_comes_first() -> None:
    committed = committed_aliases()
    for source, home, away in (
        ("football-data", "Man United", "Nott'm Forest"),
        ("openfootball", "Manchester United FC", "Nottingham Forest FC"),
        ("demo", "Manchester United", "Nottingham Forest"),
    ):
        row = fixture(home, away, source=source).told
        resolution = resolve_teams([row], [], [], committed, now=NOW)
        assert ids(resolution) == [("england:manchester-united", "england:nottingham-forest")]
        assert {team.name for team in resolution.new_teams} == {"Manchester United", "Nottingham Forest"}


def test_wimbledon_and_its_successor_are_two_clubs() -> None:
    rows = [fixture("Wimbledon", "Arsenal", season=1999).told, fixture("AFC Wimbledon", "Everton", season=2012).told]
    resolution = resolve_teams(rows, [], [], committed_aliases(), now=NOW)
    assert {row.home_team for row in resolution.rows} == {"england:wimbledon", "england:afc-wimbledon"}


def test_a_source_that_adds_fc_in_some_rows_means_the_same_club() -> None:
    rows = [fixture("Stoke City", "Arsenal").told, fixture("Arsenal", "Stoke City FC").told]
    resolution = resolve_teams(rows, [], [], committed_aliases(), now=NOW)
    assert ids(resolution) == [("england:stoke-city", "england:arsenal"), ("england:arsenal", "england:stoke-city")]


def test_a_second_name_of_one_source_is_not_taken_for_the_first_by_tokens_alone() -> None:
    """Extremadura and Extremadura UD were two clubs; a source that has one name for a club means another by another."""
    aliases = [TeamAlias("new", "argentina", "Boca Juniors", "argentina:club-1", AliasStatus.CONFIRMED, (), NOW)]
    resolution = resolve(pairs(("UD Boca Juniors", "Independiente")), aliases=aliases)
    assert [alias.name for alias in resolution.held] == ["UD Boca Juniors"]


def test_a_held_name_is_stored_once() -> None:
    first = resolve(pairs(("Estudiantes", "Boca Juniors")))
    again = resolve(pairs(("Estudiantes", "Boca Juniors")), aliases=[*ALIASES, *first.aliases])
    assert again.held == first.held
    assert again.aliases == []


def test_names_are_settled_alike_whatever_the_order_of_rows() -> None:
    rows = pairs(("Estudiantes", "Boca Juniors"), ("Tigre", "CA Independiente"), ("Racing Avellaneda", "Tigre"))
    one, other = resolve(rows), resolve(rows[::-1])
    assert (one.new_teams, one.held) == (other.new_teams, other.held)
    assert ids(one) == ids(other)[::-1]
