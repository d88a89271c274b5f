"""What clubs are called besides their usual name."""

from collections.abc import Mapping, Sequence

from matchcast.ports import TeamAlias, TeamRecord


def other_names(teams: Sequence[TeamRecord], aliases: Sequence[TeamAlias]) -> Mapping[str, Sequence[str]]:
    """The settled names of each club, sorted, without its usual one."""
    names: dict[str, set[str]] = {team.team_id: set() for team in teams}
    for alias in aliases:
        if alias.team_id is not None:
            names[alias.team_id].add(alias.name)
    return {team.team_id: sorted(names[team.team_id] - {team.name}) for team in teams}
