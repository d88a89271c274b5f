"""What a forecast is asked for by, now or later."""

from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from matchcast.domain.forecast import Pairing
from matchcast.web.instants import KickoffField

Name = Annotated[str, Field(min_length=1, max_length=200)]
PAIRING_EXAMPLE: Final[JsonDict] = {
    "home_team": "Arsenal",
    "away_team": "Chelsea",
    "tournament": "Premier League",
    "kickoff_at": "2025-08-16T14:00:00Z",
}
_PAIRING: Final = tuple(PAIRING_EXAMPLE)


class ForecastRequest(BaseModel):
    """`match_id` of a known fixture, or two clubs, tournament and kick-off."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        str_strip_whitespace=True,
        json_schema_extra={"examples": [PAIRING_EXAMPLE, {"match_id": 5312459872401}]},
    )

    match_id: Annotated[int, Field(strict=True, ge=0, lt=2**53)] | None = None
    home_team: Name | None = None
    away_team: Name | None = None
    tournament: Name | None = None
    kickoff_at: Annotated[
        KickoffField | None, Field(description="an instant, or the day (UTC) where the time is not known")
    ] = None
    season: Annotated[int, Field(strict=True, ge=1870, le=2200)] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        given = [name for name in (*_PAIRING, "season") if getattr(self, name) is not None]
        if self.match_id is not None and given:
            raise ValueError(f"match_id says it all: leave out {', '.join(given)}")
        lacking = [name for name in _PAIRING if name not in given]
        if self.match_id is None and lacking:
            raise ValueError(
                f"give match_id, or home_team, away_team, tournament and kickoff_at; add {', '.join(lacking)}"
            )
        return self

    def asked(self) -> int | Pairing:
        """As the use case takes it."""
        if self.match_id is not None:
            return self.match_id
        assert self.home_team and self.away_team and self.tournament and self.kickoff_at
        at, known = self.kickoff_at
        return Pairing(self.home_team, self.away_team, self.tournament, at, self.season, known)
