"""What a forecast is asked for by, now or later."""

from typing import Annotated, Any, ClassVar, Final

from msgspec import Meta, Struct

from matchcast.domain.forecast import Pairing
from matchcast.errors import BadInput
from matchcast.fields import MatchId, Name
from matchcast.web.instants import InstantText, Kickoff, parse_kickoff

Season = Annotated[int, Meta(ge=1870, le=2200)]
PAIRING_EXAMPLE: Final = {
    "home_team": "Arsenal",
    "away_team": "Chelsea",
    "tournament": "Premier League",
    "kickoff_at": "2025-08-16T14:00:00Z",
}
_PAIRING: Final = tuple(PAIRING_EXAMPLE)


class ForecastRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`match_id` of a known fixture, or two clubs, tournament and kick-off (an instant, or the day in UTC where the time is
    not known)."""

    EXAMPLES: ClassVar[tuple[dict[str, Any], ...]] = (PAIRING_EXAMPLE, {"match_id": 5312459872401})

    match_id: MatchId | None = None
    home_team: Name | None = None
    away_team: Name | None = None
    tournament: Name | None = None
    kickoff_at: InstantText | None = None
    season: Annotated[Season | None, Meta(description="calendar year in which it starts")] = None

    def __post_init__(self) -> None:
        if self.match_id is not None:
            given = [name for name in (*_PAIRING, "season") if getattr(self, name) is not None]
            if given:
                raise BadInput(f"match_id: says it all; leave out {', '.join(given)}", "match_id")
            return
        lacking = [name for name in _PAIRING if getattr(self, name) is None]
        if lacking:
            raise BadInput(
                f"body: give match_id, or home_team, away_team, tournament and kickoff_at; add {', '.join(lacking)}",
                "body",
            )
        blank = next((name for name in _PAIRING if not getattr(self, name).strip()), None)
        if blank is not None:
            raise BadInput(f"{blank}: is blank; give a name", blank)
        self._kickoff()

    def asked(self) -> int | Pairing:
        """As the use case takes it."""
        if self.match_id is not None:
            return self.match_id
        assert self.home_team and self.away_team and self.tournament
        at, known = self._kickoff()
        return Pairing(self.home_team.strip(), self.away_team.strip(), self.tournament.strip(), at, self.season, known)

    def _kickoff(self) -> Kickoff:
        assert self.kickoff_at is not None
        try:
            return parse_kickoff(self.kickoff_at.strip())
        except ValueError as error:
            raise BadInput(f"kickoff_at: {error}", "kickoff_at") from error
