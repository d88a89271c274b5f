"""What is stored of sources' tournaments that we do not know by their codes."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, delete, exists, insert, select, update

from matchcast.adapters.database.tables import matches, tournament_aliases, waiting_matches
from matchcast.ports.tournaments import TournamentAlias, TournamentProposal, TournamentStatus


def read_tournament_aliases(connection: Connection) -> Sequence[TournamentAlias]:
    """All of them, by source and code."""
    order = (tournament_aliases.c.source, tournament_aliases.c.code)
    found = [TournamentAlias._make(row) for row in connection.execute(select(tournament_aliases).order_by(*order))]
    return [
        alias._replace(
            status=TournamentStatus(alias.status),
            proposals=tuple(TournamentProposal(*proposal) for proposal in alias.proposals),
        )
        for alias in found
    ]


def put_tournament_aliases(connection: Connection, aliases: Iterable[TournamentAlias]) -> None:
    """Write these in place of what is stored of them, and put their waiting matches right."""
    for alias in aliases:
        same = (tournament_aliases.c.source == alias.source) & (tournament_aliases.c.code == alias.code)
        connection.execute(delete(tournament_aliases).where(same))
        row = alias._asdict() | {"status": alias.status.value, "proposals": [list(p) for p in alias.proposals]}
        connection.execute(insert(tournament_aliases), row)
        waiting = (waiting_matches.c.source == alias.source) & (waiting_matches.c.tournament == alias.told_as)
        if alias.status is TournamentStatus.SETTLED:
            connection.execute(update(waiting_matches).where(waiting).values(tournament=alias.tournament_id))
        elif alias.status is TournamentStatus.IGNORED:
            connection.execute(delete(waiting_matches).where(waiting))


def source_tells(connection: Connection, source: str, tournament: str) -> bool:
    """A match of this tournament is stored as this source's."""
    told = exists().where(matches.c.source == source, matches.c.tournament_id == tournament)
    return bool(connection.execute(select(told)).scalar())
